"""Plays an emulated system against the whole product: its webhooks over HTTP, the database, Redis, and RQ workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from connector.emulators.engine.emulator import Crm, SiteEmulator
from connector.emulators.engine.loopback import Loopback
from connector.i18n.statuses import labels_in
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_reconciler
from connector.operations.subjects import set_owner, set_status
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.processes.worker import SteadyWorker
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import PUSH, queue_of
from connector.store import outbox, subjects
from connector.store.subjects import EventRow, SubjectRow
from connector.web.app import create_app
from tests.flow.senders import add_connection

MAPPINGS = Path(__file__).parents[2] / "mappings"
QUEUES = ("process", "push", "notify")
ROUNDS = 12


class EndToEnd:
    """A connection named as its system, with the shipped mapping or another one."""

    def __init__(self, runtime: Runtime, system: Crm | SiteEmulator, mapping: str | None = None) -> None:
        self.runtime, self.system, self.name = runtime, system, system.NAME
        settings, secrets = system.connection()
        add_connection(
            runtime,
            self.name,
            adapter=self.name,
            secrets=secrets,
            mapping=mapping or (MAPPINGS / f"{self.name}.yaml").read_text(),
            **{"rate": 500, **settings},
        )

    def finish(self, rounds: int = ROUNDS) -> int:
        """Until nothing moves any more, at most so many rounds; how many it took."""
        for number in range(rounds):
            before = self._moved()
            assert self.system.drain(10)
            jobs.requeue()  # as every few seconds: what waits for another try is no webhook's to wake
            self.runtime.wakeups.enqueue(PUSH)
            queues = [queue_of(self.runtime.redis, name) for name in QUEUES]
            SteadyWorker(queues, connection=self.runtime.redis).work(burst=True, logging_level="WARNING")
            assert self.system.drain(10)
            if before == self._moved():
                return number
        return rounds

    def pushes(self) -> int:
        """How many updates were sent so far, by the outbox."""
        with self.runtime.database.read() as connection:
            return sum(entry.revision for entry in outbox.listed(connection, name=self.name, limit=1000))

    def outcomes(self) -> Mapping[str, int]:
        """The account of the connection, which must add up; empty where the system sends nothing."""
        book = balance(self.runtime).get(self.name)
        if book is None:
            return {}
        assert is_balanced(book), book
        return {word: count for word, count in book.items() if count}

    def outbox(self) -> list[tuple[str, str | None]]:
        """Outcome and error of each update."""
        with self.runtime.database.read() as connection:
            return [(entry.outcome, entry.error) for entry in outbox.listed(connection, name=self.name)]

    def subjects(self) -> list[SubjectRow]:
        """All subjects."""
        with self.runtime.database.read() as connection:
            return subjects.listed(connection)

    def subject(self) -> SubjectRow:
        """The only subject."""
        (row,) = self.subjects()
        return row

    def decisions(self) -> list[tuple[str, str]]:
        """Rule and status of each decision on the only subject."""
        with self.runtime.database.read() as connection:
            return [
                (one.rule, one.after)
                for one in subjects.decisions_of(connection, self.subject().id)
                if one.before != one.after
            ]

    def give_to(self, owner: str) -> None:
        """A person sets the owner of the only subject here."""
        set_owner(self.runtime, self.subject().id, owner, actor="test")

    def set_status(self, status: str) -> None:
        """A person sets the status of the only subject here."""
        set_status(self.runtime, self.subject().id, status, actor="test")

    def events(self, outcome: str) -> list[EventRow]:
        """The events with an outcome, of the only subject."""
        with self.runtime.database.read() as connection:
            history = subjects.events_of(connection, self.subject().id)
        return [row for row in history if row.outcome == outcome]

    def reconcile(self) -> Mapping[str, int]:
        """Ask the system what changed; events by outcome."""
        connected = self.runtime.connections.look_again(self.name)
        assert connected
        return build_reconciler(self.runtime).reconcile(connected)[0]

    def label(self) -> str:
        """The English label of the only subject's status."""
        return labels_in("en", self.runtime.ruleset.statuses.values())[self.subject().status]

    def _moved(self) -> tuple[object, ...]:
        accepted = sum(book["accepted"] + book["pending"] for book in balance(self.runtime).values())
        with self.runtime.database.read() as connection:
            entries = outbox.listed(connection, name=self.name, limit=1000)
        return (accepted, *((entry.id, entry.revision, entry.outcome) for entry in entries))


@contextmanager
def playing(runtime: Runtime, system: Crm | SiteEmulator, mapping: str | None = None) -> Iterator[EndToEnd]:
    """The system running, connected, and its webhooks coming in over loopback."""
    jobs.install(Jobs(runtime, linger=0.0))  # nothing comes while a job runs: `finish` has waited for it
    with system, Loopback(create_app(runtime.config, runtime)) as web:
        run = EndToEnd(runtime, system, mapping)
        system.subscribe(f"{web.url}/webhooks/{run.name}")
        yield run
