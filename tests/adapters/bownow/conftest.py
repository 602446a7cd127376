"""The account that every test of the BowNow adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.bownow.fake import HANA, KEN, FakeBowNow


@pytest.fixture
def api() -> FakeBowNow:
    fake = FakeBowNow()
    fake.accounts = [HANA, KEN, {"name": "without id"}]
    fake.add("sid_1", phone="03-1234-5678", staff_ids=[501, 502], tag_ids=[{"id": 3, "name": "リアクティブ"}])
    fake.add("sid_2", email="", status_id={"id": 5, "name": "アポ見込み"}, staff_ids=None, tag_ids=None)
    return fake
