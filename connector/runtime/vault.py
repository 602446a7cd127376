"""Encryption of secrets at rest: Fernet keys, newest first, of which the first encrypts and all decrypt."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection

from connector.core.errors import WrongSetting
from connector.store import connections as queries
from connector.store.database import Database

KEY_FILE: Final = "secret.key"


class Vault:
    """Seals and opens secrets. `keys`: Fernet keys (32 bytes in URL-safe Base64), newest first."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet: Final = MultiFernet([_fernet(place, key) for place, key in enumerate(keys, 1)])

    def encrypt(self, text: str) -> str:
        """The text, sealed with the newest key."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        """The text that was sealed with any of the keys; raises `WrongSetting` when none of them opens it."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise WrongSetting(_CLOSED) from error

    def rotate(self, sealed: str) -> str:
        """The same secret, sealed with the newest key; raises `WrongSetting` as `decrypt` does."""
        try:
            return self._fernet.rotate(sealed).decode()
        except InvalidToken as error:
            raise WrongSetting(_CLOSED) from error


_CLOSED: Final = (
    "none of the secret keys opens a stored secret: give the keys that it was sealed with, "
    "in CONNECTOR_SECRET_KEYS or in the data directory's secret.key"
)


def open_vault(keys: Sequence[str], data_dir: Path) -> Vault:
    """The vault with these keys, or, without any, with those of the key file: one a line; made if it is missing.

    Raises `WrongSetting` for a key that is none and for a key file that others may read.
    """
    path = data_dir / KEY_FILE
    try:
        return Vault(keys or _keys_in(path))
    except OSError as error:
        message = f"{path} cannot be read or made: {error.strerror}; run this as the user that owns the data directory"
        raise WrongSetting(message) from error


def _fernet(place: int, key: str) -> Fernet:
    try:
        return Fernet(key)
    except ValueError as error:
        message = (
            f"secret key {place} is not a Fernet key: found {len(key)} characters; "
            "allowed: 32 bytes in URL-safe Base64, "
            'such as `python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"` prints'
        )
        raise WrongSetting(message) from error


def _keys_in(path: Path) -> list[str]:
    if not path.exists():
        _make(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        message = f"{path} can be read by others: run chmod 600 {path}"
        raise WrongSetting(message)
    keys = path.read_text("ascii", "replace").split()
    if not keys:
        message = f"{path} is empty: put the keys back, or remove it where nothing was sealed yet"
        raise WrongSetting(message)
    return keys


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; of several processes that start at once the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()


class ConnectionSecrets:
    """What an adapter stores of its connection: sealed, the same in every process. `clock` gives aware UTC."""

    def __init__(self, name: str, *, database: Database, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._name: Final = name
        self._database: Final = database
        self._vault: Final = vault
        self._clock: Final = clock

    def set(self, name: str, value: str) -> None:
        """Store a value in place of the one before."""
        sealed = self._vault.encrypt(value)

        def work(connection: Connection) -> None:
            queries.set_secret(connection, self._name, name, sealed, self._clock())

        self._database.attempt(work)

    def get(self, name: str) -> str | None:
        """The value; None: there is none, or no key opens it any more."""
        with self._database.read() as connection:
            sealed = queries.get_secret(connection, self._name, name)
        try:
            return None if sealed is None else self._vault.decrypt(sealed)
        except WrongSetting:
            return None
