"""The connections as every process sees them: one broken stops no other, none is lost with the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text

from adapters import ADAPTERS
from connector.operations.doctor import examine
from connector.runtime.connections import BrokenConnection, Connections
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries
from connector.store.database import Database
from tests.flow.senders import SECRET, Sender, add_connection, drain

LINE = {"id": "1", "at": "2026-03-01T10:00:00+09:00", "subject": {"email": "a@example.jp"}, "type": "identify"}


def test_a_connection_that_cannot_be_used_stops_no_other_and_its_deliveries_wait(runtime: Runtime) -> None:
    add_connection(runtime, "good")
    add_connection(runtime, "bad")
    assert Sender(runtime, "bad").send(LINE).status_code == 202
    with runtime.database.write() as connection:
        connections.change(connection, "bad", sealed="not what any key opens")
    runtime.connections.forget()
    assert Sender(runtime, "good").send(LINE).status_code == 202
    assert Sender(runtime, "bad").send(LINE, key="again").status_code == 503
    drain(runtime)
    with runtime.database.read() as connection:
        books = deliveries.account(connection)
    assert (books["good"]["applied"], books["bad"]["pending"]) == (1, 1)
    with pytest.raises(BrokenConnection, match="the connection 'bad' cannot be used"):
        runtime.connections.get("bad")
    (finding,) = [one for one in examine(runtime) if one.name == "connections"]
    assert (finding.is_fine, finding.is_vital) == (False, False)
    assert "'bad'" in finding.detail


def test_while_the_database_does_not_answer_the_connections_are_as_they_were(runtime: Runtime) -> None:
    add_connection(runtime)
    assert runtime.connections.get("shop") is not None
    with runtime.database.write() as connection:
        connection.execute(text("ALTER TABLE connections RENAME TO away"))
    runtime.connections.forget()
    assert runtime.connections.get("shop") is not None
    with runtime.database.write() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO connections"))


class SlowDatabase(Database):
    """Something happens once, after the first reading."""

    def __init__(self, url: str, meanwhile: Callable[[], None]) -> None:
        super().__init__(url)
        self._meanwhile = [meanwhile]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with super().read() as connection:
            yield connection
        while self._meanwhile:
            self._meanwhile.pop()()


def test_what_is_forgotten_while_the_connections_are_being_read_is_read_again(runtime: Runtime) -> None:
    database = SlowDatabase(runtime.config.database_url, lambda: add_connection(runtime))
    runtime.__dict__["connections"] = found = Connections(database, ADAPTERS, runtime.vault, runtime.rules.get)
    assert found.get("shop") is None
    assert found.get("shop") is not None
    database.close()


def test_no_secret_stands_in_what_a_connection_says_of_itself(runtime: Runtime) -> None:
    add_connection(runtime)
    found = runtime.connections.get("shop")
    assert found is not None
    assert SECRET not in repr(found)
    assert SECRET not in repr(found.adapter)
    with runtime.database.read() as connection:
        stored = connection.execute(text("SELECT settings, sealed FROM connections")).one()
    assert SECRET not in str(stored)
