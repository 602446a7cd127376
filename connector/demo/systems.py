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

CRMS: Final[dict[str, type[Crm]]] = {
    AmisCrm.NAME: AmisCrm,
    BowNowCrm.NAME: BowNowCrm,
    Bitrix24Crm.NAME: Bitrix24Crm,
    OdooCrm.NAME: OdooCrm,
    SalesforceCrm.NAME: SalesforceCrm,
    KintoneCrm.NAME: KintoneCrm,
    HubSpotCrm.NAME: HubSpotCrm,
    PipedriveCrm.NAME: PipedriveCrm,
    GenericCrm.NAME: GenericCrm,
    ZohoCrm.NAME: ZohoCrm,
    JiraCrm.NAME: JiraCrm,
}
SITES: Final[dict[str, type[SiteEmulator]]] = {
    CocoarSite.NAME: CocoarSite,
    MatomoSite.NAME: MatomoSite,
    PostHogSite.NAME: PostHogSite,
    RudderStackSite.NAME: RudderStackSite,
    SegmentSite.NAME: SegmentSite,
    TrackerSite.NAME: TrackerSite,
}
WITHOUT: Final[dict[str, str]] = {
    "xinnet": "its leads have no persons in charge: connector/demo/xinnet.py, played by tests/flow/systems/",
    "youyi": "it only takes new leads: connector/demo/youyi.py, played by tests/flow/systems/",
    "standard": "anything may speak it: tests/flow/senders.py and tests/flow/receiver.py play both ends",
}
"""Systems without an emulator of their own, and why."""
