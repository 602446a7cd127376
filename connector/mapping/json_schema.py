"""What the schema of mapping files is written out as: JSON Schema for editors, and the README's table of keys.

`python -m connector.mapping.json_schema schema` prints `mappings/schema.json`; with `keys` in place of `schema` it
prints the README that it is given, with its table as it should be now.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from marshmallow.fields import Field

from connector.core.mapping import IGNORE
from connector.core.status import STATUSES
from connector.mapping.schema import mapping_section
from connector.mapping.table_fields import (
    MOST_COUNTED,
    Goals,
    Headings,
    Section,
    SeriesOf,
    Short,
    Stages,
    StatusWord,
    TableOf,
)
from connector.mapping.value_fields import Choice, Compiled, Country, Flag, Plain, Reading, Shaped, Text

Json = dict[str, Any]
_TEXT: Final[Json] = {"type": ["string", "integer"]}
"""Whole numbers may stand without quotes."""


def document() -> str:
    """The JSON Schema (draft 2020-12) of a mapping file, made from the schema that checks it.

    It knows the template's statuses; a workspace's own, and labels and aliases, pass as any other text.
    """
    top = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping of a connection",
        "description": "How the other system's stages, events, fields and persons in charge become ours, and back.",
    }
    return json.dumps(top | _schema_of(mapping_section(STATUSES)), indent=2, ensure_ascii=False) + "\n"


def _schema_of(field: Any) -> Json:
    schema = next(write(field) for kind, write in _WRITE.items() if isinstance(field, kind))
    return schema | _about(field)


def _about(field: Reading[Any]) -> Json:
    about = field.metadata
    if "meaning" not in about:
        return {}
    return {"description": f"{about['meaning']}\n\nExample: {about['example']}"}


def _section(field: Section) -> Json:
    inner = field.schema.fields
    needed = [name for name, key in inner.items() if key.metadata["needed"]]
    return {
        "type": "object",
        "properties": {name: _schema_of(key) for name, key in inner.items()},
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
    }


def _table(field: TableOf[Any, Any]) -> Json:
    keys = _schema_of(field.keys)
    names = {} if keys == _TEXT else {"propertyNames": {key: value for key, value in keys.items() if key != "type"}}
    return {"type": "object", "additionalProperties": _schema_of(field.values), "maxProperties": field.most, **names}


def _series(field: SeriesOf[Any]) -> Json:
    return {"type": "array", "items": _schema_of(field.values), "maxItems": field.most}


def _short(field: Short) -> Json:
    return {"anyOf": [_TEXT, _schema_of(field.section)]}


def _stages(field: Stages) -> Json:
    stages = _schema_of(field.stages)
    return {"anyOf": [stages, {"type": "object", "additionalProperties": stages}]}


def _goals(field: Goals) -> Json:
    counted = {"type": "array", "items": _schema_of(field.counted), "minItems": 2, "maxItems": MOST_COUNTED}
    return {"anyOf": [_schema_of(field.one), counted]}


def _headings(field: Headings) -> Json:
    heading = _schema_of(field.heading)
    return {"anyOf": [heading, {"type": "array", "items": heading}]}


def _status(field: StatusWord) -> Json:
    words = [word for word in field.allowed if word != IGNORE]
    return {"anyOf": [{"enum": [*words, *([IGNORE] if field.may_ignore else [])]}, {"type": "string"}]}


def _choice(field: Choice[Any]) -> Json:
    return {"enum": list(field.words)}


def _shaped(field: Shaped) -> Json:
    return {"type": "string", "pattern": f"^{field.shape.pattern}$"}


_WRITE: Final[Mapping[type[Any], Callable[[Any], Json]]] = {
    Section: _section,
    TableOf: _table,
    SeriesOf: _series,
    Short: _short,
    Stages: _stages,
    Goals: _goals,
    Headings: _headings,
    StatusWord: _status,
    Choice: _choice,
    Flag: lambda _: {"type": "boolean"},
    Plain: lambda _: {},
    Compiled: lambda _: {"type": "string"},
    Shaped: _shaped,
    Country: lambda _: {"type": "string", "pattern": "^[A-Z]{2}$"},
    Text: lambda _: dict(_TEXT),
}
"""A class before those that it is made of."""


BEGIN: Final = "<!-- The table of keys is generated: begin -->\n"
END: Final = "<!-- The table of keys is generated: end -->\n"


def with_key_table(readme: str) -> str:
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
    sys.stdout.write(with_key_table(sys.stdin.read()) if sys.argv[1] == "keys" else document())
