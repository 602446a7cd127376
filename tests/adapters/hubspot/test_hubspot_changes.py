"""The HubSpot adapter: who made a change, changes of one moment, what was emptied."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.core.event import Event, Kind
from connector.emulators.hubspot.crm import APP
from connector.emulators.hubspot.rest import stamp
from tests.adapters.hubspot.fake import NOW, Account, delivery, happened
from tests.adapters.served import body

STAGE, OWNER = "lifecyclestage", "hubspot_owner_id"


def told(account: Account, record: str, name: str, value: str, at: int = 0, **by: Any) -> Event:
    """The stage or owner that a webhook tells of, `at` a number of milliseconds after the clock's time."""
    when = account.clock() + timedelta(milliseconds=at)
    message = happened(record, "contact.propertyChange", when) | {"propertyName": name, "propertyValue": value, **by}
    one = delivery(message)
    events = account.adapter.parse(one, account.adapter.fetch([one], account.api))
    kind = Kind.OWNER if name == OWNER else Kind.STAGE
    found = [event for event in events if isinstance(event, Event) and event.kind is kind]
    return next(event for event in found if value in {event.stage, event.owner or ""})


@pytest.mark.parametrize(
    ("by", "app_id", "is_ours"),
    [
        ({"changeSource": "CRM_UI", "sourceId": "userId:70311845"}, "", False),
        ({"changeSource": "CRM", "sourceId": "userId:70311845"}, "", False),
        ({"changeSource": "IMPORT"}, "", False),
        ({"changeSource": "INTEGRATION", "sourceId": str(APP), "appId": APP}, "", True),
        ({"changeSource": "INTEGRATION", "sourceId": "77", "appId": APP}, "", None),
        ({"changeSource": "INTEGRATION", "sourceId": "77", "appId": APP}, "77", True),
        ({"changeSource": "INTEGRATION", "sourceId": "78", "appId": APP}, "77", False),
        ({"changeSource": "INTEGRATION"}, "77", None),
        ({"changeSource": "ACADEMY", "sourceId": "1"}, "", None),
        ({"changeSource": ["odd"], "sourceId": {}}, "", None),
        ({}, "", None),
    ],
)
@pytest.mark.parametrize("name", [STAGE, OWNER])
def test_a_change_is_ours_if_our_app_made_it_and_somebody_elses_if_a_person_did(
    account: Account, name: str, by: dict[str, Any], app_id: str, *, is_ours: bool | None
) -> None:
    account.adapter = replace(account.adapter, app_id=app_id)
    record = account.crm.add("a@x.example")
    account.clock.forward(minutes=1)
    assert told(account, record, name, "customer", **by).is_ours is is_ours


def test_by_reading_the_history_says_who_made_a_change(account: Account) -> None:
    account.adapter = replace(account.adapter, app_id=str(APP))
    record = account.crm.add("a@x.example", owner="61844207")
    account.push(record, lifecyclestage="opportunity")
    account.clock.forward(minutes=1)
    found = account.adapter.changes(NOW + timedelta(minutes=-1), account.api)
    by = {(event.stage or event.owner): event.is_ours for event in found if event.kind in {Kind.STAGE, Kind.OWNER}}
    assert by == {"subscriber": False, "opportunity": True, "61844207": False}


def test_of_changes_of_one_millisecond_each_has_its_place(account: Account) -> None:
    record = account.crm.add("a@x.example")
    account.clock.forward(minutes=1)
    for stage in ("lead", "customer", "subscriber"):
        account.crm.move(record, stage)
    stages = [told(account, record, STAGE, stage) for stage in ("customer", "lead", "subscriber")]
    assert [event.sequence for event in stages] == [1, 0, 2]
    assert len({event.key for event in stages}) == 3


def test_what_was_changed_and_changed_back_within_seconds_is_another_change_than_the_first(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="61844207")
    account.clock.forward(minutes=1)
    first = told(account, record, OWNER, "61844311")
    history = [
        {"value": owner, "timestamp": stamp(account.clock() + timedelta(seconds=second)), "sourceType": "CRM_UI"}
        for second, owner in ((1, "61844207"), (0, "61844311"))
    ]
    row = account.crm.rest._row(account.crm.record(record), set(), set())
    account.api.instead["contacts/batch/read"] = [
        body(200, {"results": [{**row, "propertiesWithHistory": {OWNER: history}}]})
    ]
    again = told(account, record, OWNER, "61844311", 2000)
    assert first.key != again.key
    assert again.at == account.clock() + timedelta(seconds=2)


def test_a_property_that_was_emptied_is_told_as_empty_and_a_deal_has_its_contacts(account: Account) -> None:
    record = account.crm.add("a@x.example", company="Acme")
    deal = account.crm.deal(record, "closedwon")
    account.crm.shelf.change("contact", record, {"company": ""})
    account.clock.forward(minutes=1)
    found = account.adapter.changes(NOW - timedelta(minutes=1), account.api)
    data = {event.record.id: event.data for event in found if event.record and event.kind is Kind.PROFILE}
    assert (data[record]["company"], data[record]["phone"]) == (None, None)
    assert (data[deal]["email"], data[deal]["amount"]) == ("a@x.example", None)
