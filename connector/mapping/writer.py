"""`MappingRules` → YAML: what a form changed is written as a file that reads as the same rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from connector.core.event import Conflict
from connector.core.identity import IDENTIFY_BY
from connector.core.mapping import FieldRule, MappingRules, OwnerRule, PushRule, TriggerRule
from connector.mapping.expressions import Expression
from connector.mapping.field_types import FieldType, Typed
from connector.mapping.schema import COLUMNS
from connector.mapping.source import Word, surprise

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHORT: Final = 60


class _Known(str):
    """A key of the schema, which needs no quotes whatever it is."""

    __slots__ = ()


_ON: Final = _Known("on")


def write_mapping(rules: MappingRules) -> str:
    """The text of a mapping file. The rules must be those of a file: their expressions are written as they stood there.

    Raises `TypeError` for rules whose readers were not made by `parse_mapping`.
    """
    content: dict[str, Any] = {
        "adapter": rules.adapter,
        "region": rules.region,
        "identify_by": None if rules.identify_by == IDENTIFY_BY else [kind.value for kind in rules.identify_by],
        "backward": rules.backward.value,
        "unmapped": rules.unmapped.value,
        "stages": {name: _stages(pipelines) for name, pipelines in rules.stages.items()},
        "triggers": [_trigger(rule) for rule in rules.triggers],
        "actions": rules.actions,
        "fields": {rule.name: _field(rule) for rule in rules.fields},
        "owner": None if rules.owner is None else _owner(rules.owner),
        "push": {name: _push(rule) for name, rule in rules.push.items()},
        "columns": _columns(rules),
    }
    lines = [line for key, value in content.items() if value for line in _entry(key, value, "")]
    return "\n".join(lines) + "\n"


def _stages(pipelines: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return pipelines[""] if list(pipelines) == [""] else pipelines


def _trigger(rule: TriggerRule) -> dict[str, Any]:
    when = {} if rule.when is None else {"when": _expression(rule.when).text}
    reopen = {"reopen": True} if rule.may_reopen else {}
    return {"id": rule.id, _ON: rule.on, **when, "jump_to": rule.jump_to, **reopen}


def _field(rule: FieldRule) -> Any:
    if not isinstance(rule.read, Typed):
        raise TypeError(rule.read)
    kind = {} if rule.read.type is FieldType.STRING else {"type": rule.read.type.value}
    conflict = {} if rule.conflict is Conflict.NEWEST else {"conflict": rule.conflict.value}
    source = rule.read.source.text
    return {"from": source, **kind, **conflict} if kind or conflict else source


def _owner(rule: OwnerRule) -> dict[str, Any]:
    source = {} if rule.source is None else {"from": rule.source}
    match = {"match": "email"} if rule.table is None else {"match": "table", "table": rule.table}
    return {**source, **match, "conflict": rule.conflict.value, "unknown": rule.unknown.value}


def _columns(rules: MappingRules) -> dict[str, Any]:
    written = {what: names[0] if len(names) == 1 else names for what, names in rules.columns.items()}
    whats = {what: names for what, names in written.items() if what in COLUMNS}
    fields = {name: names for name, names in written.items() if name not in COLUMNS}
    values = {**whats, "fields": fields, "date_format": rules.date_format}
    return {key: value for key, value in values.items() if value not in (None, {})}


def _push(rule: PushRule) -> dict[str, Any]:
    fields = {name: _expression(text).text for name, text in rule.fields.items()}
    values = {"status": rule.status, "fields": fields, "owner": rule.owner, "new_leads": rule.new_leads}
    return {key: value for key, value in values.items() if value}


def _expression(value: Any) -> Expression:
    if not isinstance(value, Expression):
        raise TypeError(value)
    return value


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    """One key's lines: short values beside it, long ones below it."""
    start = f"{indent}{_word(key)}:"
    inline = _inline(value)
    if not isinstance(value, Mapping | list) or (indent and len(inline) <= _SHORT):
        yield f"{start} {inline}"
    elif isinstance(value, Mapping):
        yield start
        for name, inner in value.items():
            yield from _entry(name, inner, indent + "  ")
    else:
        yield start
        for inner in value:
            yield f"{indent}- {_inline(inner)}"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(name)}: {_inline(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _word(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    """Without an exponent, which some programs read as a text; a decimal keeps its point."""
    digits = format(Decimal(repr(value)), "f")
    return digits if isinstance(value, int) or "." in digits else f"{digits}.0"


def _word(text: str) -> str:
    """Without quotes where every program reads it alike."""
    is_plain = _PLAIN.fullmatch(text) and surprise(Word(text, 1, 1, is_plain=True)) is None
    if is_plain or isinstance(text, _Known):
        return text
    return f'"{"".join(map(_sign, text))}"'


def _sign(sign: str) -> str:
    if sign in {'"', "\\"}:
        return f"\\{sign}"
    return sign if sign.isprintable() and sign != "\ufeff" else f"\\U{ord(sign):08X}"
