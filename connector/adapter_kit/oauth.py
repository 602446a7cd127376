"""Access tokens that end: every process uses the one that was kept last, and one that is refused is renewed once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, TypeVar

from connector.adapter_kit.contract import Api
from connector.core.errors import AccessRefused, CrmError, CrmRefused

T = TypeVar("T")
ACCESS: Final = "access_token"
"""The name that the access token is kept under."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A connection's access token. `issue` asks the system for a new one; it raises `CrmError` when it gets none."""

    api: Api
    issue: Callable[[], str]

    def send(self, send: Callable[[str], T], is_refused: Callable[[T], bool]) -> T:
        """What `send` answers with the token in use; where that is refused, with another one. Raises as `renewed`."""
        token = self.token()
        answer = send(token)
        if is_refused(answer) and (other := self._other(token)):
            token, answer = other, send(other)  # which another process kept, and may have run out since, too
        return send(self.renewed(token)) if is_refused(answer) else answer

    def token(self) -> str:
        """The token in use, of whichever process; a new one where there is none. Raises as `renewed`."""
        known: str | None = self.api.memo.get(ACCESS) or self.api.get_secret(ACCESS)
        return self._remembered(known) if known else self.renewed(None)

    def renewed(self, refused: str | None) -> str:
        """A token other than the refused one: that of a process which was quicker, or a new one.

        Raises `CrmUnavailable`, and `AccessRefused` where none is to be had.
        """
        if other := self._other(refused):
            return other
        try:
            token = self.issue()
        except CrmError as error:
            if other := self._other(refused):
                return other
            raise AccessRefused(str(error)) if isinstance(error, CrmRefused) else error from error
        self.api.set_secret(ACCESS, token)
        return self._remembered(token)

    def _other(self, refused: str | None) -> str | None:
        """What another process has stored since the refused one."""
        stored = self.api.get_secret(ACCESS)
        return self._remembered(stored) if stored and stored != refused else None

    def _remembered(self, token: str) -> str:
        self.api.memo[ACCESS] = token
        return token


def refresh_token(api: Api, entered: str) -> str:
    """The refresh token in use: the one that was entered, or the one that has replaced it since."""
    return api.get_secret(_rotated(entered)) or entered


def rotate(api: Api, entered: str, given: Any) -> None:
    """Keep the refresh token of an answer, if it has one, in place of the one that was entered.

    It is to be kept before the access token that came with it: without it nobody comes in any more.
    """
    if given:
        api.set_secret(_rotated(entered), str(given))


def _rotated(entered: str) -> str:
    """The name that it is kept under, which stays when settings change."""
    return f"rotated:refresh {sha256(entered.encode()).hexdigest()[:16]}"
