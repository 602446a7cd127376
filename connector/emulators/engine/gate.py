"""What stands before an emulated system's REST interface: counting, and the faults of its network and its servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask import Flask, Response, g, request

from connector.emulators.engine.faults import Bucket, Faults, Tally, dice

_PAGE: Final = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
SHARES: Final = ("query_limit", "server_error", "lost_answer", "slow")


class Gate:
    """Puts `Faults` before an application. `too_many` and `unauthorized` answer in the system's own words.

    `drain` and `size`: the requests a second that flow out of the limit, and how many fit in at once.
    """

    def __init__(
        self,
        *,
        faults: Faults,
        tally: Tally,
        now: Callable[[], datetime],
        too_many: Callable[[], Response],
        unauthorized: Callable[[], Response],
        drain: float = 10.0,
        size: int = 100,
    ) -> None:
        self._faults, self._tally = faults, tally
        self._too_many, self._unauthorized = too_many, unauthorized
        self._bucket = Bucket(now, drain=drain, size=size)

    def guard(self, app: Flask) -> None:
        """Let every request of the application pass through here."""
        app.before_request(self._enter)
        app.after_request(self._leave)

    def is_lying(self, about: str) -> bool:
        """Whether the update of a record (`object:id`) is to be reported as done and not saved."""
        number = self._tally.add(f"rest.writes.{about}")
        is_hit = dice(self._faults.seed, "lying", about, number).random() < self._faults.lying
        if is_hit:
            self._tally.add("rest.faults.lying")
        return is_hit

    def _enter(self) -> Response | None:
        number = self._tally.add("rest.requests")
        self._tally.add(f"rest.calls.{request.method} {request.url_rule.rule if request.url_rule else '?'}")
        drawn = dice(self._faults.seed, "rest", number)
        g.hit = {name for name in SHARES if drawn.random() < getattr(self._faults, name)}
        if self._faults.moved_to:
            return Response("<html>Moved</html>", 302, {"Location": self._faults.moved_to + request.full_path})
        if "server_error" in g.hit:
            self._tally.add("rest.faults.server_error")
            return Response(_PAGE, 502)
        if self._faults.has_bad_credentials:
            return self._unauthorized()
        if "query_limit" in g.hit or (self._faults.is_rate_limited and not self._bucket.admit()):
            self._tally.add("rest.faults.too_many")
            return self._too_many()
        return None

    def _leave(self, response: Response) -> Response:
        hit = g.get("hit", set())
        if "slow" in hit:
            self._tally.add("rest.faults.slow")
            time.sleep(self._faults.slow_seconds)
        if "lost_answer" in hit:
            self._tally.add("rest.faults.lost_answer")
            return Response(_PAGE, 502)
        return halve(self._faults, response)


def halve(faults: Faults, response: Response) -> Response:
    """The response, with half a character in the place of `Faults.halved`."""
    if faults.halved and response.is_json:
        response.set_data(response.get_data().replace(faults.halved.encode(), rb"\ud800"))
    return response
