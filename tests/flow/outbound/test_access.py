"""A connection that its system refuses as a whole is left alone for a while, and what it has to do waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector.adapter_kit.contract import Delivery, Pushed, PushOutcome, Update
from connector.core.errors import AccessRefused
from connector.core.event import Event, Outcome
from connector.operations.doctor import examine, gauges
from connector.operations.flow import build_pusher, build_reconciler
from connector.runtime.parts import Runtime
from connector.runtime.retry import ACCESS
from connector.store import connections, outbox, tables
from tests.conftest import Clock
from tests.flow.outbound.test_push import Lead
from tests.flow.scripted_adapter import Script, add_scripted, done
from tests.flow.senders import drain
from tests.flow.store_queries import updates


@pytest.fixture
def script(runtime: Runtime) -> Script:
    return add_scripted(runtime)


def _push(runtime: Runtime) -> int:
    return build_pusher(runtime).drain(lambda: True)


def _detail(runtime: Runtime, name: str = "access") -> str:
    return next(one.detail for one in examine(runtime, with_account=False) if one.name == name)


def _refuses(error: Exception) -> Callable[..., Any]:
    def refuse(_: Any) -> Any:
        raise error

    return refuse


def _each(**outcomes: PushOutcome) -> Callable[[Sequence[Update]], Sequence[Pushed]]:
    return lambda updates: [
        Pushed(key=one.key, outcome=outcomes[one.record.id], reason=outcomes[one.record.id]) for one in updates
    ]


def _outcomes(runtime: Runtime) -> dict[str, str]:
    return {record: entry.outcome for record, entry in updates(runtime).items()}


def test_a_refused_connection_is_left_alone_for_as_long_again_as_it_has_been_refused(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    script.push = _refuses(AccessRefused("the token was revoked"))
    pauses = []
    for _ in range(6):
        assert _push(runtime) == 1
        assert _push(runtime) == 0
        with runtime.database.read() as connection:
            (refusal,) = connections.list_refusals(connection)
        pauses.append(refusal.until - clock())
        clock.now = refusal.until
    assert pauses == [timedelta(seconds=seconds) for seconds in (15, 15, 30, 60, 120, 240)]
    assert pauses[-1] <= ACCESS.most
    assert "the token was revoked; all of it waits" in _detail(runtime)
    waits = {(one.name, one.length) for one in gauges(runtime) if one.connection == "scripted"}
    assert {("refused_push", 1), ("outbox_waiting", 1)} <= waits
    script.push = done
    assert _push(runtime) == 1
    assert (_outcomes(runtime), _detail(runtime)) == ({"L": outbox.DONE}, "")


def test_updates_that_nobody_lets_in_are_given_up_when_the_hours_are_over(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime).moves("new")
    script.push = _refuses(AccessRefused("no"))
    _push(runtime)
    clock.forward(hours=runtime.config.push_give_up_hours - 1)
    _push(runtime)
    assert _outcomes(runtime) == {"L": outbox.WAITING}
    clock.forward(hours=1)
    _push(runtime)
    assert _outcomes(runtime) == {"L": outbox.DEAD}
    assert "1 updates or notices were given up; `connector outbox list --outcome dead`" in _detail(runtime, "given up")


def test_a_record_that_is_forbidden_while_others_get_through_is_refused_alone(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    good, bad = Lead(runtime, record="G"), Lead(runtime, record="B")
    script.push = _each(G=PushOutcome.DONE, B=PushOutcome.FORBIDDEN)
    bad.moves("new")
    for stage in ("new", "meeting", "talking"):
        good.moves(stage)
        _push(runtime)
        assert _detail(runtime) == ""
        clock.forward(hours=1)
    assert _outcomes(runtime) == {"G": outbox.DONE, "B": outbox.DEAD}


def test_what_is_forbidden_alone_waits_like_a_refused_connection_until_others_get_through(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    Lead(runtime, record="B").moves("new")
    script.push = _each(G=PushOutcome.DONE, B=PushOutcome.FORBIDDEN)
    for _ in range(5):
        assert _push(runtime) == 1
        assert _outcomes(runtime) == {"B": outbox.WAITING}
        clock.forward(hours=1)
    Lead(runtime, record="G").moves("new")
    _push(runtime)
    assert (_outcomes(runtime)["G"], _detail(runtime)) == (outbox.DONE, "")


def test_what_is_refused_as_a_whole_beside_what_got_through_waits_without_stopping_it(
    runtime: Runtime, script: Script
) -> None:
    for record in "GB":
        Lead(runtime, record=record).moves("new")
    script.push = _each(G=PushOutcome.DONE, B=PushOutcome.NO_ACCESS)
    assert _push(runtime) == 2
    assert (_outcomes(runtime), _detail(runtime)) == ({"G": outbox.DONE, "B": outbox.WAITING}, "")


def test_no_delivery_is_given_up_for_credentials_and_all_are_read_a_minute_after_they_are_good_again(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    def fetch(_: Sequence[Delivery]) -> Mapping[str, Any]:
        message = "the token was revoked"
        raise AccessRefused(message)

    good, script.fetch = script.fetch, fetch
    Lead(runtime).moves("new")
    for _ in range(runtime.config.max_attempts):
        clock.forward(hours=runtime.config.push_give_up_hours)
        drain(runtime)
    assert _delivered(runtime) == [Outcome.PENDING]
    assert "the token was revoked" in _detail(runtime, "backlog")
    script.fetch = good
    clock.forward(seconds=60)
    drain(runtime)
    assert _delivered(runtime) == [Outcome.APPLIED]


def _delivered(runtime: Runtime) -> list[str]:
    with runtime.database.read() as connection:
        return list(connection.execute(select(tables.deliveries.c.outcome)).scalars())


def test_a_refused_reconciliation_is_told_and_the_next_one_heals_it(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    def changes(_: datetime) -> Iterator[Event]:
        message = "no"
        raise AccessRefused(message)

    script.changes = changes
    build_reconciler(runtime).reconcile_all()
    assert "(changes): no" in _detail(runtime)
    script.changes = lambda _: iter(())
    clock.forward(minutes=15)
    build_reconciler(runtime).reconcile_all()
    assert _detail(runtime) == ""
