"""Reads issues, their history, users and the directories of a Jira site."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.jira.client import Site
from adapters.jira.records import OBJECT, Issue, Shape, changes_in
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.payload import Part
from connector.adapter_kit.records import readable, records_by_id, remembered
from connector.core.event import Event

PAGE: Final = 100
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The issues of a site, read as `shape` says. `known`: account ids by e-mail of the setting; no `projects`: all."""

    site: Site
    shape: Shape
    known: Mapping[str, str]
    projects: tuple[str, ...] = ()

    def issues(self, ids: Iterable[str]) -> dict[str, Any]:
        """The issues by name (`issue:10482`); None: gone; in the place of one that cannot be read its error."""
        found = records_by_id(ids, self._many, lambda id_: self.site.get(f"/rest/api/3/issue/{id_}"), size=PAGE)
        return {f"{OBJECT}:{id_}": issue for id_, issue in found.items()}

    def changes(self, since: datetime) -> Iterator[Event]:
        """The events of the issues updated since (aware UTC), in pages; deleted ones leave no trace there."""
        me = self.me()
        body: dict[str, Any] = {"jql": self._jql(since), "fields": ["*all"], "expand": "changelog", "maxResults": PAGE}
        while True:
            reply = self.site.send("POST", "/rest/api/3/search/jql", json=body)
            rows = reply["issues"]
            owners = self.owners(account for row in rows for account in _accounts(row))
            for row in rows:
                yield from readable(self._events, row, owners, since, me)
            if not (token := reply.get("nextPageToken")):
                return
            body["nextPageToken"] = token

    def owners(self, accounts: Iterable[str]) -> dict[str, str]:
        """`user:<account id>` → e-mail, as far as the users show theirs or the setting names it."""
        memo = self.site.api.memo
        wanted = sorted({account for account in accounts if f"e-mail of {account}" not in memo})
        for start in range(0, len(wanted), PAGE):
            part = wanted[start : start + PAGE]
            query = urlencode([("maxResults", PAGE), *(("accountId", account) for account in part)])
            rows = self.site.get(f"/rest/api/3/user/bulk?{query}")["values"]
            memo |= dict.fromkeys((f"e-mail of {account}" for account in part), None)
            memo |= {f"e-mail of {row['accountId']}": normalize_email(row.get("emailAddress")) for row in rows}
        prefix = "e-mail of "
        seen = {name.removeprefix(prefix): email for name, email in memo.items() if name.startswith(prefix) and email}
        return {f"user:{account}": email for account, email in (seen | _turned(self.known)).items()}

    def me(self) -> str | None:
        """The account id of the user whose token we have."""
        account: str | None = self._myself().get("accountId")
        return account

    def account_of(self, email: str) -> str | None:
        """The account id of the active user with that e-mail; who is the only one found may hide it."""
        wanted, memo = email.casefold(), self.site.api.memo
        name = f"account of {wanted}"
        if wanted in self.known:
            return self.known[wanted]
        if name not in memo:
            rows = [row for row in self.site.get("/rest/api/3/user/search", query=email) if row.get("active", True)]
            open_ones = [row for row in rows if normalize_email(row.get("emailAddress")) == wanted]
            hidden = rows if len(rows) == 1 and not rows[0].get("emailAddress") else []
            if not (found := open_ones or hidden):
                return None
            memo |= {name: str(found[0]["accountId"]), f"e-mail of {found[0]['accountId']}": wanted}
        account: str = memo[name]
        return account

    def catalog(self) -> Catalog:
        """The statuses of the projects' workflows, users, and fields."""
        stages: dict[str, str] = {}
        for status in self._statuses():
            stages[str(status["id"] if self.shape.by_id else status["name"])] = str(status["name"])
        fields = {str(row["id"]): str(row["name"]) for row in self.site.get("/rest/api/3/field")}
        return Catalog(stages={OBJECT: {"": stages}}, owners=tuple(self._people()), fields={OBJECT: fields})

    def _jql(self, since: datetime) -> str:
        """JQL reads times in the zone of the user who asks, to the minute."""
        zone = self._myself().get("timeZone") or "UTC"
        try:
            moment = max(since, _EARLIEST).astimezone(ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError):
            # No zone is further than 14 hours from UTC: a zone that is not known here costs some repetitions.
            moment = max(since, _EARLIEST).astimezone(UTC) - timedelta(hours=14)
        listed = ", ".join(f'"{project}"' for project in self.projects)
        among = f"project in ({listed}) AND " if listed else ""
        return f'{among}updated >= "{moment:%Y-%m-%d %H:%M}" ORDER BY updated ASC'

    def _myself(self) -> Mapping[str, Any]:
        """The user whose token we have; remembered for some minutes."""
        return remembered(self.site.api, "myself", lambda: self.site.get("/rest/api/3/myself"))

    def _many(self, ids: list[str]) -> dict[str, Any]:
        body = {"issueIdsOrKeys": ids, "fields": ["*all"]}
        return {row["id"]: row for row in self.site.send("POST", "/rest/api/3/issue/bulkfetch", json=body)["issues"]}

    def _events(
        self, row: Mapping[str, Any], owners: Mapping[str, str], since: datetime, me: str | None
    ) -> Iterator[Event]:
        issue = Issue(part=Part(row), shape=self.shape, owners=owners, me=me)
        log = issue.part["changelog"]
        changes = changes_in(log)
        is_whole = (log["total"].maybe(Part.integer) or 0) <= len(changes)
        yield from [issue.identify(), *issue.history(changes, since, whole=is_whole), issue.profile()]

    def _statuses(self) -> Iterator[Mapping[str, Any]]:
        if not self.projects:
            yield from self.site.get("/rest/api/3/status")
        for project in self.projects:
            for issue_type in self.site.get(f"/rest/api/3/project/{project}/statuses"):
                yield from issue_type["statuses"]

    def _people(self) -> Iterator[Person]:
        first, named = 0, _turned(self.known)
        while rows := self.site.get("/rest/api/3/users/search", startAt=str(first), maxResults=str(PAGE)):
            for row in rows:
                if row.get("accountType", "atlassian") == "atlassian":
                    account = str(row["accountId"])
                    email = named.get(account) or normalize_email(row.get("emailAddress"))
                    name = str(row.get("displayName") or account)
                    yield Person(id=account, email=email, name=name, is_active=row.get("active") is not False)
            first += len(rows)


def _accounts(row: Mapping[str, Any]) -> Sequence[str]:
    """The account ids that an issue and its history name as assignees."""
    assignee = (row.get("fields") or {}).get("assignee") or {}
    items = [
        item for change in (row.get("changelog") or {}).get("histories") or () for item in change.get("items") or ()
    ]
    named = [item.get(side) for item in items if item.get("fieldId") == "assignee" for side in ("from", "to")]
    return [account for account in (assignee.get("accountId"), *named) if account]


def _turned(known: Mapping[str, str]) -> dict[str, str]:
    return {account: email for email, account in known.items()}
