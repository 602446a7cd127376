"""The adapter that is told by settings how a system proves itself, speaks and is written to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.generic import Generic
from adapters.generic.read import MOST_PAGES
from connector.adapter_kit.contract import Answer, Delivery, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, RecordRef
from tests.adapters.generic.signing import SIGNING
from tests.adapters.support import FakeApi, answer

RECEIVED = SIGNING.delivery.received_at
WHSEC = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
LEAD = {"event_id": "e1", "at": "2026-03-04T05:26:07Z", "record": 12, "email": "a@example.com"}


def deliver(content: Any, **headers: str) -> Delivery:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return replace(
        SIGNING.delivery, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def read(adapter: Generic, content: Any, **headers: str) -> list[Event | BadPayload]:
    return list(adapter.parse(deliver(content, **headers), {}))


def one(kind: str, content: Mapping[str, Any], **settings: Any) -> Event:
    events = [event for event in read(Generic(**settings), content) if isinstance(event, Event) and event.kind == kind]
    assert len(events) == 1, events
    return events[0]


def kinds(content: Any, **settings: Any) -> list[str]:
    return [event.kind.value for event in read(Generic(**settings), content) if isinstance(event, Event)]


def mistake(content: Any, **settings: Any) -> str:
    (found,) = read(Generic(**settings), content)
    assert isinstance(found, BadPayload)
    return str(found)


# --- reading


def test_a_flat_body_needs_no_settings_at_all() -> None:
    body = {**LEAD, "stage": "new", "owner": "t.suzuki@example.jp", "action": "login", "session": 7}
    assert kinds(body) == ["identify", "stage", "owner", "profile", "action"]
    assert [event.key for event in read(Generic(), body) if isinstance(event, Event)] == [
        "lead:12:is:" + one("identify", body).key[-16:],
        "lead:12:e1:stage",
        "lead:12:e1:owner",
        "lead:12:e1:profile",
        "lead:12:e1:action",
    ]
    assert one("action", body).session == "7"


def test_a_stage_is_dated_by_its_own_time_and_else_only_seen() -> None:
    seen = one("stage", {**LEAD, "stage": "new", "pipeline": 2})
    dated = one("stage", {**LEAD, "stage": "new", "pipeline": 2, "stage_at": 1772600000})
    assert (seen.is_seen, seen.at, seen.pipeline) == (True, datetime(2026, 3, 4, 5, 26, 7, tzinfo=UTC), "2")
    assert (dated.is_seen, dated.at) == (False, datetime.fromtimestamp(1772600000, UTC))
    assert (
        dated.key == one("stage", {**LEAD, "event_id": "e9", "stage": "new", "pipeline": 2, "stage_at": 1772600000}).key
    )


def test_only_a_record_has_a_stage_and_only_a_record_is_deleted() -> None:
    visitor = {"visitor": "9f3c1a2b", "stage": "new"}
    assert kinds(visitor) == []
    assert kinds({**visitor, "deleted": True}) == []
    for value in (True, "true", 1, "1", "yes"):
        assert kinds({**LEAD, "stage": "new", "deleted": value}) == ["deleted"]
    assert kinds({**LEAD, "deleted": "false"}) == ["identify", "profile"]


def test_an_owner_is_an_e_mail_an_id_with_one_or_nobody() -> None:
    owners = ("17=Hana@example.com", "18=ken@example.com")
    events = {
        owner: one("owner", {**LEAD, "owner": owner}, owner_ids=owners) for owner in (17, 99, "", "Mio@Example.com")
    }
    found = [(event.owner, event.owner_email) for event in events.values()]
    assert found == [("17", "hana@example.com"), ("99", None), (None, None), ("Mio@Example.com", "mio@example.com")]
    assert kinds({**LEAD, "owner": None}) == ["identify", "profile"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1772601967, "2026-03-04T05:26:07+00:00"),
        ("1772601967", "2026-03-04T05:26:07+00:00"),
        (1772601967123, "2026-03-04T05:26:07.123000+00:00"),
        (1772601967.5, "2026-03-04T05:26:07.500000+00:00"),
        ("2026-03-04 14:26:07", "2026-03-04T05:26:07+00:00"),
        ("2026-03-04T05:26:07Z", "2026-03-04T05:26:07+00:00"),
        ("2026-03-04", "2026-03-03T15:00:00+00:00"),
        (None, RECEIVED.isoformat()),
        ("", RECEIVED.isoformat()),
    ],
)
def test_times_are_read_in_the_forms_that_systems_write(written: Any, meant: str) -> None:
    assert one("identify", {**LEAD, "at": written}, utc_offset="+09:00").at.isoformat() == meant


@pytest.mark.parametrize("written", ["yesterday", -5, 10**15, "9" * 400, 1e300, True, [1], "2026-13-01"])
def test_a_time_that_is_none_is_refused_with_its_place(written: Any) -> None:
    assert mistake({**LEAD, "at": written}).startswith("$.at: ")


def test_without_an_id_the_content_tells_events_apart_and_without_a_time_the_receipt_too() -> None:
    whole = {name: value for name, value in LEAD.items() if name != "event_id"}
    adapter = Generic()
    assert adapter.receive(deliver(whole)).key == adapter.receive(deliver(dict(reversed(whole.items())))).key
    assert adapter.receive(deliver(whole)).key != adapter.receive(deliver({**whole, "stage": "new"})).key
    timeless = {"record": 12}
    later = replace(deliver(timeless), received_at=datetime(2026, 3, 5, tzinfo=UTC))
    assert adapter.receive(deliver(timeless)).key != adapter.receive(later).key
    assert adapter.receive(deliver(timeless, webhook_id="msg_1")).key == "msg_1:0"
    assert adapter.receive(deliver(LEAD)).key == "e1"
    assert len(adapter.receive(deliver([LEAD, {**LEAD, "event_id": "e2"}])).key) == 64
    assert len(one("owner", {**LEAD, "event_id": "e" * 200, "record": "r" * 190, "owner": ""}).key) == 64


def test_types_can_be_chosen_ignored_and_held() -> None:
    settings: dict[str, Any] = {"types": ("lead.changed",), "ignored_types": ("lead.viewed",)}
    assert kinds({**LEAD, "type": "lead.changed"}, **settings) == ["identify", "profile"]
    assert kinds({**LEAD, "type": "lead.viewed"}, **settings) == []
    with pytest.raises(UnknownEvent, match=r"'lead\.merged' is neither among the connection's `types`"):
        read(Generic(**settings), {**LEAD, "type": "lead.merged"})


def test_a_form_is_read_as_a_body_of_json_is() -> None:
    adapter = Generic(body="form", record="contact.id", email="contact.mail", events="contact && [@]")
    body = b"contact%5Bid%5D=7&contact%5Bmail%5D=A%40example.com&deleted="
    events = read(adapter, body)
    assert [event.record for event in events if isinstance(event, Event)] == [RecordRef(object="lead", id="7")] * 2
    assert adapter.receive(deliver(body)).lane == "lead:7"


@pytest.mark.parametrize(
    ("content", "settings", "path"),
    [
        ({"stage": "new"}, {}, "$: names nobody"),
        ({"record": 1, "object": "a:b"}, {}, "$.object: is 'a:b'; it must be a word without a colon"),
        (["text"], {}, "$[0]: is 'text'; it must be an object"),
        ({"email": "a@"}, {}, "$.email: is 'a@'"),
        ({"record": 1, "id": {}}, {"id": "abs(id)"}, "$: the connection's setting `id` cannot be applied"),
    ],
)
def test_an_event_that_cannot_be_read_is_named_by_its_place(content: Any, settings: dict[str, str], path: str) -> None:
    assert mistake(content, **settings).startswith(path)


def test_a_body_without_events_is_refused() -> None:
    adapter = Generic(events="data.items")
    for count in (0, 501):
        with pytest.raises(BadPayload, match="1 to 500 events"):
            adapter.receive(deliver({"data": {"items": [{"record": 1}] * count}}))
    assert mistake({}, events="data.items") == "$.data.items: is missing; it must be an object"
    assert adapter.receive(deliver({"data": {"items": [{}]}})).lane == ""
    assert json.loads(adapter.receive(deliver({"data": {"items": [LEAD]}})).reply.body) == {"accepted": 1}


@pytest.mark.parametrize("wrong", [{"stage": "a["}, {"body": "xml"}, {"utc_offset": "JST"}])
def test_settings_that_cannot_be_used_hold_the_delivery_and_say_so(wrong: dict[str, Any]) -> None:
    adapter, delivery = Generic(**wrong), deliver(LEAD)
    with pytest.raises(UnknownEvent, match=f"the connection's setting `{next(iter(wrong))}`"):
        adapter.parse(delivery, {})
    assert adapter.receive(delivery).key.endswith(RECEIVED.isoformat())
    assert json.loads(adapter.receive(delivery).reply.body) == {"accepted": 0}
    assert adapter.receive(delivery).lane == ""


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda part: st.lists(part, max_size=3)))
def test_any_value_in_any_place_is_read_or_refused(value: Any) -> None:
    for name in (
        "record",
        "object",
        "at",
        "stage",
        "stage_at",
        "owner",
        "action",
        "page",
        "deleted",
        "type",
        "event_id",
    ):
        delivery = deliver({**LEAD, name: value})
        try:
            events = Generic().parse(delivery, {})
        except BadPayload:
            continue
        assert all(isinstance(event, Event | BadPayload) for event in events)


# --- writing

URL = "https://crm.example/v1/{record.object}/{record.id}"
SETTINGS: dict[str, Any] = {"url": URL, "auth_value": ("Bearer tok-5e6f7a8b",), "secret": ("key-1234",)}
UPDATE = Update(
    key="u1",
    record=RecordRef(object="lead", id="a/1"),
    status="visited",
    label="Visited",
    since=datetime(2026, 3, 4, tzinfo=UTC),
    fields={"stage": "B", "abm": "Visited", "n": 3},
    owner="hana@example.com",
    owner_field="owner",
)


def push(api: FakeApi, update: Update = UPDATE, **settings: Any) -> Pushed:
    (pushed,) = Generic(**{**SETTINGS, **settings}).push([update], api)
    return pushed


def sent(**settings: Any) -> Any:
    api = FakeApi(answers=[answer(200)])
    assert push(api, **settings).outcome is PushOutcome.DONE
    return json.loads(api.calls[0]["data"])


def test_an_update_is_one_request_with_the_mapping_s_fields() -> None:
    api = FakeApi(answers=[answer(204)])
    assert push(api, headers=("Accept: application/json",)) == Pushed(
        key="u1", outcome=PushOutcome.DONE, reason="not read back"
    )
    (call,) = api.calls
    assert (call["method"], call["url"]) == ("PATCH", "https://crm.example/v1/lead/a%2F1")
    assert call["headers"] == {
        "Content-Type": "application/json",
        "Idempotency-Key": "u1",
        "Accept": "application/json",
        "Authorization": "Bearer tok-5e6f7a8b",
    }
    assert json.loads(call["data"]) == {"stage": "B", "abm": "Visited", "n": 3, "owner": "hana@example.com"}
    assert Generic(**SETTINGS).takes_updates
    assert not Generic().takes_updates


def test_the_body_is_made_after_the_template() -> None:
    template = {
        "data": {"id": "{record.id}", "text": "{label} ({status}) by {owner}", "n": "{fields.n}", "x": "{fields.x}"},
        "list": ["{fields.abm}", "{fields.x}", 5, True],
    }
    assert sent(template=json.dumps(template)) == {
        "data": {"id": "a/1", "text": "Visited (visited) by hana@example.com", "n": 3},
        "list": ["Visited", 5, True],
    }
    assert sent(template='"{fields.x}"') == {}


def test_an_owner_is_written_by_the_id_that_the_connection_knows() -> None:
    assert sent(owner_ids=("17=Hana@example.com",))["owner"] == "17"
    api = FakeApi(answers=[answer(200)])
    refused = push(api, owner_ids=("18=ken@example.com",))
    assert (refused.outcome, refused.reason) == (
        PushOutcome.REFUSED,
        "owner: no entry of the setting `owner_ids` (ken@example.com) has the e-mail hana@example.com",
    )
    assert json.loads(api.calls[0]["data"]) == {"stage": "B", "abm": "Visited", "n": 3}
    assert (
        push(FakeApi(answers=[]), replace(UPDATE, fields={}), owner_ids=("18=k@e.jp",)).outcome is PushOutcome.REFUSED
    )
    assert "owner" not in json.loads(_only(replace(UPDATE, owner_field=None))["data"])


def _only(update: Update) -> dict[str, Any]:
    api = FakeApi(answers=[answer(200)])
    push(api, update)
    return api.calls[0]


def test_an_update_is_done_when_every_field_is_shown() -> None:
    shown = {"stage": "B", "abm": " Visited", "n": "3", "owner": "hana@example.com", "more": [1]}
    body = json.dumps({"lead": shown}).encode()
    api = FakeApi(answers=[answer(200), answer(200, body)])
    assert push(api, read_url=URL, read="lead") == Pushed(key="u1", outcome=PushOutcome.DONE)
    assert api.calls[1]["method"] == "GET"
    assert api.calls[1]["headers"] == {"Authorization": "Bearer tok-5e6f7a8b"}


def test_a_field_that_shows_another_value_refuses_the_update_and_is_named() -> None:
    fields = {"stage": "B", "is_vip": True, "tags": ["a"], "empty": ""}
    shown = {"stage": "Bearer tok-5e6f7a8b", "is_vip": "False", "tags": ["b"], "empty": None}
    api = FakeApi(answers=[answer(200), answer(200, json.dumps(shown).encode())])
    pushed = push(api, replace(UPDATE, fields=fields, owner=None), read_url=URL)
    assert pushed.outcome is PushOutcome.REFUSED
    assert pushed.reason == (
        "stage shows '***' in place of 'B'; is_vip shows 'False' in place of True; tags shows ['b'] in place of ['a']"
    )


@pytest.mark.parametrize(
    ("answers", "settings", "outcome", "reason"),
    [
        ([answer(404)], {}, PushOutcome.GONE, "answered 404"),
        ([answer(409, b"busy")], {}, PushOutcome.LATER, "answered 409: busy"),
        ([answer(422, b"no Bearer tok-5e6f7a8b")], {}, PushOutcome.REFUSED, "answered 422: no ***"),
        ([answer(301)], {}, PushOutcome.REFUSED, "answered 301"),
        ([CrmUnavailable("away", 7)], {}, PushOutcome.LATER, "away"),
        ([answer(200), answer(410)], {"read_url": URL}, PushOutcome.GONE, "answered 410"),
        ([answer(200), answer(200, b"<html>")], {"read_url": URL}, PushOutcome.LATER, "not JSON"),
        ([answer(200), answer(200, b"[]")], {"read_url": URL}, PushOutcome.REFUSED, "finds no record"),
        ([answer(200), answer(200, b"{}")], {"read_url": URL, "read": "a["}, PushOutcome.REFUSED, "`read` ('a[')"),
        ([], {"template": "{"}, PushOutcome.REFUSED, "`template` is not JSON"),
        ([], {"method": "GET"}, PushOutcome.REFUSED, "`method` is 'GET'"),
        ([], {"url": ""}, PushOutcome.REFUSED, "set the connection's setting `url`"),
    ],
)
def test_every_answer_has_its_outcome(
    answers: list[Answer | Exception], settings: dict[str, Any], outcome: PushOutcome, reason: str
) -> None:
    pushed = push(FakeApi(answers=answers), **settings)
    assert pushed.outcome is outcome
    assert reason in (pushed.reason or "")


def test_what_comes_back_of_an_update_is_a_setting() -> None:
    assert Generic.ECHOES == {}
    assert Generic(stage_field="phase", owner_field="agent").ECHOES == {"phase": "stage", "agent": "owner"}


# --- what changed

SINCE = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
LISTED: dict[str, Any] = {**SETTINGS, "changes_items": "rows", "changes_next": "next"}


def listed(*pages: Answer, **settings: Any) -> tuple[FakeApi, list[Event]]:
    api = FakeApi(answers=list(pages))
    url = "https://crm.example/v1?since={since}&ms={since.ms}&s={since.unix}"
    return api, list(Generic(**{**LISTED, "changes_url": url, **settings}).changes(SINCE, api))


def page(*rows: Any, following: str | None = None) -> Answer:
    return answer(200, json.dumps({"rows": rows, "next": following}).encode())


def test_changes_are_read_page_by_page_with_the_keys_of_webhooks() -> None:
    api, events = listed(page(LEAD, following="/v1?from=2"), page({**LEAD, "event_id": "e2", "stage": "B"}))
    assert [call["url"] for call in api.calls] == [
        "https://crm.example/v1?since=2026-03-04T05%3A00%3A00%2B00%3A00&ms=1772600400000&s=1772600400",
        "https://crm.example/v1?from=2",
    ]
    assert [event.key for event in events[:2]] == [
        event.key for event in read(Generic(), LEAD) if isinstance(event, Event)
    ]
    assert [event.kind for event in events] == ["identify", "profile", "identify", "stage", "profile"]
    assert listed(changes_url="")[1] == []


def test_a_record_that_cannot_be_read_stops_no_other_and_is_told_at_the_end() -> None:
    found: list[Event] = []
    adapter = Generic(**{**LISTED, "changes_url": "https://crm.example/v1"})
    api = FakeApi(answers=[page({"at": LEAD["at"]}, {"record": 1}, 7, LEAD)])
    with pytest.raises(CrmRefused, match=r"3 records of `changes_url` cannot be read: \$\.rows\[0\]: names nobody"):
        found.extend(adapter.changes(SINCE, api))
    with pytest.raises(CrmRefused, match="1 records of `changes_url` cannot be read"):
        listed(answer(200, b'{"rows": {}}'))


def test_credentials_are_sent_to_no_other_host_and_pages_come_to_an_end() -> None:
    with pytest.raises(CrmRefused, match="the next page that `changes_next` finds is on another host"):
        listed(page(LEAD, following="https://evil.example/v1"))
    with pytest.raises(CrmRefused, match="answered 403"):
        listed(answer(403))


def test_a_listing_that_never_ends_is_left() -> None:
    assert len(listed(*[page(LEAD, following="/a")] * MOST_PAGES)[0].calls) == MOST_PAGES


# --- a look at the connection


def test_a_look_says_what_is_wrong_with_the_settings_and_whether_the_system_answers() -> None:
    wrong = Generic(proof="none", stage="a[", template="{", url=URL)
    assert [finding.is_good for finding in wrong.inspect("", FakeApi(answers=[]))] == [False, False, False]
    good = Generic(**SETTINGS, changes_url="https://crm.example/v1")
    looks = [good.inspect("", FakeApi(answers=[answer(status, b"hm")])) for status in (200, 401, 404)]
    assert [(found[1].topic, found[1].is_good) for found in looks] == [
        ("credentials", True),
        ("credentials", False),
        ("webhooks", False),
    ]
    assert "answered 401: hm" in looks[1][1].text
    (settings, _) = Generic().inspect("", FakeApi(answers=[]))
    assert settings.is_good
