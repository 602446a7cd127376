"""What is played against an emulated system: on one database, from the present on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.conftest import Clock


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: what differs between the two is below what is tested here."""
    return sqlite_url


@pytest.fixture
def clock() -> Clock:
    """To the minute: some systems date no finer."""
    return Clock(datetime.now(UTC).replace(second=0, microsecond=0))
