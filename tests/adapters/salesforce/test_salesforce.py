"""The Salesforce adapter: outbound messages, queries in pages, collections, converted leads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.salesforce import Salesforce
from adapters.salesforce.client import failure_of
from adapters.salesforce.webhook import long_id
from connector.adapter_kit.contract import Delivery, PushOutcome, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind
from connector.emulators.salesforce.state import INTEGRATION, ORGANIZATION, USERS, make_id
from tests.adapters.builders import only, update_of, whole
from tests.adapters.salesforce.fake import NOW, URL, FakeOrg, connection
from tests.adapters.salesforce.signing import SIGNING
from tests.adapters.served import body
from tests.adapters.support import FakeApi, answer

HANA, KEN, YUKI = USERS[:3]
ENVELOPE: Final = SIGNING.delivery.body
UNSEEN: Final = "00Q5g00000KpQrTEAV"


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg()


def _json(*bodies: Any) -> Delivery:
    body = json.dumps(bodies[0] if len(bodies) == 1 else bodies).encode()
    return Delivery(method="POST", query=(), headers={}, body=body, received_at=NOW)


def _callout(record_id: str, record_object: str = "Lead", **more: Any) -> dict[str, Any]:
    return {"eventId": "e1", "object": record_object, "recordId": record_id, **more}


def _change(word: str, *ids: str, **more: Any) -> dict[str, Any]:
    header = {
        "entityName": "Lead",
        "recordIds": list(ids),
        "changeType": word,
        "transactionKey": "0005e7a1",
        "sequenceNumber": 1,
        "commitTimestamp": 1767268795000,
    }
    return {"ChangeEventHeader": {**header, **more}}


def _read(org: FakeOrg, *bodies: Any, **more: Any) -> list[Event]:
    adapter, delivery = connection(**more), _json(*bodies)
    return whole(adapter, delivery, org)


def _update(record_id: str, record_object: str = "Lead", *, owner: str | None = None, **fields: Any) -> Update:
    field = "OwnerId" if owner else None
    return update_of(f"{record_object}:{record_id}", fields, since=NOW, owner=owner, owner_field=field)


def _push(org: FakeOrg, *updates: Update) -> list[tuple[PushOutcome, str | None]]:
    return [(one.outcome, one.reason) for one in connection().push(updates, org)]


# What comes in


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
            replace(_json({**_callout(UNSEEN), "orgId": ORGANIZATION}), query=(("token", "t"),)), NOW
        )


def test_the_token_may_stand_in_a_header_of_any_name() -> None:
    adapter = Salesforce(token=("secret",), token_header="X-Flow")
    adapter.verify(replace(_json([_callout(UNSEEN)]), headers={"x-flow": "secret"}), NOW)
    adapter.verify(replace(_json(_callout(UNSEEN)), body=b"{", headers={"x-flow": "secret"}), NOW)
    adapter.verify(replace(_json([_callout(UNSEEN)]), headers={"x-flow": "secret"}), NOW)
    with pytest.raises(BadSignature):
        adapter.verify(replace(_json(_callout(UNSEEN)), headers={"x-connector-token": "secret"}), NOW)


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
    assert adapter.receive(_json(_change("UPDATE", UNSEEN))).key == "0005e7a1:1:Lead"
    assert adapter.receive(_json(_callout(UNSEEN, eventId=7))).key == "7"
    same = [_change("UPDATE", UNSEEN, sequenceNumber=place) for place in (1, 2)]
    assert adapter.receive(_json(*same)).key == adapter.receive(_json(*reversed(same))).key
    assert adapter.receive(_json(*same)).lane == f"Lead:{UNSEEN}"
    assert adapter.receive(_json(_change("GAP_OVERFLOW"))).lane == ""
    assert adapter.fetch([_json(_change("GAP_OVERFLOW"))], FakeOrg()) == {}


def test_a_callout_without_an_id_is_told_apart_by_its_time_and_needs_one_of_both() -> None:
    adapter, given = connection(), {"object": "Lead", "recordId": UNSEEN}
    key = adapter.receive(_json({**given, "occurredAt": "2026-01-01T12:00:00.000+0000"})).key
    assert key == f"Lead:{UNSEEN}:@2026-01-01 12:00:00+00:00"
    [error] = adapter.parse(_json(given), {})
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
        (_change("UPDATE"), "$.ChangeEventHeader.recordIds"),
        (_change("UPDATE", "x"), "$.ChangeEventHeader.recordIds[0]"),
        (_change("UPDATE", UNSEEN, commitTimestamp=10**15), "$.ChangeEventHeader.commitTimestamp"),
        (_change("UPDATE", UNSEEN, entityName="a b"), "$.ChangeEventHeader.entityName"),
    ],
)
def test_json_that_cannot_be_read_names_the_place(body: Any, path: str) -> None:
    with pytest.raises(BadPayload) as caught:
        _raise(connection().parse(_json(body), {}))
    assert caught.value.path == path


def _raise(parts: Sequence[Event | BadPayload]) -> None:
    """Raises the first mistake."""
    for part in parts:
        if isinstance(part, BadPayload):
            raise part


def test_a_change_type_that_was_never_seen_is_held() -> None:
    with pytest.raises(UnknownEvent, match="the change type MERGE is not known"):
        connection().parse(_json(_change("MERGE", UNSEEN)), {})


def test_what_was_not_read_is_tried_again_and_what_cannot_be_seen_is_shown(org: FakeOrg) -> None:
    with pytest.raises(CrmUnavailable, match=f"Lead:{UNSEEN} was not read"):
        connection().parse(_json(_change("UPDATE", UNSEEN)), {})
    delivery = _json(_change("UPDATE", UNSEEN))
    [error] = connection().parse(delivery, connection().fetch([delivery], org))
    assert isinstance(error, BadPayload)
    assert "give that user access" in str(error)


def test_a_record_becomes_identity_stage_owner_and_profile(org: FakeOrg) -> None:
    lead = org.crm.add("Ann@Example.com ", owner=KEN.id, MobilePhone="+49 151 234", Phone="+49 30 1234567")
    events = _read(org, _callout(lead))
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
    assert [one.kind for one in _read(org, _callout(lead))[0].identities] == ["record"]
    lead = org.crm.add("", MobilePhone="123")
    assert [one.kind for one in _read(org, _callout(lead))[0].identities] == ["record"]


def test_a_queue_is_nobody(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", owner="00G5g000000LmNoEAK")
    owner = only(_read(org, _callout(lead)), Kind.OWNER)
    assert (owner.owner, owner.owner_email) == (None, None)


def test_an_event_in_a_callout_is_an_action_with_the_fields_sent_along(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    body = _callout(lead, event="webinar", occurredAt="2026-01-01T11:00:00Z", record={"Webinar": "12"})
    action = only(_read(org, body), Kind.ACTION)
    assert (action.name, action.key, action.at.hour) == ("webinar", f"Lead:{lead}:webinar:e1", 11)
    assert (action.data["Webinar"], action.data["Email"]) == ("12", "ann@example.com")


def test_unrelated_changes_do_not_date_stage_and_owner_anew(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    org.crm.assign(lead, KEN.id)
    moved = org.clock.now
    before = {event.key for event in _read(org, _callout(lead))}
    org.clock.forward(hours=1)
    org.crm.shelf.change("Lead", lead, {"ABM_Status__c": "Explicit"}, by=INTEGRATION)
    after = _read(org, _callout(lead))
    assert (only(after, Kind.STAGE).at, only(after, Kind.OWNER).at) == (moved, moved)
    assert {event.key for event in after} - before == {only(after, Kind.PROFILE).key}


def test_without_a_history_the_newest_change_dates_the_stage_as_seen(org: FakeOrg) -> None:
    org.crm.tables.is_tracked = False
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    for history in ("auto", "no"):
        events = _read(org, _callout(lead), history=history)
        assert (only(events, Kind.STAGE).at, only(events, Kind.OWNER).at) == (org.clock.now, org.clock.now)
        assert only(events, Kind.STAGE).is_seen
    stage = only(_read(org, _callout(lead), history="yes"), Kind.STAGE)
    assert (stage.at, stage.is_seen) == (NOW, False)


def test_a_history_that_lags_behind_the_record_gives_the_present_stage(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.clock.forward(hours=1)
    org.crm.move(lead, "Working - Contacted")
    org.crm.assign(lead, KEN.id)
    org.crm.record(lead).fields |= {"Status": "Closed - Not Converted", "OwnerId": HANA.id}
    org.crm.record(lead).modified += timedelta(minutes=5)
    events = _read(org, _callout(lead))
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
        events = _read(org, _callout(record_id, record_object), objects=everything)
        assert {one.value for one in events[0].identities if one.kind == "record"} == names
    assert only(_read(org, _callout(lead)), Kind.STAGE).stage == "Closed - Converted"
    deal = _read(org, _callout(opportunity, "Opportunity"))
    assert only(deal, Kind.STAGE).stage == "Prospecting"
    assert only(deal, Kind.PROFILE).data["Contacts"][0]["Email"] == "ann@example.com"
    kinds = [event.kind for event in _read(org, _callout(contact, "Contact"), objects=("Contact",))]
    assert kinds == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]


def test_the_primary_contact_or_all_contacts_find_the_subject_of_an_opportunity(org: FakeOrg) -> None:
    contacts = [org.crm.make("Contact", {"Email": f"{who}@example.com", "OwnerId": KEN.id}) for who in ("ann", "bob")]
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": KEN.id})
    org.crm.tables.roles[deal] = contacts

    def emails(which: str) -> list[str]:
        events = _read(org, _callout(deal, "Opportunity"), contacts=which)
        return [one.value for one in events[0].identities if one.kind == "email"]

    assert emails("primary") == ["ann@example.com"]
    assert emails("all") == ["ann@example.com", "bob@example.com"]


def test_of_stages_in_the_same_second_the_last_counts(org: FakeOrg) -> None:
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": KEN.id})
    for stage in ("Qualification", "Closed Won"):
        org.crm.shelf.change("Opportunity", deal, {"StageName": stage})
    org.clock.forward(hours=1)
    org.crm.shelf.change("Opportunity", deal, {"Amount": 5})
    events = list(connection().changes(NOW - timedelta(days=1), org))
    assert [(event.stage, event.at) for event in events if event.kind is Kind.STAGE] == [("Closed Won", NOW)]


def test_a_record_without_stage_has_none(org: FakeOrg) -> None:
    deal = org.crm.make("Opportunity", {"StageName": None, "OwnerId": None})
    events = _read(org, _callout(deal, "Opportunity"))
    assert [event.kind for event in events] == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]
    assert (events[1].owner, events[1].key.split("@")[0]) == (None, f"Opportunity:{deal}:owner:nobody")


def test_a_deleted_record_ends_the_same_by_change_event_read_back_and_reconciliation(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.delete(lead)
    told = _read(org, _change("DELETE", lead))
    seen = _read(org, _change("GAP_UPDATE", lead))
    found = list(connection().changes(NOW, org))
    assert [[event.key for event in events] for events in (told, seen, found)] == [[f"Lead:{lead}:deleted"]] * 3


# Reconciliation


def test_reconciliation_gives_the_keys_of_the_webhooks_page_by_page(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com") for number in range(230)]
    org.clock.forward(hours=1)
    org.crm.move(leads[0], "Working - Contacted")
    told = [event.key for event in _read(org, *map(_callout, leads))]
    org.calls.clear()
    found = [event.key for event in connection().changes(NOW, org)]
    assert set(told) <= set(found)
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
    events = _read(org, _callout(lead), more_fields=("Lead.ABM_Status__c", "Lead.ABM_Since__c"))
    assert only(events, Kind.PROFILE).data["ABM_Status__c"] == "Latent"


# What goes out


def test_updates_are_collections_read_back_with_assignment_rules_off(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com", owner=HANA.id) for number in range(201)]
    updates = [_update(lead, owner=KEN.email, ABM_Status__c="Explicit") for lead in leads]
    assert set(_push(org, *updates)) == {(PushOutcome.DONE, None)}
    assert {org.crm.owner_of(lead) for lead in leads} == {KEN.id}
    assert [call for call in org.calls if call.startswith("PATCH")] == ["PATCH composite/sobjects"] * 2
    assert all(headers.get("Sforce-Auto-Assign") == "FALSE" for headers in org.headers if "Authorization" in headers)


def test_one_record_s_failure_stops_no_other(org: FakeOrg) -> None:
    good, wrong, locked, gone, converted = (org.crm.add(f"{who}@example.com") for who in "abcde")
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": HANA.id})
    org.crm.rest.locked.add(locked)
    org.crm.delete(gone)
    org.crm.convert(converted)
    pushed = _push(
        org,
        _update(good, Status="Working - Contacted"),
        _update(wrong, Status="MQL"),
        _update(locked, Status="Working - Contacted"),
        _update(gone, Status="Working - Contacted"),
        _update(converted, Status="Working - Contacted"),
        _update(deal, "Opportunity", StageName="Closed Won"),
        _update("1907", Status="Working - Contacted"),
        _update(UNSEEN, "Account", Status="x"),
    )
    assert [outcome.value for outcome, _ in pushed] == [
        *("done", "refused", "later", "gone", "gone", "done", "refused", "refused")
    ]
    assert "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: Status: Status: bad value" in (pushed[1][1] or "")
    assert "its contact and opportunity go on" in (pushed[4][1] or "")
    assert "Account:" in (pushed[7][1] or "")


def test_where_nothing_was_written_nothing_is_read_back(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.rest.locked.add(lead)
    [(outcome, reason)] = _push(org, _update(lead, Status="Working - Contacted"))
    assert outcome is PushOutcome.LATER
    assert (reason or "").startswith("UNABLE_TO_LOCK_ROW: unable to obtain exclusive access")
    assert not any("query" in call for call in org.calls)


def test_a_collection_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com") for number in range(5)]
    updates = [_update(lead, ABM_Status__c="Explicit") for lead in leads]
    updates[3] = _update(leads[3], Nonsense__c="x")
    pushed = _push(org, *updates)
    assert [outcome for outcome, _ in pushed] == [*[PushOutcome.DONE] * 3, PushOutcome.REFUSED, PushOutcome.DONE]
    assert "No such column 'Nonsense__c'" in (pushed[3][1] or "")


def test_an_owner_that_nobody_or_several_are_is_refused_and_the_rest_written(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", owner=HANA.id)
    for email, said in (("x'y@example.jp", "no active user has"), (YUKI.email, "no active user has")):
        [(outcome, reason)] = _push(org, _update(lead, owner=email, ABM_Status__c=email))
        assert (outcome, reason) == (PushOutcome.REFUSED, f"OwnerId: {said} the e-mail {email}")
        assert org.crm.status_of(lead) == email
    org.memo["users by e-mail"] = {KEN.email: [KEN.id, HANA.id]}
    [(outcome, reason)] = _push(org, _update(lead, owner=KEN.email))
    assert (outcome, reason) == (PushOutcome.REFUSED, f"OwnerId: more than one active user has the e-mail {KEN.email}")


def test_an_update_of_nothing_is_done(org: FakeOrg) -> None:
    assert _push(org, _update(UNSEEN)) == [(PushOutcome.DONE, None)]


def test_a_system_that_reports_what_it_did_not_save_is_found_out(org: FakeOrg) -> None:
    org.crm.faults.lying = 1.0
    lead = org.crm.add("ann@example.com")
    [(outcome, reason)] = _push(org, _update(lead, ABM_Status__c="Explicit", ABM_Since__c="2026-01-01"))
    assert outcome is PushOutcome.REFUSED
    assert (
        reason
        == "ABM_Status__c shows nothing in place of 'Explicit'; ABM_Since__c shows nothing in place of '2026-01-01'"
    )


@pytest.mark.parametrize(
    ("shown", "wanted", "is_same"),
    [
        (True, True, True),
        (False, True, False),
        (None, "", True),
        ("x", None, False),
        (12500.0, "12500", True),
        (1, 2, False),
        ("2026-01-01T12:00:00.000+0000", "2026-01-01T13:00:00+01:00", True),
        ("2026-01-01T12:00:00.000+0000", "2026-01-01", False),
        ("2026-01-01T12:00:00", "2026-01-01T13:00:00", False),
        ("a", "b", False),
    ],
)
def test_a_value_is_the_same_in_any_form_that_salesforce_gives_it(
    org: FakeOrg, shown: Any, wanted: Any, *, is_same: bool
) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.faults.lying = 1.0
    org.crm.record(lead).fields["ABM_Status__c"] = shown
    [(outcome, _)] = _push(org, _update(lead, ABM_Status__c=wanted))
    assert (outcome is PushOutcome.DONE) is is_same


def test_what_passes_by_itself_is_tried_later(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    update = _update(lead, ABM_Status__c="Explicit")
    _push(org, update)
    limit = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    org.answers = [body(403, limit)]
    [pushed] = connection().push([update], org)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 900.0)
    org.answers = [CrmUnavailable("no answer", 7.0)]
    [pushed] = connection().push([update], org)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 7.0)
    org.answers = [body(200, {"odd": 1})]
    assert _push(org, update)[0][0] is PushOutcome.LATER
    org.answers = [body(200, [{"success": True}]), CrmUnavailable("no answer")]
    assert _push(org, update) == [(PushOutcome.LATER, "written, but not read back: no answer")]
    org.answers = [body(200, [{"success": True}]), body(200, {"records": []})]
    assert _push(org, update) == [(PushOutcome.LATER, "written, but the record was not shown afterwards")]


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([{"errorCode": "CANNOT_EXECUTE_FLOW_TRIGGER", "message": "failed: UNABLE_TO_LOCK_ROW: x"}], PushOutcome.LATER),
        ([{"errorCode": "CANNOT_EXECUTE_FLOW_TRIGGER", "message": "failed"}], PushOutcome.REFUSED),
        ([{"statusCode": "UNABLE_TO_LOCK_ROW"}], PushOutcome.LATER),
        ([{"errorCode": "NOT_FOUND"}], PushOutcome.GONE),
        ([7], PushOutcome.REFUSED),
        ({}, PushOutcome.REFUSED),
    ],
)
def test_an_error_is_judged_by_its_code(errors: Any, outcome: PushOutcome) -> None:
    assert failure_of(errors).outcome is outcome


# Tokens, settings, looking at the connection


def test_a_token_that_ran_out_is_renewed_once_and_shared(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    _read(org, _callout(lead))
    org.crm.rest.tokens.clear()
    org.calls.clear()
    _read(org, _callout(lead))
    assert sum("oauth2" in call for call in org.calls) == 1
    assert org.keeps["access_token"] == org.memo["access_token"]
    org.memo["access_token"] = "another process has renewed it"
    org.calls.clear()
    _read(org, _callout(lead))
    assert not any("oauth2" in call for call in org.calls)
    org.memo.clear()
    _read(org, _callout(lead))
    assert not any("oauth2" in call for call in org.calls)


def test_a_session_that_no_token_mends_is_refused_without_going_round_in_a_circle(org: FakeOrg) -> None:
    text = "This session is not valid for use with the REST API"
    org.answers = [body(401, [{"errorCode": "INVALID_SESSION_ID", "message": text}])]
    with pytest.raises(CrmRefused, match="may not use the REST API"):
        _push(org, _update(UNSEEN, owner=KEN.email, Status="x"))
    assert sum("oauth2" in call for call in org.calls) == 1


def test_wrong_credentials_are_named_and_not_repeated(org: FakeOrg) -> None:
    with pytest.raises(CrmRefused, match="invalid_client: invalid client credentials") as caught:
        connection(client_secret=("wrong-secret",)).catalog(org)
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("body", [b"[]", b'{"access_token": 1}'])
def test_a_token_answer_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(CrmRefused, match="no access token \\(400\\)"):
        connection().catalog(FakeApi(answers=[answer(400, body)]))


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"url": "http://acme.example"}, "url ("),
        ({"url": "http://["}, "url ("),
        ({"url": "https://acme.example/services"}, "url ("),
        ({"client_secret": ()}, "client_id and client_secret"),
        ({"objects": ("Lead", "lead")}, "objects (Lead, Contact, Opportunity)"),
        ({"more_fields": ("Budget__c",)}, "more_fields"),
        ({"more_fields": ("Lead.Budget__c, Id",)}, "more_fields"),
        ({"contacts": "first"}, "contacts (primary or all)"),
        ({"history": "maybe"}, "history (auto, yes or no)"),
        ({"version": "latest"}, "version (such as 66.0)"),
    ],
)
def test_settings_that_cannot_be_used_are_named(org: FakeOrg, settings_: dict[str, Any], said: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        connection(**settings_).catalog(org)
    assert said in str(caught.value)


def test_updates_are_taken_only_with_credentials() -> None:
    assert connection().takes_updates
    assert not Salesforce(token=("t",)).takes_updates


def test_the_catalogue_has_stages_users_and_fields(org: FakeOrg) -> None:
    catalog = connection(version="v66").catalog(org)
    assert list(catalog.stages["Lead"][""]) == [
        *("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
    ]
    assert "Closed Won" in catalog.stages["Opportunity"][""]
    assert [(one.id, one.email, one.is_active) for one in catalog.owners][2] == (YUKI.id, YUKI.email, False)
    assert "ABM_Status__c" in catalog.fields["Lead"]
    assert list(connection(objects=("Lead",)).catalog(org).stages) == ["Lead"]


def test_a_look_at_the_connection_says_how_it_stands(org: FakeOrg) -> None:
    findings = connection(organization_id=ORGANIZATION[:15]).inspect(f"{URL}/hook", org)
    assert [(one.topic, one.is_good) for one in findings] == [
        *(("credentials", True), ("limits", True), ("fields", True), ("webhooks", True))
    ]
    assert f"{URL}/hook?token=<token>" in findings[-1].text
    org.crm.tables.is_tracked = False
    org.memo.clear()
    findings = connection(organization_id="00D5g000004XkLn").inspect(f"{URL}/hook", org)
    assert [one.is_good for one in findings] == [False, True, False, True]
    assert "lacks Status and Owner" in findings[2].text


def test_calls_that_are_used_up_are_said_and_a_missing_count_is_not(org: FakeOrg) -> None:
    row = {"Id": ORGANIZATION, "Name": "Example", "IsSandbox": True}
    org.answers = [body(200, {"records": [row], "done": True})]
    findings = connection(history="yes").inspect(URL, org)
    assert [one.topic for one in findings] == ["credentials", "fields", "webhooks"]
    assert "sandbox" in findings[0].text


def test_nothing_is_subscribed_by_call(org: FakeOrg) -> None:
    assert connection().subscribe(URL, datetime.now(UTC), org) is None
    assert connection().greet(SIGNING.delivery) is None
