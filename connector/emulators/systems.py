"""The emulated systems by the name of their adapter: CRMs that take updates, and sites that only tell."""

from __future__ import annotations

from typing import Final

from connector.emulators.amis.crm import AmisCrm
from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bownow.crm import BowNowCrm
from connector.emulators.cocoar.site import CocoarSite
from connector.emulators.engine.emulator import Crm, SiteEmulator
from connector.emulators.generic.crm import GenericCrm
from connector.emulators.hubspot.crm import HubSpotCrm
from connector.emulators.jira.crm import JiraCrm
from connector.emulators.kintone.crm import KintoneCrm
from connector.emulators.matomo.site import MatomoSite
from connector.emulators.odoo.crm import OdooCrm
from connector.emulators.pipedrive.crm import PipedriveCrm
from connector.emulators.posthog.site import PostHogSite
from connector.emulators.rudderstack.site import RudderStackSite
from connector.emulators.salesforce.crm import SalesforceCrm
from connector.emulators.segment.site import SegmentSite
from connector.emulators.tracker.site import TrackerSite
from connector.emulators.zoho.crm import ZohoCrm

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
CRMS: Final = {emulator.NAME: emulator for emulator in _CRMS}
_SITES: Final[tuple[type[SiteEmulator], ...]] = (
    CocoarSite,
    MatomoSite,
    PostHogSite,
    RudderStackSite,
    SegmentSite,
    TrackerSite,
)
SITES: Final = {emulator.NAME: emulator for emulator in _SITES}
WITHOUT: Final[dict[str, str]] = {
    "xinnet": "its leads have no persons in charge: connector/emulators/xinnet/crm.py, played by tests/flow/systems/",
    "youyi": "it only takes new leads: connector/emulators/youyi/crm.py, played by tests/flow/systems/",
    "standard": "anything may speak it: tests/flow/senders.py and tests/flow/receiver.py play both ends",
}
"""Systems without an emulator of their own, and why."""
