"""Matomo's visits log by its Reporting API, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from connector.adapter_kit.contract import Answer, Api, InspectionResult
from connector.adapter_kit.payload import Part
from connector.adapter_kit.rest import refused
from connector.adapter_kit.tracking import under, words
from connector.core.errors import BadPayload, CrmRefused

METHOD: Final = "Live.getLastVisitsDetails"
EAST: Final = timedelta(hours=14)
WEST: Final = timedelta(hours=12)
"""A site's day may begin so much before and after that of UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Asks one Matomo. `size`: visits in one answer."""

    api: Api
    url: str
    token: str
    size: int

    def visits(self, site: str, since: datetime) -> Iterator[dict[str, Any]]:
        """The visits of a site whose last action is not before `since`, each once in the form it had last.

        They are asked for day by day: over several days Matomo pages wrongly and leaves visits out.
        """
        least = str(int(since.timestamp()) - 1)
        newest = self._newest(site, least)
        if newest is None:
            return
        day, last = (since - WEST).date(), (newest + EAST).date()
        seen: set[tuple[str, str]] = set()
        while day <= last:
            for visit in self._day(site, day, least):
                mark = (str(visit.get("idVisit")), str(visit.get("lastActionTimestamp")))
                if mark not in seen:
                    seen.add(mark)
                    yield visit
            day += timedelta(days=1)

    def inspect(self, sites: Sequence[str]) -> list[InspectionResult]:
        """A finding on the token, and one on each site. Raises `CrmUnavailable` when nothing answers."""
        try:
            version = self._ask("API.getMatomoVersion", {})
        except CrmRefused as error:
            text = f"{error}; make an auth token of a user with view access in Matomo, and rotate the secret `token`"
            return [InspectionResult(topic="credentials", is_good=False, text=text)]
        shown = words(under(Part(version), "value"), 20) or "of a version that it does not tell"
        return [
            InspectionResult(topic="credentials", is_good=True, text=f"Matomo {shown} takes the token"),
            *(self._look(site) for site in sites),
        ]

    def _look(self, site: str) -> InspectionResult:
        try:
            newest = self._newest(site, "1")
        except CrmRefused as error:
            text = f"site {site}: {error}; give the token's user view access, and do not switch the visits log off"
            return InspectionResult(topic="scopes", is_good=False, text=text)
        when = f"the newest action was at {newest:%Y-%m-%d %H:%M}Z" if newest else "it is empty"
        return InspectionResult(topic="scopes", is_good=True, text=f"site {site}: the visits log can be read; {when}")

    def _newest(self, site: str, least: str) -> datetime | None:
        """When the newest visit's last action was; visits come newest first."""
        found = self._listed({"idSite": site, "filter_limit": "1", "minTimestamp": least})
        try:
            seconds = Part(found[0], "$[0]")["lastActionTimestamp"].integer() if found else None
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
        except (BadPayload, ValueError, OverflowError, OSError) as error:
            message = f"the newest visit has no time: {error}"
            raise CrmRefused(message) from error

    def _day(self, site: str, day: date, least: str) -> Iterator[dict[str, Any]]:
        query = {"idSite": site, "period": "day", "date": day.isoformat(), "minTimestamp": least}
        offset = 0
        while True:
            page = self._listed({**query, "filter_limit": str(self.size), "filter_offset": str(offset)})
            yield from page
            if len(page) < self.size:
                return
            offset += self.size

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found = self._ask(METHOD, query)
        if not isinstance(found, list) or not all(isinstance(visit, dict) for visit in found):
            message = f"{METHOD} answered something else than a list of visits"
            raise CrmRefused(message)
        return found

    def _ask(self, method: str, query: dict[str, str]) -> Any:
        """One call; the token goes in the body, where newer tokens must stand and no log shows it."""
        params = {"module": "API", "method": method, "format": "JSON", **query}
        address = f"{self.url.split('?', maxsplit=1)[0].removesuffix('index.php').rstrip('/')}/index.php"
        answer = self.api.call("POST", address, params=params, data={"token_auth": self.token})
        if 300 <= answer.status < 400:  # noqa: PLR2004 - the class of answers that send elsewhere
            message = f"Matomo answered {answer.status}: it has moved; set `url` to where it is now"
            raise CrmRefused(message)
        return self._good(answer)

    def _good(self, answer: Answer) -> Any:
        found = answer.json()
        if isinstance(found, dict) and found.get("result") == "error":
            text = str(found.get("message", "")).replace(self.token, "***")[:300]
            raise refused(answer.status, f"Matomo refused: {text}")
        if answer.status >= 400:  # noqa: PLR2004 - the classes of answers that refuse
            raise refused(answer.status, f"Matomo answered {answer.status}")
        return found
