"""What people do in each emulated system where these differ: phones, e-mails, a text, the bin, the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.emulator import Crm, CrmEmulator
from connector.emulators.odoo.crm import OdooCrm
from connector.emulators.pipedrive.crm import PipedriveCrm
from connector.emulators.xinnet.crm import XinnetLeads

SELLER = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The fields of a system that hold a mobile or other phone and a text; `quoted`: as a mapping names the text."""

    phone: str
    note: str
    quoted: str = ""


NAMES: Mapping[str, Names] = {
    "amis": Names(phone="mobile", note="custom_field3"),
    "bitrix24": Names(phone="PHONE", note="companyTitle"),
    "bownow": Names(phone="phone", note="company_name"),
    "generic": Names(phone="tel", note="note"),
    "hubspot": Names(phone="phone", note="hs_lead_status"),
    "jira": Names(phone="customfield_10045", note="summary"),
    "kintone": Names(phone="電話", note="会社名", quoted='"会社名"'),
    "odoo": Names(phone="phone", note="partner_name"),
    "pipedrive": Names(phone="phones", note="title"),
    "salesforce": Names(phone="MobilePhone", note="Company"),
    "standard": Names(phone="phone", note="company"),
    "xinnet": Names(phone="手机", note="企业名称", quoted='"企业名称"'),
    "zoho": Names(phone="Mobile", note="Company"),
}


@dataclass(frozen=True, slots=True)
class People:
    """The people who work with a system."""

    system: Crm

    @property
    def names(self) -> Names:
        """The names of its fields."""
        return NAMES[self.system.NAME]

    def add(self, email: str, *, phone: str | None = None, owner: str | None = None, stage: str | None = None) -> str:
        """Make a record with a phone; its id."""
        system = self.system
        if isinstance(system, Bitrix24Crm):
            by = int(owner or next(iter(system.OWNERS)))
            values = {"title": "x", "assignedById": by, "stageId": stage or system.STAGES[0], **_multi("PHONE", phone)}
            return str(system.portal.add(Entity.LEAD, values, by=by, email=email))
        assert isinstance(system, CrmEmulator)
        given = _rows(phone) if isinstance(system, PipedriveCrm) else phone
        more: dict[str, Any] = {self.names.phone: given} if phone else {}
        if isinstance(system, XinnetLeads):
            record = system.add(email, **more)
            if stage not in {None, system.STAGES[0]}:
                system.move(record, str(stage))
            return record
        return system.add(email, owner=owner, stage=stage, **more)

    def correct_email(self, record: str, email: str) -> None:
        """Give the record's person another e-mail."""
        system = self.system
        if isinstance(system, Bitrix24Crm):
            old = next(one for one in system.portal.find(Entity.LEAD, int(record)).multis if one.type_id == "EMAIL")
            row = {**_multi("EMAIL", email)["fm"]["n0"], "id": old.id}
            system.portal.change(Entity.LEAD, int(record), {"fm": {str(old.id): row}}, by=SELLER)
        elif isinstance(system, PipedriveCrm):
            person = str(system.record(record).fields["person_id"])
            system.shelf.change("person", person, {"emails": _rows(email)})
        else:
            self._change(record, {system.EMAIL: email})  # type: ignore[attr-defined]

    def note(self, record: str, text: str | None) -> None:
        """Fill in the text field, or empty it."""
        if isinstance(self.system, Bitrix24Crm):
            self.system.portal.change(Entity.LEAD, int(record), {self.names.note: text}, by=SELLER)
        else:
            self._change(record, {self.names.note: text})

    def delete(self, record: str) -> None:
        """Put the record into the bin."""
        self._shelved.shelf.delete(self.system.OBJECT, record)

    def restore(self, record: str) -> None:
        """Take the record out of the bin."""
        self._shelved.shelf.restore(self.system.OBJECT, record)

    def archive(self, record: str, *, is_back: bool = False) -> None:
        """Put the record into the archive, or take it out again."""
        name, value = ("active", is_back) if self.system.NAME == "odoo" else ("is_archived", not is_back)
        self._change(record, {name: value})

    @property
    def _shelved(self) -> CrmEmulator:
        assert isinstance(self.system, CrmEmulator)
        return self.system

    def _change(self, record: str, values: Mapping[str, Any]) -> None:
        if isinstance(self.system, OdooCrm):
            self.system.fill_in(record, values)
        else:
            self._shelved.shelf.change(self.system.OBJECT, record, values)


def _rows(value: str | None) -> list[dict[str, Any]]:
    return [{"label": "work", "value": value, "primary": True}] if value else []


def _multi(kind: str, value: str | None) -> dict[str, Any]:
    return {"fm": {"n0": {"typeId": kind, "valueType": "WORK", "value": value}}} if value else {}
