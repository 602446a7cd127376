"""The users, pipelines, stages and fields of the emulated Pipedrive company."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One who may be in charge; one who left is switched off."""

    id: int
    name: str
    email: str
    is_active: bool = True

    def row(self) -> dict[str, Any]:
        """The user as the REST interface shows it."""
        return {"id": self.id, "name": self.name, "email": self.email, "active_flag": self.is_active}


USERS: Final = (
    User(id=18230041, name="Hana Sato", email="hana.sato@example.com"),
    User(id=18230055, name="Ken Mori", email="ken.mori@example.com"),
    User(id=18230007, name="Connector", email="connector@example.com"),
    User(id=18230001, name="Yuki Abe", email="yuki.abe@example.com", is_active=False),
)
BOT: Final = 18230007
"""The user whose API token the connector has."""
PIPELINES: Final[Mapping[int, str]] = {3: "New business", 4: "Renewals"}
STAGES: Final[Mapping[int, tuple[int, str]]] = {
    15: (3, "Qualified"),
    16: (3, "Contact made"),
    17: (3, "Demo scheduled"),
    18: (3, "Proposal made"),
    21: (4, "To renew"),
}
"""Stage → pipeline and name."""
ABM_STATUS: Final = "7d1c2f90b4e85a3366c0d1f7a94e2b8c05f3e6d1"
ABM_SINCE: Final = "19aa03de77c1b54f62e80d9cf4b3a1675e2d8f40"
CUSTOM: Final = (ABM_STATUS, ABM_SINCE)
TIMES: Final = ("stage_change_time", "won_time", "lost_time")
FIELDS: Final[Mapping[str, Mapping[str, type]]] = {
    "deal": {
        "title": str,
        "value": int,
        "status": str,
        "stage_id": int,
        "pipeline_id": int,
        "owner_id": int,
        "person_id": int,
        "lost_reason": str,
        "is_archived": bool,
    },
    "person": {"name": str, "first_name": str, "last_name": str, "owner_id": int, "emails": list, "phones": list},
    "lead": {"title": str, "owner_id": int, "person_id": int, "is_archived": bool, "was_seen": bool},
}
"""Object → field → the type that it takes, and no other."""
STATUSES: Final = frozenset({"open", "won", "lost"})


def field_rows(record_object: str) -> list[dict[str, Any]]:
    """The fields of an object as the REST interface shows them."""
    plain = [{"key": name, "name": name.replace("_", " ").capitalize()} for name in FIELDS[record_object]]
    return [*plain, {"key": ABM_STATUS, "name": "ABM status"}, {"key": ABM_SINCE, "name": "ABM since"}]
