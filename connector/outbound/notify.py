"""Notices go from the outbox to people: one mail per subject or one digest, each once, tried again by rule."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connector.core.calendar import day_start
from connector.core.engine import Ruleset
from connector.i18n.statuses import labels_in
from connector.outbound.messages import Known, Letter, compose, known, letters
from connector.outbound.smtp import Fate, MailServer, Sent
from connector.runtime import metrics
from connector.store import notices, outbox
from connector.store import subjects as subject_queries
from connector.store.database import Database
from connector.store.rows import Row

BATCH: Final = 20
SETTLED: Final = timedelta(minutes=2)
"""A digest waits this long after its newest entry."""
LONGEST_WAIT: Final = timedelta(hours=3)
"""A subject that cannot be swept holds up the digests of its day no longer than this."""
LOOK_AGAIN: Final = timedelta(seconds=30)
BACKOFF: Final = timedelta(seconds=10)
BACKOFF_MOST: Final = timedelta(minutes=15)
REFUSALS: Final = 3
"""A refused mail is tried this often, then it is dead until somebody retries it by hand."""
LATE_FOR_DIGEST: Final = "the day's digest had been mailed before this came in"
log: Final = structlog.get_logger(__name__)


class Notifier:
    """Mails what waits in the outbox. What two of them do at once is done by one of them."""

    def __init__(
        self,
        *,
        database: Database,
        ruleset: Ruleset,
        server: MailServer,
        clock: Callable[[], datetime],
        lease: timedelta,
        give_up: timedelta,
    ) -> None:
        self._database = database
        self._ruleset = ruleset
        self._server = server
        self._clock = clock
        self._lease = lease
        self._give_up = give_up
        self._labels = labels_in("en", ruleset.statuses.values())

    def drain(self, has_time: Callable[[], bool]) -> int:
        """Mail what is due until nothing is left, the server is away or the time is up; how many mails were sent."""
        count = 0
        try:
            while has_time() and (taken := self._database.attempt(self._take)) is not None:
                sent = self._send_all(taken, has_time)
                if sent is None:
                    break
                count += sent
        finally:
            self._server.close()
        return count

    def _take(self, connection: Connection) -> list[Letter] | None:
        """Claim the letters of what is due; None: nothing is. What is due and not ready is put off."""
        now = self._clock()
        due = notices.due(connection, now, BATCH)
        if not due:
            return None
        ready = [one if not one.is_digest else self._whole(connection, one, now) for one in letters(due)]
        found = [one for one in ready if one is not None]
        mine = notices.claim(connection, [of for one in found for of in one.ids], now, now + self._lease)
        return [one for one in found if mine.issuperset(one.ids)]

    def _whole(self, connection: Connection, letter: Letter, now: datetime) -> Letter | None:
        """A digest with all its entries, once no more are to come; there is one per recipient, rule and day."""
        rows = notices.digest(connection, letter.key, day_start(letter.day, self._ruleset.zone))
        waiting = [row for row in rows if row["outcome"] == outbox.WAITING]
        due = [row["id"] for row in waiting if row["next_attempt_at"] <= now]
        if any(row["outcome"] == "done" for row in rows):
            notices.finish(connection, due, "gone", LATE_FOR_DIGEST, now)
            return None
        ready_at = self._ready_at(connection, waiting, letter.day, now)
        if ready_at > now:
            outbox.renew(connection, due, ready_at)
            return None
        return letters(waiting)[0]

    def _ready_at(self, connection: Connection, rows: Sequence[Row], day: int, now: datetime) -> datetime:
        """When to look at a digest again; a time that is not in the future: it is ready."""
        newest: datetime = max(row["created_at"] for row in rows)
        wait: datetime = max(newest + SETTLED, *(row["next_attempt_at"] for row in rows))
        if wait <= now < newest + LONGEST_WAIT and subject_queries.due(connection, day, 1):
            return now + LOOK_AGAIN
        return wait

    def _send_all(self, taken: Sequence[Letter], has_time: Callable[[], bool]) -> int | None:
        """Send claimed letters and settle each; how many were sent, None: no more get through now."""
        count = 0
        with self._database.read() as connection:
            subjects = _subjects(connection, {row["subject"] for one in taken for row in one.rows})
        left = {of for one in taken for of in one.ids}
        with self._kept(left):
            for letter in taken:
                if not has_time():
                    break
                sent = self._send(letter, subjects)
                metrics.count_mail(sent.fate)
                self._settle(letter, sent, left)
                if sent.fate is Fate.DOWN:
                    return None
                left.difference_update(letter.ids)
                count += sent.fate is Fate.SENT
        if left:
            with self._database.write() as connection:
                outbox.renew(connection, left, self._clock())
        return count

    def _send(self, letter: Letter, subjects: Mapping[str, Known]) -> Sent:
        try:
            message = compose(letter, subjects, self._labels, sender=self._server.sender, now=self._clock())
        except ValueError as error:
            return Sent(fate=Fate.REFUSED, reason=str(error))
        except Exception as error:  # whatever is wrong with one letter must not hold up the others
            log.exception("a mail cannot be written", notices=letter.ids)
            return Sent(fate=Fate.REFUSED, reason=f"{type(error).__name__}: {error}")
        return self._server.send(message, letter.to)

    def _settle(self, letter: Letter, sent: Sent, left: set[str]) -> None:
        now = self._clock()
        since = min((row["failing_since"] for row in letter.rows if row["failing_since"]), default=now)
        is_dead = (sent.fate is Fate.REFUSED and max(row["attempts"] for row in letter.rows) + 1 >= REFUSALS) or (
            sent.fate is Fate.LATER and now - since >= self._give_up
        )
        if sent.fate is not Fate.SENT:
            log.warning("a mail was not sent", fate=sent.fate, reason=sent.reason, is_dead=is_dead)
        with self._database.write() as connection:
            if sent.fate is Fate.SENT:
                notices.finish(connection, letter.ids, "done", None, now)
            elif sent.fate is Fate.DOWN:
                notices.postpone_all(connection, left, now + _pause(now - since), sent.reason, now)
            elif is_dead:
                notices.finish(connection, letter.ids, "dead", sent.reason, now)
            else:
                notices.postpone(connection, letter.ids, now + _pause(now - since), sent.reason, now)

    @contextmanager
    def _kept(self, ids: set[str]) -> Iterator[None]:
        """Renew the leases of `ids` meanwhile: however slow the server is, nobody else sends the same."""
        is_over = threading.Event()

        def keep() -> None:
            while not is_over.wait(self._lease.total_seconds() / 3):
                try:
                    with self._database.write() as connection:
                        outbox.renew(connection, ids.copy(), self._clock() + self._lease)
                except SQLAlchemyError as error:
                    log.warning("leases of notices cannot be renewed", error=type(error).__name__)

        keeper = threading.Thread(target=keep, name="notify-keep", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            is_over.set()
            keeper.join()


def _subjects(connection: Connection, ids: set[str]) -> dict[str, Known]:
    """What is known of subjects; of one that was merged into another, what is known of that."""
    rows: dict[str, Row] = {}
    wanted = ids
    while wanted:
        rows |= subject_queries.states(connection, wanted)
        wanted = {row["merged_into"] for row in rows.values() if row["merged_into"]} - rows.keys()
    identities = subject_queries.identities_of(connection, rows.keys())
    found = {}
    for subject in ids:
        of = subject
        while of in rows and rows[of]["merged_into"]:
            of = rows[of]["merged_into"]
        state = (rows[of]["state"] if of in rows else None) or {}
        found[subject] = known(of, state.get("profile", {}), identities.get(of, ()))
    return found


def _pause(failing: timedelta) -> timedelta:
    """As long again as it has been failing, with jitter."""
    share: float = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return min(max(failing, BACKOFF), BACKOFF_MOST) * share
