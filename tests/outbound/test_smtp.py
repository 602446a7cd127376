"""The way to the mail server: encryption, login, and what each answer of the server means for a mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.outbound.messages import Message, MessageResult, Sent
from connector.outbound.smtp import MailServer
from connector.runtime.settings import Smtp
from tests.conftest import NOW
from tests.smtp_server import HOST, PASSWORD, USER, SmtpServer, certified, listening

TO = "kim@example.jp"


@pytest.fixture
def inbox() -> Iterator[SmtpServer]:
    found = SmtpServer()
    with listening(found):
        yield found


def smtp(inbox: SmtpServer, *, security: str = "none", user: str | None = None, password: str | None = None) -> Smtp:
    return Smtp(
        host=HOST, port=inbox.port, security=security, user=user, password=password, sender="abm@connector.example"
    )


def mail(to: str = TO) -> Message:
    return Message(key="k", to=to, title="title", text="text", at=NOW)


def sent(server: MailServer, *, to: str = TO) -> Sent:
    try:
        return server.send(mail(to))
    finally:
        server.close()


def test_many_mails_take_one_connection(inbox: SmtpServer) -> None:
    server = MailServer(smtp(inbox))
    assert [server.send(mail()).result for _ in range(3)] == [MessageResult.SENT] * 3
    server.close()
    server.close()
    assert (len(inbox.mails), inbox.connections) == (3, 1)
    assert inbox.envelopes[0] == ("abm@connector.example", [TO])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_encrypted_and_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    context, trusted = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    inbox = SmtpServer()
    with listening(inbox, **{security: context}):
        assert sent(MailServer(smtp(inbox, security=security, user=USER, password=PASSWORD))) == Sent(
            result=MessageResult.SENT
        )
    assert inbox.logins == [(USER, PASSWORD)]


def test_a_certificate_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    inbox = SmtpServer()
    with listening(inbox, starttls=context):
        found = sent(MailServer(smtp(inbox, security="starttls", user=USER, password=PASSWORD)))
    assert found.result is MessageResult.DOWN
    assert "certificate" in found.reason
    assert inbox.logins == []


def test_a_server_without_starttls_gets_no_password(inbox: SmtpServer) -> None:
    found = sent(MailServer(smtp(inbox, security="starttls", user=USER, password=PASSWORD)))
    assert found.result is MessageResult.DOWN
    assert "STARTTLS" in found.reason
    assert inbox.logins == []


def test_a_wrong_password_is_said_without_it(inbox: SmtpServer) -> None:
    found = sent(MailServer(smtp(inbox, user=USER, password="wrong-secret")))
    assert found == Sent(result=MessageResult.DOWN, reason="the mail server refused the login (535)")


def test_a_login_may_have_no_password(inbox: SmtpServer) -> None:
    assert sent(MailServer(smtp(inbox, user=USER))).result is MessageResult.DOWN
    assert inbox.logins == [(USER, "")] * len(inbox.logins)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 no such mailbox", Sent(result=MessageResult.REFUSED, reason="550 no such mailbox")),
        ("452 mailbox full", Sent(result=MessageResult.LATER, reason="452 mailbox full")),
    ],
)
def test_a_recipient_is_refused_or_put_off(inbox: SmtpServer, answer: str, expected: Sent) -> None:
    inbox.refuses[TO] = answer
    server = MailServer(smtp(inbox))
    assert server.send(mail()) == expected
    assert server.send(mail("lee@example.jp")).result is MessageResult.SENT
    server.close()
    assert inbox.connections == 1


@pytest.mark.parametrize(
    ("answer", "result"), [("554 spam", MessageResult.REFUSED), ("451 try again", MessageResult.LATER)]
)
def test_a_mail_is_refused_or_put_off_after_its_text(inbox: SmtpServer, answer: str, result: MessageResult) -> None:
    inbox.answer = lambda _: answer
    assert sent(MailServer(smtp(inbox))) == Sent(result=result, reason=answer)


def test_a_refused_sender_holds_up_all_mails_but_a_size_only_its_own(inbox: SmtpServer) -> None:
    inbox.senders["abm@connector.example"] = "553 not yours"
    assert sent(MailServer(smtp(inbox))) == Sent(
        result=MessageResult.DOWN, reason="the sender was refused: 553 not yours"
    )
    inbox.senders["abm@connector.example"] = "552 too large"
    assert sent(MailServer(smtp(inbox))) == Sent(result=MessageResult.REFUSED, reason="552 too large")


def test_a_server_that_hangs_up_after_some_mails_is_called_again(inbox: SmtpServer) -> None:
    server = MailServer(smtp(inbox))
    assert server.send(mail()).result is MessageResult.SENT
    inbox.refuses[TO] = "421 too many mails"
    assert server.send(mail()).result is MessageResult.LATER
    assert server.send(mail()).result is MessageResult.DOWN
    inbox.refuses.clear()
    assert server.send(mail()).result is MessageResult.SENT
    server.close()


def test_a_secret_that_a_server_repeats_is_masked(inbox: SmtpServer) -> None:
    inbox.answer = lambda _: f"554 {PASSWORD}?"
    assert sent(MailServer(smtp(inbox, user=USER, password=PASSWORD))) == Sent(
        result=MessageResult.REFUSED, reason="554 ***?"
    )


def test_no_server_is_down() -> None:
    found = sent(MailServer(smtp(SmtpServer())))
    assert found.result is MessageResult.DOWN
    assert "ConnectionRefusedError" in found.reason


def test_an_address_that_the_server_cannot_write_is_refused(inbox: SmtpServer) -> None:
    assert sent(MailServer(smtp(inbox)), to="キム@example.jp").result is MessageResult.REFUSED
