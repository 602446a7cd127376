"""A mapping beside the system's catalogue: what is mapped and gone, and what is there and not mapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connector.adapter_kit.contract import Catalog
from connector.core.mapping import MappingRules, PushRule
from connector.mapping.field_types import Typed


class FindingKind(StrEnum):
    """What does not fit: `…_gone` is mapped and not there any more, `…_unmapped` is there and has no entry."""

    STAGE_GONE = "stage_gone"
    STAGE_UNMAPPED = "stage_unmapped"
    FIELD_GONE = "field_gone"
    OWNER_GONE = "owner_gone"
    OWNER_UNMAPPED = "owner_unmapped"


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Finding:
    """One thing that does not fit. `place`: where it stands or belongs in the mapping; `label`: the system's name."""

    kind: FindingKind
    place: str
    label: str = ""

    def __str__(self) -> str:
        name = f" ({self.label})" if self.label else ""
        return f"{self.place}{name}: {_SAID[self.kind]}"


_SAID: Final[Mapping[FindingKind, str]] = {
    FindingKind.STAGE_GONE: "the mapping has this stage, the system does not have it any more",
    FindingKind.STAGE_UNMAPPED: "the system has this stage, the mapping has no entry for it",
    FindingKind.FIELD_GONE: "the mapping names this field, the system does not have it",
    FindingKind.OWNER_GONE: "the owner's table has this person, the system does not have them any more",
    FindingKind.OWNER_UNMAPPED: "the system has this person, the owner's table has no entry for them",
}


def check_stages(rules: MappingRules, catalog: Catalog) -> tuple[Finding, ...]:
    """What does not fit, sorted. Of what the catalogue does not list at all (no stage, field or owner) nothing is said.

    Stages of objects that the mapping leaves out are left out; so are persons when owners are matched by e-mail.
    """
    found = [*_stages(rules, catalog), *_pushed(rules, catalog), *_read(rules, catalog), *_owners(rules, catalog)]
    return tuple(sorted(set(found)))


def _stages(rules: MappingRules, catalog: Catalog) -> Iterator[Finding]:
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
            yield Finding(kind=FindingKind.STAGE_GONE, place=_place(name, pipeline, stage))
        for pipeline, stage in there.keys() - mapped:
            label = there[pipeline, stage]
            yield Finding(kind=FindingKind.STAGE_UNMAPPED, place=_place(name, pipeline, stage), label=label)


def _place(name: str, pipeline: str, stage: str) -> str:
    return " / ".join(("stages", name, *([f"pipeline {pipeline}"] if pipeline else []), stage))


def _pushed(rules: MappingRules, catalog: Catalog) -> Iterator[Finding]:
    for name, rule in rules.push.items():
        there = catalog.fields.get(name)
        for field in _fields_of(rule) if there else ():
            if there is not None and field not in there:
                yield Finding(kind=FindingKind.FIELD_GONE, place=f"push / {name} / {field}")


def _fields_of(rule: PushRule) -> set[str]:
    by_status = {field for fields in rule.status.values() for field in fields}
    return by_status | set(rule.fields) | ({rule.owner} if rule.owner else set())


def _read(rules: MappingRules, catalog: Catalog) -> Iterator[Finding]:
    """Fields that are read: gone when no object has them, since data of several objects may meet in one event."""
    there = {field for fields in catalog.fields.values() for field in fields}
    for rule in rules.fields if there else ():
        names = rule.read.source.names if isinstance(rule.read, Typed) else ()
        for name in names:
            if name not in there:
                yield Finding(kind=FindingKind.FIELD_GONE, place=f"fields / {rule.name} / {name}")


def _owners(rules: MappingRules, catalog: Catalog) -> Iterator[Finding]:
    table = rules.owner.table if rules.owner else None
    if table is None or not catalog.owners:
        return
    active = {person.id: person for person in catalog.owners if person.is_active}
    for gone in table.keys() - active.keys():
        yield Finding(kind=FindingKind.OWNER_GONE, place=f"owner / table / {gone}", label=table[gone])
    for new in active.keys() - table.keys():
        yield Finding(kind=FindingKind.OWNER_UNMAPPED, place=f"owner / table / {new}", label=active[new].name)
