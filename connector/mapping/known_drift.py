"""Compares a mapping with what its system has now and had before: what is gone, what is new and not mapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.contract import Catalog
from connector.core.mapping import MappingRules, Policy
from connector.mapping.drift import Finding, FindingKind, check_stages
from connector.mapping.field_types import Typed

FIELD_NEW: Final = "field_new"
PERSON_WITHOUT_EMAIL: Final = "owner_without_email"
_GONE: Final = frozenset({FindingKind.STAGE_GONE, FindingKind.FIELD_GONE, FindingKind.OWNER_GONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """One thing that mapping and system do not both have. `place`: where it stands or belongs in the mapping's file."""

    kind: str
    place: str
    text: str
    is_gone: bool = False

    def __str__(self) -> str:
        return self.text


def drifted(
    rules: MappingRules, catalog: Catalog, earlier: Mapping[str, frozenset[str]] | None = None
) -> tuple[Drifted, ...]:
    """What does not fit, the gone ones first. What `ignore` is written for is not told as new.

    `earlier`: object → the fields that the system had before; of fields only those that came since are told as new.
    """
    found = [_from(one) for one in check_stages(rules, catalog) if not _is_ignored(one, rules)]
    found += [*_objects(rules, catalog), *_new_fields(rules, catalog, earlier or {}), *_unknown_persons(rules, catalog)]
    return tuple(sorted(found, key=lambda one: not one.is_gone))


def place_in(source: Any, place: str) -> tuple[int, int]:
    """Line and column (from 1) of a place in a file as `mapping_files.source.read` gives it; of as much as is there."""
    line, column = 1, 1
    for part in place.split(" / "):
        name = part.removeprefix("pipeline ")
        key = next((key for key in source if key == name), None) if isinstance(source, dict) else None
        if key is None:
            break
        line, column, source = key.line, key.column, source[key]
    return line, column


def _from(one: Finding) -> Drifted:
    return Drifted(kind=one.kind.value, place=one.place, text=str(one), is_gone=one.kind in _GONE)


def _is_ignored(one: Finding, rules: MappingRules) -> bool:
    if one.kind is FindingKind.STAGE_UNMAPPED:
        return rules.unmapped is Policy.IGNORE
    return one.kind is FindingKind.OWNER_UNMAPPED and rules.owner is not None and rules.owner.unknown is Policy.IGNORE


def _objects(rules: MappingRules, catalog: Catalog) -> Iterator[Drifted]:
    """Objects with stages that the mapping leaves out altogether: all their stages would be held."""
    if rules.unmapped is Policy.IGNORE:
        return
    for of, pipelines in catalog.stages.items():
        if of not in rules.stages and (count := sum(map(len, pipelines.values()))):
            text = f"stages / {of}: the system has {count} stages of it, the mapping has no entry for any"
            yield Drifted(kind=FindingKind.STAGE_UNMAPPED.value, place=f"stages / {of}", text=text)


def _new_fields(rules: MappingRules, catalog: Catalog, earlier: Mapping[str, frozenset[str]]) -> Iterator[Drifted]:
    mapped = set(_mapped(rules))
    for of, labels in catalog.fields.items():
        for name, label in labels.items():
            if of in earlier and name not in earlier[of] and name not in mapped:
                text = f"fields / {of} / {name} ({label}): the system has this field since lately, it is not mapped"
                yield Drifted(kind=FIELD_NEW, place=f"fields / {of} / {name}", text=text)


def _mapped(rules: MappingRules) -> Iterator[str]:
    """The fields of theirs that the mapping reads or writes."""
    for rule in rules.fields:
        if isinstance(rule.read, Typed):
            yield from rule.read.source.names
    for push in rules.push.values():
        yield from push.fields
        yield from (name for values in push.status.values() for name in values)
        if push.owner is not None:
            yield push.owner


def _unknown_persons(rules: MappingRules, catalog: Catalog) -> Iterator[Drifted]:
    """Persons who cannot be matched by e-mail, since they have none: what they own would be held."""
    rule = rules.owner
    if rule is None or rule.table is not None or rule.unknown is Policy.IGNORE:
        return
    for one in catalog.owners:
        if one.is_active and one.email is None:
            text = (
                f"owner / {one.id} ({one.name}): the system has no e-mail of this person, the mapping matches by e-mail"
            )
            yield Drifted(kind=PERSON_WITHOUT_EMAIL, place=f"owner / {one.id}", text=text)
