"""What a valid file says → `MappingRules` of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.core.mapping import FieldRule, MappingRules, OwnerRule, PushRule, TriggerRule
from connector.mapping.field_types import typed


def rules_of(loaded: Mapping[str, Any]) -> MappingRules:
    """The rules, from the values that `schema.mapping_section` read."""
    return MappingRules(
        adapter=loaded["adapter"],
        region=loaded["region"],
        backward=loaded["backward"],
        unmapped=loaded["unmapped"],
        stages=loaded["stages"],
        triggers=tuple(_trigger(entry) for entry in loaded["triggers"]),
        actions=loaded["actions"],
        fields=tuple(
            FieldRule(name=name, read=typed(entry["from"], entry["type"], loaded["region"]), conflict=entry["conflict"])
            for name, entry in loaded["fields"].items()
        ),
        owner=None if loaded["owner"] is None else _owner(loaded["owner"]),
        push={name: PushRule(**entry) for name, entry in loaded["push"].items()},
    )


def _trigger(entry: Mapping[str, Any]) -> TriggerRule:
    return TriggerRule(
        id=entry["id"], on=entry["on"], jump_to=entry["jump_to"], when=entry["when"], may_reopen=entry["reopen"]
    )


def _owner(entry: Mapping[str, Any]) -> OwnerRule:
    return OwnerRule(source=entry["from"], table=entry["table"], conflict=entry["conflict"], unknown=entry["unknown"])
