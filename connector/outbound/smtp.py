"""Mail as a way to people: one connection to the mail server for many mails, and for each what became of it."""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from connector.adapter_kit.redaction import MASK
from connector.outbound.messages import Message, MessageResult, Sent, on_one_line, shorten
from connector.runtime.settings import Config, Smtp

TIMEOUT_SECONDS: Final = 20.0
_LONGEST: Final = 300
_LEAVING: Final = 421
"""The server closes the connection (RFC 5321, 3.8); what it was about is not refused."""
_TOO_LARGE: Final = 552
_PERMANENT: Final = 500


class MailServer:
    """The configured mail server. It is connected to by the first mail, and again by one that finds it gone."""

    def __init__(self, smtp: Smtp, timeout: float = TIMEOUT_SECONDS) -> None:
        self._smtp = smtp
        self._timeout = timeout
        self._line: smtplib.SMTP | None = None
        self._is_proven = False

    def send(self, message: Message) -> Sent:
        """Send a message as a mail; never raises for what the server, the network or the address does."""
        try:
            mail = write_mail(message, self._smtp.sender)
        except ValueError as error:
            return Sent(result=MessageResult.REFUSED, reason=str(error))
        try:
            self._line = self._line or self._open()
            self._line.send_message(mail, self._smtp.sender, [message.to])
        except (OSError, ValueError) as error:
            result, reason = self._result(error)
            if self._smtp.password:
                reason = reason.replace(self._smtp.password, MASK)
            return Sent(result=result, reason=" ".join(reason.split())[:_LONGEST])
        self._is_proven = True
        return Sent(result=MessageResult.SENT)

    def close(self) -> None:
        """Say goodbye, if the server still listens."""
        if self._line is not None:
            with suppress(OSError):
                self._line.quit()
        self._drop()

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None
        self._is_proven = False

    def _open(self) -> smtplib.SMTP:
        smtp = self._smtp
        context = None if smtp.security == "none" else ssl.create_default_context()
        line: smtplib.SMTP
        if smtp.security == "tls":
            line = smtplib.SMTP_SSL(smtp.host, smtp.port, timeout=self._timeout, context=context)
        else:
            line = smtplib.SMTP(smtp.host, smtp.port, timeout=self._timeout)
        try:
            if smtp.security == "starttls":
                line.starttls(context=context)
            if smtp.user is not None:
                line.login(smtp.user, smtp.password or "")
        except OSError:
            line.close()
            raise
        return line

    def _result(self, error: Exception) -> tuple[MessageResult, str]:
        if self._line is None:
            return self._lost(error)
        if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
            return MessageResult.REFUSED, str(error)
        text: bytes | str
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            code, text = next(iter(error.recipients.values()))
        elif isinstance(error, smtplib.SMTPResponseException):
            code, text = error.smtp_code, error.smtp_error
        else:
            return self._lost(error)
        if code == _LEAVING:
            return self._lost(error)
        if isinstance(error, smtplib.SMTPSenderRefused) and code != _TOO_LARGE:
            return MessageResult.DOWN, f"the sender was refused: {_answer(code, text)}"
        return MessageResult.REFUSED if code >= _PERMANENT else MessageResult.LATER, _answer(code, text)

    def _lost(self, error: Exception) -> tuple[MessageResult, str]:
        """The connection is gone. One that has carried a mail is made again for the next: servers limit how many."""
        result = MessageResult.LATER if self._is_proven else MessageResult.DOWN
        self._drop()
        if isinstance(error, smtplib.SMTPAuthenticationError):
            # Without its text: a server may repeat there what it was sent.
            return result, f"the mail server refused the login ({error.smtp_code})"
        return result, f"the mail server cannot be used: {type(error).__name__}: {error}"


def _answer(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"


def open_mail(config: Config) -> MailServer | None:
    """The mail server that is set; None: there is none."""
    return None if config.smtp is None else MailServer(config.smtp)


def write_mail(message: Message, sender: str) -> EmailMessage:
    """The mail. Raises `ValueError`: nobody can be mailed there."""
    mail = EmailMessage(SMTP)
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
    mail["Date"] = format_datetime(message.at)
    mail["From"] = _address(sender)
    mail["To"] = _address(message.to)
    mail["Subject"] = message.title
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes come back
    mail.set_content(message.text)
    return mail


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (ValueError, IndexError, MessageError) as error:  # what its parser raises, by the kind of nonsense
        message = f"{shorten(on_one_line(text))!r} is no e-mail address"
        raise ValueError(message) from error
