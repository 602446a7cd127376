"""An emulated Zoho CRM: people work on leads and deals, channels tell of it, REST reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from flask import Flask, Response

from connector.emulators.engine.courier import Message
from connector.emulators.engine.emulator import CrmEmulator, clock
from connector.emulators.engine.faults import Faults
from connector.emulators.engine.shelf import Change
from connector.emulators.zoho.rest import CLIENT, Rest, error
from connector.emulators.zoho.state import PICKLISTS, USERS, Tables
from connector.emulators.zoho.webhooks import Channels

TOKEN: Final = "leads.all.notif.7c2f41d9"  # noqa: S105 - of an account that is not real
FIRST_CHANNEL: Final = 1000000067001


class ZohoCrm(CrmEmulator):
    """An account whose leads are played with."""

    NAME: ClassVar[str] = "zoho"
    OBJECT: ClassVar[str] = "Leads"
    EMAIL: ClassVar[str] = "Email"
    STAGE: ClassVar[str] = "Lead_Status"
    OWNER: ClassVar[str] = "Owner"
    STATUS: ClassVar[str] = "ABM_Status"
    STAGES: ClassVar[Sequence[str]] = tuple(PICKLISTS["Lead_Status"][place] for place in (0, 1, 3))
    OWNERS: ClassVar[Mapping[str, str]] = {user.id: user.email for user in USERS[:2]}
    FIRST_ID: ClassVar[int] = 4876876000003001511

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        # Zoho keeps whole seconds.
        super().__init__(now=lambda: now().replace(microsecond=0), faults=faults, threads=threads, port=port)
        self.tables, self.channels = Tables(self.shelf), Channels(self.now)
        self.rest = Rest(
            shelf=self.shelf,
            tables=self.tables,
            channels=self.channels,
            gate=self.gate,
            now=self.now,
            url=lambda: self.url,
        )

    def routes(self, app: Flask) -> None:
        """The REST interface."""
        self.rest.put_into(app)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running account."""
        secrets = {name: [value] for name, value in CLIENT.items() if name != "client_id"}
        settings = {"data_center": "jp", "accounts_url": self.url, "client_id": CLIENT["client_id"]}
        return settings, {**secrets, "token": [TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """Channels for leads and deals to that address, of the longest life."""
        super().subscribe(handler_url)
        for place, module in enumerate(("Leads", "Deals")):
            expiry = (self.now() + timedelta(days=7)).isoformat()
            wanted = {"events": [f"{module}.all"], "notify_url": handler_url, "token": TOKEN, "channel_expiry": expiry}
            self.channels.watch({"channel_id": FIRST_CHANNEL + place, **wanted}, is_renewal=False)

    def restore(self, record_id: str, *, by: str = "", at: datetime | None = None) -> None:
        """A person takes the record back out of the recycle bin."""
        self.shelf.restore(self.OBJECT, record_id, by=by, at=at)

    def too_many(self) -> Response:
        """The limit of calls at once is passed; there is no Retry-After."""
        return error(429, "TOO_MANY_REQUESTS", "concurrency limit reached")

    def unauthorized(self) -> Response:
        """A token that is not good."""
        return error(401, "INVALID_TOKEN", "invalid oauth token")

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """The callbacks of the channels that lead to the address."""
        return [message for message in self.channels.messages(change) if message.url == url]
