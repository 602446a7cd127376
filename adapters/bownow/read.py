"""Reads leads by sid, what changed since, and the directories of statuses and accounts, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.bownow.client import PAGE, Account
from adapters.bownow.records import LEAD, Lead, Shape, id_of
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import readable, remembered
from connector.adapter_kit.rest import chunks, is_good, refused
from connector.core.errors import BadPayload, CrmRefused
from connector.core.event import Event

GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The leads of one account. `accounts`: e-mail → id, where the connection gives them; `most_pages`: of a search.

    `is_by_update`: a search gives the leads that were changed last first, so that it ends at the first older one.
    """

    account: Account
    shape: Shape
    accounts: Mapping[str, str]
    most_pages: int
    is_by_update: bool

    def leads(self, sids: Iterable[str]) -> dict[str, Any]:
        """The leads by sid, 200 a call; None: gone. Those that the search leaves out are asked for by themselves."""
        found: dict[str, Any] = {}
        for chunk in chunks(dict.fromkeys(sids), PAGE):
            body = {"page": 1, "per_page": PAGE, self.shape.keys["sids"]: chunk}
            listed = {self.shape.sid(lead): lead for lead in self.account.rows("search", "leads", body)}
            found |= {sid: listed[sid] if sid in listed else self.lead(sid) for sid in chunk}
        return found

    def lead(self, sid: str) -> Lead | None:
        """One lead; None: gone. Raises `CrmRefused` when it cannot be read."""
        answer = self.account.call("read", sid=sid)
        if answer.status in GONE:
            return None
        if not is_good(answer):
            raise refused(answer.status, self.account.answer_text("read", answer))
        lead = Part(answer.json()).object()
        wrapped = lead.get(LEAD)
        return wrapped if isinstance(wrapped, dict) else lead

    def changed(self, since: datetime) -> Iterator[Lead]:
        """The leads changed at or after an instant, as far as the pages go; unreadable ones are left out."""
        for page in self.account.pages({self.shape.keys["since"]: since.isoformat()}, self.most_pages):
            times = [(lead, self._time(lead)) for lead in page]
            yield from (lead for lead, at in times if at is not None and at >= since)
            if self.is_by_update and any(at is not None and at < since for _, at in times):
                return

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the leads changed since."""
        people = self.emails()
        for lead in self.changed(since):
            yield from readable(self.shape.events, lead, people)

    def people(self, *, is_fresh: bool = False) -> Sequence[Person]:
        """The accounts; remembered for some minutes. Raises `CrmRefused` when they cannot be listed."""
        if self.accounts:
            return [Person(id=id_, email=email, name=email) for email, id_ in self.accounts.items()]
        return remembered(self.account.api, PEOPLE, self._listed, is_fresh=is_fresh)

    def emails(self) -> dict[str, str | None]:
        """Account id → e-mail, as far as they can be listed: otherwise the mapping holds the owner, or has a table."""
        try:
            return {person.id: person.email for person in self.people()}
        except CrmRefused:
            return {}

    def catalog(self) -> Catalog:
        """Statuses by id, and the accounts."""
        rows = self.account.rows("statuses", "statuses", {"page": 1, "per_page": PAGE})
        names = {id_: str(row.get("name") or id_) for row in rows if (id_ := id_of(row))}
        try:
            people = tuple(self.people(is_fresh=True))
        except CrmRefused:
            people = ()
        return Catalog(stages={LEAD: {"": names}}, owners=people)

    def _listed(self) -> list[Person]:
        rows = self.account.rows("accounts", "accounts", {"page": 1, "per_page": PAGE})
        return [person for row in rows if (person := _person(row))]

    def _time(self, lead: Lead) -> datetime | None:
        try:
            return self.shape.updated(lead)
        except BadPayload:
            return None


def _person(row: Mapping[str, Any]) -> Person | None:
    """An account; None: it has no id."""
    if (id_ := id_of(row)) is None:
        return None
    return Person(id=id_, email=normalize_email(row.get("email")), name=str(row.get("name") or id_))
