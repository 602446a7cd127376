"""A connection and an intake for it, as every test of intake needs them."""

from __future__ import annotations

import pytest

from connector.intake.receive import Intake
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from tests.flow.senders import add_connection
from tests.web.malformed import SHOP


@pytest.fixture
def shop(runtime: Runtime) -> Runtime:
    """A runtime with the connection `shop`."""
    add_connection(runtime, SHOP)
    return runtime


@pytest.fixture
def intake(runtime: Runtime) -> Intake:
    return build_intake(runtime)
