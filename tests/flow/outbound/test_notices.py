"""Events come in, mails go out: through the whole flow, and through the running product."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from connector.operations.flow import build_notifier, sweep
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store.migrations import migrate
from tests.conftest import Clock, put_in_force, wait_for
from tests.flow.conftest import KEY_PAGE, WORKSPACE
from tests.flow.product import running
from tests.flow.senders import Sender, add_connection, drain, signed
from tests.flow.store_queries import mails
from tests.smtp_server import SmtpServer, listening

WHO = {"id": "L-1", "email": "a@example.jp"}


@pytest.fixture
def inbox() -> Iterator[SmtpServer]:
    found = SmtpServer()
    with listening(found):
        yield found


@pytest.fixture
def mailing(database_url: str, redis_url: str, tmp_path: Path, clock: Clock, inbox: SmtpServer) -> Iterator[Runtime]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = Runtime(read_config(environ | inbox.environ, tmp_path), clock)
    found.redis.flushall()
    put_in_force(found, **WORKSPACE)
    add_connection(found)
    yield found
    found.close()


def mailed(runtime: Runtime) -> int:
    notifier = build_notifier(runtime)
    assert notifier is not None
    return notifier.drain(lambda: True)


def lines(now: datetime) -> list[dict[str, object]]:
    """What makes a lead of somebody who comes twice and then looks at the prices."""
    said: list[dict[str, object]] = [
        {"type": "profile", "fields": {"company": "Acme"}},
        {"type": "owner", "owner": "kim@example.jp"},
        {"type": "action", "action": "site_access"},
        {"type": "action", "action": "site_access", "at": (now - timedelta(days=1)).isoformat()},
        {"type": "action", "action": "site_access", "page": KEY_PAGE, "at": now.isoformat()},
    ]
    early = (now - timedelta(days=3)).isoformat()
    return [{"id": f"e{number}", "at": early, "subject": WHO} | line for number, line in enumerate(said)]


def test_a_notice_is_mailed_once_however_often_its_events_are_delivered(
    mailing: Runtime, inbox: SmtpServer, clock: Clock
) -> None:
    sender, sent = Sender(mailing), lines(clock())
    for _ in range(3):
        for line in (sent, reversed(sent)):
            assert sender.send(*line).status_code == 202
            drain(mailing)
            mailed(mailing)
    (mail,) = inbox.mails
    assert mail["To"] == "kim@example.jp"
    assert mail["Subject"] == "Explicit: Acme"
    text = mail.get_content()
    assert f"It viewed a key page (2026-04-01 {KEY_PAGE})" in text
    assert "  E-mail: a@example.jp\r\n" in text


def test_a_reminder_is_one_digest_per_person_and_day(mailing: Runtime, inbox: SmtpServer, clock: Clock) -> None:
    sender, early = Sender(mailing), (clock() - timedelta(days=2)).isoformat()
    for number in range(4):
        who = {"id": f"L-{number}", "email": f"p{number}@example.jp"}
        owner = {"type": "owner", "owner": "kim@example.jp" if number % 2 else None}
        stage = {"type": "stage", "object": "lead", "stage": "talking"}
        sender.send(*({"id": f"{kind['type']}{number}", "at": early, "subject": who} | kind for kind in (owner, stage)))
    drain(mailing)
    assert mailed(mailing) == 0
    for _ in range(4):
        clock.forward(days=1)
        sweep(mailing)
        clock.forward(minutes=2)
        mailed(mailing)
        sweep(mailing)
        mailed(mailing)
    found = sorted((str(mail["To"]), str(mail["Subject"])) for mail in inbox.mails)
    days = ("2026-04-02", "2026-04-03")
    assert found == [
        (to, f"Appointment prospect: 2 to look at ({day})")
        for to in ("boss@example.jp", "kim@example.jp")
        for day in days
    ]


def test_nothing_is_asked_for_while_mail_is_off(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(*lines(runtime.clock()))
    drain(runtime)
    assert mails(runtime) == []


def test_the_running_product_mails_what_comes_in(tmp_path: Path, inbox: SmtpServer) -> None:
    (tmp_path / "data").mkdir()
    url = f"sqlite:///{tmp_path / 'data' / 'connector.sqlite'}"
    migrate(url)
    runtime = Runtime(read_config({"CONNECTOR_DATA_DIR": str(tmp_path / "data"), **inbox.environ}, tmp_path))
    put_in_force(runtime, **WORKSPACE)
    add_connection(runtime)
    runtime.close()
    with running(tmp_path, inbox.environ) as product:
        now = datetime.now(UTC)
        body = json.dumps({"events": lines(now)}).encode()
        headers = signed(body, "msg_1", now)
        assert requests.post(f"{product.url}/webhooks/shop", data=body, headers=headers, timeout=10).status_code == 202
        wait_for(lambda: bool(inbox.mails), "the mail")
    assert [str(mail["Subject"]) for mail in inbox.mails] == ["Explicit: Acme"]
