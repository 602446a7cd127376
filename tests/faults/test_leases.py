"""A worker that is stopped for longer than its lease, and wakes: others went on, and it does no harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from connector.adapter_kit.contract import Api, Pushed, Update
from connector.operations.flow import build_pusher
from connector.runtime.parts import Runtime
from connector.store import batches, outbox
from tests.conftest import Clock
from tests.flow.outbound.test_push import Lead
from tests.flow.scripted_adapter import ScriptedAdapter, add_scripted, done, know
from tests.flow.store_queries import subject_of, updates


class Crm:
    """Records by id as a system shows them: each write is a call. `before` is done once, before a write is taken."""

    def __init__(self) -> None:
        self.shows: dict[str, str] = {}
        self.writes: list[str] = []
        self.before: Callable[[], object] = bool
        crm = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                before, crm.before = crm.before, bool
                before()
                _, record, value = self.path.split("/")
                crm.shows[record] = value
                crm.writes.append(f"{record}={value}")
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


CRMS: dict[str, Crm] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class OneByOne(ScriptedAdapter):
    """A system that takes one record a call."""

    NAME: ClassVar[str] = "one-by-one"

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        port = CRMS[self.script].server.server_port
        for one in updates:
            value = one.fields.get("STAGE", one.status)
            api.call("PUT", f"http://127.0.0.1:{port}/{one.record.id}/{value}")
        return done(updates)


@pytest.fixture
def crm(runtime: Runtime) -> Iterator[Crm]:
    add_scripted(runtime, adapter=OneByOne)
    CRMS["scripted"] = found = Crm()
    serving = Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    serving.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    serving.join()


def _decide(runtime: Runtime, status: str) -> None:
    """The subjects of A, B and C are in another status now, of which their records' own stages know nothing yet."""
    with runtime.database.write() as connection:
        for record, entry in updates(runtime).items():
            row = subject_of(runtime, "record", f"scripted:lead:{record}")
            state = {**(row.state or {}), "status": status}
            batches.save_subjects(connection, [asdict(row) | {"status": status, "state": state}])
            again = {**asdict(entry), "payload": None, "next_attempt_at": runtime.clock()}
            outbox.enqueue_updates(connection, [again])


def test_a_worker_that_wakes_after_its_lease_sends_nothing_more_and_what_it_sent_is_sent_again(
    runtime: Runtime, clock: Clock, crm: Crm
) -> None:
    """It is stopped while its first call is on its way: old states never stay over newer ones."""
    for record in "ABC":
        Lead(runtime, record=record).moves("meeting")
    build_pusher(runtime).drain(lambda: True)
    _decide(runtime, "latent")

    def stopped() -> None:
        _decide(runtime, "appointment_prospect")
        clock.forward(seconds=runtime.config.lease_seconds)
        with closing(Runtime(runtime.config, clock)) as other:
            know(other, OneByOne)
            build_pusher(other).push_batch("scripted")
        assert crm.shows == dict.fromkeys("ABC", "talking")

    crm.before = stopped
    build_pusher(runtime).push_batch("scripted")
    assert [write.partition("=")[2] for write in crm.writes[3:]] == ["talking", "talking", "talking", "new"]
    assert {row.outcome for row in updates(runtime).values()} == {outbox.WAITING}
    build_pusher(runtime).drain(lambda: True)
    assert crm.shows == dict.fromkeys("ABC", "talking")
    assert {row.outcome for row in updates(runtime).values()} == {outbox.DONE}


def test_a_lease_that_nobody_took_over_is_taken_up_again(runtime: Runtime, clock: Clock, crm: Crm) -> None:
    for record in "AB":
        Lead(runtime, record=record).moves("new")
    crm.before = lambda: clock.forward(seconds=2 * runtime.config.lease_seconds)
    assert build_pusher(runtime).push_batch("scripted") == 2
    assert crm.shows == dict.fromkeys("AB", "latent")
    assert {row.outcome for row in updates(runtime).values()} == {outbox.DONE}
