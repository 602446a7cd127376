"""The company that the tests of Pipedrive play with."""

from __future__ import annotations

import pytest

from tests.adapters.pipedrive.fake import Company


@pytest.fixture
def company() -> Company:
    return Company()
