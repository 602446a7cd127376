"""The HubSpot adapter: signatures over addresses, batches of ids that are looked up, merges, pushes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.hubspot import HubSpot
from adapters.hubspot.signature import TIMESTAMP, V3, decoded, sign_old, sign_request, verify_request
from connector.adapter_kit.contract import Delivery, InspectionResult, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind
from connector.emulators.hubspot.crm import PORTAL, PUBLIC_URL, REFRESH_TOKEN, SECRET, HubSpotCrm
from tests.adapters.builders import keys, update_of
from tests.adapters.served import URL, ServedApi, application, body
from tests.conftest import Clock

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
DANA, NOOR = "dana.ruiz@example.com", "noor.haddad@example.com"


class Account:
    """An emulated account, its adapter, and its REST interface as `api`."""

    def __init__(self) -> None:
        self.clock = Clock(NOW)
        self.crm = HubSpotCrm(now=self.clock)
        self.told: list[Any] = []
        self.crm.handlers = []
        self.api = ServedApi(app=application(self.crm))
        self.adapter = HubSpot(
            client_secret=(SECRET,),
            refresh_token=(REFRESH_TOKEN,),
            client_id="app",
            api_url=URL,
            webhook_url=PUBLIC_URL,
        )

    def push(self, record: str, owner: str | None = None, of: str = "contact", **fields: Any) -> Pushed:
        (pushed,) = self.adapter.push([update(record, owner, of, **fields)], self.api)
        return pushed


@pytest.fixture
def account() -> Account:
    return Account()


def update(record: str, owner: str | None = None, of: str = "contact", **fields: Any) -> Update:
    field = "hubspot_owner_id" if owner else None
    return update_of(f"{of}:{record}", fields, since=NOW, owner=owner, owner_field=field)


def delivery(*events: Mapping[str, Any], query: Sequence[tuple[str, str]] = ()) -> Delivery:
    content = json.dumps(list(events)).encode()
    return Delivery(method="POST", query=tuple(query), headers={}, body=content, received_at=NOW)


def changed(record: str, name: str, value: str, at: datetime = NOW) -> dict[str, Any]:
    return told(record, "contact.propertyChange", at) | {"propertyName": name, "propertyValue": value}


def told(record: str, word: str, at: datetime = NOW) -> dict[str, Any]:
    return {"subscriptionType": word, "occurredAt": round(at.timestamp() * 1000), "objectId": int(record)}


def read(account: Account, *events: Mapping[str, Any]) -> list[Event | BadPayload]:
    one = delivery(*events)
    return list(account.adapter.parse(one, account.adapter.fetch([one], account.api)))


# --- signatures


def _signed(query: Sequence[tuple[str, str]], called: str, version: str = "v3") -> Delivery:
    one = delivery(told("1", "contact.deletion"), query=query)
    headers = sign_request(one, called, SECRET, NOW) if version == "v3" else sign_old(one, called, SECRET, version)
    return replace(one, headers=headers)


@pytest.mark.parametrize(
    ("query", "called"),
    [
        ([], ""),
        ([("event", "form"), ("page", "https://a.example/x?y")], "?event=form&page=https%3A%2F%2Fa.example%2Fx%3Fy"),
        ([("tenant", "acme:eu/west"), ("tag", "a b&c")], "?tenant=acme%3Aeu%2Fwest&tag=a%20b%26c"),
        ([("tag", "a b")], "?tag=a+b"),
    ],
)
@pytest.mark.parametrize("version", ["v3", "v2"])
def test_the_signed_address_is_the_public_one_with_its_query(
    query: list[tuple[str, str]], called: str, version: str
) -> None:
    verify_request(_signed(query, PUBLIC_URL + called, version), PUBLIC_URL, (SECRET,), NOW)


@pytest.mark.parametrize("query", ["event=form&x", "a=%7e%2fb&&=", "q=a+b%20c", "tag=%e3%83%91&tag=%C3"])
@pytest.mark.parametrize("version", ["v3", "v2"])
def test_the_query_is_signed_as_it_was_sent_however_it_is_spelt(query: str, version: str) -> None:
    signed = _signed([("rewritten", "1")], f"{PUBLIC_URL}?{query}", version)
    verify_request(replace(signed, query_string=query), PUBLIC_URL, (SECRET,), NOW)
    for other in (f"{query}&a=1", query.swapcase()):
        with pytest.raises(BadSignature):
            verify_request(replace(signed, query_string=other), PUBLIC_URL, (SECRET,), NOW)


def test_another_address_scheme_or_slash_is_refused() -> None:
    for called in (PUBLIC_URL.replace("https", "http"), f"{PUBLIC_URL}/", f"{PUBLIC_URL}?a=1"):
        with pytest.raises(BadSignature, match="webhook_url"):
            verify_request(_signed([], called), PUBLIC_URL, (SECRET,), NOW)


def test_without_the_public_address_only_version_1_can_be_checked() -> None:
    verify_request(_signed([], PUBLIC_URL, "v1"), "", (SECRET,), NOW)
    for version in ("v2", "v3"):
        with pytest.raises(BadSignature, match="webhook_url"):
            verify_request(_signed([], PUBLIC_URL, version), "", (SECRET,), NOW)


def test_version_3_decides_where_it_is_there_whatever_the_older_headers_say() -> None:
    old = _signed([], PUBLIC_URL, "v1")
    for headers in ({V3: ""}, {V3: "x", TIMESTAMP: "1"}, {V3: "x", TIMESTAMP: "soon"}, {V3: "x"}):
        with pytest.raises(BadSignature):
            verify_request(replace(old, headers={**old.headers, **headers}), PUBLIC_URL, (SECRET,), NOW)


def test_a_version_that_is_not_known_is_refused() -> None:
    old = _signed([], PUBLIC_URL, "v1")
    with pytest.raises(BadSignature, match="no signature"):
        verify_request(
            replace(old, headers={**old.headers, "x-hubspot-signature-version": "v9"}), PUBLIC_URL, (SECRET,), NOW
        )


PUBLISHED = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"


def test_the_vendors_published_examples_are_accepted() -> None:
    address = "https://www.example.com/webhook_uri"
    at = datetime.fromtimestamp(1693657560, UTC)
    third = Delivery(method="POST", query=(), headers={}, body=b"{'example_field':'example_value'}", received_at=at)
    assert sign_request(third, address, PUBLISHED, at)[V3] == "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
    second = replace(third, body=b'{"example_field":"example_value"}')
    expected = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
    assert sign_old(second, address, PUBLISHED, "v2")["x-hubspot-signature"] == expected
    assert decoded("a%3ab%20c%26d%2F") == "a:b%20c%26d/"


# --- what comes in


def test_a_batch_is_read_by_one_call_and_each_fact_counts_once(account: Account) -> None:
    first, second = account.crm.add("a@x.example", owner="61844207"), account.crm.add("b@x.example")
    events = read(
        account,
        changed(first, "lifecyclestage", "subscriber"),
        changed(first, "hubspot_owner_id", "61844207"),
        changed(second, "email", "b@x.example"),
    )
    assert account.api.calls.count("POST /crm/objects/2026-09/contacts/batch/read") == 1
    assert len(keys(events)) == len(set(keys(events))) == 7
    owner = next(event for event in events if isinstance(event, Event) and event.kind is Kind.OWNER)
    assert (owner.owner, owner.owner_email) == ("61844207", DANA)


def test_reconciliation_gives_the_same_keys_as_the_webhooks_even_if_their_clocks_differ(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="61844311")
    account.clock.forward(minutes=1)
    account.crm.move(record, "opportunity")
    at = account.clock()
    by_webhook = read(
        account,
        changed(record, "lifecyclestage", "subscriber"),
        changed(record, "lifecyclestage", "opportunity", at + timedelta(seconds=2)),
    )
    account.clock.forward(minutes=1)
    found = list(account.adapter.changes(NOW - timedelta(days=1), account.api))
    assert set(keys(found)) == set(keys(by_webhook))


def test_a_change_that_the_history_does_not_have_any_more_keeps_its_own_time(account: Account) -> None:
    record = account.crm.add("a@x.example")
    events = read(account, changed(record, "lifecyclestage", "customer", NOW + timedelta(hours=1)))
    assert f"contact:{record}:lifecyclestage:customer@2026-01-01T13:00:00.000Z" in keys(events)


def test_a_person_in_charge_who_was_taken_away_is_nobody(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="61844207")
    account.clock.forward(minutes=1)
    account.crm.shelf.change("contact", record, {"hubspot_owner_id": ""})
    events = read(account, changed(record, "hubspot_owner_id", "", account.clock()))
    owners = [event for event in events if isinstance(event, Event) and event.kind is Kind.OWNER]
    assert [(event.owner, event.owner_email) for event in owners] == [(None, None)]


def test_a_stranger_in_charge_is_asked_for_once_and_stays_unknown(account: Account) -> None:
    record = account.crm.add("a@x.example", owner="999")
    for _ in range(2):
        events = read(account, changed(record, "hubspot_owner_id", "999"))
    assert [event.owner_email for event in events if isinstance(event, Event) and event.owner] == [None]
    assert account.api.calls.count("GET /crm/owners/2026-09") == 2 * 3
    account.api.memo.clear()
    account.api.instead["/owners/2026-09"] = [body(403, {"message": "scope"})]
    assert read(account, changed(record, "hubspot_owner_id", "999"))


def test_the_stage_of_contacts_may_be_the_lead_status(account: Account) -> None:
    account.adapter = replace(account.adapter, contact_stage="hs_lead_status")
    record = account.crm.add("a@x.example", hs_lead_status="OPEN")
    events = read(account, changed(record, "hs_lead_status", "OPEN"), changed(record, "lifecyclestage", "subscriber"))
    assert [event.stage for event in events if isinstance(event, Event) and event.kind is Kind.STAGE] == ["OPEN"]


@pytest.mark.parametrize(("contacts", "known"), [("first", 1), ("all", 2)])
def test_a_deal_is_of_its_oldest_contact_or_of_all(account: Account, contacts: str, known: int) -> None:
    account.adapter = replace(account.adapter, contacts=contacts)
    people = [account.crm.add(f"{who}@x.example") for who in "ab"]
    deal = account.crm.deal(people[1], "150112001", pipeline="81230044")
    account.crm.rest.contacts_of[deal].append(people[0])
    lonely = account.crm.shelf.add("deal", {"dealstage": "closedwon", "pipeline": "default"}).id
    events = read(account, told(deal, "deal.creation"), told(lonely, "deal.creation"))
    stages = [event for event in events if isinstance(event, Event) and event.kind is Kind.STAGE]
    assert [(event.stage, event.pipeline) for event in stages] == [("150112001", "81230044"), ("closedwon", "default")]
    read(account, told(lonely, "deal.restore"))
    assert account.api.calls.count("GET /crm/pipelines/2026-09/deals") == 1
    emails = [one.value for one in stages[0].identities if one.kind == "email"]
    assert emails == ["a@x.example", "b@x.example"][:known]


def test_a_contact_of_a_deal_that_cannot_be_read_is_left_out(account: Account) -> None:
    deal = account.crm.deal("77", "closedwon")
    events = read(account, told(deal, "deal.creation"))
    assert {one.kind for event in events if isinstance(event, Event) for one in event.identities} == {"record"}


def test_records_that_are_gone_or_merged_are_told_apart(account: Account) -> None:
    first, second, gone = (account.crm.add(f"{who}@x.example") for who in "abc")
    survivor = account.crm.merge(first, second)
    account.crm.delete(gone)
    events = read(account, changed(first, "lifecyclestage", "subscriber"), told(gone, "contact.restore"))
    deleted = [
        event.record.id for event in events if isinstance(event, Event) and event.record and event.kind is Kind.DELETED
    ]
    assert deleted == [first, gone]
    assert {event.record.id for event in events if isinstance(event, Event) and event.record} == {first, gone, survivor}
    account.api.instead["/batch/read"] = [
        body(200, {"results": [account.crm.rest._row(account.crm.record(survivor), {"hs_merged_object_ids"}, set())]})
    ]
    assert any(
        key.startswith(f"contact:{second}:deleted@") for key in keys(read(account, told(second, "contact.restore")))
    )


def test_what_is_of_another_account_or_object_is_ignored(account: Account) -> None:
    account.adapter = replace(account.adapter, portal_id=str(PORTAL), objects=("contact",))
    assert read(account, told("1", "contact.creation") | {"portalId": 7}, told("1", "deal.creation")) == []
    assert account.api.calls == []


def test_a_record_that_was_not_read_is_tried_later(account: Account) -> None:
    with pytest.raises(CrmUnavailable, match="contact:1 was not read"):
        account.adapter.parse(delivery(told("1", "contact.creation")), {})


def test_an_unknown_event_alone_holds_the_delivery_and_beside_others_is_shown(account: Account) -> None:
    with pytest.raises(UnknownEvent, match=r"contact\.odd"):
        account.adapter.parse(delivery(told("1", "contact.odd")), {})
    deleted, wrong = account.adapter.parse(delivery(told("1", "contact.deletion"), told("1", "contact.odd")), {})
    assert isinstance(deleted, Event)
    assert str(wrong) == "$[1]: the event contact.odd is not known"


def test_a_body_that_is_no_batch_is_refused(account: Account) -> None:
    for content, match in ((b"7", "a list"), (b"[" + b"1," * 1000 + b"1]", "at most 1000"), (b"{}", "hs_object_id")):
        one = replace(delivery(), body=content)
        with pytest.raises(BadPayload, match=match):
            [_raised(part) for part in account.adapter.parse(one, {})]
        with suppress(BadPayload):
            assert account.adapter.receive(one).lane == ""


def _raised(part: Event | BadPayload) -> Event:
    if isinstance(part, BadPayload):
        raise part
    return part


def test_an_impossible_time_is_named(account: Account) -> None:
    (wrong,) = account.adapter.parse(delivery(told("1", "contact.deletion") | {"occurredAt": 10**15}), {})
    assert str(wrong).startswith("$[0].occurredAt: is 1000000000000000; it must be milliseconds since 1970")


def test_a_retry_is_the_same_delivery_and_another_value_another(account: Account) -> None:
    one = changed("1", "lifecyclestage", "lead")
    key = account.adapter.receive(delivery(one)).key
    assert account.adapter.receive(delivery(one | {"attemptNumber": 3})).key == key
    assert account.adapter.receive(delivery(one | {"propertyValue": "customer"})).key != key
    assert account.adapter.receive(delivery(one)).lane == "contact:1"


def _workflow(content: Mapping[str, Any], received_at: datetime = NOW, **query: str) -> Delivery:
    return Delivery(
        method="POST",
        query=tuple(query.items()),
        headers={},
        body=json.dumps(content).encode(),
        received_at=received_at,
    )


def test_a_workflow_counts_once_by_the_records_last_change_or_else_by_its_receipt(account: Account) -> None:
    dated = {"vid": 1, "properties": {"lastmodifieddate": {"value": "1"}}}
    later = NOW + timedelta(hours=1)
    for content, is_same in ((dated, True), ({"id": 1, "updatedAt": "x"}, True), ({"id": 1}, False)):
        both = {account.adapter.receive(_workflow(content, at, event="a")).key for at in (NOW, later)}
        assert (len(both) == 1) is is_same


@pytest.mark.parametrize(
    ("content", "query", "record"),
    [
        ({"vid": 5}, {}, "contact:5"),
        ({"objectId": 5, "properties": {"dealstage": "x"}}, {}, "deal:5"),
        ({"properties": {"hs_object_id": {"value": "5"}}}, {}, "contact:5"),
        ({"id": "5"}, {"object": "deal"}, "deal:5"),
    ],
)
def test_a_workflow_names_its_record_in_several_ways(
    account: Account, content: Mapping[str, Any], query: Mapping[str, str], record: str
) -> None:
    assert account.adapter.receive(_workflow(content, NOW, **query)).lane == record


def test_a_workflow_without_a_word_only_reads_the_record_anew(account: Account) -> None:
    record = account.crm.add("a@x.example")
    one = _workflow({"vid": int(record)})
    events = account.adapter.parse(one, account.adapter.fetch([one], account.api))
    assert [event.kind for event in events if isinstance(event, Event)] == [Kind.IDENTIFY, Kind.STAGE, Kind.PROFILE]


@pytest.mark.parametrize("most", [100, 10_000])
def test_reconciliation_goes_on_beyond_what_one_search_gives(
    account: Account, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("adapters.hubspot.read.MOST_FOUND", most)
    for number in range(230):
        account.crm.add(f"{number}@x.example", at=NOW + timedelta(milliseconds=number))
    account.clock.forward(minutes=5)
    found = keys(list(account.adapter.changes(NOW, account.api)))
    assert len({key for key in found if key.endswith(":identify")}) == 230


def test_a_record_that_cannot_be_read_does_not_end_reconciliation(account: Account) -> None:
    account.crm.add("a@x.example")
    account.clock.forward(minutes=5)
    row: dict[str, Any] = {"id": "1", "properties": {}, "createdAt": "soon", "updatedAt": None}
    account.api.instead["contacts/batch/read"] = [body(200, {"results": [row]})]
    account.api.instead["contacts/search"] = [body(200, {"results": [{"id": "1"}, {"id": "404"}]})]
    assert list(account.adapter.changes(NOW, account.api)) == []


# --- what goes out


def test_an_update_is_done_when_the_record_shows_it(account: Account) -> None:
    record = account.crm.add("a@x.example")
    pushed = account.push(record, NOOR.upper(), lifecyclestage="customer", abm_status="Explicit")
    assert pushed == Pushed(key=f"key of contact:{record}", outcome=PushOutcome.DONE)
    assert account.crm.owner_of(record) == "61844311"
    assert [change.after.get("lifecyclestage") for change in account.crm.shelf.changes] == ["subscriber", "customer"]


@pytest.mark.parametrize(
    ("shows", "wanted", "is_emptied"),
    [
        ("opportunity", "lead", True),
        ("lead", "opportunity", False),
        ("lead", "lead", False),
        ("", "lead", False),
        ("51439524", "lead", True),
    ],
)
def test_a_lifecycle_stage_is_emptied_before_it_goes_anywhere_but_forward(
    account: Account, shows: str, wanted: str, *, is_emptied: bool
) -> None:
    record = account.crm.add("a@x.example")
    account.crm.shelf.change("contact", record, {"lifecyclestage": shows})
    assert account.push(record, lifecyclestage=wanted).outcome is PushOutcome.DONE
    emptied = [
        change
        for change in account.crm.shelf.changes
        if change.origin == "api" and change.after == {"lifecyclestage": ""}
    ]
    assert bool(emptied) is is_emptied
    assert account.crm.stage_of(record) == wanted


def test_an_unknown_owner_is_refused_and_the_rest_is_written(account: Account) -> None:
    record = account.crm.add("a@x.example")
    pushed = account.push(record, "former@example.com", abm_status="Explicit")
    assert pushed.outcome is PushOutcome.REFUSED
    assert pushed.reason == "hubspot_owner_id: no active owner in HubSpot has the e-mail former@example.com"
    assert account.crm.status_of(record) == "Explicit"
    assert account.push(record, "nobody@x.example").outcome is PushOutcome.REFUSED


def test_one_bad_value_refuses_its_own_record_only(account: Account) -> None:
    records = [account.crm.add(f"{number}@x.example") for number in range(5)]
    updates = [update(one, abm_status="Explicit") for one in records]
    updates[3] = update(records[3], hs_lead_status="NO_SUCH")
    pushed = account.adapter.push(updates, account.api)
    assert [one.outcome for one in pushed] == [PushOutcome.DONE] * 3 + [PushOutcome.REFUSED] + [PushOutcome.DONE]
    assert "INVALID_OPTION" in (pushed[3].reason or "")


def test_a_write_that_is_not_saved_is_refused_with_the_property(account: Account) -> None:
    record = account.crm.add("a@x.example")
    account.crm.faults.lying = 1.0
    assert account.push(record, abm_status="Explicit").reason == "abm_status shows nothing in place of 'Explicit'"


def test_deleted_and_merged_records_are_gone(account: Account) -> None:
    first, second, gone = (account.crm.add(f"{who}@x.example") for who in "abc")
    survivor = account.crm.merge(first, second)
    account.crm.delete(gone)
    pushed = account.adapter.push([update(one, abm_status="E") for one in (first, gone, survivor)], account.api)
    assert [(one.outcome, one.reason) for one in pushed] == [
        (PushOutcome.GONE, f"the record was merged into {survivor}"),
        (PushOutcome.GONE, "the record was deleted in HubSpot"),
        (PushOutcome.DONE, None),
    ]


UPDATE = "contacts/batch/update"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (
            body(207, {"results": [], "errors": [{"message": "locked", "context": {"ids": ["%"]}}]}),
            PushOutcome.REFUSED,
            "locked",
        ),
        (body(207, {"results": [], "errors": [{"category": "NO"}]}), PushOutcome.REFUSED, "HubSpot: NO"),
        (body(207, {"results": []}), PushOutcome.LATER, "left the record out"),
        (
            body(207, {"errors": [{"category": "OBJECT_NOT_FOUND"}]}),
            PushOutcome.LATER,
            "did not find the record at first",
        ),
        (body(404, {}), PushOutcome.LATER, "did not find the record at first"),
        (
            body(409, {"message": "conflict", "errors": [{"message": "why"}]}),
            PushOutcome.REFUSED,
            "answered 409: conflict; why",
        ),
        (body(400), PushOutcome.REFUSED, "answered 400: nothing readable"),
        (body(423), PushOutcome.LATER, "answered 423"),
        (body(477, None, {"Retry-After": "7200"}), PushOutcome.LATER, "answered 477"),
        (CrmUnavailable('answered 429: {"policyName":"DAILY"}'), PushOutcome.LATER, "DAILY"),
    ],
)
def test_what_hubspot_answers_to_a_write_becomes_an_outcome(
    account: Account, answer: Any, outcome: PushOutcome, reason: str
) -> None:
    record = account.crm.add("a@x.example")
    if not isinstance(answer, Exception):
        answer = replace(answer, body=answer.body.replace(b'"%"', f'"{record}"'.encode()))
    account.api.instead[UPDATE] = [answer]
    pushed = account.push(record, abm_status="Explicit")
    assert pushed.outcome is outcome
    assert reason in (pushed.reason or "")


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CrmUnavailable("answered 429: ten_secondly_rolling"), 10.0),
        (CrmUnavailable("answered 429: You have reached your daily limit."), 900.0),
        (CrmUnavailable("answered 429: daily", 3.0), 3.0),
        (CrmUnavailable("no answer"), None),
        (body(423), 2.0),
        (body(477), 3600.0),
        (body(477, None, {"retry-after": "60"}), 60.0),
    ],
)
def test_how_long_to_wait_is_said_where_it_is_known(account: Account, error: Any, seconds: float | None) -> None:
    record = account.crm.add("a@x.example")
    account.api.instead[UPDATE] = [error]
    assert account.push(record, abm_status="Explicit").retry_after == seconds


def test_a_missing_scope_refuses_the_records_of_its_object_only_and_says_what_to_do(account: Account) -> None:
    contact = account.crm.add("a@x.example")
    deal = account.crm.deal(contact, "closedwon")
    account.api.instead["deals/batch/update"] = [body(403, {"message": "This app hasn't been granted all scopes"})]
    updates = [update(deal, of="deal", abm_status="Explicit"), update(contact, abm_status="Explicit")]
    refused, done = account.adapter.push(updates, account.api)
    assert (refused.outcome, done.outcome) == (PushOutcome.REFUSED, PushOutcome.DONE)
    assert "crm.objects.deals" in (refused.reason or "")


def test_a_record_that_is_not_shown_after_the_write_is_tried_again(account: Account) -> None:
    record = account.crm.add("a@x.example")
    account.api.instead["contacts/batch/read"] = [body(200, {"results": []})]
    assert account.push(record, abm_status="Explicit").reason == "written, but the record was not shown afterwards"


def test_an_object_that_is_not_written_is_refused(account: Account) -> None:
    assert account.push("1", of="company", x="y").reason == "records of the object 'company' cannot be written"
    assert account.adapter.push([], account.api) == []


@pytest.mark.parametrize(
    ("shows", "wanted", "is_done"),
    [
        ("48000.00", 48000, True),
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC).isoformat(), True),
        ("b;a", ["a", "b"], True),
        ("true", True, True),
        ("", None, True),
        ("x", "y", False),
        ("1", "x", False),
        ("2026-01-01", "2026-01-01T00:00:00+00:00", False),
    ],
)
def test_one_value_may_be_written_in_several_ways(account: Account, shows: str, wanted: Any, *, is_done: bool) -> None:
    record = account.crm.add("a@x.example")
    row = {"id": record, "properties": {"abm_status": shows}}
    account.api.instead[UPDATE] = [body(200, {"results": [row]})]
    account.api.instead["contacts/batch/read"] = [body(200, {"results": [row]})]
    assert (account.push(record, abm_status=wanted).outcome is PushOutcome.DONE) is is_done


# --- tokens, settings, catalogue, inspection


def test_an_expired_access_token_is_renewed_once_and_kept_for_every_process(account: Account) -> None:
    record = account.crm.add("a@x.example")
    assert account.push(record, abm_status="Explicit").outcome is PushOutcome.DONE
    before = account.api.keeps["access_token"]
    account.clock.forward(hours=1)
    assert account.push(record, abm_status="Latent").outcome is PushOutcome.DONE
    assert account.api.keeps["access_token"] != before
    assert account.api.calls.count("POST /oauth/2026-09/token") == 2


def test_a_refresh_token_that_is_refused_is_told(account: Account) -> None:
    account.adapter = replace(account.adapter, refresh_token=("wrong",))
    with pytest.raises(CrmRefused, match="install the app again"):
        account.adapter.catalog(account.api)
    account.api.instead["/token"] = [body(200, {"access_token": "t"})]
    with pytest.raises(CrmRefused, match="install the app again"):
        account.adapter.catalog(account.api)
    assert account.api.keeps == {"access_token": "t"}


def test_a_static_token_is_sent_as_it_is_and_never_renewed(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat-new", "pat-old"), refresh_token=())
    with pytest.raises(CrmRefused, match="make a new one and set access_token"):
        account.adapter.catalog(account.api)
    assert account.api.calls == ["GET /crm/properties/2026-09/contacts"]


def test_without_any_token_nothing_is_asked_for(account: Account) -> None:
    account.adapter = replace(account.adapter, refresh_token=())
    assert not account.adapter.takes_updates
    with pytest.raises(CrmRefused, match="no credentials"):
        account.adapter.catalog(account.api)


def test_the_numbered_version_has_its_own_paths(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat",), api_version="v3")
    account.api.instead["/crm/v3/objects/deals/batch/read"] = [body(200, {"results": [{"id": "5", "properties": {}}]})]
    account.api.instead["/crm/v4/associations/deals/contacts/batch/read"] = [body(200, {"results": []})]
    account.api.instead["/crm/v3/objects/contacts/batch/read"] = [body(200, {})]
    account.api.instead["/crm/v3/pipelines/deals"] = [body(200, {"results": []})]
    one = delivery(told("5", "deal.creation"))
    assert account.adapter.fetch([one], account.api)["deal:5"] == {"id": "5", "properties": {}, "contacts": []}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"objects": ("company",)}, "objects"),
        ({"contact_stage": "stage"}, "contact_stage"),
        ({"contacts": "two"}, "contacts"),
        ({"api_url": "http://api.hubapi.com"}, "api_url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(account: Account, settings: Any, name: str) -> None:
    with pytest.raises(CrmRefused, match=name):
        replace(account.adapter, **settings).catalog(account.api)


def test_the_catalogue_has_stages_owners_and_properties(account: Account) -> None:
    catalog = account.adapter.catalog(account.api)
    assert catalog.stages["contact"][""]["subscriber"] == "Subscriber"
    assert set(catalog.stages["deal"]) == {"default", "81230044"}
    assert [(one.email, one.is_active) for one in catalog.owners] == [
        (DANA, True),
        (NOOR, True),
        ("former@example.com", False),
    ]
    assert catalog.fields["contact"]["abm_status"] == "Abm status"
    only = replace(account.adapter, objects=("contact",)).catalog(account.api)
    assert set(only.stages) == {"contact"}


def _texts(findings: Sequence[InspectionResult]) -> list[tuple[str, bool]]:
    return [(finding.topic, finding.is_good) for finding in findings]


def test_inspection_shows_token_scopes_limits_and_address(account: Account) -> None:
    findings = account.adapter.inspect(PUBLIC_URL, account.api)
    assert _texts(findings) == [("credentials", True)] + [("scopes", True)] * 4 + [("limits", True), ("webhooks", True)]


def test_inspection_shows_what_is_wrong(account: Account) -> None:
    account.adapter = replace(account.adapter, portal_id="7", webhook_url="")
    account.api.instead["/owners/2026-09"] = [body(403, {"message": "no"})]
    account.api.instead["/details"] = [body(200, {"portalId": PORTAL})]
    findings = account.adapter.inspect("https://c.example/webhooks/h", account.api)
    assert _texts(findings) == [
        ("credentials", False),
        ("scopes", True),
        ("scopes", True),
        ("scopes", False),
        ("scopes", True),
        ("webhooks", False),
    ]
    assert "webhook_url is empty" in findings[-1].text


def test_inspection_of_a_refused_token_asks_for_nothing_else(account: Account) -> None:
    account.adapter = replace(account.adapter, access_token=("pat",))
    findings = account.adapter.inspect(PUBLIC_URL, account.api)
    assert _texts(findings) == [("credentials", False), ("webhooks", True)]
    account.adapter = replace(account.adapter, access_token=())
    account.api.instead["/details"] = [body(403, {})]
    assert account.adapter.inspect(PUBLIC_URL, account.api)[0].is_good
