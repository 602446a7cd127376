"""Webhooks are registered at the public address when they are due, and whatever one system does, the others' too."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException

from connector.adapter_kit.contract import Api
from connector.core.errors import AccessRefused, CrmRefused, CrmUnavailable
from connector.operations import connections as operations
from connector.operations.subscriptions import NEVER
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.runtime.parts import Runtime
from connector.store import connections
from tests.conftest import NOW, Clock
from tests.flow.scripted_adapter import Script, add_scripted

PUBLIC = "https://connector.example.com"


@dataclass
class Registry:
    """A system that remembers what was registered; what it gives next is when to renew, or an error."""

    renew: Any = None
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def __call__(self, url: str, now: datetime, _api: Api) -> datetime | None:
        self.asked.append((url, now))
        if isinstance(self.renew, BaseException):
            raise self.renew
        found: datetime | None = self.renew
        return found


@pytest.fixture
def script(runtime: Runtime) -> Script:
    jobs.install(Jobs(runtime))
    _reach(runtime, PUBLIC)
    return add_scripted(runtime)


@pytest.fixture
def registry(script: Script) -> Registry:
    script.subscribe = made = Registry()
    return made


def _reach(runtime: Runtime, url: str | None) -> None:
    runtime.config = replace(runtime.config, public_url=url)


def _due(runtime: Runtime, name: str = "scripted") -> datetime | None:
    with runtime.database.read() as connection:
        row = connections.get(connection, name)
    assert row is not None
    at: datetime | None = row.subscribe_at
    return at


def test_what_needs_no_renewal_is_registered_once(runtime: Runtime, registry: Registry, clock: Clock) -> None:
    jobs.subscribe()
    clock.forward(days=400)
    jobs.subscribe()
    assert registry.asked == [(f"{PUBLIC}/webhooks/scripted", NOW)]
    assert _due(runtime) == NEVER


def test_what_ends_is_renewed_when_the_system_asks_for_it(runtime: Runtime, registry: Registry, clock: Clock) -> None:
    registry.renew = NOW + timedelta(hours=2)
    jobs.subscribe()
    clock.forward(hours=1)
    jobs.subscribe()
    assert len(registry.asked) == 1
    clock.forward(hours=1)
    registry.renew = None
    jobs.subscribe()
    assert (len(registry.asked), _due(runtime)) == (2, NEVER)


@pytest.mark.parametrize(
    ("error", "pause"),
    [
        (CrmUnavailable("away"), timedelta(minutes=15)),
        (CrmUnavailable("away", 7200.0), timedelta(hours=2)),
        (CrmRefused("no right"), timedelta(hours=6)),
        (AccessRefused("the token was revoked"), timedelta(minutes=15)),
        (ValueError("a bug"), timedelta(hours=6)),
    ],
)
def test_a_failure_is_warned_of_and_tried_again_later(
    runtime: Runtime, registry: Registry, clock: Clock, error: Exception, pause: timedelta
) -> None:
    registry.renew = error
    jobs.subscribe()
    assert _due(runtime) == NOW + pause
    jobs.subscribe()
    assert len(registry.asked) == 1
    clock.forward(seconds=pause.total_seconds())
    registry.renew = None
    jobs.subscribe()
    assert (len(registry.asked), _due(runtime)) == (2, NEVER)


def test_one_system_that_fails_stops_no_other(runtime: Runtime, registry: Registry) -> None:
    registry.renew = CrmUnavailable("away")
    other = add_scripted(runtime, "second")
    other.subscribe = second = Registry()
    jobs.subscribe()
    assert (len(registry.asked), len(second.asked)) == (1, 1)


def test_without_a_public_address_and_while_paused_nothing_is_registered(runtime: Runtime, registry: Registry) -> None:
    _reach(runtime, None)
    jobs.subscribe()
    _reach(runtime, PUBLIC)
    operations.set_paused(runtime, "scripted", is_paused=True, actor="test")
    jobs.subscribe()
    assert registry.asked == []
    assert _due(runtime) is None


def test_another_public_address_or_another_secret_is_registered_anew(runtime: Runtime, registry: Registry) -> None:
    jobs.subscribe()
    _reach(runtime, "https://other.example.com")
    jobs.subscribe()
    jobs.subscribe()
    operations.change(runtime, "scripted", {"script": "scripted"}, actor="test")
    jobs.subscribe()
    hosts = [url.split("/")[2] for url, _ in registry.asked]
    assert hosts == ["connector.example.com", "other.example.com", "other.example.com"]


def test_a_connection_that_is_changed_meanwhile_stays_due(runtime: Runtime, script: Script) -> None:
    def changed(_url: str, _now: datetime, _api: Api) -> None:
        operations.change(runtime, "scripted", {"method": "PUT"}, actor="test")

    script.subscribe = changed
    jobs.subscribe()
    assert _due(runtime) is None


def test_a_run_ends_when_its_time_is_up_or_another_has_the_turn(runtime: Runtime, registry: Registry) -> None:
    with runtime.wakeups.lock("subscribe"):
        jobs.subscribe()
    Jobs(runtime, budget=-1.0).subscribe()
    assert registry.asked == []
    registry.renew = JobTimeoutException()
    with pytest.raises(JobTimeoutException):
        jobs.subscribe()
    assert _due(runtime) is None
