"""Leases: renewed in time and only then, in a thread where that is wanted, and whatever the database does."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from connector.runtime.leases import Lease, Leases
from connector.store.database import Database
from tests.conftest import NOW, Clock, wait_for

MINUTE = timedelta(minutes=1)


class Rows:
    """Notes what is renewed, or fails as a database does."""

    def __init__(self) -> None:
        self.renewed: list[tuple[Collection[str], datetime, datetime]] = []
        self.is_away = False

    def __call__(self, connection: Connection, ids: Collection[str], *, before: datetime, until: datetime) -> None:
        del connection
        if self.is_away:
            statement = "UPDATE rows"
            raise OperationalError(statement, {}, Exception())
        self.renewed.append((ids, before, until))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def test_a_lease_is_renewed_when_a_third_of_it_is_over(database: Database, clock: Clock) -> None:
    rows = Rows()
    leases = Leases(database=database, renew=rows, clock=clock, length=MINUTE)
    old, new = Lease(ids=["a"], until=NOW + MINUTE), Lease(ids=["b"], until=NOW + MINUTE * 1.5)
    leases.renew([old, new])
    clock.forward(seconds=21)
    leases.renew([old, new])
    leases.renew([old, new])
    assert rows.renewed == [(["a"], NOW + MINUTE, clock() + MINUTE)]
    assert old.until == clock() + MINUTE


def test_a_lease_that_cannot_be_renewed_is_tried_again(database: Database, clock: Clock) -> None:
    rows = Rows()
    leases = Leases(database=database, renew=rows, clock=clock, length=MINUTE)
    lease = Lease(ids=["a"], until=NOW)
    rows.is_away = True
    leases.renew([lease])
    assert lease.until == NOW
    rows.is_away = False
    leases.renew([lease])
    assert lease.until == NOW + MINUTE


def test_a_thread_renews_a_lease_until_the_work_is_done(database: Database, clock: Clock) -> None:
    rows = Rows()
    leases = Leases(database=database, renew=rows, clock=clock, length=timedelta(seconds=0.1))
    with leases.renewed(Lease(ids=["a"], until=NOW)):
        wait_for(lambda: len(rows.renewed) == 1, "the lease to be renewed")
        clock.forward(seconds=1)
        wait_for(lambda: len(rows.renewed) == 2, "the lease to be renewed again")
    clock.forward(seconds=1)
    assert len(rows.renewed) == 2
