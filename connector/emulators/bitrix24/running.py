"""An emulated Bitrix24 portal on loopback: REST served by a thread, webhooks sent by others."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.bitrix24.webhooks import SENT_BY_WEBHOOKS, Handler, Sender
from connector.emulators.engine.faults import Faults, Tally
from connector.emulators.engine.loopback import Loopback


def _clock() -> datetime:
    return datetime.now(UTC)


class RunningPortal:
    """A context manager that serves the portal; inside it `url`, `webhook_url` and `application_token` hold.

    The portal's people act through `portal`; `faults` may be switched at any time; `tally` counts what was done.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = _clock,
        faults: Faults | None = None,
        secret: str = "t3stw3bh00ks3cr3t",  # noqa: S107 - of a portal that is not real
        application_token: str | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        self.faults, self.tally = faults or Faults(), Tally()
        self.application_token = application_token or secrets.token_hex(16)
        self.portal = Portal(now=now)
        self.application = Application(now=now)
        self.rest = Rest(
            self.portal, secrets={secret: 1}, faults=self.faults, tally=self.tally, application=self.application
        )
        self._now, self._secret, self._thread_count = now, secret, threads
        self._served = Loopback(create_app(self.rest), port=port)
        self._sender: Sender | None = None

    def __enter__(self) -> Self:
        self._served.__enter__()
        self._sender = Sender(
            now=self._now,
            faults=self.faults,
            tally=self.tally,
            threads=self._thread_count,
            others=lambda: list(self.application.handlers),
        )
        self.portal.announce = self._announce
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.portal.announce = None
        if self._sender:
            self._sender.close()
        self._served.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """The portal's base address."""
        return self._served.url

    @property
    def webhook_url(self) -> str:
        """The incoming webhook that a connector calls REST by, with its secret."""
        return f"{self.url}/rest/1/{self._secret}/"

    @property
    def sender(self) -> Sender:
        """The queue server of the running portal."""
        if self._sender is None:
            message = "the portal does not run; enter it by `with`"
            raise RuntimeError(message)
        return self._sender

    def install(self, handler_url: str) -> str:
        """A person installs the application, whose installation handler is that address; its refresh token.

        The event `ONAPPINSTALL` carries the tokens of who installed it, which the vendor's page leaves out.
        """
        refresh = self.application.authorize()
        auth = {"access_token": self.application.access(), "expires_in": "3600", "refresh_token": refresh}
        handler = Handler(url=handler_url, token=self.application.token, number=401, auth=auth)
        data = {"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}
        self.sender.tell("ONAPPINSTALL", handler, data)
        return refresh

    def _announce(self, event: str, entity: Entity, record_id: int) -> None:
        self.sender.announce(event, entity, record_id)
        self.application.announce(event, entity, record_id)

    def subscribe(self, handler_url: str, *, events: frozenset[str] = SENT_BY_WEBHOOKS) -> None:
        """Makes an outgoing webhook to that address, with the portal's application token."""
        self.sender.handlers.append(Handler(url=handler_url, token=self.application_token, events=events))

    def robot(self, handler_url: str, entity: Entity, record_id: int, **query: str) -> None:
        """Fires the automation rule "Webhook" on a record, for example with `token="…", event="visit"`."""
        self.sender.robot(handler_url, entity, record_id, **query)

    def report(self) -> Mapping[str, int]:
        """What was done so far, by name: `rest.calls.<method>`, `webhooks.sent` and the like."""
        with self.portal.lock:
            saved = sum(write.origin == "rest" for write in self.portal.writes)
        return {**self.tally.snapshot(), "portal.rest_writes": saved}
