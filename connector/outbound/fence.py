"""The `Api` of one batch: a worker that was stopped for longer than its lease sends nothing old after it wakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.adapter_kit.contract import Answer, Api
from connector.core.errors import CrmUnavailable

LAPSED = "the lease of this batch has ended; another worker goes on with it"


class FencedApi:
    """An `Api` that asks `is_ours` before each call, and makes none once the batch is not ours any more."""

    def __init__(self, api: Api, is_ours: Callable[[], bool]) -> None:
        self._api = api
        self._is_ours = is_ours

    @property
    def memo(self) -> dict[str, Any]:
        """As `Api.memo`."""
        return self._api.memo

    def call(self, method: str, url: str, **content: Any) -> Answer:
        """As `Api.call`. Raises `CrmUnavailable` as well when the lease has ended."""
        if not self._is_ours():
            raise CrmUnavailable(LAPSED)
        return self._api.call(method, url, **content)

    def set_secret(self, name: str, value: str) -> None:
        """As `Api.set_secret`."""
        self._api.set_secret(name, value)

    def get_secret(self, name: str) -> str | None:
        """As `Api.get_secret`."""
        return self._api.get_secret(name)
