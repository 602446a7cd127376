"""The owners, pipelines and properties of the emulated HubSpot account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """One who may be in charge; one who left is archived."""

    id: str
    user_id: int
    email: str
    first_name: str
    last_name: str
    is_archived: bool = False


OWNERS: Final = (
    Owner(id="61844207", user_id=70311845, email="dana.ruiz@example.com", first_name="Dana", last_name="Ruiz"),
    Owner(id="61844311", user_id=70312990, email="noor.haddad@example.com", first_name="Noor", last_name="Haddad"),
    Owner(id="60990012", user_id=69880017, email="former@example.com", first_name="", last_name="", is_archived=True),
)
LIFECYCLE: Final = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
LEAD_STATUS: Final = (
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
)
PIPELINES: Final[Mapping[str, Mapping[str, str]]] = {
    "default": {
        "appointmentscheduled": "0.2",
        "qualifiedtobuy": "0.4",
        "presentationscheduled": "0.6",
        "decisionmakerboughtin": "0.8",
        "contractsent": "0.9",
        "closedwon": "1.0",
        "closedlost": "0.0",
    },
    "81230044": {"150112001": "0.2", "150112002": "1.0", "150112003": "0.0"},
}
"""Pipeline → stage → its probability, a text as HubSpot writes it."""
CUSTOM: Final = ("abm_status", "abm_since")
PROPERTIES: Final[Mapping[str, tuple[str, ...]]] = {
    "contacts": (
        "email",
        "hs_additional_emails",
        "firstname",
        "lastname",
        "phone",
        "mobilephone",
        "company",
        "jobtitle",
        "lifecyclestage",
        "hs_lead_status",
        "hubspot_owner_id",
        "hs_merged_object_ids",
        "lastmodifieddate",
        *CUSTOM,
    ),
    "deals": (
        "dealname",
        "amount",
        "closedate",
        "dealstage",
        "pipeline",
        "hubspot_owner_id",
        "hs_merged_object_ids",
        "hs_lastmodifieddate",
        *CUSTOM,
    ),
}
OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "lifecyclestage": LIFECYCLE,
    "hs_lead_status": LEAD_STATUS,
    "dealstage": tuple(stage for stages in PIPELINES.values() for stage in stages),
    "pipeline": tuple(PIPELINES),
    "hubspot_owner_id": tuple(owner.id for owner in OWNERS if not owner.is_archived),
}
"""Property → the values that it takes, besides the empty one."""


def owner_row(owner: Owner) -> dict[str, object]:
    """An owner as the REST interface shows it."""
    return {
        "id": owner.id,
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": None if owner.is_archived else owner.user_id,
        "userIdIncludingInactive": owner.user_id,
        "archived": owner.is_archived,
    }


def pipeline_row(pipeline: str) -> dict[str, object]:
    """A pipeline as the REST interface shows it; metadata are texts."""
    stages = [
        {
            "id": stage,
            "label": stage.capitalize(),
            "displayOrder": place,
            "metadata": {"probability": share, "isClosed": str(share in {"0.0", "1.0"}).lower()},
        }
        for place, (stage, share) in enumerate(PIPELINES[pipeline].items())
    ]
    return {"id": pipeline, "label": pipeline.capitalize(), "displayOrder": 0, "stages": stages}


def property_row(name: str) -> dict[str, object]:
    """A property as the REST interface shows it."""
    options = [{"value": value, "label": value.capitalize(), "displayOrder": 0} for value in OPTIONS.get(name, ())]
    return {"name": name, "label": name.replace("_", " ").capitalize(), "options": options}
