"""The Salesforce adapter: messages, callouts and change events become events; reconciliation gives the same keys."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce import Salesforce
from adapters.salesforce.webhook import long_id
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.records import exact
from connector.core.errors import BadPayload, BadSignature, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind
from connector.emulators.salesforce.state import INTEGRATION, ORGANIZATION, make_id
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
    read_events,
)
from tests.adapters.salesforce.signing import SIGNING

ENVELOPE: Final = SIGNING.delivery.body


def change_event(word: str, *ids: str, **more: Any) -> dict[str, Any]:
    header = {
        "entityName": "Lead",
        "recordIds": list(ids),
        "changeType": word,
        "transactionKey": "0005e7a1",
        "sequenceNumber": 1,
        "commitTimestamp": 1767268795000,
    }
    return {"ChangeEventHeader": {**header, **more}}


@pytest.mark.parametrize(
    ("short", "long"),
    [("00D5Y000001MPM7", "00D5Y000001MPM7UAO"), ("00Q5g00000KpQrS", "00Q5g00000KpQrSEAV")],
)
def test_an_id_of_15_characters_gets_its_check_characters(short: str, long: str) -> None:
    assert (long_id(short), long_id(long)) == (long, long)


def test_a_delivery_of_another_organization_is_refused() -> None:
    signed = SIGNING.sign(SIGNING.delivery, SIGNING.secrets[0], NOW)
    Salesforce(token=SIGNING.secrets, organization_id=ORGANIZATION[:15]).verify(signed, NOW)
    with pytest.raises(BadSignature, match="comes from another organization: 00D5g000004XkLmEAK"):
        Salesforce(token=SIGNING.secrets, organization_id="00D5g000004XkLn").verify(signed, NOW)
    with pytest.raises(BadSignature, match="another organization"):
        Salesforce(token=("t",), organization_id="00D5g000004XkLn").verify(
            replace(json_delivery({**callout(UNSEEN), "orgId": ORGANIZATION}), query=(("token", "t"),)), NOW
        )


def test_the_token_may_stand_in_a_header_of_any_name() -> None:
    adapter = Salesforce(token=("secret",), token_header="X-Flow")
    adapter.verify(replace(json_delivery([callout(UNSEEN)]), headers={"x-flow": "secret"}), NOW)
    adapter.verify(replace(json_delivery(callout(UNSEEN)), body=b"{", headers={"x-flow": "secret"}), NOW)
    adapter.verify(replace(json_delivery([callout(UNSEEN)]), headers={"x-flow": "secret"}), NOW)
    with pytest.raises(BadSignature):
        adapter.verify(replace(json_delivery(callout(UNSEEN)), headers={"x-connector-token": "secret"}), NOW)


HOSTILE: Final = {
    "a document type": b'<!DOCTYPE a SYSTEM "http://example.com/a.dtd">' + ENVELOPE,
    "an entity": ENVELOPE.replace(b"?>\n", b'?>\n<!DOCTYPE a [<!ENTITY e "x">]>', 1),
    "entities that grow": ENVELOPE.replace(
        b"?>\n", b'?>\n<!DOCTYPE a [<!ENTITY e "AAAA"><!ENTITY f "&e;&e;&e;&e;">]>', 1
    ).replace(b"04l5g000009aBcDAAU", b"&f;"),
    "an undeclared entity": ENVELOPE.replace(b"04l5g000009aBcDAAU", b"&f;"),
    "too deep": b"<a>" * 20 + b"</a>" * 20,
    "too many elements": b"<a>" + b"<b/>" * 20_000 + b"</a>",
    "too big": b"<a>" + b"x" * 4_300_000 + b"</a>",
    "another document": b"<html></html>",
    "an envelope without a body": ENVELOPE.replace(b"soapenv:Body", b"soapenv:Head"),
    "an envelope of something else": ENVELOPE.replace(b"2005/09/outbound", b"2005/09/inbound"),
    "no notifications": ENVELOPE.replace(b"<Notification>", b"<Other>").replace(b"</Notification>", b"</Other>"),
    "an unfinished document": ENVELOPE[:-20],
    "another encoding": ENVELOPE.replace(b"UTF-8", b"UTF-16").decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_and_never_acknowledged(name: str) -> None:
    delivery = replace(SIGNING.delivery, body=HOSTILE[name])
    for read in (connection().receive, lambda one: connection().parse(one, {})):
        with pytest.raises(BadPayload):
            read(delivery)
    assert connection().fetch([delivery], FakeOrg()) == {}


def test_the_file_of_nested_entities_is_refused_before_it_grows() -> None:
    body = ENVELOPE.replace(b"?>\n", b'?>\n<!DOCTYPE a [<!ENTITY a "A"><!ENTITY b "&a;&a;">]>', 1)
    with pytest.raises(BadPayload, match="holds a document type"):
        connection().parse(replace(SIGNING.delivery, body=body), {})


@given(text=st.text(), spot=st.integers(0, len(ENVELOPE)))
@settings(max_examples=50)
def test_any_xml_is_read_or_refused(text: str, spot: int) -> None:
    body = ENVELOPE[:spot] + text.encode(errors="replace") + ENVELOPE[spot:]
    with suppress(BadPayload):
        assert isinstance(connection().parse(replace(SIGNING.delivery, body=body), {}), list)


def _message(*records: tuple[str, str]) -> Delivery:
    parts = "".join(
        f'<Notification><Id>{make_id("Notification", place)}</Id><sObject xsi:type="sf:{kind}" '
        f'xmlns:sf="urn:sobject.partner.soap.sforce.com"><sf:Id>{escape(one)}</sf:Id></sObject></Notification>'
        for place, (kind, one) in enumerate(records)
    )
    head, tail = ENVELOPE.split(b"<Notification>")[0], ENVELOPE.split(b"</Notification>")[1]
    return replace(SIGNING.delivery, body=head + parts.encode() + tail)


def test_a_message_of_a_hundred_notifications_is_read_by_one_query_and_acknowledged_once(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com") for number in range(100)]
    delivery = _message(*(("Lead", lead) for lead in leads))
    adapter = connection()
    events = adapter.parse(delivery, adapter.fetch([delivery, delivery], org))
    assert {event.record.id for event in events if isinstance(event, Event) and event.record} == set(leads)
    assert sum(call.startswith("GET queryAll") for call in org.calls) == 1
    reply = adapter.receive(delivery).reply
    assert (reply.status, reply.content_type, b"<Ack>true</Ack>" in reply.body) == (
        200,
        "text/xml; charset=utf-8",
        True,
    )


def test_a_notification_without_record_or_id_is_a_mistake_of_its_own() -> None:
    body = ENVELOPE.replace(b'<sObject xsi:type="sf:Account"', b"<other").replace(b"</sObject>", b"</other>")
    [error] = connection().parse(replace(SIGNING.delivery, body=body), {})
    assert isinstance(error, BadPayload)
    assert error.path.endswith("Notification[0].sObject")
    assert len(connection().receive(replace(SIGNING.delivery, body=body)).key) == 64


def test_the_key_is_that_of_the_only_notice_and_the_same_in_any_order_of_several() -> None:
    one, two = ("Lead", UNSEEN), ("Lead", "00Q5g00000KpQrSEAV")
    adapter = connection()
    assert adapter.receive(_message(one)).key == make_id("Notification", 0)
    assert len(adapter.receive(_message(one, two)).key) == 64
    assert adapter.receive(_message(one, two)).key != adapter.receive(_message(one)).key
    assert adapter.receive(json_delivery(change_event("UPDATE", UNSEEN))).key == "0005e7a1:1:Lead"
    assert adapter.receive(json_delivery(callout(UNSEEN, eventId=7))).key == "7"
    same = [change_event("UPDATE", UNSEEN, sequenceNumber=place) for place in (1, 2)]
    assert adapter.receive(json_delivery(*same)).key == adapter.receive(json_delivery(*reversed(same))).key
    assert adapter.receive(json_delivery(*same)).lane == f"Lead:{UNSEEN}"
    assert adapter.receive(json_delivery(change_event("GAP_OVERFLOW"))).lane == ""
    assert adapter.fetch([json_delivery(change_event("GAP_OVERFLOW"))], FakeOrg()) == {}


def test_a_callout_without_an_id_is_told_apart_by_its_time_and_needs_one_of_both() -> None:
    adapter, given = connection(), {"object": "Lead", "recordId": UNSEEN}
    key = adapter.receive(json_delivery({**given, "occurredAt": "2026-01-01T12:00:00.000+0000"})).key
    assert key == f"Lead:{UNSEEN}:@2026-01-01 12:00:00+00:00"
    [error] = adapter.parse(json_delivery(given), {})
    assert isinstance(error, BadPayload)
    assert error.path == "$.eventId"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ([], "$"),
        ("text", "$"),
        ({"payload": 1}, "$.payload"),
        ({"data": {"payload": {"ChangeEventHeader": {}}}}, "$.data.payload.ChangeEventHeader.changeType"),
        (change_event("UPDATE"), "$.ChangeEventHeader.recordIds"),
        (change_event("UPDATE", "x"), "$.ChangeEventHeader.recordIds[0]"),
        (change_event("UPDATE", UNSEEN, commitTimestamp=10**15), "$.ChangeEventHeader.commitTimestamp"),
        (change_event("UPDATE", UNSEEN, entityName="a b"), "$.ChangeEventHeader.entityName"),
    ],
)
def test_json_that_cannot_be_read_names_the_place(body: Any, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _raise(connection().parse(json_delivery(body), {}))
    assert caught.value.path == path


def _raise(parts: Sequence[Event | BadPayload]) -> None:
    """Raises the first mistake."""
    for part in parts:
        if isinstance(part, BadPayload):
            raise part


def test_a_change_type_that_was_never_seen_is_held() -> None:
    with pytest.raises(UnknownEvent, match="the change type MERGE is not known"):
        connection().parse(json_delivery(change_event("MERGE", UNSEEN)), {})


def test_what_was_not_read_is_tried_again_and_what_cannot_be_seen_is_shown(org: FakeOrg) -> None:
    with pytest.raises(CrmUnavailable, match=f"Lead:{UNSEEN} was not read"):
        connection().parse(json_delivery(change_event("UPDATE", UNSEEN)), {})
    delivery = json_delivery(change_event("UPDATE", UNSEEN))
    [error] = connection().parse(delivery, connection().fetch([delivery], org))
    assert isinstance(error, BadPayload)
    assert "give that user access" in str(error)


def test_a_record_becomes_identity_stage_owner_and_profile(org: FakeOrg) -> None:
    lead = org.crm.add("Ann@Example.com ", owner=KEN.id, MobilePhone="+49 151 234", Phone="+49 30 1234567")
    events = read_events(org, callout(lead))
    assert [(event.kind, event.at) for event in events] == [
        (kind, NOW) for kind in (Kind.IDENTIFY, Kind.STAGE, Kind.OWNER, Kind.PROFILE)
    ]
    assert set(events[0].identities) == {
        Identity(kind=IdentityKind.RECORD, value=f"Lead:{lead}"),
        Identity(kind=IdentityKind.EMAIL, value="ann@example.com"),
        Identity(kind=IdentityKind.PHONE, value="+49151234"),
    }
    assert only(events, Kind.STAGE).stage == "Open - Not Contacted"
    assert (only(events, Kind.OWNER).owner, only(events, Kind.OWNER).owner_email) == (KEN.id, KEN.email)
    assert only(events, Kind.PROFILE).data["Owner"] == {"Email": KEN.email}
    assert all(event.is_lead for event in events)


def test_what_identifies_nobody_is_left_out(org: FakeOrg) -> None:
    lead = org.crm.add("none", MobilePhone="ext. 7")
    assert [one.kind for one in read_events(org, callout(lead))[0].identities] == ["record"]
    lead = org.crm.add("", MobilePhone="123")
    assert [one.kind for one in read_events(org, callout(lead))[0].identities] == ["record"]


def test_a_queue_is_nobody(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", owner="00G5g000000LmNoEAK")
    owner = only(read_events(org, callout(lead)), Kind.OWNER)
    assert (owner.owner, owner.owner_email) == (None, None)


def test_an_event_in_a_callout_is_an_action_with_the_fields_sent_along(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    body = callout(lead, event="webinar", occurredAt="2026-01-01T11:00:00Z", record={"Webinar": "12"})
    action = only(read_events(org, body), Kind.ACTION)
    assert (action.name, action.key, action.at.hour) == ("webinar", f"Lead:{lead}:webinar:e1", 11)
    assert (action.data["Webinar"], action.data["Email"]) == ("12", "ann@example.com")


def test_unrelated_changes_do_not_date_stage_and_owner_anew(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    org.crm.assign(lead, KEN.id)
    moved = org.clock.now
    before = {event.key for event in read_events(org, callout(lead))}
    org.clock.forward(hours=1)
    org.crm.shelf.change("Lead", lead, {"ABM_Status__c": "Explicit"}, by=INTEGRATION)
    after = read_events(org, callout(lead))
    assert (only(after, Kind.STAGE).at, only(after, Kind.OWNER).at) == (moved, moved)
    assert {event.key for event in after} - before == {only(after, Kind.PROFILE).key}


def test_without_a_history_the_newest_change_dates_the_stage_as_seen(org: FakeOrg) -> None:
    org.crm.tables.is_tracked = False
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    for history in ("auto", "no"):
        events = read_events(org, callout(lead), history=history)
        assert (only(events, Kind.STAGE).at, only(events, Kind.OWNER).at) == (org.clock.now, org.clock.now)
        assert only(events, Kind.STAGE).is_seen
    stage = only(read_events(org, callout(lead), history="yes"), Kind.STAGE)
    assert (stage.at, stage.is_seen) == (NOW, False)


def test_a_history_that_lags_behind_the_record_gives_the_present_stage(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    org.crm.assign(lead, KEN.id)
    org.crm.record(lead).fields |= {"Status": "Closed - Not Converted", "OwnerId": HANA.id}
    org.crm.record(lead).modified += timedelta(minutes=5)
    events = read_events(org, callout(lead))
    assert (only(events, Kind.STAGE).stage, only(events, Kind.STAGE).at) == (
        "Closed - Not Converted",
        org.crm.record(lead).modified,
    )
    assert only(events, Kind.OWNER).at == org.crm.record(lead).modified


def test_lead_contact_and_opportunity_are_one_subject_after_conversion(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    contact, opportunity = org.crm.convert(lead)
    names = {f"Lead:{lead}", f"Contact:{contact}", f"Opportunity:{opportunity}"}
    everything = ("Lead", "Contact", "Opportunity")
    for record_object, record_id in (("Lead", lead), ("Contact", contact), ("Opportunity", opportunity)):
        events = read_events(org, callout(record_id, record_object), objects=everything)
        assert {one.value for one in events[0].identities if one.kind == "record"} == names
    assert only(read_events(org, callout(lead)), Kind.STAGE).stage == "Closed - Converted"
    deal = read_events(org, callout(opportunity, "Opportunity"))
    assert only(deal, Kind.STAGE).stage == "Prospecting"
    assert only(deal, Kind.PROFILE).data["Contacts"][0]["Email"] == "ann@example.com"
    kinds = [event.kind for event in read_events(org, callout(contact, "Contact"), objects=("Contact",))]
    assert kinds == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]


def test_the_primary_contact_or_all_contacts_find_the_subject_of_an_opportunity(org: FakeOrg) -> None:
    contacts = [org.crm.make("Contact", {"Email": f"{who}@example.com", "OwnerId": KEN.id}) for who in ("ann", "bob")]
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": KEN.id})
    org.crm.tables.roles[deal] = contacts

    def emails(which: str) -> list[str]:
        events = read_events(org, callout(deal, "Opportunity"), contacts=which)
        return [one.value for one in events[0].identities if one.kind == "email"]

    assert emails("primary") == ["ann@example.com"]
    assert emails("all") == ["ann@example.com", "bob@example.com"]


def test_a_record_without_stage_has_none(org: FakeOrg) -> None:
    deal = org.crm.make("Opportunity", {"StageName": None, "OwnerId": None})
    events = read_events(org, callout(deal, "Opportunity"))
    assert [event.kind for event in events] == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]
    assert (events[1].owner, events[1].key.split("@")[0]) == (None, f"Opportunity:{deal}:owner:nobody")


def test_a_deleted_record_ends_the_same_by_change_event_read_back_and_reconciliation(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.delete(lead)
    at = int(NOW.timestamp() * 1000) + 250
    by_webhook = read_events(org, change_event("DELETE", lead, commitTimestamp=at))
    seen = read_events(org, change_event("GAP_UPDATE", lead))
    found = list(connection().changes(NOW, org))
    assert [[event.key for event in events] for events in (by_webhook, seen, found)] == [
        [f"Lead:{lead}:deleted@{exact(NOW)}"]
    ] * 3


def test_reconciliation_gives_the_keys_of_the_webhooks_page_by_page(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com") for number in range(230)]
    org.clock.forward(hours=1)
    org.crm.move(leads[0], "Working - Contacted")
    by_webhook = [event.key for event in read_events(org, *map(callout, leads))]
    org.calls.clear()
    found = [event.key for event in connection().changes(NOW, org)]
    assert set(by_webhook) <= set(found)
    assert len(found) == len(set(found))
    assert sum(call.startswith("GET query/01g") for call in org.calls) >= 2
    org.clock.forward(hours=1)
    assert list(connection().changes(org.clock.now, org)) == []


def test_reconciliation_gives_the_stages_in_between_too(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    for stage in ("Working - Contacted", "Closed - Not Converted", "Working - Contacted"):
        org.clock.forward(hours=1)
        org.crm.move(lead, stage)
    stages = [event.stage for event in connection().changes(NOW, org) if event.kind is Kind.STAGE]
    assert stages == ["Working - Contacted", "Closed - Not Converted", "Working - Contacted"]


def test_further_fields_are_read_of_the_object_they_belong_to(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", ABM_Status__c="Latent")
    events = read_events(org, callout(lead), more_fields=("Lead.ABM_Status__c", "Lead.ABM_Since__c"))
    assert only(events, Kind.PROFILE).data["ABM_Status__c"] == "Latent"
