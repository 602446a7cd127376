"""A mail server on loopback that keeps what it gets, and refuses or breaks off as a test wants it to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.flow.product import free_port

HOST = "127.0.0.1"
USER, PASSWORD = "connector", "correct-horse-battery"


class SmtpServer:
    """What arrived. `refuses`: the answer to a recipient; `answer`: to a mail (None: it is taken)."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.logins: list[tuple[str, str]] = []
        self.refuses: dict[str, str] = {}
        self.senders: dict[str, str] = {}
        self.connections = 0
        self.answer: Callable[[EmailMessage], str | None] = lambda _: None

    @property
    def environ(self) -> dict[str, str]:
        """Settings that mail goes there."""
        return {
            "CONNECTOR_SMTP_HOST": HOST,
            "CONNECTOR_SMTP_PORT": str(self.port),
            "CONNECTOR_SMTP_SECURITY": "none",
            "CONNECTOR_SMTP_SENDER": "abm@connector.example",
        }

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.senders:
            return self.senders[address]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        answer = self.answer(mail)
        if answer is None or not answer.startswith(("4", "5")):
            self.mails.append(mail)
            self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        return answer or "250 taken"

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> Any:
        assert mechanism in {"PLAIN", "LOGIN"}
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=self.logins[-1] == (USER, PASSWORD), handled=False)


@contextmanager
def listening(
    inbox: SmtpServer, *, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    """The mail server answers meanwhile."""
    controller = Controller(
        inbox,
        hostname=HOST,
        port=inbox.port,
        ssl_context=tls,
        tls_context=starttls,
        authenticator=inbox.authenticate,
        auth_require_tls=starttls is not None,
        enable_SMTPUTF8=False,
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for loopback, and the file by which a client trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail-server")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "mail-server.pem", folder / "mail-server.key"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted
