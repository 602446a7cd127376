"""Matomo: sends no webhooks; its visits log is asked for, and what visitors did is read out of their visits.

https://developer.matomo.org/api-reference/reporting-api (Live.getLastVisitsDetails)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from adapters.matomo.read import Log
from adapters.matomo.records import Shape
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Api, InspectionResult, Setting
from connector.adapter_kit.settings import check_settings
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload
from connector.core.event import Event

EMAIL_CAMPAIGNS: Final = ("email", "e-mail", "newsletter")
COCOAR_CAMPAIGNS: Final = ("cocoar",)
PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Matomo:
    """One Matomo, and those of its web sites that are asked for."""

    NAME: ClassVar[str] = "matomo"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "url": Setting(
            description="The address of Matomo, such as https://matomo.example.com/", is_required=True, default=""
        ),
        "token": Setting(
            description="An auth token (token_auth) of a user with view access; the newest is used",
            is_secret=True,
            is_dictated=True,
            is_required=True,
        ),
        "sites": Setting(description="The ids of the web sites that are asked for", default=("1",)),
        "email_marks": Setting(description="Parameters of an address that mean: from a mail", default=EMAIL_MARKS),
        "cocoar_marks": Setting(description="Parameters that mean: from COCOAR", default=COCOAR_MARKS),
        "email_campaigns": Setting(
            description="Campaigns whose visits come from a mail, as Matomo names them", default=EMAIL_CAMPAIGNS
        ),
        "cocoar_campaigns": Setting(description="Campaigns whose visits come from COCOAR", default=COCOAR_CAMPAIGNS),
        "batch": Setting(description="Visits in one answer, 1 to 500; lower it when answers take long", default=PAGE),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token_auth"})
    RATE: ClassVar[tuple[int, int]] = (2, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = frozenset()

    url: str = ""
    token: tuple[str, ...] = field(default=(), repr=False)
    sites: tuple[str, ...] = ("1",)
    email_marks: tuple[str, ...] = EMAIL_MARKS
    cocoar_marks: tuple[str, ...] = COCOAR_MARKS
    email_campaigns: tuple[str, ...] = EMAIL_CAMPAIGNS
    cocoar_campaigns: tuple[str, ...] = COCOAR_CAMPAIGNS
    batch: int = PAGE
    rate: int = 0

    takes_updates = property(defaults.takes_updates)
    greet = defaults.greet

    verify = defaults.verify
    receive = defaults.receive
    fetch = defaults.fetch
    parse = defaults.parse

    def changes(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        """All actions of the visits whose last action is not before `since`; a visit that goes on comes again."""
        shape = Shape(
            email_marks=self.email_marks,
            cocoar_marks=self.cocoar_marks,
            email_campaigns=self.email_campaigns,
            cocoar_campaigns=self.cocoar_campaigns,
        )
        log = self._source(api)
        for site in self._sites():
            for visit in log.visits(site, since):
                yield from shape.events(visit, site)

    push = defaults.push
    catalog = defaults.catalog

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether the token is good, and whether the visits log of each site can be read."""
        del url
        return self._source(api).inspect(self._sites())

    subscribe = defaults.subscribe
    mistakes = defaults.mistakes

    def _sites(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(site).strip() for site in self.sites))

    def _source(self, api: Api) -> Log:
        """Raises `CrmRefused` when a setting cannot be used."""
        checks = {
            "url (https://…)": self.url.startswith(("https://", "http://")),
            "token (it is missing)": any(self.token),
            "sites (numbers)": bool(self.sites) and all(site.isdecimal() for site in self._sites()),
            "batch (1 to 500)": self.batch in range(1, 501),
        }
        check_settings(checks)
        return Log(api=api, url=self.url, token=self.token[0], size=self.batch)
