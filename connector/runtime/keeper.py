"""The lasting memory that an adapter has of its connection: encrypted, in the database, the same in every process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from connector.core.errors import WrongSetting
from connector.runtime.vault import Vault
from connector.store import kept
from connector.store.database import Database


class DatabaseKeeper:
    """What is kept of one connection. `clock` gives aware UTC."""

    def __init__(self, name: str, *, database: Database, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._name: Final = name
        self._database: Final = database
        self._vault: Final = vault
        self._clock: Final = clock

    def put(self, name: str, value: str) -> None:
        """Keep a value in place of the one before."""
        sealed = self._vault.encrypt(value)

        def work(connection: Connection) -> None:
            kept.put(connection, self._name, name, sealed, self._clock())

        self._database.attempt(work)

    def get(self, name: str) -> str | None:
        """The value; None: there is none, or no key opens it any more."""
        with self._database.read() as connection:
            sealed = kept.get(connection, self._name, name)
        try:
            return None if sealed is None else self._vault.decrypt(sealed)
        except WrongSetting:
            return None
