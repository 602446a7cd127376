"""The account that every test of the Zoho adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.zoho.fake import (
    FakeAccount,
)


@pytest.fixture
def account() -> FakeAccount:
    return FakeAccount()
