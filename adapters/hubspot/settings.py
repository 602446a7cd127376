"""The settings of a HubSpot connection, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from adapters.hubspot.client import OBJECTS
from adapters.hubspot.records import CONTACT_STAGES
from connector.adapter_kit.contract import RATE_SETTING, Setting
from connector.core.errors import CrmRefused

SETTINGS: Final[Mapping[str, Setting]] = {
    "client_secret": Setting(
        description="The app's client secret, which signs what comes in", is_secret=True, is_required=True
    ),
    "access_token": Setting(description="The app's access token; the newest is used", is_secret=True),
    "refresh_token": Setting(description="In place of access_token: the OAuth app's refresh token", is_secret=True),
    "client_id": Setting(description="The OAuth app's client id, beside refresh_token", default=""),
    "webhook_url": Setting(
        description="The public address that HubSpot calls, to the letter; without it only v1 can be checked",
        default="",
    ),
    "portal_id": Setting(description="The account's id: events of others are ignored; empty: all are read", default=""),
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
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check(objects: Collection[str], contact_stage: str, contacts: str, api_url: str) -> None:
    """Raises `CrmRefused` that names every setting that cannot be used, with what is allowed."""
    parts = urlsplit(api_url)
    checks = {
        "objects (contact, deal)": set(objects) <= set(OBJECTS),
        f"contact_stage ({' or '.join(CONTACT_STAGES)})": contact_stage in CONTACT_STAGES,
        "contacts (all or first)": contacts in {"all", "first"},
        "api_url (https://api.hubapi.com)": parts.scheme == "https" or parts.hostname in _LOOPBACK,
    }
    if wrong := [name for name, is_right in checks.items() if not is_right]:
        message = f"the connection's settings cannot be used: {'; '.join(wrong)}"
        raise CrmRefused(message)
