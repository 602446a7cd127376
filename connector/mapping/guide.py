"""The table of all keys in `mappings/README.md`: `python -m connector.mapping.guide` renews what it is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from marshmallow.fields import Field

from connector.core.status import STATUSES
from connector.mapping.schema import mapping_section
from connector.mapping.table_fields import Section, SeriesOf, Short, TableOf

BEGIN: Final = "<!-- The table of keys is generated: begin -->\n"
END: Final = "<!-- The table of keys is generated: end -->\n"


def refreshed(readme: str) -> str:
    """The README with its table as the schema has it now; raises `ValueError` when its two marks are missing."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{key_table()}{END}{after}"


def key_table() -> str:
    """A Markdown table: key, meaning, example."""
    rows = [
        f"| `{key}`{' (needed)' if needed else ''} | {meaning} | `{example}` |"
        for key, meaning, example, needed in keys_of(mapping_section(STATUSES))
    ]
    return "\n".join(["| Key | What it means | Example |", "|---|---|---|", *rows, ""])


def keys_of(section: Section, prefix: str = "") -> Iterator[tuple[str, str, str, bool]]:
    """Each key with its meaning, an example and whether it is needed; `…` stands for a name of their own."""
    for name, field in section.schema.fields.items():
        about = field.metadata
        yield f"{prefix}{name}", about["meaning"], about["example"], about["needed"]
        inner, place = _inner(field)
        if inner is not None:
            yield from keys_of(inner, f"{prefix}{name}{place}.")


def _inner(field: Field[Any]) -> tuple[Section | None, str]:
    if isinstance(field, TableOf):
        return _inner(field.values)[0], ".…"
    if isinstance(field, SeriesOf):
        return _inner(field.values)[0], "[]"
    if isinstance(field, Short):
        return field.section, ""
    return (field, "") if isinstance(field, Section) else (None, "")


if __name__ == "__main__":
    sys.stdout.write(refreshed(sys.stdin.read()))
