"""The settings of a HubSpot connection, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from adapters.hubspot.client import OBJECTS
from adapters.hubspot.records import CONTACT_STAGES
from connector.adapter_kit.contract import RATE_SETTING, Setting
from connector.adapter_kit.settings import check_settings, is_safe_address

SETTINGS: Final[Mapping[str, Setting]] = {
    "client_secret": Setting(
        description="The app's client secret, which signs what comes in",
        is_secret=True,
        is_dictated=True,
        is_required=True,
    ),
    "access_token": Setting(description="The app's access token; the newest is used", is_secret=True, is_dictated=True),
    "refresh_token": Setting(
        description="In place of access_token: the OAuth app's refresh token", is_secret=True, is_dictated=True
    ),
    "client_id": Setting(description="The OAuth app's client id, beside refresh_token", default=""),
    "webhook_url": Setting(
        description="The public address that HubSpot calls, to the letter; without it only v1 can be checked",
        default="",
    ),
    "portal_id": Setting(description="The account's id: events of others are ignored; empty: all are read", default=""),
    "app_id": Setting(
        description="The id of the app whose token writes, if the webhooks are another app's: it tells our changes",
        default="",
    ),
    "objects": Setting(description="What is read: contact, deal", default=("contact", "deal")),
    "contact_stage": Setting(
        description="The property that is a contact's stage: lifecyclestage or hs_lead_status",
        default="lifecyclestage",
    ),
    "contacts": Setting(
        description="Whose e-mails and phones find a deal's subject: all contacts or the first", default="first"
    ),
    "properties": Setting(description="More properties to be read, for the mapping's fields", default=()),
    "api_version": Setting(description="Version of the REST interface: 2026-09, or v3", default="2026-09"),
    "api_url": Setting(description="Where the REST interface is", default="https://api.hubapi.com"),
    "rate": RATE_SETTING,
}


def check(objects: Collection[str], contact_stage: str, contacts: str, api_url: str) -> None:
    """Raises `CrmRefused` that names every setting that cannot be used, with what is allowed."""
    checks = {
        "objects (contact, deal)": set(objects) <= set(OBJECTS),
        f"contact_stage ({' or '.join(CONTACT_STAGES)})": contact_stage in CONTACT_STAGES,
        "contacts (all or first)": contacts in {"all", "first"},
        "api_url (https://api.hubapi.com)": is_safe_address(api_url),
    }
    check_settings(checks)
