"""Notices go from the outbox to people: one message per subject or one digest, each once, tried again by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection

from connector.core.calendar import day_start
from connector.core.engine import Ruleset
from connector.i18n.statuses import labels_in
from connector.outbound.messages import (
    Message,
    MessageResult,
    NoticeGroup,
    Sent,
    SubjectSummary,
    compose,
    compose_refusal,
    group_notices,
    summarize,
)
from connector.outbound.smtp import open_mail
from connector.runtime import metrics
from connector.runtime.leases import Lease, Leases
from connector.runtime.retry import RetryPolicy
from connector.runtime.settings import Config
from connector.store import connections, notices, outbox
from connector.store import subjects as subject_queries
from connector.store.database import Database
from connector.store.notices import NoticeEntry, SubjectProfile

BATCH: Final = 20
SETTLED: Final = timedelta(minutes=2)
"""A digest waits this long after its newest entry."""
LONGEST_WAIT: Final = timedelta(hours=3)
"""A subject that cannot be swept holds up the digests of its day no longer than this."""
LOOK_AGAIN: Final = timedelta(seconds=30)
LATE_FOR_DIGEST: Final = "the day's digest had been mailed before this came in"
log: Final = structlog.get_logger(__name__)


class Channel(Protocol):
    """A way to people. It may keep a connection open from one message to the next."""

    def send(self, message: Message) -> Sent:
        """Send a message to one person; never raises for what the network or the other side does."""
        ...

    def close(self) -> None:
        """Let go of what is open; the next message opens it again."""
        ...


CHANNELS: Final[Mapping[str, Callable[[Config], Channel | None]]] = {"mail": open_mail}
"""Each way to people by name: what opens it as it is set, or gives None where it is not. The first one set is used."""


def open_channel(config: Config) -> Channel | None:
    """The way to people that is set; None: there is none."""
    opened = (open_it(config) for open_it in CHANNELS.values())
    return next((channel for channel in opened if channel is not None), None)


class Notifier:
    """Sends the notices that wait in the outbox. What two of them do at once is done by one of them.

    `retry`: how a message is tried again; its attempts are refusals, its span is how long nobody may answer.
    """

    def __init__(
        self,
        *,
        database: Database,
        ruleset: Callable[[], Ruleset],
        channel: Channel,
        clock: Callable[[], datetime],
        lease: timedelta,
        retry: RetryPolicy,
    ) -> None:
        self._database = database
        self._ruleset = ruleset
        self._channel = channel
        self._clock = clock
        self._leases = Leases(database=database, renew=outbox.renew, clock=clock, length=lease)
        self._retry = retry

    def drain(self, has_time: Callable[[], bool]) -> int:
        """Send what is due until nothing is left, nothing gets through or the time is up; how many were sent."""
        count = 0
        try:
            while has_time() and (claimed := self._database.attempt(self._claim)) is not None:
                sent = self._send_all(*claimed, has_time)
                if sent is None:
                    break
                count += sent
        finally:
            self._channel.close()
        return count

    def warn(self) -> None:
        """Tell administrators of connections that their systems refuse as a whole, once each; else the next time."""
        settings = self._ruleset().settings
        with self._database.read() as connection:
            untold = {one.connection: one for one in connections.list_refusals(connection) if one.told_at is None}
        for refusal in untold.values() if settings.is_mail_on and settings.administrators else ():
            mails = [compose_refusal(refusal, to, self._clock()) for to in settings.administrators]
            results = {self._channel.send(mail).result for mail in mails}
            if results.isdisjoint({MessageResult.DOWN, MessageResult.LATER}):
                with self._database.write() as connection:
                    connections.note_told(connection, refusal.connection, self._clock())
        self._channel.close()

    def _claim(self, connection: Connection) -> tuple[list[NoticeGroup], Lease] | None:
        """Claim the messages of what is due; None: nothing is. What is due and not ready is put off."""
        now = self._clock()
        due = notices.due(connection, now, BATCH)
        if not due:
            return None
        ready = [
            group if not group.is_digest else self._whole_digest(connection, group, now) for group in group_notices(due)
        ]
        found = [group for group in ready if group is not None]
        ids = [notice for group in found for notice in group.ids]
        until = now + self._leases.length
        ours = notices.claim(connection, ids, now, until)
        return [group for group in found if ours.issuperset(group.ids)], Lease(ids=ours, until=until)

    def _whole_digest(self, connection: Connection, group: NoticeGroup, now: datetime) -> NoticeGroup | None:
        """A digest with all its entries, once no more are to come; there is one per recipient, rule and day."""
        entries = notices.digest(connection, group.key, day_start(group.day, self._ruleset().zone))
        waiting = [entry for entry in entries if entry.outcome == outbox.WAITING]
        due = [entry.id for entry in waiting if entry.next_attempt_at <= now]
        if any(entry.outcome == outbox.DONE for entry in entries):
            notices.finish(connection, due, "gone", LATE_FOR_DIGEST, now)
            return None
        ready_at = self._ready_at(connection, waiting, group.day, now)
        if ready_at > now:
            notices.wait_until(connection, due, ready_at)
            return None
        return group_notices(waiting)[0]

    def _ready_at(self, connection: Connection, entries: Sequence[NoticeEntry], day: int, now: datetime) -> datetime:
        """When to look at a digest again; a time that is not in the future: it is ready."""
        newest = max(entry.created_at for entry in entries)
        wait = max(newest + SETTLED, *(entry.next_attempt_at for entry in entries))
        if wait <= now < newest + LONGEST_WAIT and subject_queries.due(connection, day, 1):
            return now + LOOK_AGAIN
        return wait

    def _send_all(self, claimed: Sequence[NoticeGroup], lease: Lease, has_time: Callable[[], bool]) -> int | None:
        """Send claimed messages and record each result; how many were sent, None: no more get through now.

        Those that another worker has taken over, as this one was stopped for longer than its lease, are left to it.
        """
        count = 0
        with self._database.read() as connection:
            subjects = _summaries(connection, {entry.subject for group in claimed for entry in group.entries})
        left = {notice for group in claimed for notice in group.ids}
        with self._leases.renewed(lease):
            for group in claimed:
                if not has_time() or not self._leases.is_ours(lease, group.ids, outbox.held):
                    break
                sent = self._send(group, subjects)
                metrics.count_mail(sent.result)
                self._record_result(group, sent, left)
                if sent.result is MessageResult.DOWN:
                    return None
                left.difference_update(group.ids)
                count += sent.result is MessageResult.SENT
        if left:
            with self._database.write() as connection:
                outbox.renew(connection, left, before=self._leases.end(lease), until=self._clock())
        return count

    def _send(self, group: NoticeGroup, subjects: Mapping[str, SubjectSummary]) -> Sent:
        try:
            labels = labels_in("en", self._ruleset().statuses.values())
            return self._channel.send(compose(group, subjects, labels, self._clock()))
        except Exception as error:  # whatever is wrong with one message must not hold up the others
            log.exception("a message cannot be written", notices=group.ids)
            return Sent(result=MessageResult.REFUSED, reason=f"{type(error).__name__}: {error}")

    def _record_result(self, group: NoticeGroup, sent: Sent, left: set[str]) -> None:
        now = self._clock()
        failing = now - min((entry.failing_since for entry in group.entries if entry.failing_since), default=now)
        attempts = max(entry.attempts for entry in group.entries) + 1
        is_dead = {
            MessageResult.REFUSED: self._retry.is_over(attempts=attempts),
            MessageResult.LATER: self._retry.is_over(failing=failing),
        }.get(sent.result, False)
        if sent.result is not MessageResult.SENT:
            log.warning("a message was not sent", result=sent.result, reason=sent.reason, is_dead=is_dead)
        with self._database.write() as connection:
            if sent.result is MessageResult.SENT:
                notices.finish(connection, group.ids, outbox.DONE, None, now)
            elif is_dead:
                notices.finish(connection, group.ids, outbox.DEAD, sent.reason, now)
            else:
                until = now + self._retry.pause_since(failing)
                if sent.result is MessageResult.DOWN:
                    notices.postpone_all(connection, left, until, sent.reason, now)
                else:
                    notices.postpone(connection, group.ids, until, sent.reason, now)


def _summaries(connection: Connection, ids: set[str]) -> dict[str, SubjectSummary]:
    """What messages say of subjects; of one that was merged into another, what is known of that."""
    profiles: dict[str, SubjectProfile] = {}
    wanted = ids
    while wanted:
        profiles |= notices.profiles(connection, wanted)
        wanted = {one.merged_into for one in profiles.values() if one.merged_into} - profiles.keys()
    identities = subject_queries.identities_of(connection, profiles.keys())
    found = {}
    for subject in ids:
        survivor = subject
        while survivor in profiles and (merged_into := profiles[survivor].merged_into):
            survivor = merged_into
        profile = profiles[survivor].profile if survivor in profiles else {}
        found[subject] = summarize(survivor, profile, identities.get(survivor, ()))
    return found
