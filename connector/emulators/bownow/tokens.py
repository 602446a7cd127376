"""The tokens of an emulated BowNow: six hours for an access token, a month for a refresh token, one client each."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Response, jsonify, request

ACCESS: Final = timedelta(hours=6)
REFRESH: Final = timedelta(days=30)


class Tokens:
    """Issues, renews and checks tokens; `now` gives aware UTC. Changing `api_key` deletes what was issued."""

    def __init__(self, *, now: Callable[[], datetime], tracking_id: str) -> None:
        self._now, self._tracking_id = now, tracking_id
        self._api_key = "k3y-91f0c2d4e6a8"
        self._numbers = itertools.count(1)
        self._access: dict[str, tuple[str, datetime]] = {}
        self._refresh: dict[str, tuple[str, datetime]] = {}

    @property
    def api_key(self) -> str:
        """The key that tokens are issued for."""
        return self._api_key

    @api_key.setter
    def api_key(self, value: str) -> None:
        self._api_key = value
        self._access.clear()
        self._refresh.clear()

    def issue(self) -> Response:
        """`POST /auth/token`."""
        body: dict[str, Any] = request.get_json(silent=True) or {}
        if self._is_foreign() or body.get("api_key") != self._api_key:
            return _unauthorized("invalid api_key")
        return self._new(f"client-{next(self._numbers):06}")

    def renew(self) -> Response:
        """Access tokens for a refresh token, which is used up by that."""
        body: dict[str, Any] = request.get_json(silent=True) or {}
        client, until = self._refresh.pop(str(body.get("refresh_token")), ("", self._now()))
        if self._is_foreign() or until <= self._now() or request.headers.get("Client-Token") != client:
            return _unauthorized("invalid refresh_token")
        return self._new(client)

    def guarded(self, view: Callable[..., Response]) -> Callable[..., Response]:
        """The view for those who have a valid access token of their client, and nobody else."""

        def check(**arguments: Any) -> Response:
            access = request.headers.get("Authorization", "").removeprefix("Bearer ")
            client, until = self._access.get(access, ("", self._now()))
            if self._is_foreign() or until <= self._now() or request.headers.get("Client-Token") != client:
                return _unauthorized("invalid access_token")
            return view(**arguments)

        return check

    def _new(self, client: str) -> Response:
        access, refresh = f"access-{next(self._numbers):06}", f"refresh-{next(self._numbers):06}"
        self._access[access] = (client, self._now() + ACCESS)
        self._refresh[refresh] = (client, self._now() + REFRESH)
        return jsonify({"access_token": access, "refresh_token": refresh, "client_token": client})

    def _is_foreign(self) -> bool:
        return request.headers.get("Tracking-ID") != self._tracking_id


def _unauthorized(message: str) -> Response:
    response = jsonify({"errors": [{"message": message}]})
    response.status_code = 401
    return response
