"""The settings of a connection to Bitrix24: by an incoming webhook, or by an application with OAuth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.bitrix24.client import PAGE
from connector.adapter_kit.contract import RATE_SETTING, Setting

SETTINGS: Final[Mapping[str, Setting]] = {
    "webhook_url": Setting(
        description="Incoming webhook (scopes crm, user_basic): https://<portal>/rest/<user id>/<secret>/",
        is_secret=True,
        is_dictated=True,
    ),
    "application_tokens": Setting(
        description="Tokens of the outgoing webhooks, one for each; empty: their deliveries are refused",
        is_secret=True,
        is_dictated=True,
    ),
    "robot_token": Setting(
        description="What robots, and an application's events, add to the address as ?token=…; empty: they are refused",
        is_secret=True,
    ),
    "client_id": Setting(description="OAuth: the application's client_id; empty: the webhook is used", default=""),
    "client_secret": Setting(description="OAuth: the application's client_secret", is_secret=True, is_dictated=True),
    "refresh_token": Setting(
        description="OAuth: the refresh token of an administrator", is_secret=True, is_dictated=True
    ),
    "portal_url": Setting(description="OAuth: the portal's address, https://<portal>", default=""),
    "oauth_server": Setting(description="OAuth: the server that renews tokens", default="https://oauth.bitrix.info"),
    "offline_events": Setting(description="OAuth: find deletions by the portal's offline queue", default=False),
    "member_id": Setting(description="The portal's member_id; empty: not compared", default=""),
    "objects": Setting(
        description="What is read: lead, deal, contact, smart_invoice, and smart processes by entityTypeId",
        default=("lead", "deal"),
    ),
    "contacts": Setting(
        description="Whose e-mails and phones find a deal's subject: all contacts or the first", default="first"
    ),
    "read_by": Setting(description="list: 50 records a command; get: one record a command", default="list"),
    "rate": RATE_SETTING,
    "batch": Setting(description="Commands per batch request, at most 50", default=PAGE),
}
