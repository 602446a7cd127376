"""A workspace whose people get mail: as `runtime`, with key pages, administrators and notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.conftest import Clock, put_in_force

KEY_PAGE = "https://e.example/pricing"
WORKSPACE: Final[Mapping[str, Any]] = {
    "key_pages": [{"match": "prefix", "url": KEY_PAGE}],
    "mail_enabled": True,
    "administrators": ["boss@example.jp"],
}


@pytest.fixture
def selling(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Iterator[Runtime]:
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = Runtime(read_config(environ, tmp_path), clock)
    found.redis.flushall()
    put_in_force(found, **WORKSPACE)
    yield found
    found.close()
