"""The account that every test of the HubSpot adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.hubspot.fake import Account


@pytest.fixture
def account() -> Account:
    return Account()
