"""The emulated Bitrix24 portal as a `Crm`: what tests and the demonstration play with every system alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, ClassVar, Self

from connector.emulators.bitrix24.directory import USERS
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.running import RunningPortal
from connector.emulators.engine.emulator import clock
from connector.emulators.engine.faults import Faults

TOKEN = "k4w8zq1n6t0x5p2v9c7h3j1m8b5r6y0d"  # noqa: S105 - of a portal that is not real


class Bitrix24Crm:
    """A portal whose leads are played with; `running` is all of it."""

    NAME: ClassVar[str] = "bitrix24"
    OBJECT: ClassVar[str] = "lead"
    STAGE: ClassVar[str] = "STATUS_ID"
    STATUS: ClassVar[str] = "UF_CRM_ABM_STATUS"
    STAGES: ClassVar[Sequence[str]] = ("NEW", "IN_PROCESS", "PROCESSED", "JUNK")
    OWNERS: ClassVar[Mapping[str, str]] = {str(user.id): user.email for user in USERS if user.is_active and user.email}

    def __init__(self, *, now: Callable[[], datetime] = clock, faults: Faults | None = None) -> None:
        self.running = RunningPortal(now=now, faults=faults, application_token=TOKEN)
        self.faults, self.tally = self.running.faults, self.running.tally

    def __enter__(self) -> Self:
        self.running.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.__exit__(kind, error, trace)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the running portal."""
        return {}, {"webhook_url": [self.running.webhook_url], "application_tokens": [TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """Makes an outgoing webhook to that address."""
        self.running.subscribe(handler_url)

    def drain(self, timeout: float = 30.0) -> bool:
        """Waits until all webhooks have been sent; False when the time is up before."""
        return self.running.sender.drain(timeout)

    def add(self, email: str, *, stage: str | None = None, owner: str | None = None, at: datetime | None = None) -> str:
        """A person makes a lead; its id."""
        by = int(owner or next(iter(self.OWNERS)))
        values = {"title": email, "assignedById": by, "stageId": stage or self.STAGES[0]}
        return str(self.running.portal.add(Entity.LEAD, values, by=by, email=email, at=at))

    def move(self, record_id: str, stage: str, *, at: datetime | None = None) -> None:
        """A person drags the lead to another stage."""
        self.running.portal.move(Entity.LEAD, int(record_id), stage, by=1, at=at)

    def assign(self, record_id: str, owner: str, *, at: datetime | None = None) -> None:
        """A person hands the lead to a colleague."""
        self.running.portal.assign(Entity.LEAD, int(record_id), int(owner), by=1, at=at)

    def delete(self, record_id: str) -> None:
        """A person deletes the lead."""
        self.running.portal.delete(Entity.LEAD, int(record_id))

    def stage_of(self, record_id: str) -> str:
        """The stage that the portal shows."""
        return self.running.portal.stage_of(Entity.LEAD, int(record_id))

    def owner_of(self, record_id: str) -> str | None:
        """The id of the employee in charge."""
        return str(self.running.portal.find(Entity.LEAD, int(record_id)).get("assignedById"))

    def status_of(self, record_id: str) -> str | None:
        """The status label that the portal shows."""
        status = self.running.portal.find(Entity.LEAD, int(record_id)).get("UF_CRM_ABM_STATUS")
        return None if status is None else str(status)
