"""Publishing for real: what is stored is translated anew, held events take their place, and all the rest follows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from connector.operations import mappings
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import build_processor, remap
from connector.operations.publishing import Publication, PublishResult, put_in_force, rollback
from connector.pipeline.remap import PAGE, waiting
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries, outbox, remaps, subjects
from connector.store.outbox import OutboxEntry
from connector.store.subjects import EventRow
from tests.conftest import Clock
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import count_as_sent, mails, moves, subject_of

COVERED = MAPPING.replace("new: latent", "new: latent, strange: visited")


def line(number: int, day: int, stage: str = "new", lead: str = "L-1", **more: Any) -> dict[str, Any]:
    base = {"id": f"e{number}", "at": f"2026-03-{day:02}T10:00:00+09:00", "type": "stage", "object": "lead"}
    return base | {"stage": stage, "kind": "lead", "subject": {"id": lead, "email": f"{lead}@example.jp"}} | more


def publish(runtime: Runtime, source: str, name: str = "shop", **more: Any) -> PublishResult:
    one = Publication(source=source, is_confirmed=True, **more)
    return put_in_force(runtime, name, one, actor="kim")


def status(runtime: Runtime, lead: str = "L-1") -> str:
    return str(subject_of(runtime, "email", f"{lead.lower()}@example.jp").status)


def jumps(runtime: Runtime, subject: str) -> list[str]:
    return [after for rule, after in moves(runtime, subject) if rule == "jump"]


def outcomes(runtime: Runtime, lead: str = "L-1") -> list[str]:
    with runtime.database.read() as connection:
        rows = subjects.events_of(connection, subject_of(runtime, "email", f"{lead.lower()}@example.jp").id)
    return [row.outcome for row in reversed(rows)]


def test_a_held_event_is_released_in_its_place_in_time_and_held_again_by_rolling_back(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for one in (line(1, 1), line(2, 3, "strange"), line(3, 5, "talking")):
        sender.send(one)
        drain(runtime)
    lead = subject_of(runtime, "email", "l-1@example.jp").id
    assert jumps(runtime, lead) == ["latent", "appointment_prospect"]
    assert [(one["reason"], one["count"]) for one in mappings.held(runtime)] == [("stage: lead / strange", 1)]
    done = publish(runtime, COVERED)
    assert (done.version, done.events, done.held, done.subjects, done.is_finished) == (2, 1, 0, 1, True)
    assert [str(one) for one in done.differences] == ["lead / strange: nothing → visited"]
    assert jumps(runtime, lead) == ["latent", "visited", "appointment_prospect"]
    assert list(mappings.held(runtime)) == []
    assert _book(runtime) == {"applied": 2, "stale": 1}, "what is released is older than the last stage"
    back = rollback(runtime, "shop", 1, actor="kim", is_confirmed=True)
    assert (back.version, back.events, back.held) == (3, 0, 1)
    assert jumps(runtime, lead) == ["latent", "appointment_prospect"]
    assert _book(runtime) == {"applied": 2, "held": 1}
    assert [one.mapping_version for one in _events(runtime)] == [3, 3, 3]


def test_ignore_is_a_choice_that_is_written_down(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1), line(2, 3, "strange"))
    drain(runtime)
    done = publish(runtime, MAPPING.replace("new: latent", "new: latent, strange: ignore"), comment="only a test")
    assert [str(one) for one in done.differences] == ["lead / strange: nothing → ignore"]
    assert outcomes(runtime) == ["applied", "ignored"]
    assert _book(runtime) == {"applied": 1}
    newest = next(mappings.listed(runtime, "shop"))
    assert (newest["comment"], newest["published_by"], newest["is_in_force"]) == ("only a test", "kim", True)


def test_what_no_entry_covers_any_more_is_held_and_its_subject_stands_as_at_first(runtime: Runtime) -> None:
    add_connection(runtime, url="https://shop.example/{record.id}")
    Sender(runtime).send(line(1, 1), line(2, 3, "talking", "L-2"))
    drain(runtime)
    count_as_sent(runtime)
    publish(runtime, MAPPING.replace("new: latent, ", ""))
    row = subject_of(runtime, "email", "l-1@example.jp")
    assert (row.status, row.kind, row.state, row.due) == ("not_set", "unknown", None, None)
    assert (status(runtime, "L-2"), moves(runtime, row.id)) == ("appointment_prospect", [])
    assert [one.outcome for one in _outbox(runtime)] == ["waiting", "done"]
    assert _book(runtime) == {"held": 1}
    publish(runtime, MAPPING)
    assert (status(runtime), _book(runtime)) == ("latent", {"applied": 1})


def test_moved_subjects_are_told_their_systems_once_and_notices_of_the_past_are_not_mailed(selling: Runtime) -> None:
    add_connection(selling)
    sender = Sender(selling)
    owner = {"type": "owner", "owner": "kim@example.jp"}
    access = {"type": "action", "action": "site_access"}
    for one in (line(1, 1, **owner), line(2, 2, "meeting?"), *(line(n, n + 1, **access) for n in (3, 4, 5))):
        sender.send(one)
    drain(selling)
    count_as_sent(selling)
    before = mails(selling)
    done = publish(selling, MAPPING.replace("meeting:", '"meeting?": appointment_prospect, meeting:'))
    assert (done.what_if.moving, done.what_if.mails, done.what_if.pushes) == (1, 0, 1)
    assert (status(selling), mails(selling)) == ("appointment_prospect", before)
    assert [one.outcome for one in _outbox(selling)] == ["waiting"]


def test_events_before_since_keep_what_was_made_of_them(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1, "strange"), line(2, 9, "strange", "L-2"))
    drain(runtime)
    done = publish(runtime, COVERED, since=datetime(2026, 3, 5, tzinfo=UTC).date())
    assert (done.events, done.what_if.released) == (1, 1)
    assert (status(runtime), status(runtime, "L-2")) == ("not_set", "visited")
    assert [one.mapping_version for one in _events(runtime)] == [1, 2]


def test_the_events_of_other_connections_stay(runtime: Runtime) -> None:
    add_connection(runtime)
    add_connection(runtime, "other")
    Sender(runtime).send(line(1, 1))
    Sender(runtime, "other").send(line(1, 3, "strange"))
    drain(runtime)
    publish(runtime, COVERED)
    assert (outcomes(runtime), status(runtime)) == (["applied", "held"], "latent")
    publish(runtime, COVERED, "other")
    assert (outcomes(runtime), status(runtime)) == (["applied", "applied"], "visited")


def test_a_delivery_counts_its_events_anew_as_they_are_stored(runtime: Runtime) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    sender.send(line(1, 1), line(2, 5, "talking"), line(3, 3), line(4, 2, "strange"))
    drain(runtime)
    assert (outcomes(runtime), _book(runtime)) == (["applied", "held", "stale", "applied"], {"held": 1})
    for source, expected in ((COVERED, "applied"), (MAPPING, "held"), (COVERED, "applied")):
        publish(runtime, source)
        with runtime.database.read() as connection:
            (row,) = deliveries.listed(connection)
        assert (row.outcome, row.tally) == (expected, Counter(outcomes(runtime)))


@contextmanager
def dying_on_page(runtime: Runtime, number: int) -> Iterator[None]:
    """The process dies when it is about to note that so many pages are done; the transaction is rolled back."""
    pages = itertools.count(1)

    def die(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE remaps") and "after" in statement and next(pages) == number:
            message = "killed"
            raise RuntimeError(message)

    event.listen(runtime.database.engine, "before_cursor_execute", die)
    with pytest.raises(RuntimeError, match="killed"):
        yield
    event.remove(runtime.database.engine, "before_cursor_execute", die)


def test_a_crash_in_the_middle_is_made_good_by_whoever_comes_next(runtime: Runtime) -> None:
    add_connection(runtime)
    people, pages = PAGE * 2 + 10, 3
    Sender(runtime).send(*(line(number, 3, "strange", f"L-{number}") for number in range(people)))
    drain(runtime)
    with dying_on_page(runtime, pages):
        publish(runtime, COVERED)
    with runtime.database.read() as connection:
        assert sum(row.status == "visited" for row in subjects.listed(connection)) == 2 * PAGE
    assert waiting(runtime.database, runtime.clock()) == ["shop"]
    done: list[int] = []
    run = remap(runtime, "shop", progress=done.append)
    assert run is not None
    assert (run.released, run.subjects, run.changed, done) == (people, people, people, [people])
    assert run.finished_at is not None
    with runtime.database.read() as connection:
        assert [row.status for row in subjects.listed(connection)] == ["visited"] * people
    assert is_balanced(balance(runtime)["shop"])


def test_what_was_being_read_while_publishing_is_found_afterwards(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    old = runtime.connections.get("shop")
    assert old is not None
    publish(runtime, COVERED)
    Sender(runtime).send(line(1, 3, "strange"))
    with runtime.database.write() as connection:
        rows = deliveries.claim(connection, _lane(runtime), clock(), lease=timedelta(minutes=1), limit=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runtime.connections, "get", lambda _name: old)
        build_processor(runtime).process(rows)
    assert outcomes(runtime) == ["held"]
    clock.forward(minutes=2)
    assert waiting(runtime.database, runtime.clock()) == ["shop"]
    remap(runtime, "shop")
    assert (outcomes(runtime), status(runtime), _book(runtime)) == (["applied"], "visited", {"applied": 1})
    clock.forward(hours=2)
    assert waiting(runtime.database, runtime.clock()) == []


def test_a_newer_version_takes_over_what_an_older_one_has_left(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1, "strange"), line(2, 9, "strange", "L-2"))
    drain(runtime)
    first, second = datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)
    for since in (first, second):
        with runtime.database.write() as connection:
            connections.publish(connection, "shop", COVERED, author="a", comment="", now=runtime.clock(), since=since)
    remap(runtime, "shop")
    with runtime.database.read() as connection:
        run = remaps.newest(connection, "shop")
    assert run is not None
    assert (run.version, run.since, run.released) == (3, first, 2)


def test_without_time_nothing_is_done_and_without_a_mapping_there_is_nothing(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1, "strange"))
    drain(runtime)
    with runtime.database.write() as connection:
        connections.publish(connection, "shop", COVERED, author="a", comment="", now=runtime.clock())
    run = remap(runtime, "shop", has_time=lambda: False)
    assert run is not None
    assert (run.finished_at, status(runtime)) == (None, "not_set")
    assert remap(runtime, "nobody") is None


def test_later_is_left_to_the_workers(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1, "strange"))
    drain(runtime)
    done = publish(runtime, COVERED, is_later=True)
    assert (done.is_finished, status(runtime)) == (False, "not_set")
    remap(runtime, "shop")
    assert status(runtime) == "visited"


def test_publishing_what_is_in_force_changes_nothing(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1), line(2, 2, "strange"))
    drain(runtime)
    before = subject_of(runtime, "email", "l-1@example.jp")
    done = publish(runtime, MAPPING)
    assert (done.differences, done.what_if.differing, done.subjects, done.events, done.held) == ((), 0, 0, 0, 0)
    assert subject_of(runtime, "email", "l-1@example.jp") == before


def _lane(runtime: Runtime) -> int:
    with runtime.database.read() as connection:
        return next(iter(deliveries.waiting_lanes(connection, runtime.clock())))


def _events(runtime: Runtime) -> list[EventRow]:
    with runtime.database.read() as connection:
        rows = [row for one in subjects.listed(connection) for row in subjects.events_of(connection, one.id)]
    return sorted(rows, key=lambda row: row.at)


def _book(runtime: Runtime) -> dict[str, int]:
    book = balance(runtime)["shop"]
    assert is_balanced(book)
    return {word: count for word, count in book.items() if count and word != "accepted"}


def _outbox(runtime: Runtime) -> list[OutboxEntry]:
    with runtime.database.read() as connection:
        rows = [row for row in outbox.listed(connection) if row.kind == outbox.UPDATE]
    return sorted(rows, key=lambda row: row.outcome, reverse=True)
