"""The employees, funnels, stages and custom fields of the emulated company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from connector.emulators.bitrix24.fields import Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One row of a stage directory; `semantics` is P (in progress), S (success) or F (failure)."""

    id: int
    status_id: str
    name: str
    semantics: str = "P"
    extra: str = "process"
    color: str = "#2FC6F6"
    is_system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """A deal pipeline."""

    id: int
    name: str
    sort: int


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An employee; one who left stays in the directory as inactive."""

    id: int
    name: str
    last_name: str
    email: str
    is_active: bool = True


def _directory(first_id: int, prefix: str, *rows: tuple[str, str, str, str]) -> tuple[Stage, ...]:
    return tuple(
        Stage(
            id=first_id + 2 * place,
            status_id=prefix + status_id,
            name=name,
            semantics={"success": "S", "failure": "F", "apology": "F"}.get(extra, "P"),
            extra=extra,
            color=color,
            is_system=status_id in {"NEW", "CONVERTED", "JUNK", "WON", "LOSE"},
        )
        for place, (status_id, name, extra, color) in enumerate(rows)
    )


STAGES: Final[Mapping[str, tuple[Stage, ...]]] = {
    "STATUS": _directory(
        101,
        "",
        ("NEW", "Unprocessed", "process", "#39A8EF"),
        ("IN_PROCESS", "In progress", "process", "#2FC6F6"),
        ("PROCESSED", "Processed", "process", "#55D0E0"),
        ("CONVERTED", "Good lead", "success", "#7BD500"),
        ("JUNK", "Junk lead", "failure", "#FF5752"),
    ),
    "DEAL_STAGE": _directory(
        301,
        "",
        ("NEW", "New", "process", "#39A8EF"),
        ("PREPARATION", "Documents", "process", "#2FC6F6"),
        ("EXECUTING", "In work", "process", "#47E4C2"),
        ("FINAL_INVOICE", "Final invoice", "process", "#FFA900"),
        ("WON", "Deal won", "success", "#7BD500"),
        ("LOSE", "Deal lost", "failure", "#FF5752"),
    ),
    "DEAL_STAGE_5": _directory(
        411,
        "C5:",
        ("NEW", "New", "process", "#39A8EF"),
        ("PREPARATION", "Qualified", "process", "#2FC6F6"),
        ("UC_4QJ7TM", "Business case", "process", "#55D0E0"),
        ("EXECUTING", "Negotiation", "process", "#47E4C2"),
        ("WON", "Deal won", "success", "#7BD500"),
        ("LOSE", "Deal lost", "failure", "#FF5752"),
        ("APOLOGY", "Lost: review reasons", "apology", "#FF5752"),
    ),
}
"""Directory (`ENTITY_ID`) → its stages in order."""

FUNNELS: Final = (Funnel(id=0, name="General", sort=300), Funnel(id=5, name="Annual licences", sort=200))

USERS: Final = (
    User(id=1, name="Integration", last_name="Webhook", email="integration@example.com"),
    User(id=3, name="Aiko", last_name="Tanaka", email="aiko.tanaka@example.com"),
    User(id=11, name="Linh", last_name="Nguyen", email="linh.nguyen@example.com"),
    User(id=14, name="Marek", last_name="Dvorak", email="marek.dvorak@example.com"),
    User(id=17, name="Olga", last_name="Former", email="olga.former@example.com", is_active=False),
)
"""User 1 owns the incoming webhook; people's changes are made by the others; user 17 was dismissed."""

CUSTOM_FIELDS: Final[Mapping[Entity, Mapping[str, str]]] = {
    Entity.LEAD: {"UF_CRM_ABM_STATUS": "string", "UF_CRM_ABM_SINCE": "string", "UF_CRM_1769000412": "string"},
    Entity.DEAL: {"UF_CRM_ABM_STATUS": "string", "UF_CRM_ABM_SINCE": "string", "UF_CRM_1769000999": "string"},
    Entity.CONTACT: {"UF_CRM_ABM_STATUS": "string"},
}
"""Custom fields by original name → type (`string`, `integer`, `double`, `date`, `datetime`)."""


def directory_of(entity: Entity, category: int) -> str | None:
    """The stage directory of an object, `DEAL_STAGE_5` for a deal of funnel 5; None: it has no stages."""
    if entity is Entity.LEAD:
        return "STATUS"
    if entity is Entity.DEAL:
        return f"DEAL_STAGE_{category}" if category else "DEAL_STAGE"
    return None
