"""An emulated Bitrix24 portal: its people, its REST interface on loopback, and the webhooks that it sends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Final, Self

from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.directory import USERS
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.bitrix24.webhooks import SENT_BY_WEBHOOKS, Handler, Sender
from connector.emulators.engine.emulator import clock
from connector.emulators.engine.faults import Faults, Tally
from connector.emulators.engine.loopback import Loopback

TOKEN: Final = "k4w8zq1n6t0x5p2v9c7h3j1m8b5r6y0d"  # noqa: S105 - of a portal that is not real
_SECRET: Final = "t3stw3bh00ks3cr3t"  # noqa: S105 - of a portal that is not real


class Bitrix24Crm:
    """A portal on loopback; a context manager, inside which `url`, `webhook_url` and `sender` hold.

    It is played with by its leads, as every `Crm`; all of it is in `portal` (the people), `application` and `rest`.
    `faults` may be switched at any time; `tally` counts what was done.
    """

    NAME: ClassVar[str] = "bitrix24"
    OBJECT: ClassVar[str] = "lead"
    STAGE: ClassVar[str] = "STATUS_ID"
    STATUS: ClassVar[str] = "UF_CRM_ABM_STATUS"
    STAGES: ClassVar[Sequence[str]] = ("NEW", "IN_PROCESS", "PROCESSED", "JUNK")
    OWNERS: ClassVar[Mapping[str, str]] = {str(user.id): user.email for user in USERS if user.is_active and user.email}

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        self.faults, self.tally = faults or Faults(), Tally()
        self.portal, self.application = Portal(now=now), Application(now=now)
        self.rest = Rest(
            self.portal, secrets={_SECRET: 1}, faults=self.faults, tally=self.tally, application=self.application
        )
        self._now, self._threads = now, threads
        self._served = Loopback(create_app(self.rest), port=port)
        self._sender: Sender | None = None

    def __enter__(self) -> Self:
        self._served.__enter__()
        self._sender = Sender(
            now=self._now,
            faults=self.faults,
            tally=self.tally,
            threads=self._threads,
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
        return f"{self.url}/rest/1/{_SECRET}/"

    @property
    def sender(self) -> Sender:
        """The queue server of the running portal."""
        if self._sender is None:
            message = "the portal does not run; enter it by `with`"
            raise RuntimeError(message)
        return self._sender

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection by webhooks to the running portal."""
        return {}, {"webhook_url": [self.webhook_url], "application_tokens": [TOKEN]}

    def subscribe(self, handler_url: str, *, events: frozenset[str] = SENT_BY_WEBHOOKS) -> None:
        """Makes an outgoing webhook to that address, with the portal's application token."""
        self.sender.handlers.append(Handler(url=handler_url, token=TOKEN, events=events))

    def install(self, handler_url: str) -> str:
        """A person installs the application, whose installation handler is that address; its refresh token.

        The event `ONAPPINSTALL` carries the tokens of who installed it, which the vendor's page leaves out.
        """
        refresh = self.application.authorize()
        auth = {"access_token": self.application.access(), "expires_in": "3600", "refresh_token": refresh}
        handler = Handler(url=handler_url, token=self.application.token, number=401, auth=auth)
        data = {"VERSION": 1, "ACTIVE": "Y", "INSTALLED": "Y", "LANGUAGE_ID": "en"}
        self.sender.send_to("ONAPPINSTALL", handler, data)
        return refresh

    def robot(self, handler_url: str, entity: Entity, record_id: int, **query: str) -> None:
        """Fires the automation rule "Webhook" on a record, for example with `token="…", event="visit"`."""
        self.sender.robot(handler_url, entity, record_id, **query)

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until all webhooks have been sent; False when the time is up before."""
        return self.sender.courier.drain(timeout)

    def add(self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None) -> str:
        """A person makes a lead; its id."""
        by = int(owner or next(iter(self.OWNERS)))
        values = {"title": email, "assignedById": by, "stageId": stage or self.STAGES[0]}
        return str(self.portal.add(Entity.LEAD, values, by=by, email=email, at=at))

    def move(self, record_id: str, stage: str, *, at: datetime | None = None) -> None:
        """A person drags the lead to another stage."""
        self.portal.move(Entity.LEAD, int(record_id), stage, by=self._seller, at=at)

    def assign(self, record_id: str, owner: str, *, at: datetime | None = None) -> None:
        """A person hands the lead to a colleague."""
        self.portal.assign(Entity.LEAD, int(record_id), int(owner), by=self._seller, at=at)

    def delete(self, record_id: str) -> None:
        """A person deletes the lead."""
        self.portal.delete(Entity.LEAD, int(record_id))

    def stage_of(self, record_id: str) -> str:
        """The stage that the portal shows."""
        return self.portal.stage_of(Entity.LEAD, int(record_id))

    def owner_of(self, record_id: str) -> str | None:
        """The id of the employee in charge."""
        return str(self.portal.find(Entity.LEAD, int(record_id)).get("assignedById"))

    def status_of(self, record_id: str) -> str | None:
        """The status label that the portal shows."""
        status = self.portal.find(Entity.LEAD, int(record_id)).get(self.STATUS)
        return None if status is None else str(status)

    def report(self) -> Mapping[str, int]:
        """What was done so far, by name: `rest.calls.<method>`, `webhooks.sent` and the like."""
        with self.portal.lock:
            saved = sum(write.origin == "rest" for write in self.portal.writes)
        return {**self.tally.snapshot(), "portal.rest_writes": saved}

    @property
    def _seller(self) -> int:
        """Who does what nobody is named for; not the employee of the webhook, who is 1."""
        return next(int(owner) for owner in self.OWNERS if owner != "1")

    def _announce(self, event: str, entity: Entity, record_id: int) -> None:
        self.sender.announce(event, entity, record_id)
        self.application.announce(event, entity, record_id)
