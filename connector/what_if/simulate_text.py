"""The result of `connector simulate` for people: each subject with what was decided, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.core.rules import Template
from connector.i18n.statuses import labels_in


def as_text(rows: Sequence[Mapping[str, Any]], template: Template) -> str:
    """The rows of `simulate` as lines of text; times are in UTC."""
    labels = labels_in("en", template.statuses)
    decisions: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if "rule" in row:
            decisions.setdefault(row["subject"], []).append(row)
    return "".join(
        f"{line}\n"
        for row in rows
        if "rule" not in row
        for line in _subject(row, decisions.get(row["subject"], []), labels)
    )


def _subject(
    end: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]], labels: Mapping[str, str]
) -> Iterator[str]:
    name = end["subject"]
    yield name if name.isprintable() and name else repr(name)
    for row in decisions:
        yield f"  {row['at']}  {row['rule']}: {_decision(row, labels)}"
    tags = f", tags {', '.join(end['tags'])}" if end["tags"] else ""
    due = f"next due on {end['due']}" if end["due"] else "nothing due"
    yield f"  = {end['kind']}, {labels[end['status']]} since {end['since']}{tags}; {due}"


def _decision(row: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    is_move = row["from"] != row["to"]
    parts = [f"{labels[row['from']]} → {labels[row['to']]}" if is_move else f"stays {labels[row['to']]}"]
    if row["skipped"]:
        parts.append(f"skips {', '.join(labels[status] for status in row['skipped'])}")
    if row["notify"]:
        parts.append(f"writes to {', '.join(row['notify'])}")
    if row["reason"]:
        parts.append(row["reason"].replace("_", " "))
    return "; ".join(parts)
