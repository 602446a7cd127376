"""The records that a system lists as changed, page by page, as events; and a look at whether it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from adapters.generic.paths import Item, Paths
from adapters.generic.webhook import Naming, events_of
from connector.adapter_kit.contract import Api
from connector.adapter_kit.payload import Part
from connector.adapter_kit.rest import refuse_unless_good
from connector.core.errors import BadPayload, CrmRefused, UnknownEvent
from connector.core.event import Event

MOST_PAGES: Final = 2_000


def filled_since(url: str, since: datetime) -> str:
    """An address with `{since}` (ISO 8601), `{since.unix}` or `{since.ms}` filled in."""
    seconds = int(since.timestamp())
    forms = {"{since}": quote(since.isoformat()), "{since.unix}": str(seconds), "{since.ms}": str(seconds * 1000)}
    for place, value in forms.items():
        url = url.replace(place, value)
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """A listing of changed records; each of them is read as an event of a body is."""

    url: str
    headers: Mapping[str, str]
    paths: Paths
    naming: Naming
    secrets: Sequence[str]

    def since(self, since: datetime, api: Api) -> Iterator[Event | BadPayload]:
        """Everything changed since, with the mistake in the place of a record that cannot be read."""
        if not self.url:
            return
        url: str | None = filled_since(self.url, since)
        for _ in range(MOST_PAGES):
            if url is None:
                break
            answer = api.call("GET", url, headers=dict(self.headers))
            refuse_unless_good(answer, self.secrets)
            page = Part(answer.json())
            yield from self._read(page, since)
            url = self._next(page, url)

    def _read(self, page: Part, since: datetime) -> Iterator[Event | BadPayload]:
        for part in self._parts(page):
            item = Item(paths=self.paths, part=part, received_at=since)
            try:
                item.part.object()
                if item.instant("at") is None:
                    item.find("at").refuse("a time: without one nothing tells old changes from new ones")
                yield from events_of(item, self.naming)
            except BadPayload as error:
                yield error
            except UnknownEvent as error:
                yield BadPayload(str(error), part.path)

    def _parts(self, page: Part) -> list[Part]:
        try:
            return self.paths.search("changes_items", page).items()
        except BadPayload as error:
            message = f"the list of `changes_items` cannot be read: {error}"
            raise CrmRefused(message) from error

    def _next(self, page: Part, url: str) -> str | None:
        """The next page's address; it may be relative, and must be of the same host: the credentials go there."""
        found = self.paths.search("changes_next", page)
        if not found.value:
            return None
        following = urljoin(url, found.text())
        if urlsplit(following)[:2] != urlsplit(self.url)[:2]:
            message = "the next page that `changes_next` finds is on another host; the credentials are not sent there"
            raise CrmRefused(message)
        return following
