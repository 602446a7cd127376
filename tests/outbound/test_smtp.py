"""The way to the mail server: encryption, login, and what each answer of the server means for a mail."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from connector.outbound.smtp import Fate, MailServer, Sent
from connector.runtime.settings import Smtp
from tests.smtp_server import HOST, PASSWORD, USER, Postbox, certified, opened

TO = "kim@example.jp"


@pytest.fixture
def box() -> Iterator[Postbox]:
    found = Postbox()
    with opened(found):
        yield found


def smtp(box: Postbox, *, security: str = "none", user: str | None = None, password: str | None = None) -> Smtp:
    return Smtp(
        host=HOST, port=box.port, security=security, user=user, password=password, sender="abm@connector.example"
    )


def mail(text: str = "text") -> EmailMessage:
    message = EmailMessage()
    message["To"] = TO
    message["From"] = "abm@connector.example"
    message.set_content(text)
    return message


def sent(server: MailServer, *, to: str = TO) -> Sent:
    try:
        return server.send(mail(), to)
    finally:
        server.close()


def test_many_mails_take_one_connection(box: Postbox) -> None:
    server = MailServer(smtp(box))
    assert [server.send(mail(), TO).fate for _ in range(3)] == [Fate.SENT] * 3
    server.close()
    server.close()
    assert (len(box.mails), box.connections) == (3, 1)
    assert box.envelopes[0] == ("abm@connector.example", [TO])


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_is_encrypted_and_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    context, trusted = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    box = Postbox()
    with opened(box, **{security: context}):
        assert sent(MailServer(smtp(box, security=security, user=USER, password=PASSWORD))) == Sent(fate=Fate.SENT)
    assert box.logins == [(USER, PASSWORD)]


def test_a_certificate_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    box = Postbox()
    with opened(box, starttls=context):
        found = sent(MailServer(smtp(box, security="starttls", user=USER, password=PASSWORD)))
    assert found.fate is Fate.DOWN
    assert "certificate" in found.reason
    assert box.logins == []


def test_a_server_without_starttls_gets_no_password(box: Postbox) -> None:
    found = sent(MailServer(smtp(box, security="starttls", user=USER, password=PASSWORD)))
    assert found.fate is Fate.DOWN
    assert "STARTTLS" in found.reason
    assert box.logins == []


def test_a_wrong_password_is_said_without_it(box: Postbox) -> None:
    found = sent(MailServer(smtp(box, user=USER, password="wrong-secret")))
    assert found == Sent(fate=Fate.DOWN, reason="the mail server refused the login (535)")


def test_a_login_may_have_no_password(box: Postbox) -> None:
    assert sent(MailServer(smtp(box, user=USER))).fate is Fate.DOWN
    assert box.logins == [(USER, "")] * len(box.logins)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 no such mailbox", Sent(fate=Fate.REFUSED, reason="550 no such mailbox")),
        ("452 mailbox full", Sent(fate=Fate.LATER, reason="452 mailbox full")),
    ],
)
def test_a_recipient_is_refused_or_put_off(box: Postbox, answer: str, expected: Sent) -> None:
    box.refuses[TO] = answer
    server = MailServer(smtp(box))
    assert server.send(mail(), TO) == expected
    assert server.send(mail(), "lee@example.jp").fate is Fate.SENT
    server.close()
    assert box.connections == 1


@pytest.mark.parametrize(("answer", "fate"), [("554 spam", Fate.REFUSED), ("451 try again", Fate.LATER)])
def test_a_mail_is_refused_or_put_off_after_its_text(box: Postbox, answer: str, fate: Fate) -> None:
    box.answer = lambda _: answer
    assert sent(MailServer(smtp(box))) == Sent(fate=fate, reason=answer)


def test_a_refused_sender_holds_up_all_mails_but_a_size_only_its_own(box: Postbox) -> None:
    box.senders["abm@connector.example"] = "553 not yours"
    assert sent(MailServer(smtp(box))) == Sent(fate=Fate.DOWN, reason="the sender was refused: 553 not yours")
    box.senders["abm@connector.example"] = "552 too large"
    assert sent(MailServer(smtp(box))) == Sent(fate=Fate.REFUSED, reason="552 too large")


def test_a_server_that_hangs_up_after_some_mails_is_called_again(box: Postbox) -> None:
    server = MailServer(smtp(box))
    assert server.send(mail(), TO).fate is Fate.SENT
    box.refuses[TO] = "421 too many mails"
    assert server.send(mail(), TO).fate is Fate.LATER
    assert server.send(mail(), TO).fate is Fate.DOWN
    box.refuses.clear()
    assert server.send(mail(), TO).fate is Fate.SENT
    server.close()


def test_a_secret_that_a_server_repeats_is_masked(box: Postbox) -> None:
    box.answer = lambda _: f"554 {PASSWORD}?"
    assert sent(MailServer(smtp(box, user=USER, password=PASSWORD))) == Sent(fate=Fate.REFUSED, reason="554 ***?")


def test_no_server_is_down() -> None:
    found = sent(MailServer(smtp(Postbox())))
    assert found.fate is Fate.DOWN
    assert "ConnectionRefusedError" in found.reason


def test_an_address_that_the_server_cannot_write_is_refused(box: Postbox) -> None:
    assert sent(MailServer(smtp(box)), to="キム@example.jp").fate is Fate.REFUSED
