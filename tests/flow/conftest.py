"""A workspace whose people get mail: as `runtime`, with key pages, administrators and notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.conftest import Clock

KEY_PAGE = "https://e.example/pricing"
WORKSPACE = {
    "CONNECTOR_KEY_PAGES": json.dumps([{"match": "prefix", "url": KEY_PAGE}]),
    "CONNECTOR_MAIL_ENABLED": "true",
    "CONNECTOR_ADMINISTRATORS": "boss@example.jp",
}


@pytest.fixture
def selling(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = Runtime(read_config(environ | WORKSPACE, tmp_path), clock)
    found.redis.flushall()
    yield found
    found.close()
