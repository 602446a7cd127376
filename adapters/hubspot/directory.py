"""The owners, pipelines and properties of a HubSpot account; what changes seldom is remembered for some minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.hubspot.client import OBJECTS, Account
from connector.adapter_kit.contract import Catalog, Person
from connector.adapter_kit.owners import PEOPLE, emails_of
from connector.adapter_kit.rest import listed

PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The directories of one account."""

    account: Account
    contact_stage: str

    def people(self) -> list[Person]:
        """The owners, those who left too; remembered for some minutes."""
        memo = self.account.api.memo
        if PEOPLE not in memo:
            url = self.account.path("owners")
            memo[PEOPLE] = [
                _person(row, is_active=archived == "false")
                for archived in ("false", "true")
                for row in self.account.pages(url, limit=str(PAGE), archived=archived)
            ]
        people: list[Person] = memo[PEOPLE]
        return people

    def emails(self, wanted: set[str]) -> dict[str, str | None]:
        """Owner id → e-mail, as far as known; without the scope they stay unknown, and their events are held."""
        return emails_of(wanted, self.people, self.account.api)

    def pipelines(self) -> dict[str, str]:
        """Deal stage → its pipeline."""
        memo = self.account.api.memo
        if "pipelines" not in memo:
            memo["pipelines"] = {one["id"]: row["id"] for row in self._pipeline_rows() for one in row["stages"]}
        return dict(memo["pipelines"])

    def _pipeline_rows(self) -> Sequence[Any]:
        rows: Sequence[Any] = self.account.read(self.account.path("pipelines", "/deals"))["results"]
        return rows

    def catalog(self, objects: Sequence[str]) -> Catalog:
        """Stages, owners and properties as they are now."""
        stages: dict[str, Mapping[str, Mapping[str, str]]] = {}
        fields: dict[str, Mapping[str, str]] = {}
        for record_object in objects:
            rows = self.account.read(self.account.path("properties", f"/{OBJECTS[record_object]}"))["results"]
            fields[record_object] = {row["name"]: row.get("label") or row["name"] for row in rows}
            options = next((listed(row.get("options")) for row in rows if row["name"] == self.contact_stage), ())
            stages[record_object] = {"": {one["value"]: one.get("label") or one["value"] for one in options}}
        if "deal" in objects:
            stages["deal"] = {
                row["id"]: {one["id"]: one.get("label") or one["id"] for one in row["stages"]}
                for row in self._pipeline_rows()
            }
        self.account.api.memo.pop(PEOPLE, None)
        return Catalog(stages=stages, owners=tuple(self.people()), fields=fields)


def _person(row: Mapping[str, Any], *, is_active: bool) -> Person:
    name = " ".join(part for part in (row.get("firstName"), row.get("lastName")) if part)
    email = str(row.get("email") or "").strip().casefold() or None
    return Person(id=str(row["id"]), email=email, name=name or email or str(row["id"]), is_active=is_active)
