"""A job whose time is up ends there: that is nobody's fault, and no delivery and no subject is set aside for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException
from sqlalchemy import event

from connector.operations.doctor import balance
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from tests.conftest import NOW, Clock
from tests.flow.senders import Sender, add_connection, drain

LINE = {
    "id": "1",
    "at": NOW.isoformat(),
    "type": "action",
    "action": "site_access",
    "subject": {"email": "a@b.example"},
}


@contextmanager
def time_is_up(runtime: Runtime) -> Iterator[None]:
    """The job's time is up whenever a subject is written."""

    def interrupt(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO subjects"):
            message = "the job exceeded its time"
            raise JobTimeoutException(message)

    event.listen(runtime.database.engine, "before_cursor_execute", interrupt)
    try:
        with pytest.raises(JobTimeoutException):
            yield
    finally:
        event.remove(runtime.database.engine, "before_cursor_execute", interrupt)


def test_deliveries_in_hand_wait_for_the_next_drain(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for number in "12":
        assert sender.send({**LINE, "id": number}).status_code == 202
    with time_is_up(runtime):
        drain(runtime)
    assert balance(runtime)["shop"]["pending"] == 2
    clock.forward(minutes=5)
    drain(runtime)
    assert balance(runtime)["shop"]["applied"] == 2


def test_subjects_that_are_due_stay_due(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    late = (NOW - timedelta(days=100)).isoformat()
    assert Sender(runtime).send({**LINE, "at": late}).status_code == 202
    drain(runtime)
    clock.forward(days=1)
    with time_is_up(runtime):
        sweep(runtime)
    assert sweep(runtime).due == 1
