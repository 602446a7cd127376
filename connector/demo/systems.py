"""The emulated systems by the name of their adapter: CRMs that take updates, and sites that only tell."""

from __future__ import annotations

from typing import Final

from connector.demo.amis import AmisCrm
from connector.demo.bitrix24 import Bitrix24Crm
from connector.demo.bownow import BowNowCrm
from connector.demo.cocoar import CocoarSite
from connector.demo.emulator import Crm, SiteEmulator
from connector.demo.generic import GenericCrm
from connector.demo.hubspot import HubSpotCrm
from connector.demo.jira import JiraCrm
from connector.demo.kintone import KintoneCrm
from connector.demo.matomo import MatomoSite
from connector.demo.odoo import OdooCrm
from connector.demo.pipedrive import PipedriveCrm
from connector.demo.posthog import PostHogSite
from connector.demo.rudderstack import RudderStackSite
from connector.demo.salesforce import SalesforceCrm
from connector.demo.segment import SegmentSite
from connector.demo.tracker import TrackerSite
from connector.demo.zoho import ZohoCrm

_CRMS: Final[tuple[type[Crm], ...]] = (
    AmisCrm,
    Bitrix24Crm,
    BowNowCrm,
    GenericCrm,
    HubSpotCrm,
    JiraCrm,
    KintoneCrm,
    OdooCrm,
    PipedriveCrm,
    SalesforceCrm,
    ZohoCrm,
)
CRMS: Final = {one.NAME: one for one in _CRMS}
_SITES: Final[tuple[type[SiteEmulator], ...]] = (
    CocoarSite,
    MatomoSite,
    PostHogSite,
    RudderStackSite,
    SegmentSite,
    TrackerSite,
)
SITES: Final = {one.NAME: one for one in _SITES}
WITHOUT: Final[dict[str, str]] = {
    "xinnet": "its leads have no persons in charge: connector/demo/xinnet.py, played by tests/flow/systems/",
    "youyi": "it only takes new leads: connector/demo/youyi.py, played by tests/flow/systems/",
    "standard": "anything may speak it: tests/flow/senders.py and tests/flow/receiver.py play both ends",
}
"""Systems without an emulator of their own, and why."""
