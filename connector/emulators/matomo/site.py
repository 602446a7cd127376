"""An emulated Matomo: its tracker keeps visits, its Reporting API shows them; it tells nobody by itself."""

from __future__ import annotations

import itertools
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final

from flask import Flask, Response, jsonify, request

from connector.emulators.engine.emulator import SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults

TOKEN: Final = "0123456789abcdef0123456789abcdef"  # noqa: S105 - of a Matomo that is not real
SITE: Final = "1"
REST: Final = timedelta(minutes=30)
DEFAULT_LIMIT: Final = 10
_CAMPAIGNS: Final = {"email_inflow": "newsletter", "cocoar_inflow": "cocoar"}
_EVENTS: Final = {
    "form_submission": ("form", "submit", "contact"),
    "membership_registration": ("user", "signup", "trial"),
    "login": ("user", "login", ""),
}
_REFUSED: Final = (
    "Unable to authenticate with the provided token. It is either invalid, expired or is required to be sent as a POST "
    "parameter."
)


class MatomoSite(SiteEmulator):
    """One web site, in UTC. A visit ends after half an hour of rest, and a campaign begins another one.

    As in Matomo 4 and later, a user that becomes known gives the visit, from its beginning, another visitor's id.
    """

    NAME: ClassVar[str] = "matomo"
    KINDS: ClassVar[Sequence[str]] = ("site_access", *_CAMPAIGNS, *_EVENTS, "file_download")
    IS_POLLED: ClassVar[bool] = True

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self._visits: list[dict[str, Any]] = []
        self._users: dict[str, str] = {}
        self._ids = itertools.count(640021)
        self._lock = threading.Lock()

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """The address and the token; small pages, so that there are several."""
        return {"url": self.url, "batch": 2}, {"token": [TOKEN]}

    def unauthorized(self) -> Response:
        """Matomo 5 answers 401 in JSON; Matomo 4 said the same with 200."""
        return _error(_REFUSED, 401)

    def routes(self, app: Flask) -> None:
        """The Reporting API has one address for everything."""
        app.add_url_rule("/index.php", "index", self._api, methods=["GET", "POST"])

    def do(self, action: VisitorAction) -> None:
        """The tracker hears of it: a page, an event, a download, or the user's id with a heartbeat."""
        with self._lock:
            if action.email:
                self._users[action.visitor] = action.email
            visit = self._visit(action)
            if user := self._users.get(action.visitor):
                visit |= {
                    "userId": user,
                    "visitorId": f"{zlib.crc32(user.encode()):08x}{zlib.adler32(user.encode()):08x}",
                }
            visit["lastActionTimestamp"] = visit["serverTimestamp"] = int(action.at.timestamp())
            if action.kind != "identify":
                visit["actionDetails"] += self._actions(action)

    def _visit(self, action: VisitorAction) -> dict[str, Any]:
        visits = [visit for visit in self._visits if visit["cookie"] == action.visitor]
        campaign = _CAMPAIGNS.get(action.kind)
        least = (action.at - REST).timestamp()
        if visits and campaign is None and visits[-1]["lastActionTimestamp"] > least:
            return visits[-1]
        visit: dict[str, Any] = {
            "idSite": SITE,
            "idVisit": str(90312 + len(self._visits)),
            "cookie": action.visitor,
            "visitorId": action.visitor,
            "userId": None,
            "actionDetails": [],
            "firstActionTimestamp": int(action.at.timestamp()),
            "referrerType": "campaign" if campaign else "direct",
            "referrerName": campaign or "",
            "visitorType": "returning" if visits else "new",
        }
        self._visits.append(visit)
        return visit

    def _actions(self, action: VisitorAction) -> list[dict[str, Any]]:
        page_id = str(next(self._ids))
        shown: dict[str, Any] = {"url": action.page, "pageId": page_id, "timestamp": int(action.at.timestamp())}
        if action.kind == "file_download":
            return [{**shown, "type": "download", "url": "https://www.example.com/files/catalog.pdf"}]
        if action.kind not in _EVENTS:
            return [{**shown, "type": "action", "pageTitle": "Page", "idpageview": f"{zlib.crc32(page_id.encode()):x}"}]
        category, name, label = _EVENTS[action.kind]
        event = {**shown, "type": "event", "eventCategory": category, "eventAction": name, "eventName": label}
        goal = {**shown, "type": "goal", "goalName": "Contact", "goalId": 2, "revenue": 0, "goalPageId": page_id}
        goal.pop("pageId")
        return [event, goal] if action.kind == "form_submission" else [event]

    def _api(self) -> Response:
        if request.form.get("token_auth") != TOKEN:
            return self.unauthorized()
        method = request.values.get("method")
        if request.values.get("module") != "API" or request.values.get("format", "").lower() != "json":
            return Response("<html>Matomo</html>")
        if method == "API.getMatomoVersion":
            return jsonify({"value": "5.1.2"})
        if method != "Live.getLastVisitsDetails":
            return _error(f"The method '{method}' does not exist or is not available in the module 'API'.", 400)
        if (site := request.values.get("idSite")) != SITE:
            return _error(
                f"You can't access this resource as it requires 'view' access for the website id = {site}.", 401
            )
        return jsonify(self._log())

    def _log(self) -> list[dict[str, Any]]:
        """Newest first; `minTimestamp` is left out itself; ten visits where no limit is given."""
        asked = request.values
        start, end = self._bounds(asked.get("period"), asked.get("date"))
        least, limit = int(asked.get("minTimestamp", 0)), int(asked.get("filter_limit", DEFAULT_LIMIT))
        offset = int(asked.get("filter_offset", 0))
        with self._lock:
            found = [visit for visit in self._visits if start <= visit["lastActionTimestamp"] <= end]
            found = [dict(visit) for visit in found if visit["lastActionTimestamp"] > least]
        for visit in found:
            del visit["cookie"]
        found.sort(key=lambda visit: -int(visit["lastActionTimestamp"]))
        return found[offset : offset + limit] if limit >= 0 else found[offset:]

    def _bounds(self, period: str | None, day: str | None) -> tuple[float, float]:
        """The seconds of a day; of today those of yesterday too, and no end."""
        if period != "day" or day is None:
            return 0.0, float("inf")
        begins = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        if begins.date() == self.now().astimezone(UTC).date():
            return (begins - timedelta(days=1)).timestamp(), float("inf")
        return begins.timestamp(), (begins + timedelta(days=1)).timestamp()


def _error(message: str, status: int) -> Response:
    response = jsonify({"result": "error", "message": message})
    response.status_code = status
    return response
