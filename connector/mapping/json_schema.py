"""`mappings/schema.json`, for completion in editors: `python -m connector.mapping.json_schema` prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from connector.core.mapping import IGNORE
from connector.core.status import STATUSES
from connector.mapping.goals import MOST_COUNTED, Goals, StatusWord
from connector.mapping.schema import mapping_section
from connector.mapping.table_fields import Section, SeriesOf, Short, Stages, TableOf
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
    return json.dumps(top | _of(mapping_section(STATUSES)), indent=2, ensure_ascii=False) + "\n"


def _of(field: Any) -> Json:
    made = next(make(field) for kind, make in _MAKE.items() if isinstance(field, kind))
    return made | _about(field)


def _about(field: Reading[Any]) -> Json:
    about = field.metadata
    if "meaning" not in about:
        return {}
    return {"description": f"{about['meaning']}\n\nExample: {about['example']}"}


def _section(field: Section) -> Json:
    inner = field.schema.fields
    needed = [name for name, one in inner.items() if one.metadata["needed"]]
    return {
        "type": "object",
        "properties": {name: _of(one) for name, one in inner.items()},
        "additionalProperties": False,
        **({"required": needed} if needed else {}),
    }


def _table(field: TableOf[Any, Any]) -> Json:
    keys = _of(field.keys)
    names = {} if keys == _TEXT else {"propertyNames": {key: value for key, value in keys.items() if key != "type"}}
    return {"type": "object", "additionalProperties": _of(field.values), "maxProperties": field.most, **names}


def _series(field: SeriesOf[Any]) -> Json:
    return {"type": "array", "items": _of(field.values), "maxItems": field.most}


def _short(field: Short) -> Json:
    return {"anyOf": [_TEXT, _of(field.section)]}


def _stages(field: Stages) -> Json:
    stages = _of(field.stages)
    return {"anyOf": [stages, {"type": "object", "additionalProperties": stages}]}


def _goals(field: Goals) -> Json:
    counted = {"type": "array", "items": _of(field.counted), "minItems": 2, "maxItems": MOST_COUNTED}
    return {"anyOf": [_of(field.one), counted]}


def _status(field: StatusWord) -> Json:
    words = [word for word in field.allowed if word != IGNORE]
    return {"anyOf": [{"enum": [*words, *([IGNORE] if field.may_ignore else [])]}, {"type": "string"}]}


def _choice(field: Choice[Any]) -> Json:
    return {"enum": list(field.words)}


def _shaped(field: Shaped) -> Json:
    return {"type": "string", "pattern": f"^{field.shape.pattern}$"}


_MAKE: Final[Mapping[type[Any], Callable[[Any], Json]]] = {
    Section: _section,
    TableOf: _table,
    SeriesOf: _series,
    Short: _short,
    Stages: _stages,
    Goals: _goals,
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

if __name__ == "__main__":
    sys.stdout.write(document())
