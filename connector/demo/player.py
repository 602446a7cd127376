"""Plays the leads' lives in an emulated Bitrix24 portal: each happening is a change dated at its instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.demo.life import Arrived, Behaved, DealMoved, DealOpened, Handed, Happening, LeadMoved
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.state import Portal


class Player:
    """Plays happenings in the order they are given. `leads` and `deals`: who → record id, as far as played."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.leads: dict[str, int] = {}
        self.deals: dict[str, int] = {}

    def play(self, happening: Happening) -> Mapping[str, Any] | None:
        """Does it; what was done on the site is given back as a line for a connection of the adapter `standard`."""
        at, who, what = happening.at, happening.who, happening.what
        match what:
            case Behaved():
                return what.line
            case Arrived():
                self.leads[who] = self._arrive(happening, what)
            case LeadMoved():
                self.portal.change(Entity.LEAD, self.leads[who], {"stageId": what.stage}, by=what.by, at=at)
            case Handed():
                self.portal.change(Entity.LEAD, self.leads[who], {"assignedById": what.owner}, by=what.by, at=at)
            case DealOpened():
                self.deals[who] = self._open_deal(happening, what)
            case DealMoved():
                category = self.portal.find(Entity.DEAL, self.deals[who]).get("categoryId")
                stage = f"C{category}:{what.stage}" if category else what.stage
                self.portal.change(Entity.DEAL, self.deals[who], {"stageId": stage}, by=what.by, at=at)
        return None

    def _arrive(self, happening: Happening, what: Arrived) -> int:
        values = {
            "title": f"{what.company}: {what.name} {what.last_name}",
            "name": what.name,
            "lastName": what.last_name,
            "companyTitle": what.company,
            "sourceId": "WEBFORM",
            "assignedById": what.owner,
        }
        return self.portal.add(Entity.LEAD, values, by=what.owner, email=what.email, at=happening.at)

    def _open_deal(self, happening: Happening, what: DealOpened) -> int:
        lead_id = self.leads[happening.who]
        lead = self.portal.find(Entity.LEAD, lead_id)
        owner, email = lead.get("assignedById"), lead.first("EMAIL")
        person = {"name": lead.get("name"), "lastName": lead.get("lastName"), "leadId": lead_id, "assignedById": owner}
        contact = self.portal.add(Entity.CONTACT, person, by=what.by, email=email, at=happening.at)
        values = {
            "title": f"Deal with {lead.get('companyTitle')}",
            "categoryId": what.category,
            "leadId": lead_id,
            "contactId": contact,
            "contactIds": [contact],
            "opportunity": what.amount,
            "assignedById": owner,
        }
        return self.portal.add(Entity.DEAL, values, by=what.by, at=happening.at)
