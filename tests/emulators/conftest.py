"""What the tests of every emulator share: an inbox for its webhooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.emulators.engine.loopback import Loopback
from tests.emulators.inbox import Inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    found = Inbox()
    with Loopback(found.app()) as served:
        found.url = f"{served.url}/webhooks"
        yield found
