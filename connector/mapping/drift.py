"""A mapping beside the system's catalogue: what is mapped and gone, what is there and not mapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final

from connector.adapter_kit.contract import Catalog
from connector.core.mapping import FieldRule, MappingRules, Policy, PushRule
from connector.mapping.field_types import Typed


class MismatchKind(StrEnum):
    """What does not fit: `…_gone` is mapped and not there any more, `…_unmapped` is there and has no entry."""

    STAGE_GONE = "stage_gone"
    STAGE_UNMAPPED = "stage_unmapped"
    FIELD_GONE = "field_gone"
    FIELD_NEW = "field_new"
    OWNER_GONE = "owner_gone"
    OWNER_UNMAPPED = "owner_unmapped"
    OWNER_WITHOUT_EMAIL = "owner_without_email"


TEXTS: Final[Mapping[MismatchKind, str]] = {
    MismatchKind.STAGE_GONE: "the mapping has this stage, the system does not have it any more",
    MismatchKind.STAGE_UNMAPPED: "the system has this stage, the mapping has no entry for it",
    MismatchKind.FIELD_GONE: "the mapping names this field, the system does not have it",
    MismatchKind.FIELD_NEW: "the system has this field since lately, it is not mapped",
    MismatchKind.OWNER_GONE: "the owner's table has this person, the system does not have them any more",
    MismatchKind.OWNER_UNMAPPED: "the system has this person, the owner's table has no entry for them",
    MismatchKind.OWNER_WITHOUT_EMAIL: "the system has no e-mail of this person, the mapping matches by e-mail",
}
_GONE: Final = frozenset({MismatchKind.STAGE_GONE, MismatchKind.FIELD_GONE, MismatchKind.OWNER_GONE})


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogMismatch:
    """One thing that mapping and system do not both have. `place`: where it stands or belongs in the mapping's file."""

    kind: MismatchKind
    place: str
    text: str
    is_gone: bool = False

    def __str__(self) -> str:
        return self.text


def mismatches(
    rules: MappingRules, catalog: Catalog, earlier: Mapping[str, frozenset[str]] | None = None
) -> tuple[CatalogMismatch, ...]:
    """What does not fit, the gone ones first. What `ignore` is written for is not told as new.

    Of what the catalogue does not list at all (no stage, field or owner) nothing is said; nor of persons who are
    matched by e-mail, but for those who have none. `earlier`: object → the fields that the system had before; of fields
    only those that came since are told as new.
    """
    sought = {*_stages(rules, catalog), *_pushed(rules, catalog), *_read(rules, catalog), *_owners(rules, catalog)}
    found = sorted(sought, key=attrgetter("kind", "place", "text"))
    found += [*_objects(rules, catalog), *_new_fields(rules, catalog, earlier or {}), *_without_email(rules, catalog)]
    return tuple(sorted(found, key=lambda mismatch: not mismatch.is_gone))


def place_in(source: Any, place: str) -> tuple[int, int]:
    """Line and column (from 1) of a place in a file as `source.read` gives it; of as much of it as is there."""
    line, column = 1, 1
    for part in place.split(" / "):
        name = part.removeprefix("pipeline ")
        key = next((key for key in source if key == name), None) if isinstance(source, dict) else None
        if key is None:
            break
        line, column, source = key.line, key.column, source[key]
    return line, column


def _mismatch(kind: MismatchKind, place: str, label: str = "", text: str | None = None) -> CatalogMismatch:
    """`label`: the system's name for the thing. `text`: what is said of it in place of the usual words."""
    name = f" ({label})" if label else ""
    return CatalogMismatch(kind=kind, place=place, text=f"{place}{name}: {text or TEXTS[kind]}", is_gone=kind in _GONE)


def _stages(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    """The stages of the objects that the mapping has."""
    if not catalog.stages:
        return
    for name, pipelines in rules.stages.items():
        mapped = {(pipeline, stage) for pipeline, stages in pipelines.items() for stage in stages}
        there = {
            (pipeline, stage): label
            for pipeline, stages in catalog.stages.get(name, {}).items()
            for stage, label in stages.items()
        }
        for pipeline, stage in mapped - there.keys():
            yield _mismatch(MismatchKind.STAGE_GONE, _place(name, pipeline, stage))
        for pipeline, stage in there.keys() - mapped if rules.unmapped is Policy.HOLD else ():
            yield _mismatch(MismatchKind.STAGE_UNMAPPED, _place(name, pipeline, stage), there[pipeline, stage])


def _place(name: str, pipeline: str, stage: str) -> str:
    return " / ".join(("stages", name, *([f"pipeline {pipeline}"] if pipeline else []), stage))


def _objects(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    """Objects with stages that the mapping leaves out altogether: all their stages would be held."""
    if rules.unmapped is Policy.IGNORE:
        return
    for name, pipelines in catalog.stages.items():
        if name not in rules.stages and (count := sum(map(len, pipelines.values()))):
            text = f"the system has {count} stages of it, the mapping has no entry for any"
            yield _mismatch(MismatchKind.STAGE_UNMAPPED, f"stages / {name}", text=text)


def _pushed(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    for name, rule in rules.push.items():
        there = catalog.fields.get(name)
        for field in _written_by(rule) if there else ():
            if there is not None and field not in there:
                yield _mismatch(MismatchKind.FIELD_GONE, f"push / {name} / {field}")


def _read(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    """Fields that are read: gone when no object has them, since data of several objects may meet in one event."""
    there = {field for fields in catalog.fields.values() for field in fields}
    for rule in rules.fields if there else ():
        for name in _read_by(rule):
            if name not in there:
                yield _mismatch(MismatchKind.FIELD_GONE, f"fields / {rule.name} / {name}")


def _new_fields(
    rules: MappingRules, catalog: Catalog, earlier: Mapping[str, frozenset[str]]
) -> Iterator[CatalogMismatch]:
    mapped = {name for rule in rules.fields for name in _read_by(rule)}
    mapped |= {name for push in rules.push.values() for name in _written_by(push)}
    for name, labels in catalog.fields.items():
        for field, label in labels.items():
            if name in earlier and field not in earlier[name] and field not in mapped:
                yield _mismatch(MismatchKind.FIELD_NEW, f"fields / {name} / {field}", label)


def _read_by(rule: FieldRule) -> tuple[str, ...]:
    return rule.read.source.names if isinstance(rule.read, Typed) else ()


def _written_by(rule: PushRule) -> set[str]:
    by_status = {field for fields in rule.status.values() for field in fields}
    return by_status | set(rule.fields) | ({rule.owner} if rule.owner else set())


def _owners(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    """Persons of an explicit table."""
    rule = rules.owner
    if rule is None or rule.table is None or not catalog.owners:
        return
    active = {person.id: person for person in catalog.owners if person.is_active}
    for gone in rule.table.keys() - active.keys():
        yield _mismatch(MismatchKind.OWNER_GONE, f"owner / table / {gone}", rule.table[gone])
    for new in active.keys() - rule.table.keys() if rule.unknown is Policy.HOLD else ():
        yield _mismatch(MismatchKind.OWNER_UNMAPPED, f"owner / table / {new}", active[new].name)


def _without_email(rules: MappingRules, catalog: Catalog) -> Iterator[CatalogMismatch]:
    """Persons who cannot be matched by e-mail, since they have none: what they own would be held."""
    rule = rules.owner
    if rule is None or rule.table is not None or rule.unknown is Policy.IGNORE:
        return
    for person in catalog.owners:
        if person.is_active and person.email is None:
            yield _mismatch(MismatchKind.OWNER_WITHOUT_EMAIL, f"owner / {person.id}", person.name)
