"""Deliveries as people handle them: list, show, replay, send one to try; the quarantine: list, verify again."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

import requests

from connector.adapter_kit.contract import Delivery, is_browser_collector
from connector.core.errors import NotFound, OperatorError
from connector.i18n.statuses import labels_in
from connector.operations.connections import find
from connector.operations.flow import build_intake
from connector.operations.subjects import decision
from connector.runtime.connections import Connected
from connector.runtime.parts import Runtime
from connector.store import deliveries as queries
from connector.store import quarantine, subjects
from connector.store.rows import chunks

PAGE: Final = 500
_PAUSE: Final = 0.1
_SHORT: Final = ("id", "connection", "key", "received_at", "outcome", "attempts", "duplicates", "tally", "error")
_EVENT: Final = ("id", "key", "at", "kind", "outcome", "reason", "subject", "event", "steps", "mapping_version")


class NotRunning(OperatorError):
    """The web server does not answer."""

    reason = "not_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """Ids of the deliveries that are pending again, and of those that cannot be: unknown, waiting, without a body."""

    replayed: tuple[str, ...]
    refused: tuple[str, ...]


def listed(
    runtime: Runtime, *, name: str | None = None, outcome: str | None = None, most: int | None = None, page: int = PAGE
) -> Iterator[dict[str, Any]]:
    """Deliveries without their bodies, newest first, read page by page; `most`: how many (None: all).

    `name`: only those of that connection. Raises `NotFound` where there is none.
    """
    if name is not None:
        find(runtime, name)
    rows = runtime.database.pages(
        lambda connection, after, limit: queries.listed(
            connection, name=name, outcome=outcome, after=after, limit=limit
        ),
        id_of=attrgetter("id"),
        size=page,
        most=most,
    )
    for row in rows:
        yield {key: getattr(row, key) for key in (*_SHORT, "finished_at")}


def show(runtime: Runtime, delivery: str) -> dict[str, Any]:
    """A delivery as it is stored, its secrets masked, with its events and the decisions they led to.

    The body is text where it is UTF-8, else `body_base64`; None after its time is over. Raises `NotFound`.
    """
    wanted = delivery.strip().upper()
    with runtime.database.read() as connection:
        row = queries.get(connection, wanted)
        if row is None:
            message = f"there is no delivery {delivery!r}; `connector delivery list` shows them"
            raise NotFound(message)
        events = subjects.events_from(connection, wanted)
        decided = subjects.decisions_from(connection, wanted, {event.subject for event in events})
    labels = labels_in("en", runtime.ruleset.statuses.values())
    return {
        **{
            key: getattr(row, key)
            for key in (*_SHORT, "next_attempt_at", "finished_at", "lane", "method", "query", "headers")
        },
        **_body(row.body),
        "events": [{key: getattr(event, key) for key in _EVENT} for event in events],
        "decisions": [{"subject": one.subject, **decision(one, labels)} for one in decided],
    }


def replay(runtime: Runtime, ids: Sequence[str]) -> ReplayResult:
    """Make finished deliveries pending again and wake the workers; events that were applied count once all the same."""
    wanted = list(dict.fromkeys(one.strip().upper() for one in ids))
    replayed: set[str] = set()
    for part in chunks(wanted):
        with runtime.database.write() as connection:
            replayed |= set(queries.replay(connection, part, runtime.clock()))
    wake(runtime)
    return ReplayResult(
        replayed=tuple(one for one in wanted if one in replayed),
        refused=tuple(one for one in wanted if one not in replayed),
    )


def replay_all(runtime: Runtime, name: str, outcome: str) -> ReplayResult:
    """Replay every delivery of a connection that ended in an outcome. Raises `NotFound`."""
    return replay(runtime, [row["id"] for row in listed(runtime, name=name, outcome=outcome)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a webhook that was sent to the running product was answered, and what became of it.

    `delivery`: its id; None where nothing was stored. `outcome` is `pending` when the time was up before.
    """

    status: int
    answer: str
    delivery: str | None = None
    outcome: str | None = None


def webhook_path(one: Connected) -> str:
    """The path that the connection's webhooks are sent to."""
    return f"/{'collect' if is_browser_collector(type(one.adapter)) else 'webhooks'}/{one.name}"


def send(runtime: Runtime, one: Connected, delivery: Delivery, *, seconds: float = 10.0) -> Sent:
    """Send a webhook to the product that runs on this machine, and wait up to so long for what becomes of it.

    Raises `NotRunning`.
    """
    url, since = runtime.config.local_url + webhook_path(one), runtime.clock()
    with requests.Session() as session:
        session.trust_env = False  # loopback goes by no proxy
        try:
            answer = session.request(
                delivery.method, url, params=delivery.query, data=delivery.body, headers=delivery.headers, timeout=30
            )
        except requests.RequestException as error:
            message = f"nothing answers at {url}: is `connector up` running, with this CONNECTOR_PORT?"
            raise NotRunning(message) from error
    sent = Sent(status=answer.status_code, answer=answer.text)
    until = time.monotonic() + seconds
    while answer.ok:
        found = next((row for row in listed(runtime, name=one.name, most=1) if row["received_at"] >= since), None)
        if found:
            sent = replace(sent, delivery=found["id"], outcome=found["outcome"])
        if (found and found["finished_at"]) or time.monotonic() > until:
            break
        time.sleep(_PAUSE)
    return sent


def quarantined(runtime: Runtime, name: str | None = None) -> Iterator[dict[str, Any]]:
    """Quarantined deliveries, oldest first: when, why, how large, and whether they can be verified again."""
    if name is not None:
        find(runtime, name)
    with runtime.database.read() as connection:
        rows = quarantine.listed(connection, name)
    for row in rows:
        shown = {key: getattr(row, key) for key in ("id", "connection", "received_at", "reason", "error", "size")}
        yield {**shown, "is_kept": bool(row.sealed)}


def verify(runtime: Runtime, name: str) -> int:
    """Take the quarantined deliveries of a connection that verify now; how many. Raises `NotFound` and `Paused`."""
    find(runtime, name)
    runtime.connections.forget()
    accepted = build_intake(runtime).verify_again(name, runtime.database, runtime.clock())
    if accepted:
        wake(runtime)
    return accepted


def wake(runtime: Runtime) -> None:
    """Wake the workers for everything that waits now."""
    with runtime.database.read() as connection:
        lanes = queries.waiting_lanes(connection, runtime.clock())
    runtime.wakeups.enqueue_drains(lanes)
    runtime.wakeups.enqueue_senders()


def _body(body: bytes | None) -> dict[str, str | None]:
    if body is None:
        return {"body": None}
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
