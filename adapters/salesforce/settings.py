"""The settings of a connection to Salesforce, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.salesforce.client import version_of
from adapters.salesforce.records import FIELDS
from connector.adapter_kit.contract import RATE_SETTING, Setting
from connector.adapter_kit.settings import check_settings, is_safe_origin

SETTINGS: Final[Mapping[str, Setting]] = {
    "url": Setting(description="https://<My Domain>.my.salesforce.com", is_required=True, default=""),
    "client_id": Setting(description="Consumer key of the external client app", is_required=True, default=""),
    "client_secret": Setting(
        description="Consumer secret of the app", is_secret=True, is_dictated=True, is_required=True
    ),
    "token": Setting(
        description="What deliveries carry as ?token=… or in a header; empty: all are refused", is_secret=True
    ),
    "token_header": Setting(description="Header with the token, for callouts", default="X-Connector-Token"),
    "organization_id": Setting(description="The organization (00D…); empty: not compared", default=""),
    "objects": Setting(description="What is read: Lead, Opportunity, Contact", default=("Lead", "Opportunity")),
    "more_fields": Setting(description="Further fields to read, such as Lead.Budget__c", default=()),
    "contacts": Setting(description="Whose e-mails find an opportunity's subject: primary or all", default="primary"),
    "history": Setting(description="Are leads' Status and Owner in the history: auto (ask), yes, no", default="auto"),
    "version": Setting(description="Version of the REST API", default="66.0"),
    "rate": RATE_SETTING,
}


def check(
    *,
    url: str,
    has_credentials: bool,
    objects: tuple[str, ...],
    more_fields: tuple[str, ...],
    contacts: str,
    history: str,
    version: str,
) -> None:
    """Raises `CrmRefused` that names every setting that cannot be used, with what is allowed."""
    checks = {
        "url (https://<My Domain>.my.salesforce.com)": is_safe_origin(url),
        "client_id and client_secret (of the external client app)": has_credentials,
        f"objects ({', '.join(FIELDS)})": bool(objects) and set(objects) <= set(FIELDS),
        "more_fields (Object.Field, such as Lead.Budget__c)": all(map(_is_field, more_fields)),
        "contacts (primary or all)": contacts in {"primary", "all"},
        "history (auto, yes or no)": history in {"auto", "yes", "no"},
        "version (such as 66.0)": version_of(version) is not None,
    }
    check_settings(checks)


def _is_field(name: str) -> bool:
    record_object, _, field = name.partition(".")
    return record_object in FIELDS and field.isascii() and all(part.isidentifier() for part in field.split("."))
