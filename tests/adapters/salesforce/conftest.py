"""The organization that every test of the Salesforce adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.salesforce.fake import (
    FakeOrg,
)


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg()
