"""The Salesforce adapter: changes of one second, who made them, what was emptied, and the envelope of Event Relay."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.adapter_kit.contract import Answer
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Event, Kind
from connector.emulators.salesforce.state import INTEGRATION, ORGANIZATION
from tests.adapters.builders import only
from tests.adapters.salesforce.fake import (
    HANA,
    KEN,
    NOW,
    UNSEEN,
    FakeOrg,
    callout,
    connection,
    json_delivery,
    push_updates,
    read_events,
    update_for,
)
from tests.adapters.served import body

OPEN, WORKING = "Open - Not Contacted", "Working - Contacted"


def seen(org: FakeOrg, lead: str, kind: Kind) -> Event:
    return only(read_events(org, callout(lead)), kind)


def test_a_field_set_to_one_then_two_in_one_second_is_two_changes(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    found = []
    for company in ("One", "Two", "Two"):
        org.crm.shelf.change("Lead", lead, {"Company": company})
        found.append(seen(org, lead, Kind.PROFILE))
    assert [(event.at, event.data["Company"]) for event in found] == [(NOW, "One"), (NOW, "Two"), (NOW, "Two")]
    assert found[0].key != found[1].key == found[2].key
    assert found[1].key in {event.key for event in connection().changes(NOW, org)}


@pytest.mark.parametrize("is_tracked", [True, False])
def test_a_stage_set_and_set_back_within_one_second_is_told_each_time(org: FakeOrg, *, is_tracked: bool) -> None:
    org.crm.tables.is_tracked = is_tracked
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    found = []
    for stage in (WORKING, OPEN):
        org.crm.move(lead, stage)
        found.append(seen(org, lead, Kind.STAGE))
    assert [(event.stage, event.at) for event in found] == [(WORKING, org.clock.now), (OPEN, org.clock.now)]
    assert [event.sequence for event in found] == ([0, 1] if is_tracked else [0, 0])
    assert len({event.key for event in found}) == 2


def test_by_reading_each_stage_of_one_second_has_its_place_and_its_key(org: FakeOrg) -> None:
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": KEN.id})
    for stage in ("Qualification", "Prospecting", "Qualification"):
        org.crm.shelf.change("Opportunity", deal, {"StageName": stage})
    org.clock.forward(hours=1)
    org.crm.shelf.change("Opportunity", deal, {"Amount": 5})
    stages = [one for one in connection().changes(NOW - timedelta(days=1), org) if one.kind is Kind.STAGE]
    assert [(one.key.partition("@")[2], one.stage, one.sequence) for one in stages] == [
        ("2026-01-01T12:00:00Z", "Prospecting", 0),
        ("2026-01-01T12:00:00Z", "Qualification", 1),
        ("2026-01-01T12:00:00Z#2", "Prospecting", 2),
        ("2026-01-01T12:00:00Z#2", "Qualification", 3),
    ]
    assert read_events(org, callout(deal, "Opportunity"))[1].key == stages[-1].key


@pytest.mark.parametrize("is_tracked", [True, False])
def test_an_owner_that_people_change_and_change_back_is_never_ours(org: FakeOrg, *, is_tracked: bool) -> None:
    org.crm.tables.is_tracked = is_tracked
    lead = org.crm.add("ann@example.com")
    found = []
    for owner in (KEN, HANA):
        org.crm.assign(lead, owner.id, by=KEN.id)
        found.append(seen(org, lead, Kind.OWNER))
    assert [(event.owner, event.is_ours) for event in found] == [(KEN.id, False), (HANA.id, False)]
    assert len({event.key for event in found}) == 2


def test_an_owner_given_twice_within_one_second_is_told_twice(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", owner=HANA.id)
    org.clock.forward(hours=1)
    found = []
    for owner in (KEN, HANA, KEN):
        org.crm.assign(lead, owner.id, by=KEN.id)
        found.append(seen(org, lead, Kind.OWNER))
    assert [(event.owner, event.sequence) for event in found] == [(KEN.id, 0), (HANA.id, 1), (KEN.id, 2)]
    assert len({event.key for event in found}) == 3
    assert found[2].key in {event.key for event in connection().changes(NOW, org)}


def test_what_we_changed_is_ours_where_the_history_says_so_and_else_may_be(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    assert push_updates(org, update_for(lead, owner=KEN.email, Status=WORKING))
    events = read_events(org, callout(lead))
    kinds = (Kind.STAGE, Kind.OWNER, Kind.PROFILE)
    assert [only(events, kind).is_ours for kind in kinds] == [True, True, None]
    org.crm.tables.is_tracked = False
    org.memo.clear()
    events = read_events(org, callout(lead))
    assert [only(events, kind).is_ours for kind in kinds] == [None, None, None]
    org.crm.shelf.change("Lead", lead, {"Company": "Other"}, by=KEN.id)
    events = read_events(org, callout(lead))
    assert [only(events, kind).is_ours for kind in kinds] == [False, False, False]


@pytest.mark.parametrize("identity", [None, "https://login.salesforce.com/id/00D/005", 7])
def test_who_we_are_stays_unknown_where_the_token_does_not_say(org: FakeOrg, identity: Any) -> None:
    org.crm.rest.tokens.add("token")
    org.instead["/services/oauth2/token"] = [body(200, {"access_token": "token", "id": identity})]
    lead = org.crm.add("ann@example.com")
    org.crm.move(lead, WORKING, by=INTEGRATION)
    for _ in range(2):
        assert seen(org, lead, Kind.STAGE).is_ours is None
    assert org.calls.count("POST /services/oauth2/token") == 1


@pytest.mark.parametrize("answer", [None, body(400, {"error": "invalid_client"})])
def test_with_a_token_of_an_older_release_who_we_are_is_asked_for(org: FakeOrg, answer: Answer | None) -> None:
    org.crm.rest.tokens.add("token")
    org.set_secret("access_token", "token")
    org.instead["/services/oauth2/token"] = [answer] if answer else []
    lead = org.crm.add("ann@example.com")
    org.crm.move(lead, WORKING, by=INTEGRATION)
    assert seen(org, lead, Kind.STAGE).is_ours is (None if answer else True)


def test_a_field_that_was_emptied_is_told_as_empty(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", Website="https://acme.example")
    org.crm.shelf.change("Lead", lead, {"Website": None})
    assert seen(org, lead, Kind.PROFILE).data["Website"] is None
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": KEN.id})
    data = only(read_events(org, callout(deal, "Opportunity")), Kind.PROFILE).data
    assert (data["Account"], data["Contacts"]) == (None, [])


def relayed(*ids: str, source: Any = f"aws.partner/salesforce.com/{ORGANIZATION}/0YL5g000000CabWGAS") -> dict[str, Any]:
    header = {"entityName": "Lead", "recordIds": list(ids), "changeType": "UPDATE", "transactionKey": "k"}
    return {
        "source": source,
        "detail": {"payload": {"ChangeEventHeader": {**header, "commitTimestamp": 1767268795000}}},
    }


def test_a_change_event_in_the_envelope_of_event_relay_is_read(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    assert [event.key for event in read_events(org, relayed(lead))] == [
        event.key for event in read_events(org, callout(lead))
    ]


@pytest.mark.parametrize("detail", ["text", {}, {"payload": 7}, {"payload": {"Amount__c": 1}}])
def test_an_envelope_without_a_change_event_is_refused(detail: Any) -> None:
    [error] = connection().parse(json_delivery({**relayed(UNSEEN), "detail": detail}), {})
    assert isinstance(error, BadPayload)


def test_the_envelope_names_the_organization() -> None:
    adapter = connection(organization_id=ORGANIZATION[:15])

    def verify(source: Any) -> None:
        signed = replace(json_delivery(relayed(UNSEEN, source=source)), headers={"x-connector-token": adapter.token[0]})
        adapter.verify(signed, NOW)

    for source in (f"aws.partner/salesforce.com/{ORGANIZATION}/0YL", "another", 7, None):
        verify(source)
    with pytest.raises(BadSignature, match="another organization"):
        verify("aws.partner/salesforce.com/00D5g000004XkLnEAK/0YL")


def test_a_wildcard_in_place_of_ids_names_no_record_and_hides_none(org: FakeOrg) -> None:
    assert read_events(org, relayed("00Q*")) == []
    lead = org.crm.add("ann@example.com")
    assert {event.record.id for event in read_events(org, relayed("00Q*", lead)) if event.record} == {lead}
    for wrong in ("*", "00Q", "00Q**"):
        [error] = connection().parse(json_delivery(relayed(wrong)), {})
        assert isinstance(error, BadPayload)
