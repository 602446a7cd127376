"""From the outbox to people: one mail per notice, one digest a day, each once, whatever breaks in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from sqlalchemy import text

from connector.core.calendar import day_start, local_day
from connector.operations.doctor import examine, gauges
from connector.operations.flow import build_notifier
from connector.outbound.notify import LATE_FOR_DIGEST, LONGEST_WAIT, SETTLED
from connector.processes.jobs import Jobs
from connector.runtime.connections import note_refused
from connector.runtime.log import configure_log
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.runtime.wakeups import NOTIFY
from connector.store import batches, notices, outbox
from connector.store.connections import PUSH
from connector.store.database import new_id
from connector.store.outbox import OutboxEntry
from tests.conftest import NOW, Clock, put_in_force, wait_for
from tests.smtp_server import PASSWORD, USER, SmtpServer, listening

KIM, LEE = "kim@example.jp", "lee@example.jp"


@pytest.fixture
def inbox() -> SmtpServer:
    return SmtpServer()


@pytest.fixture
def start(inbox: SmtpServer, database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Any]:
    """Makes a runtime that mails to the inbox; further settings are arguments."""
    made: list[Runtime] = []

    def runtime(**settings: str) -> Runtime:
        environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
        made.append(Runtime(read_config(environ | inbox.environ | settings, tmp_path), clock))
        made[-1].redis.flushall()
        return made[-1]

    yield runtime
    for one in made:
        one.close()


@pytest.fixture
def mailing(start: Callable[[], Runtime]) -> Runtime:
    return start()


def ask(runtime: Runtime, *names: str, to: str = KIM, rule: str = "quasi_explicit.key_page", **said: Any) -> list[str]:
    """Ask for a notice about each of the subjects of these names; the ids of the notices."""
    now = runtime.clock()
    is_list = rule.endswith((".remind", ".warn"))
    day = local_day(now, runtime.ruleset.zone)
    at = day_start(day, runtime.ruleset.zone) if is_list else now
    rows: list[dict[str, Any]] = []
    for name in names:
        subject = known(runtime, name)
        payload = {"to": to, "rule": rule, "notice": "list" if is_list else "subject", "day": day}
        payload |= {"before": "explicit", "after": "explicit", "facts": {}} | said
        rows.append(
            {
                **dict.fromkeys(("connection", "record", "delivery")),
                "id": new_id(now),
                "kind": outbox.NOTICE,
                "key": f"{rule}|{at.isoformat()}|{to}|{subject}",
                "subject": subject,
                "revision": 1,
                "outcome": outbox.WAITING,
                "next_attempt_at": now,
                "payload": payload,
                "created_at": now,
            }
        )
    with runtime.database.write() as connection:
        batches.add_notices(connection, rows)
    return [row["id"] for row in rows]


def known(runtime: Runtime, name: str, **more: Any) -> str:
    """The id of a subject of this name, made where there is none."""
    subject = f"S-{name}"[:26]
    row = {"id": subject, "kind": "lead", "status": "explicit", "since": NOW, "owner": KIM, "due": None, "version": 1}
    row |= {"state": {"profile": {"name": name}}, "merged_into": None, "created_at": NOW} | more
    with runtime.database.write() as connection:
        batches.save_subjects(connection, [row])
    return subject


def drain(runtime: Runtime, has_time: Callable[[], bool] = lambda: True) -> int:
    notifier = build_notifier(runtime)
    assert notifier is not None
    return notifier.drain(has_time)


def entries(runtime: Runtime) -> dict[str, OutboxEntry]:
    with runtime.database.read() as connection:
        return {row.id: row for row in outbox.listed(connection, limit=1000)}


def outcomes(runtime: Runtime) -> list[tuple[str, str | None]]:
    return sorted((row.outcome, row.error) for row in entries(runtime).values())


def titles(inbox: SmtpServer) -> list[str]:
    return sorted(str(mail["Subject"]) for mail in inbox.mails)


def test_each_notice_is_a_mail_and_is_mailed_once_over_one_connection(mailing: Runtime, inbox: SmtpServer) -> None:
    ask(mailing, *(f"P{number:02}" for number in range(45)))
    ask(mailing, "P00", to=LEE)
    with listening(inbox):
        assert drain(mailing) == 46
        ask(mailing, "P01")
        assert drain(mailing) == 0
    assert len(inbox.mails) == 46
    assert len({mail["Message-ID"] for mail in inbox.mails}) == 46
    assert titles(inbox)[:3] == ["Explicit: P00", "Explicit: P00", "Explicit: P01"]
    assert inbox.connections == 1
    assert set(outcomes(mailing)) == {("done", None)}


def test_a_subject_that_was_merged_is_called_as_the_one_that_it_is_now(mailing: Runtime, inbox: SmtpServer) -> None:
    ask(mailing, "Old")
    known(mailing, "Middle", merged_into=known(mailing, "New"))
    known(mailing, "Old", merged_into="S-Middle")
    with listening(inbox):
        drain(mailing)
    assert titles(inbox) == ["Explicit: New"]


def test_a_digest_waits_until_its_day_is_swept_and_nothing_has_come_for_a_while(
    mailing: Runtime, inbox: SmtpServer, clock: Clock
) -> None:
    due = known(mailing, "Due", due=local_day(clock(), mailing.ruleset.zone))
    ask(mailing, "A", "B", rule="explicit.warn")
    with listening(inbox):
        assert drain(mailing) == 0
        clock.forward(minutes=1)
        ask(mailing, "C", rule="explicit.warn")
        ask(mailing, "C", rule="explicit.warn", to=KIM.upper())
        ask(mailing, "D", rule="pending.remind")
        clock.forward(seconds=61)
        assert drain(mailing) == 0
        clock.forward(minutes=1)
        assert drain(mailing) == 0, "a subject is still due"
        known(mailing, "Due", due=None)
        assert drain(mailing) == 0, "it is looked at again only after a while"
        clock.forward(minutes=1)
        assert drain(mailing) == 3
    assert due == "S-Due"
    assert titles(inbox) == ["Explicit: 3 to look at (2026-04-01)", "Explicit: C", "Explicit: D"]
    assert set(outcomes(mailing)) == {("done", None)}


def test_a_subject_that_cannot_be_swept_holds_up_a_digest_for_some_hours_only(
    mailing: Runtime, inbox: SmtpServer, clock: Clock
) -> None:
    known(mailing, "Poisoned", due=1)
    ask(mailing, "A", rule="explicit.warn")
    with listening(inbox):
        clock.now += LONGEST_WAIT - timedelta(seconds=1)
        assert drain(mailing) == 0
        clock.forward(minutes=1)
        assert drain(mailing) == 1


def test_there_is_one_digest_per_recipient_rule_and_day(mailing: Runtime, inbox: SmtpServer, clock: Clock) -> None:
    ask(mailing, "A", rule="explicit.warn")
    clock.now += SETTLED
    with listening(inbox):
        assert drain(mailing) == 1
        (late,) = ask(mailing, "B", rule="explicit.warn")
        clock.now += SETTLED
        assert drain(mailing) == 0
        assert entries(mailing)[late].outcome == "gone"
        assert entries(mailing)[late].error == LATE_FOR_DIGEST
        clock.forward(days=1)
        ask(mailing, "A", "B", rule="explicit.warn")
        clock.now += SETTLED
        assert drain(mailing) == 1
    assert titles(inbox) == ["Explicit: 2 to look at (2026-04-02)", "Explicit: A"]


def test_a_digest_of_many_subjects_is_one_mail(mailing: Runtime, inbox: SmtpServer, clock: Clock) -> None:
    ask(mailing, *(f"P{number:03}" for number in range(150)), rule="explicit.warn")
    clock.now += SETTLED
    with listening(inbox):
        assert drain(mailing) == 1
    assert titles(inbox) == ["Explicit: 150 to look at (2026-04-01)"]


def test_a_mail_server_that_is_away_is_tried_again_less_and_less_and_loses_nothing(
    mailing: Runtime, inbox: SmtpServer, clock: Clock
) -> None:
    ask(mailing, *(f"P{number:02}" for number in range(30)))
    pauses = []
    for _ in range(5):
        assert drain(mailing) == 0
        until = {row.next_attempt_at for row in entries(mailing).values()}
        assert len(until) == 1
        pauses.append((until.pop() - clock()).total_seconds())
        clock.forward(minutes=16)
    assert 5 <= pauses[0] <= 10
    assert 450 <= pauses[-1] <= 900
    assert {row.attempts for row in entries(mailing).values()} == {0}
    assert next(one.detail for one in examine(mailing) if one.name == "mail").startswith(
        "30 notices wait since mailing them failed, last with: the mail server cannot be used: ConnectionRefusedError"
    )
    with listening(inbox):
        assert drain(mailing) == 30
    assert set(outcomes(mailing)) == {("done", None)}
    assert [one.is_fine for one in examine(mailing) if one.name == "mail"] == [True]


def test_a_refused_recipient_is_dead_after_three_tries_and_holds_up_nobody(
    mailing: Runtime, inbox: SmtpServer, clock: Clock
) -> None:
    (refused,) = ask(mailing, "A")
    ask(mailing, "B", to=LEE)
    ask(mailing, "C", to="nobody\r\nBcc: all@example.jp")
    inbox.refuses[KIM] = "550 no such mailbox"
    with listening(inbox):
        assert drain(mailing) == 1
        for _ in range(2):
            clock.forward(hours=1)
            assert drain(mailing) == 0
        assert titles(inbox) == ["Explicit: B"]
        assert outcomes(mailing) == [
            ("dead", "'nobody Bcc: all@example.jp' is no e-mail address"),
            ("dead", "550 no such mailbox"),
            ("done", None),
        ]
        inbox.refuses.clear()
        with mailing.database.write() as connection:
            assert outbox.retry(connection, clock(), [refused]) == [refused]
        assert drain(mailing) == 1
    assert titles(inbox) == ["Explicit: A", "Explicit: B"]


def test_a_recipient_who_is_put_off_for_days_is_given_up(mailing: Runtime, inbox: SmtpServer, clock: Clock) -> None:
    ask(mailing, "A")
    inbox.refuses[KIM] = "452 mailbox full"
    with listening(inbox):
        for _ in range(4):
            assert drain(mailing) == 0
            assert outcomes(mailing) == [("waiting", "452 mailbox full")]
            clock.forward(hours=20)
        assert drain(mailing) == 0
    assert outcomes(mailing) == [("dead", "452 mailbox full")]


def test_a_digest_is_refused_or_put_off_as_a_whole(mailing: Runtime, inbox: SmtpServer, clock: Clock) -> None:
    ask(mailing, "A", "B", rule="explicit.warn")
    clock.now += SETTLED
    inbox.refuses[KIM] = "452 mailbox full"
    with listening(inbox):
        assert drain(mailing) == 0
        assert outcomes(mailing) == [("waiting", "452 mailbox full")] * 2
        ask(mailing, "C", rule="explicit.warn")
        inbox.refuses.clear()
        clock.now += SETTLED
        assert drain(mailing) == 1
    assert titles(inbox) == ["Explicit: 3 to look at (2026-04-01)"]


def test_a_letter_that_cannot_be_written_holds_up_no_other(mailing: Runtime, inbox: SmtpServer) -> None:
    ask(mailing, "A", after=None, before=["?"])
    ask(mailing, "B")
    with listening(inbox):
        assert drain(mailing) == 1
    assert titles(inbox) == ["Explicit: B"]
    assert "TypeError: unhashable type: 'list'" in [error for _, error in outcomes(mailing)]


def test_what_there_is_no_time_for_waits_and_is_no_try(mailing: Runtime, inbox: SmtpServer) -> None:
    ask(mailing, "A", "B", "C")
    turns = iter([True, True, False, False])
    with listening(inbox):
        assert drain(mailing, lambda: next(turns)) == 1
        assert sorted((row.outcome, row.attempts) for row in entries(mailing).values()) == [
            *[("done", 1), ("waiting", 0), ("waiting", 0)]
        ]
        assert drain(mailing) == 2


def test_two_at_once_mail_nothing_twice(start: Callable[[], Runtime], inbox: SmtpServer) -> None:
    first, second = start(), start()
    ask(first, "A", "B", "C")
    seen: list[int] = []

    def meanwhile(_mail: EmailMessage) -> None:
        if not seen:
            seen.append(drain(second))

    inbox.answer = meanwhile
    with listening(inbox):
        assert drain(first) == 3
    assert seen == [0]
    assert titles(inbox) == ["Explicit: A", "Explicit: B", "Explicit: C"]


def test_a_mailer_that_was_stopped_for_longer_than_its_lease_mails_nothing_that_another_has_mailed(
    start: Any, inbox: SmtpServer, clock: Clock
) -> None:
    """It is stopped while it hands over its first mail: only that one comes twice, with the same `Message-ID`."""
    elsewhere = SmtpServer()
    first, second = start(), start(**elsewhere.environ)
    names = [f"N{number:02}" for number in range(20)]
    ask(first, *names)

    def stopped(_mail: EmailMessage) -> None:
        inbox.answer = lambda _: None
        clock.forward(seconds=first.config.lease_seconds)
        assert drain(second) == 20

    inbox.answer = stopped
    with listening(elsewhere), listening(inbox):
        assert drain(first) == 1
    assert titles(elsewhere) == [f"Explicit: {name}" for name in names]
    assert [mail["Message-ID"] for mail in inbox.mails] == [elsewhere.mails[0]["Message-ID"]]
    assert outcomes(first) == [("done", None)] * 20


def test_a_lease_is_renewed_while_the_server_takes_its_time(start: Any, inbox: SmtpServer, clock: Clock) -> None:
    mailing = start(CONNECTOR_LEASE_SECONDS="5")
    (asked,) = ask(mailing, "A")

    def slowly(_mail: EmailMessage) -> None:
        before = entries(mailing)[asked].next_attempt_at
        clock.forward(seconds=4)
        wait_for(lambda: entries(mailing)[asked].next_attempt_at > before, "the lease to be renewed")

    inbox.answer = slowly
    with listening(inbox):
        assert drain(mailing) == 1


def test_a_mail_that_is_sent_again_after_a_crash_is_recognisably_the_same(
    mailing: Runtime, inbox: SmtpServer, clock: Clock, tmp_path: Path
) -> None:
    clock.now = datetime.now(UTC) - timedelta(hours=1)
    (asked,) = ask(mailing, "A")
    program = "import os; from pathlib import Path; from connector.runtime.parts import Runtime; "
    program += "from connector.runtime.settings import read_config; "
    program += "from connector.operations.flow import build_notifier; "
    program += "build_notifier(Runtime(read_config(os.environ, Path.cwd()))).drain(lambda: True)"
    url = mailing.config.database_url
    environ = {**os.environ, **inbox.environ, "DATABASE_URL": url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    crashing: list[subprocess.Popen[bytes]] = []
    inbox.answer = lambda _: crashing.pop().kill() if crashing else None
    with listening(inbox):
        started = subprocess.Popen([sys.executable, "-c", program], env=environ, cwd=tmp_path)
        crashing.append(started)
        assert started.wait(30) == -signal.SIGKILL
        assert (entries(mailing)[asked].outcome, entries(mailing)[asked].attempts) == ("waiting", 0)
        clock.now = datetime.now(UTC) + timedelta(minutes=2)
        assert drain(mailing) == 1
    first, second = inbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert outcomes(mailing) == [("done", None)]


def test_a_mail_server_s_own_mistake_does_not_take_the_mails_with_it(mailing: Runtime, inbox: SmtpServer) -> None:
    inbox.senders["abm@connector.example"] = "553 not yours"
    ask(mailing, "A", "B")
    with listening(inbox):
        assert drain(mailing) == 0
    assert outcomes(mailing) == [("waiting", "the sender was refused: 553 not yours")] * 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_secret_gets_into_the_log_or_the_outbox(start: Any, inbox: SmtpServer, clock: Clock) -> None:
    mailing = start(CONNECTOR_SMTP_USER=USER, CONNECTOR_SMTP_PASSWORD=f"{PASSWORD}-wrong")
    stream = StringIO()
    configure_log(level="debug", form="text", stream=stream)
    ask(mailing, "A")
    with listening(inbox):
        assert drain(mailing) == 0
        clock.forward(minutes=1)
        assert drain(mailing) == 0
    assert inbox.logins
    assert "the mail server refused the login (535)" in stream.getvalue()
    assert PASSWORD not in stream.getvalue() + str(entries(mailing)) + repr(mailing.config)


def test_without_a_mail_server_notices_wait_and_the_doctor_says_so(runtime: Runtime, clock: Clock) -> None:
    assert [one.is_fine for one in examine(runtime) if one.name == "mail"] == [True]
    ask(runtime, "A", "B")
    clock.forward(minutes=1)
    assert build_notifier(runtime) is None
    runtime.wakeups.enqueue_senders()
    assert list(runtime.redis.scan_iter("*notify*")) == []
    (found,) = [one for one in examine(runtime) if one.name == "mail"]
    assert (found.is_fine, found.is_vital, found.detail) == (False, False, "2 notices wait; set smtp.host")
    assert [(one.name, one.connection, one.length, one.oldest_seconds) for one in gauges(runtime)] == [
        ("outbox_waiting", "notice", 2, 60.0)
    ]


def test_the_job_mails_what_is_due_and_the_requeue_wakes_it(mailing: Runtime, inbox: SmtpServer) -> None:
    jobs = Jobs(mailing)
    waiting = f"connector:waiting:{NOTIFY.function}"
    jobs.requeue()
    assert not mailing.redis.exists(waiting)
    ask(mailing, "A")
    jobs.requeue()
    assert mailing.redis.exists(waiting)
    with mailing.wakeups.lock("notify"):
        jobs.notify()
    assert inbox.mails == []
    assert not mailing.redis.exists(waiting)
    with listening(inbox):
        jobs.notify()
    assert titles(inbox) == ["Explicit: A"]
    assert not mailing.redis.exists(waiting)


def test_claims_take_what_is_still_due_only(mailing: Runtime, clock: Clock) -> None:
    ids = ask(mailing, "A", "B")
    later = clock() + timedelta(minutes=1)
    with mailing.database.write() as connection:
        assert notices.claim(connection, ids[:1], clock(), later) == {ids[0]}
        assert notices.claim(connection, ids, clock(), later) == {ids[1]}
        assert not notices.is_any_due(connection, clock())
        assert connection.execute(text("SELECT max(attempts) FROM outbox")).scalar() == 0


def test_administrators_are_told_once_that_a_system_refuses_a_connection(mailing: Runtime, inbox: SmtpServer) -> None:
    put_in_force(mailing, mail_enabled=True, administrators=[KIM, LEE])
    _refuse(mailing)
    jobs = Jobs(mailing)
    jobs.requeue()
    assert Queue(NOTIFY.queue, connection=mailing.redis).count == 1
    jobs.notify()  # the mail server is away
    with listening(inbox):
        for _ in range(2):
            _refuse(mailing)
            jobs.notify()
    assert titles(inbox) == ["shop: its system refuses the connector"] * 2
    assert {str(mail["To"]) for mail in inbox.mails} == {KIM, LEE}
    assert "the token was revoked" in inbox.mails[0].get_content()
    assert "`connector connection rotate shop`" in inbox.mails[0].get_content()


def test_nobody_is_told_of_a_refused_connection_while_mail_is_off(mailing: Runtime, inbox: SmtpServer) -> None:
    put_in_force(mailing, mail_enabled=False, administrators=[KIM])
    _refuse(mailing)
    with listening(inbox):
        Jobs(mailing).notify()
    assert inbox.mails == []


def _refuse(runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        note_refused(connection, "shop", PUSH, "the token was revoked", runtime.clock())
