"""The methods of the contract for what a system does not have; an adapter takes them in place of its own.

`push = defaults.push` in an adapter's class says that the system takes no updates, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.adapter_kit.contract import (
    Api,
    Catalog,
    Delivery,
    InspectionResult,
    Pushed,
    PushOutcome,
    Received,
    Reply,
    Update,
)
from connector.core.errors import BadPayload, BadSignature

_DEAF = "this system sends nothing"


def takes_updates(_self: object) -> bool:
    """No updates are asked for; used as `takes_updates = property(defaults.takes_updates)`."""
    return False


def greet(_self: object, delivery: Delivery) -> Reply | None:
    """None: the system has no challenge and no probe."""
    del delivery
    return None


def fetch(_self: object, deliveries: Sequence[Delivery], api: Api) -> Mapping[str, Any]:
    """Nothing: the bodies say it all."""
    del deliveries, api
    return {}


def changes(_self: object, since: datetime, api: Api) -> Iterator[Any]:
    """Nothing: the system cannot be asked what changed."""
    del since, api
    return iter(())


def push(_self: object, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
    """Each is refused: the system takes no updates."""
    del api
    reason = "this system takes no updates"
    return [Pushed(key=update.key, outcome=PushOutcome.REFUSED, reason=reason) for update in updates]


def catalog(_self: object, api: Api) -> Catalog:
    """Nothing: the system has no stages, owners or fields that can be asked for."""
    del api
    return Catalog()


def inspect(_self: object, url: str, api: Api) -> Sequence[InspectionResult]:
    """Nothing: there is no call that shows whether the connection works."""
    del url, api
    return ()


def subscribe(_self: object, url: str, now: datetime, api: Api) -> datetime | None:
    """None: webhooks are set up by hand."""
    del url, now, api
    return None


def verify(_self: object, delivery: Delivery, now: datetime) -> None:
    """Always raises `BadSignature`: the system sends nothing."""
    del delivery, now
    raise BadSignature(_DEAF)


def receive(_self: object, delivery: Delivery) -> Received:
    """Always raises `BadPayload`: the system sends nothing."""
    del delivery
    raise BadPayload(_DEAF)


def parse(_self: object, delivery: Delivery, fetched: Mapping[str, Any]) -> Sequence[Any]:
    """Always raises `BadPayload`: the system sends nothing."""
    del delivery, fetched
    raise BadPayload(_DEAF)


def stage_in_file(record_object: str, stage: str, pipeline: str) -> tuple[str, str]:
    """Stage and pipeline (empty: none) as events have them: files of the system write them the same."""
    del record_object
    return stage, pipeline
