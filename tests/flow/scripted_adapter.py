"""An adapter whose system does what a test says: how it reads, what it takes, what changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from adapters import ADAPTERS
from adapters.standard import Standard
from connector.adapter_kit.contract import (
    EMPTIED_STAGE,
    Api,
    Catalog,
    Delivery,
    InspectionResult,
    Pushed,
    PushOutcome,
    Setting,
    Update,
)
from connector.core.errors import BadPayload
from connector.core.event import Event
from connector.runtime.connections import Connections
from connector.runtime.parts import Runtime
from tests.flow.senders import SECRET, add_connection

PUPPET_MAPPING = """
adapter: puppet
stages:
  lead: {new: latent, talking: appointment_prospect, calling: appointment_prospect, meeting: appointment_acquisition}
owner: {match: email}
push:
  lead:
    status: {latent: {STAGE: new}, appointment_prospect: {STAGE: talking}}
    fields: {SHOWN: "{status.code}"}
    owner: OWNER
"""


def done(updates: Sequence[Update]) -> list[Pushed]:
    return [Pushed(key=update.key, outcome=PushOutcome.DONE) for update in updates]


@dataclass(slots=True, kw_only=True)
class Strings:
    """What the system of one connection does; `sent` is what it was given, in order."""

    fetch: Callable[[Sequence[Delivery]], Mapping[str, Any]] = lambda _: {}
    reads: Callable[[Delivery], None] = lambda _: None
    alters: Callable[[Event], Event] = lambda event: event
    takes: Callable[[Sequence[Update]], Sequence[Pushed]] = done
    changes: Callable[[datetime], Iterator[Event | BadPayload]] = lambda _: iter(())
    inspects: Callable[[str, Api], Sequence[InspectionResult]] = lambda *_: ()
    has: Catalog = field(default_factory=Catalog)
    subscribes: Callable[[str, datetime, Api], datetime | None] = lambda *_: None
    sent: list[Update] = field(default_factory=list)

    def shown(self) -> list[str]:
        """The statuses that were sent, in order."""
        return [update.status for update in self.sent]


STRINGS: dict[str, Strings] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Puppet(Standard):
    """The lines of `standard`, and a system on strings."""

    NAME: ClassVar[str] = "puppet"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        **Standard.SETTINGS,
        "strings": Setting(description="Whose strings it hangs on"),
    }
    ECHOES: ClassVar[Mapping[str, str]] = {"STAGE": "stage", "PHASE": EMPTIED_STAGE, "OWNER": "owner"}

    strings: str = ""

    @property
    def takes_updates(self) -> bool:
        return True

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        del api
        return STRINGS[self.strings].fetch(deliveries)

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        strings = STRINGS[self.strings]
        strings.reads(delivery)
        return [
            strings.alters(one) if isinstance(one, Event) else one for one in Standard.parse(self, delivery, fetched)
        ]

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        del api
        STRINGS[self.strings].sent += updates
        return STRINGS[self.strings].takes(updates)

    def changes(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        del api
        return STRINGS[self.strings].changes(since)

    def catalog(self, api: Api) -> Catalog:
        del api
        return STRINGS[self.strings].has

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        return STRINGS[self.strings].inspects(url, api)

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        return STRINGS[self.strings].subscribes(url, now, api)


def add_puppet(runtime: Runtime, name: str = "puppet", mapping: str = PUPPET_MAPPING) -> Strings:
    """A connection to a puppet, and its strings."""
    if not isinstance(runtime.connections, _Known):
        runtime.__dict__["connections"] = _Known(
            runtime.database, {**ADAPTERS, "puppet": Puppet}, runtime.vault, tuple(runtime.ruleset.statuses.values())
        )
    STRINGS[name] = Strings()
    add_connection(runtime, name, adapter="puppet", secrets={"secret": [SECRET]}, mapping=mapping, strings=name)
    return STRINGS[name]


class _Known(Connections):
    """Connections of a runtime that knows puppets."""
