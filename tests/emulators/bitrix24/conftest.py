"""The portal that every test of the emulated Bitrix24 may ask for."""

from __future__ import annotations

import pytest

from tests.emulators.bitrix24.harness import Harness


@pytest.fixture
def harness() -> Harness:
    return Harness()
