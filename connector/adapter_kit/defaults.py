"""The methods of the contract for what a system does not have; an adapter takes them in place of its own.

`push = defaults.push` in an adapter's class says that the system takes no updates, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.adapter_kit.contract import (
    EMPTIED_STAGE,
    Adapter,
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
from connector.core.errors import BadPayload, BadSignature, CrmRefused

_DEAF = "this system sends nothing"


def takes_updates(_self: object) -> bool:
    """No updates are asked for; used as `takes_updates = property(defaults.takes_updates)`."""
    return False


def mistakes(self: Any) -> list[str]:
    """What an adapter's `_source` refuses before it asks anything."""
    try:
        self._source(None)
    except CrmRefused as error:
        return [str(error)]
    return []


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


def told_stage(adapter: Adapter, record_object: str, stage: str, pipeline: str = "") -> tuple[str, str]:
    """Stage and pipeline (empty: none) as events have them, where somebody wrote them into a mapping or a file.

    An adapter whose system has them otherwise there says so by a method `told_stage`.
    """
    told = getattr(adapter, "told_stage", None)
    found: tuple[str, str] = told(record_object, stage, pipeline) if told else (stage, pipeline)
    return found


def stages_in(adapter: Adapter, record_object: str, values: Mapping[str, Any]) -> Iterator[str]:
    """The stages among the fields of an update, as events name them."""
    names = (name for name in values if adapter.ECHOES.get(name) in {"stage", EMPTIED_STAGE})
    return (told_stage(adapter, record_object, str(values[name]))[0] for name in names)
