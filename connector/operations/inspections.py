"""`connector connection test`: what works of a connection and what does not, as the system and the store show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api, InspectionResult, is_browser_collector
from connector.core.errors import CrmError, CrmUnavailable
from connector.mapping.drift import MismatchKind
from connector.operations.catalogs import ask, stored_drift
from connector.operations.connections import connected, find
from connector.operations.subscriptions import NEVER, registered
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import connections as queries
from connector.store import deliveries, quarantine

MOST_SKEW: Final = timedelta(seconds=60)
"""Signatures are valid for five minutes, tokens for some more: a minute is not right any more, and does no harm yet."""
MOST_SHOWN: Final = 20


class ClockedApi:
    """An `Api` that notes the clock of the system: `skew` is how far it is ahead of ours, as far as was seen."""

    def __init__(self, api: Api, clock: Callable[[], datetime]) -> None:
        self._api = api
        self._clock = clock
        self.skew: timedelta | None = None

    @property
    def memo(self) -> dict[str, Any]:
        """The connection's cache."""
        return self._api.memo

    def set_secret(self, name: str, value: str) -> None:
        """As `Api.set_secret`."""
        self._api.set_secret(name, value)

    def get_secret(self, name: str) -> str | None:
        """As `Api.get_secret`."""
        return self._api.get_secret(name)

    def call(self, method: str, url: str, **content: Any) -> Answer:
        """As `Api.call`; the answer's `Date` is held against the middle of the call."""
        begun = self._clock()
        answer = self._api.call(method, url, **content)
        ended = self._clock()
        if (theirs := _date(answer.headers)) is not None:
            self.skew = theirs - (begun + (ended - begun) / 2)
        return answer


def inspect(runtime: Runtime, name: str) -> list[InspectionResult]:
    """What there is to say of a connection, good or not; the system is asked. Raises `NotFound`."""
    row, one = find(runtime, name), connected(runtime, name)
    api = ClockedApi(runtime.api_for(one), runtime.clock)
    asked = _asked(runtime, one, api)
    if one.is_paused:
        text = f"the connection is paused; `connector connection resume {name}` goes on with it"
        asked.insert(0, InspectionResult(topic="connection", is_good=False, text=text))
    if all(_is_reached(result) for result in asked):
        _let_out(runtime, name)
    is_registered = any(found.is_good for found in asked if found.topic == "webhooks")
    found = [
        *asked,
        *_clock(api.skew),
        *_mapping(runtime, one, is_reachable=all(_is_reached(result) for result in asked)),
    ]
    return [*found, *_webhooks(runtime, one, row.subscribe_at, is_registered=is_registered)]


def _let_out(runtime: Runtime, name: str) -> None:
    """What waits as the system refused the connection is tried at once: it does not refuse it any more."""
    with runtime.database.write() as connection:
        was_refused = queries.end_refusals(connection, name)
    if was_refused:
        runtime.wakeups.enqueue_senders()


def _asked(runtime: Runtime, one: Connected, api: Api) -> list[InspectionResult]:
    """What the system says of itself: by the adapter's inspection, else by its catalogue."""
    try:
        found = list(one.adapter.inspect(_address(runtime, one), api))
        if any(result.topic == "credentials" for result in found):
            return found
        catalog = one.adapter.catalog(api)
    except CrmError as error:
        return [InspectionResult(topic="credentials", is_good=False, text=_with_advice(error))]
    counts = {
        "stages": sum(len(names) for pipelines in catalog.stages.values() for names in pipelines.values()),
        "persons": len(catalog.owners),
        "fields": sum(map(len, catalog.fields.values())),
    }
    if any(counts.values()):
        text = f"the system answers: {', '.join(f'{count} {what}' for what, count in counts.items())}"
    else:
        text = "the system has no call that would show whether the credentials are good; a delivery or an update will"
    return [InspectionResult(topic="credentials", is_good=True, text=text), *found]


def _address(runtime: Runtime, one: Connected) -> str:
    """What the system, or a tracker's script, sends to."""
    return runtime.config.webhook_url(one.name, is_collected=is_browser_collector(type(one.adapter)))


def _is_reached(found: InspectionResult) -> bool:
    return found.is_good or found.topic != "credentials"


def _with_advice(error: CrmError) -> str:
    advice = "try again later" if isinstance(error, CrmUnavailable) else "check the connection's settings and secrets"
    return f"the system {'did not answer' if isinstance(error, CrmUnavailable) else 'refused'}: {error}; {advice}"


def _clock(skew: timedelta | None) -> Iterator[InspectionResult]:
    if skew is None:
        return
    seconds = abs(round(skew.total_seconds()))
    if abs(skew) <= MOST_SKEW:
        yield InspectionResult(topic="clock", is_good=True, text=f"the system's clock and ours differ by {seconds} s")
        return
    text = (
        f"the system's clock is {seconds} s {'ahead of' if skew > timedelta() else 'behind'} ours; signatures and "
        "tokens are refused when clocks differ much: let this machine take its time from NTP"
    )
    yield InspectionResult(topic="clock", is_good=False, text=text)


def _mapping(runtime: Runtime, one: Connected, *, is_reachable: bool) -> Iterator[InspectionResult]:
    """The mapping in force beside what the system has now; as it had it last, where it does not answer."""
    if one.version is None:
        text = f"there is no mapping: `connector mapping publish {one.name} FILE`"
        yield InspectionResult(topic="mapping", is_good=False, text=text)
        return
    if is_reachable:
        try:
            ask(runtime, one)
        except CrmError as error:
            yield InspectionResult(
                topic="mapping", is_good=False, text=f"the catalogue was not read: {_with_advice(error)}"
            )
    found = stored_drift(runtime, one)
    if not found:
        text = f"version {one.version} fits what the system has, as far as it says"
        yield InspectionResult(topic="mapping", is_good=True, text=text)
    for mismatch in found[:MOST_SHOWN]:
        yield InspectionResult(topic="mapping", is_good=mismatch.kind is MismatchKind.FIELD_NEW, text=str(mismatch))
    if len(found) > MOST_SHOWN:
        text = f"and {len(found) - MOST_SHOWN} more: `connector mapping drift {one.name}`"
        yield InspectionResult(topic="mapping", is_good=False, text=text)


def _webhooks(
    runtime: Runtime, one: Connected, subscribe_at: datetime | None, *, is_registered: bool
) -> Iterator[InspectionResult]:
    """The public address, what came last and what could not be authenticated, as the store knows it."""
    if not one.adapter.EVENTS:
        text = "the system sends none; reconciliation asks it what changed"
        yield InspectionResult(topic="webhooks", is_good=True, text=text)
        return
    with runtime.database.read() as connection:
        last = deliveries.last_delivery(connection, one.name)
        refused = quarantine.newest(connection, one.name)
    address = _address(runtime, one)
    if runtime.config.public_url is None:
        text = f"CONNECTOR_PUBLIC_URL is not set: only this machine is sure to reach {address}"
        yield InspectionResult(topic="webhooks", is_good=last is not None, text=text)
    elif subscribe_at is not None and registered(runtime, one.name) != address:
        text = f"the last registration for {address} failed, the log says why; it is tried again at {_at(subscribe_at)}"
        yield InspectionResult(topic="webhooks", is_good=False, text=text)
    elif subscribe_at is not None and subscribe_at < NEVER:
        text = f"they are to be registered for {address} again at {_at(subscribe_at)}"
        yield InspectionResult(topic="webhooks", is_good=True, text=text)
    if last is None:
        text = f"none has come yet; they go to {address}: change a record in the system, and look again"
    else:
        text = f"the last one came at {_at(last)}"
    yield InspectionResult(topic="webhooks", is_good=last is not None or is_registered, text=text)
    if refused and (last is None or refused.received_at > last):
        text = (
            f"one could not be authenticated at {_at(refused.received_at)} ({refused.error}): compare "
            f"the secrets, then `connector delivery verify {one.name}`"
        )
        yield InspectionResult(topic="webhooks", is_good=False, text=text)


def _date(headers: Mapping[str, str]) -> datetime | None:
    given = next((value for name, value in headers.items() if name.casefold() == "date"), "")
    try:
        found = parsedate_to_datetime(given)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%SZ}"
