"""Our own tracker: what the script of `/tracker.js` posts from the pages of sites to `/collect/<connection>`.

docs/adapters/tracker.md shows the body, and what its proof is worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.tracker.connect import look
from adapters.tracker.webhook import TYPES, Batch, Reading, read_batch, read_event
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Api, Delivery, InspectionResult, Received, Reply, Setting
from connector.adapter_kit.payload import Part
from connector.adapter_kit.signatures import check_token
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Event

BOTS: Final = (
    *("bot", "crawl", "spider", "slurp", "headless", "lighthouse", "pagespeed", "preview", "facebookexternalhit"),
    *("phantom", "selenium", "puppeteer", "playwright", "monitor", "pingdom", "uptime", "curl/", "wget", "python-"),
    *("go-http-client", "java/", "okhttp", "axios", "node-fetch", "libwww", "httpclient", "scan"),
)
"""Words in the User-Agent of what is nobody, in any case; a browser always sends a User-Agent."""
_SIGNALS: Final = {"gpc": "sec-gpc", "dnt": "dnt"}
"""The headers by which browsers say that their user does not want to be tracked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """The sites that one script tag stands on."""

    NAME: ClassVar[str] = "tracker"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "sites": Setting(
            description="Origins of the pages, such as https://www.example.com; without any everything is refused",
            is_required=True,
            default=(),
        ),
        "site_keys": Setting(
            description="Public keys of the script tag (data-key), any words; without any everything is refused",
            is_required=True,
            default=(),
        ),
        "identity_secret": Setting(
            description="Signs the tokens that say who a visitor is, 24 characters or more; empty: all are refused",
            is_secret=True,
        ),
        "email_marks": Setting(description="Parameters of an address that mean: from a mail", default=EMAIL_MARKS),
        "cocoar_marks": Setting(description="Parameters that mean: from COCOAR", default=COCOAR_MARKS),
        "signals": Setting(
            description="Signals of browsers that are obeyed: gpc (Global Privacy Control), dnt (Do Not Track)",
            default=("gpc",),
        ),
        "bots": Setting(description="Words in the User-Agent of bots, which are not stored", default=BOTS),
        "per_minute": Setting(
            description="Deliveries of a site a minute at most, in each process of the web server", default=3000
        ),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"text/plain", "application/json"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset()
    RATE: ClassVar[tuple[int, int]] = (1, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = frozenset(TYPES)

    sites: tuple[str, ...] = ()
    site_keys: tuple[str, ...] = ()
    identity_secret: tuple[str, ...] = field(default=(), repr=False)
    email_marks: tuple[str, ...] = EMAIL_MARKS
    cocoar_marks: tuple[str, ...] = COCOAR_MARKS
    signals: tuple[str, ...] = ("gpc",)
    bots: tuple[str, ...] = BOTS
    per_minute: int = 3000
    rate: int = 0

    takes_updates = property(defaults.takes_updates)

    def allows_origin(self, origin: str) -> bool:
        """Whether the origin is one of `sites`."""
        return origin.casefold() in self._origins()

    def wants(self, delivery: Delivery) -> bool:
        """False for bots, and for visitors whose browser gives a signal that is obeyed."""
        agent = delivery.headers.get("user-agent", "").casefold()
        if not agent or any(word.casefold() in agent for word in self.bots if word):
            return False
        obeyed = [_SIGNALS.get(word.strip().casefold(), "") for word in self.signals]
        return not any(delivery.headers.get(name, "").strip() == "1" for name in obeyed)

    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the page's origin and the public key in the address.

        They show that a browser came from there, and no more.
        """
        del now
        if not self._origins():
            message = "no sites are configured"
            raise BadSignature(message)
        check_token(delivery.parameter("key"), self.site_keys)
        if not self.allows_origin(origin := delivery.headers.get("origin", "")):
            message = f"the page's origin {origin[:100]!r} is none of the connection's `sites`"
            raise BadSignature(message)

    def receive(self, delivery: Delivery) -> Received:
        """The key is visitor and batch, which are the same whenever the script sends the batch again.

        The lane is the visitor. The answer is 204: a page reads nothing.
        """
        batch = read_batch(delivery)
        return Received(key=f"{batch.visitor}:{batch.id}", lane=f"visitor:{batch.visitor}", reply=Reply(status=204))

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """An action for each event of the visitor's. Only a token gives an identity."""
        del fetched
        batch = read_batch(delivery)
        reading = Reading(
            sites=self._origins(),
            email_marks=self.email_marks,
            cocoar_marks=self.cocoar_marks,
            identity_secret=self.identity_secret,
        )
        return [_event(part, batch, reading) for part in batch.events]

    changes = defaults.changes
    push = defaults.push
    catalog = defaults.catalog

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Whether sites, keys and secret can be used, and the tag to put into the pages. Nothing is asked."""
        del api
        return look(self._origins(), self.site_keys, self.identity_secret, url)

    subscribe = defaults.subscribe

    def _origins(self) -> tuple[str, ...]:
        return tuple(site.strip().rstrip("/").casefold() for site in self.sites if site.strip())


def _event(part: Part, batch: Batch, reading: Reading) -> Event | BadPayload:
    try:
        return read_event(part, batch, reading)
    except BadPayload as error:
        return error
