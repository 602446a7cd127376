"""COCOAR: the augmented-reality application of Cloud CIRCUS tells that somebody came in by a content of it.

https://faq.bow-now.jp/hc/ja/articles/4408342790041 names the action. A webhook of the application is not published:
every key, header and proof here is a setting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final

from adapters.cocoar.webhook import Keys, Reading, events_in, is_dated, parts_of
from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Api, Delivery, InspectionResult, Received, Reply, Setting
from connector.adapter_kit.payload import Part
from connector.adapter_kit.signatures import check_hmac, check_token
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Action, Event

BEARER: Final = "Bearer "
PROOFS: Final = ("token", "hmac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cocoar:
    """A connection to one application, or to whatever tells of its visitors."""

    NAME: ClassVar[str] = "cocoar"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "secret": Setting(
            description="The token of the header, or the key of the HMAC", is_secret=True, is_required=True
        ),
        "proof": Setting(description="How a delivery proves itself: token or hmac", default="token"),
        "token_header": Setting(description="Header with the token, also as `Bearer …`", default="X-Cocoar-Token"),
        "signature_header": Setting(
            description="Header with the HMAC-SHA256 of the body in hex", default="X-Cocoar-Signature"
        ),
        "signature_prefix": Setting(description="What stands before the HMAC, such as sha256=", default=""),
        "list_key": Setting(description="Key of a list of inflows; a bare list is taken too", default="events"),
        "visitor_key": Setting(description="Key of the visitor's id", default="visitor_id"),
        "email_key": Setting(description="Key of the visitor's e-mail, where it is known", default="email"),
        "content_key": Setting(description="Key of the content that was opened", default="content_id"),
        "time_key": Setting(description="Key of the time: ISO 8601 or unix seconds", default="time"),
        "id_key": Setting(description="Key of the inflow's own id, by which a repetition is known", default="id"),
        "page_key": Setting(description="Key of the page that it led to", default="url"),
        "zone": Setting(description="Time zone of times that are written without one", default="Asia/Tokyo"),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset({"application/json", "application/x-www-form-urlencoded"})
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"token", "secret", "signature"})
    RATE: ClassVar[tuple[int, int]] = (10, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = frozenset({Action.COCOAR_INFLOW.value})

    secret: tuple[str, ...] = field(default=(), repr=False)
    proof: str = "token"
    token_header: str = "X-Cocoar-Token"  # noqa: S105 - a header's name
    signature_header: str = "X-Cocoar-Signature"
    signature_prefix: str = ""
    list_key: str = "events"
    visitor_key: str = "visitor_id"
    email_key: str = "email"
    content_key: str = "content_id"
    time_key: str = "time"
    id_key: str = "id"
    page_key: str = "url"
    zone: str = "Asia/Tokyo"
    rate: int = 0

    takes_updates = property(defaults.takes_updates)
    greet = defaults.greet

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Checks the token in the header or the HMAC of the body, as the setting `proof` says."""
        del now
        if self.proof == "hmac":
            given = delivery.headers.get(self.signature_header.lower())
            check_hmac(given, delivery.body, self.secret, prefix=self.signature_prefix)
        elif self.proof == "token":
            check_token(delivery.headers.get(self.token_header.lower(), "").removeprefix(BEARER), self.secret)
        else:
            message = f"the connection's setting proof is {self.proof!r}; it must be token or hmac"
            raise BadSignature(message)

    def receive(self, delivery: Delivery) -> Received:
        """The key is the hash of the body, with the time of receipt where an inflow has neither an id nor a time.

        The lane is the first visitor. The answer is 202 with the number of inflows.
        """
        parts = parts_of(delivery.body, self.list_key)
        digest = hashlib.sha256(delivery.body).hexdigest()
        keys = self._keys()
        is_own = all(is_dated(part, keys) for part in parts)
        return Received(
            key=digest if is_own else f"{digest}:{delivery.received_at.isoformat()}",
            lane=self._first_visitor(parts),
            reply=Reply(status=202, body=b'{"accepted": %d}' % len(parts)),
        )

    fetch = defaults.fetch

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        """An action `cocoar_inflow` for each inflow, and the visitor's identity where the e-mail is given."""
        del fetched
        reading = Reading(keys=self._keys(), zone=self.zone, received_at=delivery.received_at)
        found: list[Event | BadPayload] = []
        for part in parts_of(delivery.body, self.list_key):
            try:
                found += events_in(part, reading)
            except BadPayload as error:
                found.append(error)
        return found

    changes = defaults.changes
    push = defaults.push
    catalog = defaults.catalog

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """What is to be set up by hand: the application cannot be asked for anything."""
        del api
        header = self.signature_header if self.proof == "hmac" else self.token_header
        text = f"COCOAR cannot be asked: let it send each inflow to {url} with the header {header} ({self.proof})"
        is_good = bool(self.secret) and self.proof in PROOFS
        return [InspectionResult(topic="webhooks", is_good=is_good, text=text)]

    subscribe = defaults.subscribe

    def mistakes(self) -> list[str]:
        """What cannot be used."""
        return [] if self.proof in PROOFS else [f"proof is {self.proof!r}; it must be {' or '.join(PROOFS)}"]

    def _first_visitor(self, parts: Sequence[Part]) -> str:
        try:
            return f"visitor:{next(iter(parts))[self.visitor_key].identifier()}"
        except (BadPayload, StopIteration):
            return ""

    def _keys(self) -> Keys:
        return Keys(
            visitor=self.visitor_key,
            email=self.email_key,
            content=self.content_key,
            time=self.time_key,
            id=self.id_key,
            page=self.page_key,
        )
