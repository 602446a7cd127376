"""The settings of a connection to Zoho CRM, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.zoho.client import ACCOUNTS, is_address
from adapters.zoho.records import FIELDS
from connector.adapter_kit.contract import RATE_SETTING, Setting
from connector.adapter_kit.settings import check_settings

TRIGGERS: Final = frozenset({"workflow", "approval", "blueprint", "pathfinder", "orchestration"})
YES_NO: Final = frozenset({"yes", "no"})
SETTINGS: Final[Mapping[str, Setting]] = {
    "data_center": Setting(description=f"Where the account is: {', '.join(ACCOUNTS)}", default="com"),
    "client_id": Setting(description="Client id of the API console's client", is_required=True, default=""),
    "client_secret": Setting(description="Its client secret", is_secret=True, is_dictated=True, is_required=True),
    "refresh_token": Setting(
        description="Refresh token with the scopes", is_secret=True, is_dictated=True, is_required=True
    ),
    "token": Setting(
        description="What the connector's channels send back, at most 50 characters; empty: channels are refused",
        is_secret=True,
    ),
    "webhook_secret": Setting(
        description="What workflows' webhooks send as `secret`; empty: they are refused", is_secret=True
    ),
    "webhook_ids": Setting(
        description="Parameters of workflows' webhooks that hold ids, with their modules",
        default=("lead_id:Leads", "deal_id:Deals", "contact_id:Contacts"),
    ),
    "channel_id": Setting(
        description="Number of the first channel; another for each connection", default=1000000067001
    ),
    "modules": Setting(description="What is read: Leads, Deals, Contacts", default=("Leads", "Deals")),
    "more_fields": Setting(description="Further fields to read, such as Leads.Budget", default=()),
    "pipelines": Setting(description="Does the mapping name deals' pipelines: yes or no", default="no"),
    "timeline": Setting(description="Are changes dated by the record's timeline: yes or no", default="yes"),
    "trigger": Setting(
        description="The customer's rules that updates run; empty: none, which breaks loops", default=()
    ),
    "accounts_url": Setting(description="Where tokens come from; empty: by data_center", default=""),
    "api_url": Setting(description="Where calls go, such as a sandbox; empty: as the token's answer says", default=""),
    "rate": RATE_SETTING,
}


def check(
    *,
    data_center: str,
    accounts_url: str,
    api_url: str,
    has_credentials: bool,
    modules: tuple[str, ...],
    more_fields: tuple[str, ...],
    choices: tuple[str, ...],
    trigger: tuple[str, ...],
) -> None:
    """Raises `CrmRefused` that names every setting that cannot be used, with what is allowed."""
    checks = {
        f"data_center ({', '.join(ACCOUNTS)})": data_center in ACCOUNTS,
        "accounts_url (https://accounts.zoho.…)": not accounts_url or is_address(accounts_url),
        "api_url (https://…zohoapis.…)": not api_url or is_address(api_url),
        "client_id, client_secret and refresh_token (of the API console's client)": has_credentials,
        f"modules ({', '.join(FIELDS)})": bool(modules) and set(modules) <= set(FIELDS),
        "more_fields (Module.Field, such as Leads.Budget)": all(map(_is_field, more_fields)),
        "pipelines and timeline (yes or no)": set(choices) <= YES_NO,
        f"trigger ({', '.join(sorted(TRIGGERS))})": set(trigger) <= TRIGGERS,
    }
    check_settings(checks)


def _is_field(name: str) -> bool:
    module, _, field = name.partition(".")
    return module in FIELDS and field.isascii() and field.isidentifier()
