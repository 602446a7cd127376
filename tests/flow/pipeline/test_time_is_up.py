"""A job whose time is up ends there: that is nobody's fault, and no delivery and no subject is set aside for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rq.timeouts import JobTimeoutException

from connector.operations.doctor import balance
from connector.operations.flow import sweep
from connector.pipeline import process
from connector.pipeline import sweep as sweeping
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


def _time_is_up(*_: Any, **__: Any) -> None:
    message = "the job exceeded its time"
    raise JobTimeoutException(message)


def test_deliveries_in_hand_wait_for_the_next_drain(
    runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_connection(runtime)
    sender = Sender(runtime)
    for number in "12":
        assert sender.send({**LINE, "id": number}).status_code == 202
    monkeypatch.setattr(process, "apply", _time_is_up)
    with pytest.raises(JobTimeoutException):
        drain(runtime)
    assert balance(runtime)["shop"]["pending"] == 2
    monkeypatch.undo()
    clock.forward(minutes=5)
    drain(runtime)
    assert balance(runtime)["shop"]["applied"] == 2


def test_subjects_that_are_due_stay_due(runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    add_connection(runtime)
    late = (NOW - timedelta(days=100)).isoformat()
    assert Sender(runtime).send({**LINE, "at": late}).status_code == 202
    drain(runtime)
    clock.forward(days=1)
    monkeypatch.setattr(sweeping, "_settle", _time_is_up)
    with pytest.raises(JobTimeoutException):
        sweep(runtime)
    monkeypatch.undo()
    assert sweep(runtime).due == 1
