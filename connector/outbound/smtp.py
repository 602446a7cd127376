"""The way to the mail server: one connection for many mails, and for each mail what became of it."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from typing import Final

from connector.adapter_kit.redaction import MASK
from connector.runtime.settings import Smtp

TIMEOUT_SECONDS: Final = 20.0
_LONGEST: Final = 300
_LEAVING: Final = 421
"""The server closes the connection (RFC 5321, 3.8); what it was about is not refused."""
_TOO_LARGE: Final = 552
_PERMANENT: Final = 500


class Fate(StrEnum):
    """What became of a mail. `DOWN`: no mail gets through now; `LATER` and `REFUSED` are about this one alone."""

    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A mail's fate, and why it was not sent."""

    fate: Fate
    reason: str = ""


class MailServer:
    """The configured mail server. It is connected to by the first mail, and again by one that finds it gone."""

    def __init__(self, smtp: Smtp, timeout: float = TIMEOUT_SECONDS) -> None:
        self._smtp = smtp
        self._timeout = timeout
        self._line: smtplib.SMTP | None = None
        self._is_proven = False

    @property
    def sender(self) -> str:
        """Who the mails are from."""
        return self._smtp.sender

    def send(self, message: EmailMessage, to: str) -> Sent:
        """Send a mail to one recipient; never raises for what the server or the network does."""
        try:
            self._line = self._line or self._open()
            self._line.send_message(message, self._smtp.sender, [to])
        except (OSError, ValueError) as error:
            fate, reason = self._fate(error)
            if self._smtp.password:
                reason = reason.replace(self._smtp.password, MASK)
            return Sent(fate=fate, reason=" ".join(reason.split())[:_LONGEST])
        self._is_proven = True
        return Sent(fate=Fate.SENT)

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

    def _fate(self, error: Exception) -> tuple[Fate, str]:
        if self._line is None:
            return self._lost(error)
        if isinstance(error, smtplib.SMTPNotSupportedError | ValueError):
            return Fate.REFUSED, str(error)
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
            return Fate.DOWN, f"the sender was refused: {_said(code, text)}"
        return Fate.REFUSED if code >= _PERMANENT else Fate.LATER, _said(code, text)

    def _lost(self, error: Exception) -> tuple[Fate, str]:
        """The connection is gone. One that has carried a mail is made again for the next: servers limit how many."""
        fate = Fate.LATER if self._is_proven else Fate.DOWN
        self._drop()
        if isinstance(error, smtplib.SMTPAuthenticationError):
            # Without its text: a server may repeat there what it was sent.
            return fate, f"the mail server refused the login ({error.smtp_code})"
        return fate, f"the mail server cannot be used: {type(error).__name__}: {error}"


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
