"""An adapter whose system follows a script: a test says how it reads, what becomes of updates, what changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

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
from connector.runtime.parts import Runtime
from tests.flow.senders import SECRET, add_connection

SCRIPTED_MAPPING = """
adapter: scripted
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
class Script:
    """What the system of one connection does; `sent` are the updates that it was given, in order."""

    fetch: Callable[[Sequence[Delivery]], Mapping[str, Any]] = lambda _: {}
    before_parsing: Callable[[Delivery], None] = lambda _: None
    alter: Callable[[Event], Event] = lambda event: event
    push: Callable[[Sequence[Update]], Sequence[Pushed]] = done
    changes: Callable[[datetime], Iterator[Event | BadPayload]] = lambda _: iter(())
    inspect: Callable[[str, Api], Sequence[InspectionResult]] = lambda *_: ()
    catalog: Callable[[], Catalog] = Catalog
    subscribe: Callable[[str, datetime, Api], datetime | None] = lambda *_: None
    sent: list[Update] = field(default_factory=list)

    def statuses(self) -> list[str]:
        """The statuses that were sent, in order."""
        return [update.status for update in self.sent]


SCRIPTS: dict[str, Script] = {}
"""The script of each connection, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAdapter(Standard):
    """The lines of `standard`, and a system that follows a script."""

    NAME: ClassVar[str] = "scripted"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        **Standard.SETTINGS,
        "script": Setting(description="Whose script it follows"),
    }
    ECHOES: ClassVar[Mapping[str, str]] = {"STAGE": "stage", "PHASE": EMPTIED_STAGE, "OWNER": "owner"}
    CHANGES_IN_ORDER: ClassVar[bool] = False

    script: str = ""

    @property
    def takes_updates(self) -> bool:
        return True

    def fetch(self, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
        del api
        return SCRIPTS[self.script].fetch(deliveries)

    def parse(self, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Event | BadPayload]:
        script = SCRIPTS[self.script]
        script.before_parsing(delivery)
        events = Standard.parse(self, delivery, fetched)
        return [script.alter(event) if isinstance(event, Event) else event for event in events]

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        del api
        SCRIPTS[self.script].sent += updates
        return SCRIPTS[self.script].push(updates)

    def changes(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        del api
        return SCRIPTS[self.script].changes(since)

    def catalog(self, api: Api) -> Catalog:
        del api
        return SCRIPTS[self.script].catalog()

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        return SCRIPTS[self.script].inspect(url, api)

    def subscribe(self, url: str, now: datetime, api: Api) -> datetime | None:
        return SCRIPTS[self.script].subscribe(url, now, api)


def know(runtime: Runtime, adapter: type[ScriptedAdapter] = ScriptedAdapter) -> None:
    """The runtime finds the adapter by its name from now on."""
    runtime.connections.adapters = {**runtime.connections.adapters, adapter.NAME: adapter}


def add_scripted(
    runtime: Runtime,
    name: str = "scripted",
    mapping: str = SCRIPTED_MAPPING,
    adapter: type[ScriptedAdapter] = ScriptedAdapter,
) -> Script:
    """A connection to a system that follows a script, and its script."""
    know(runtime, adapter)
    SCRIPTS[name] = Script()
    add_connection(runtime, name, adapter=adapter.NAME, secrets={"secret": [SECRET]}, mapping=mapping, script=name)
    return SCRIPTS[name]
