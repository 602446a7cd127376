"""The adapters, one module per external system; this file holds the only list of them."""

from __future__ import annotations

from typing import Final

from adapters.amis import Amis
from adapters.bitrix24 import Bitrix24
from adapters.bownow import BowNow
from adapters.cocoar import Cocoar
from adapters.generic import Generic
from adapters.hubspot import HubSpot
from adapters.jira import Jira
from adapters.kintone import Kintone
from adapters.matomo import Matomo
from adapters.odoo import Odoo
from adapters.pipedrive import Pipedrive
from adapters.posthog import PostHog
from adapters.rudderstack import RudderStack
from adapters.salesforce import Salesforce
from adapters.segment import Segment
from adapters.standard import Standard
from adapters.tracker import Tracker
from adapters.xinnet import Xinnet
from adapters.youyi import Youyi
from adapters.zoho import Zoho
from connector.adapter_kit.contract import Adapter

ADAPTERS: Final[dict[str, type[Adapter]]] = {
    adapter.NAME: adapter
    for adapter in (
        Amis,
        Bitrix24,
        BowNow,
        Cocoar,
        Generic,
        HubSpot,
        Jira,
        Kintone,
        Matomo,
        Odoo,
        Pipedrive,
        PostHog,
        RudderStack,
        Salesforce,
        Segment,
        Standard,
        Tracker,
        Xinnet,
        Youyi,
        Zoho,
    )
}
