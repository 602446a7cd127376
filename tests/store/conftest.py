"""A database of either kind that has no tables yet."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from connector.store.database import Database
from tests.conftest import POSTGRES


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/former.sqlite"
        return
    postgres: Database = request.getfixturevalue("postgres")
    name = f"former_{uuid.uuid4().hex}"
    engine = postgres.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{POSTGRES}/{name}"
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
