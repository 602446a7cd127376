"""The adapter of our own form: Standard Webhooks in, one request for each record out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.standard import Standard
from connector.adapter_kit.contract import Adapter, Answer, Catalog, Delivery, Pushed, PushOutcome, Update
from connector.adapter_kit.signatures import verify_webhook
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable
from connector.core.event import Event, Identity, IdentityKind, RecordRef
from tests.adapters.support import Case, FakeApi, answer, read_http, shown, write_http

NOW: Final = datetime(2026, 3, 4, 5, 26, 20, tzinfo=UTC)
SUBJECT: Final = {"email": "a@example.com"}
LINE: Final = {"id": "e1", "at": "2026-03-04T05:20:00Z", "type": "identify", "subject": SUBJECT}
SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
UPDATE: Final = Update(
    key="u1.3",
    record=RecordRef(object="lead", id="L 1/2"),
    status="explicit",
    label="Explicit",
    since=datetime(2026, 3, 1, tzinfo=UTC),
    fields={"abm_status": "Explicit"},
    owner="t.suzuki@example.jp",
    owner_field="owner",
    attempted_at=NOW,
)
URL: Final = "https://crm.example/{record.object}s/{record.id}"
OUT: Final = Standard(url=URL)


def _delivery(*lines: Any, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Delivery:
    content = json.dumps({"events": lines}).encode() if body is None else body
    sent = {"webhook-id": "msg_1"} if headers is None else headers
    return Delivery(method="POST", query=(), headers=sent, body=content, received_at=NOW)


def _parse(*lines: Any, body: bytes | None = None) -> Sequence[Event | BadPayload]:
    return Standard().parse(_delivery(*lines, body=body), {})


def event_of(**values: Any) -> Event:
    [event] = _parse({**LINE, **values})
    assert isinstance(event, Event), event
    return event


def mistake_in(line: Any) -> str:
    [error] = _parse(line)
    assert isinstance(error, BadPayload)
    assert str(error).startswith(f"{error.path}: ")
    return str(error)


def test_it_is_an_adapter_whose_settings_are_its_fields() -> None:
    assert isinstance(Standard(), Adapter)
    assert set(Standard.SETTINGS) == set(Standard.__slots__)
    assert {name: setting.default for name, setting in Standard.SETTINGS.items() if not setting.is_secret} == {
        name: getattr(Standard(), name) for name, setting in Standard.SETTINGS.items() if not setting.is_secret
    }


def test_the_key_is_the_message_id_and_the_same_on_a_retry() -> None:
    first, retry = (
        Case(system="standard", name=name).delivery()
        for name in ("03-signed-by-old-and-new-secret", "06-retry-with-a-new-timestamp")
    )
    assert Standard().receive(first).key == Standard().receive(retry).key == "msg_4bTbQ4vT1nYx6Wc0RbLs9Dfg"
    assert Standard().receive(_delivery(LINE, headers={"svix-id": "msg_1"})).key == "msg_1"


@pytest.mark.parametrize("message_id", ["", "x" * 256, "a\0b", "a\nb", "\udcff"])
def test_a_message_id_that_cannot_be_kept_is_a_mistake(message_id: str) -> None:
    with pytest.raises(BadPayload, match="header webhook-id: must be 1 to 255 printable characters"):
        Standard().receive(_delivery(headers={"webhook-id": message_id}))


@pytest.mark.parametrize(
    ("lines", "lane"),
    [
        ([LINE], "email:a@example.com"),
        ([{"subject": {"visitor": "v", "id": 7}}], "record:lead:7"),
        ([{"type": "stage", "object": "deal", "subject": {"phone": "+81 3-1234-5678"}}], "phone:+81312345678"),
        ([{"type": "stage", "object": "deal", "subject": {"id": "7"}}], "record:deal:7"),
        ([{"subject": {"email": "a", "visitor": "v"}}], "visitor:v"),
        ([{"subject": {}}], ""),
        ([5], ""),
    ],
)
def test_the_lane_is_the_first_identity_of_the_first_line(lines: list[Any], lane: str) -> None:
    assert Standard().receive(_delivery(*lines)).lane == lane


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "$: the body is not JSON"),
        (b"[]", "$: is a list; it must be an object"),
        (b"{}", "$.events: is missing; it must be a list"),
        (b'{"events": {}}', "$.events: is an object; it must be a list"),
        (b'{"events": []}', "$.events: has 0 lines; it must have 1 to 500"),
        (json.dumps({"events": [LINE] * 501}).encode(), "$.events: has 501 lines; it must have 1 to 500"),
    ],
)
def test_a_body_that_is_no_list_of_lines_is_refused_as_a_whole(body: bytes, message: str) -> None:
    for read in (lambda: Standard().receive(_delivery(body=body)).reply, lambda: _parse(body=body)):
        with pytest.raises(BadPayload) as caught:
            read()
        assert str(caught.value).startswith(message)


def test_500_lines_are_accepted() -> None:
    lines = [{**LINE, "id": number} for number in range(500)]
    assert json.loads(Standard().receive(_delivery(*lines)).reply.body) == {"accepted": 500, "refused": []}
    assert [event.key for event in _parse(*lines) if isinstance(event, Event)] == [str(number) for number in range(500)]


def test_the_answer_says_which_lines_are_wrong_and_how() -> None:
    reply = Standard().receive(Case(system="standard", name="02-one-bad-line-among-good").delivery()).reply
    answered = json.loads(reply.body)
    assert (reply.status, reply.content_type, answered["accepted"]) == (202, "application/json", 2)
    assert [(wrong["line"], wrong["path"], wrong["id"]) for wrong in answered["refused"]] == [
        (1, "$.events[1]", "b"),
        (2, "$.events[2]", "a"),
        (3, "$.events[3]", None),
        (4, "$.events[4]", "c"),
    ]
    assert [len(wrong["errors"]) for wrong in answered["refused"]] == [3, 2, 1, 4]
    assert answered["refused"][1]["errors"][1] == (
        "$.events[2].id: 'a' is the id of $.events[0] too; each line must have its own"
    )


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ({**LINE, "id": None}, "$.events[0].id: is missing; it must be a text that is not empty"),
        ({**LINE, "id": "x" * 201}, f"$.events[0].id: is '{'x' * 60}'; it must be at most 200 characters"),
        (
            {**LINE, "type": "jump", "to": "order"},
            (
                "$.events[0].type: is 'jump'; it must be `stage` with `object` and `stage`; the connection's mapping"
                " says which status that is"
            ),
        ),
        (
            {**LINE, "type": "acton"},
            "$.events[0].type: is 'acton'; it must be one of action, identify, owner, profile, stage, tag, trigger",
        ),
        ({**LINE, "kind": "customer"}, "$.events[0].kind: is 'customer'; it must be one of lead, unknown"),
        ({**LINE, "fields": 1}, "$.events[0].fields: is 1; it must be an object"),
        ({**LINE, "object": "a:b"}, "$.events[0].object: is 'a:b'; it must be a word without a colon"),
        ({**LINE, "type": "action"}, "$.events[0].action: is missing; it must be a text that is not empty"),
        ({**LINE, "type": "trigger"}, "$.events[0].trigger: is missing; it must be a text that is not empty"),
        ({**LINE, "type": "profile"}, "$.events[0].fields: is missing; it must be an object"),
        (
            {**LINE, "type": "stage", "object": "lead"},
            "$.events[0].stage: is missing; it must be a text that is not empty",
        ),
        (
            {**LINE, "type": "stage", "stage": "x"},
            "$.events[0].object: is missing; it must be a text that is not empty",
        ),
        (
            {**LINE, "type": "tag", "add": "a", "remove": "b"},
            "$.events[0].add: is 'a'; it must be the tag to add, or else `remove` the tag to remove: one of the two",
        ),
        (
            {**LINE, "type": "owner"},
            "$.events[0].owner: is missing; it must be an e-mail address, or null for nobody",
        ),
        ({**LINE, "subject": "a"}, "$.events[0].subject: is 'a'; it must be an object"),
        (
            {**LINE, "subject": {"email": None, "mail": "a@example.com"}},
            "$.events[0].subject: is an object; it must be an object with at least one of id, email, phone, visitor",
        ),
        (
            {**LINE, "subject": {"id": 1.5, "email": "a"}},
            (
                "$.events[0].subject.id: is 1.5; it must be a text that is not empty; "
                "$.events[0].subject.email: is 'a'; it must be an e-mail address"
            ),
        ),
        (
            {**LINE, "identities": {}},
            "$.events[0].identities: is an object; it must be an object with at least one of id, email, phone, visitor",
        ),
    ],
)
def test_a_wrong_line_says_what_is_wrong_with_it(line: Any, mistake: str) -> None:
    assert mistake_in(line) == mistake


def test_nul_in_a_line_holds_back_that_line_alone() -> None:
    good, bad = _parse(LINE, {**LINE, "id": "e2", "note": {"a": ["\0"]}})
    assert isinstance(good, Event)
    assert str(bad) == r"$.events[1].note.a[0]: is '\x00'; it must be a text without NUL"
    assert isinstance(event_of(note="\\u0000"), Event)


def test_identities_of_the_subject_come_first_and_once() -> None:
    event = event_of(
        subject={"visitor": "v", **SUBJECT}, identities={"email": "A@example.com", "id": "7"}, object="contact"
    )
    assert event.identities == (
        Identity(kind=IdentityKind.EMAIL, value="a@example.com"),
        Identity(kind=IdentityKind.VISITOR, value="v"),
        Identity(kind=IdentityKind.RECORD, value="contact:7"),
    )
    assert event.record is None


def test_further_identities_are_read_on_identify_lines_only() -> None:
    event = event_of(type="trigger", trigger="t", identities={"email": "b@example.com"})
    assert event.identities == (Identity(kind=IdentityKind.EMAIL, value="a@example.com"),)


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ({"subject": {"id": 7}}, RecordRef(object="lead", id="7")),
        ({"subject": {"id": "7"}, "object": "contact"}, RecordRef(object="contact", id="7")),
        ({"subject": SUBJECT}, None),
        ({"subject": {"id": 7}, "type": "stage", "stage": 3, "object": "deal"}, RecordRef(object="deal", id="7")),
        (
            {"subject": {"visitor": "7"}, "type": "stage", "stage": "s", "object": "deal"},
            RecordRef(object="deal", id="visitor:7"),
        ),
    ],
)
def test_the_record_is_what_the_line_is_about(line: dict[str, Any], record: RecordRef | None) -> None:
    assert event_of(**line).record == record


@pytest.mark.parametrize(
    ("seconds", "at", "is_marked"),
    [(300, NOW + timedelta(seconds=300), False), (301, NOW, True), (-(10**9), None, False)],
)
def test_a_time_in_the_future_counts_from_the_receipt(seconds: int, at: datetime | None, is_marked: Any) -> None:
    written = (NOW + timedelta(seconds=seconds)).isoformat()
    event = event_of(at=written)
    assert event.at == (at or NOW + timedelta(seconds=seconds))
    assert event.data.get("future_at") == (written if is_marked else None)


def test_the_fields_of_any_line_are_read_by_the_mapping_as_they_are() -> None:
    data = event_of(type="trigger", trigger="form", fields={"form_id": "12", "id": "theirs"}, source="web").data
    assert (data["form_id"], data["id"], data["source"], data["fields"]["form_id"]) == ("12", "theirs", "web", "12")


def test_it_asks_the_system_for_nothing() -> None:
    api = FakeApi(answers=[])
    assert Standard().greet(_delivery()) is None
    assert Standard().fetch([_delivery()], api) == {}
    assert list(Standard().changes(NOW, api)) == []
    assert Standard().catalog(api) == Catalog()


def _push(
    adapter: Standard, *answers: Answer | Exception, update: Update = UPDATE
) -> tuple[Pushed, list[dict[str, Any]]]:
    api = FakeApi(answers=list(answers))
    [pushed] = adapter.push([update], api)
    assert pushed.key == update.key
    assert api.answers == []
    return pushed, api.calls


def test_an_update_is_one_request() -> None:
    pushed, [call] = _push(replace(OUT, auth_value=("Bearer new", "Bearer old")), answer(204))
    assert pushed == Pushed(key="u1.3", outcome=PushOutcome.DONE, reason="not read back")
    assert (call["method"], call["url"]) == ("POST", "https://crm.example/leads/L%201%2F2")
    assert call["headers"] == {
        "Content-Type": "application/json",
        "Idempotency-Key": "u1.3",
        "Authorization": "Bearer new",
    }
    assert json.loads(call["data"]) == {
        "record": {"object": "lead", "id": "L 1/2"},
        "status": "explicit",
        "label": "Explicit",
        "since": "2026-03-01T00:00:00+00:00",
        "owner": "t.suzuki@example.jp",
        "fields": {"abm_status": "Explicit"},
    }


def test_the_owner_is_left_alone_where_the_mapping_names_no_field_for_it() -> None:
    _, [call] = _push(OUT, answer(200), update=replace(UPDATE, owner_field=None))
    assert json.loads(call["data"])["owner"] is None


def test_values_that_json_does_not_know_are_sent_as_text() -> None:
    _, [call] = _push(OUT, answer(200), update=replace(UPDATE, fields={"day": NOW.date(), "n": 10**30, "名": "テ"}))
    assert json.loads(call["data"])["fields"] == {"day": "2026-03-04", "n": 10**30, "名": "テ"}


def test_an_update_is_signed_by_each_secret_at_the_time_of_the_attempt() -> None:
    old = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
    _, [call] = _push(replace(OUT, push_secret=(SECRET, old)), answer(200))
    headers = {name.lower(): value for name, value in call["headers"].items()}
    assert headers["webhook-id"] == "u1.3"
    for secret in (SECRET, old):
        verify_webhook(headers, call["data"], [secret], NOW)


@pytest.mark.parametrize(
    ("adapter", "update", "reason"),
    [
        (Standard(), UPDATE, "no address to send updates to: set the connection's setting `url`"),
        (
            replace(OUT, method="GET"),
            UPDATE,
            "the connection's setting `method` is 'GET'; it must be one of POST, PUT, PATCH",
        ),
        (
            replace(OUT, push_secret=("short",)),
            UPDATE,
            "the connection's secret `push_secret` must be `whsec_` and base64 of 24 bytes or more",
        ),
        (
            replace(OUT, push_secret=(SECRET,)),
            replace(UPDATE, attempted_at=None),
            "the update cannot be signed: the time of the attempt is not known",
        ),
    ],
)
def test_a_setting_that_is_wrong_refuses_the_update_and_is_named(
    adapter: Standard, update: Update, reason: str
) -> None:
    assert _push(adapter, update=update) == (Pushed(key="u1.3", outcome=PushOutcome.REFUSED, reason=reason), [])


@pytest.mark.parametrize("method", ["put", "PATCH"])
def test_the_method_is_a_setting(method: str) -> None:
    _, [call] = _push(replace(OUT, method=method), answer(200))
    assert call["method"] == method.upper()


@pytest.mark.parametrize(
    ("given_answer", "outcome", "reason", "retry_after"),
    [
        (answer(404, b"no such lead"), PushOutcome.GONE, "answered 404: no such lead", None),
        (answer(410), PushOutcome.GONE, "answered 410", None),
        (answer(409), PushOutcome.LATER, "answered 409", None),
        (answer(423, b"locked"), PushOutcome.LATER, "answered 423: locked", None),
        (answer(429), PushOutcome.LATER, "answered 429", None),
        (
            CrmUnavailable("POST crm.example: answered 503", 7.0),
            PushOutcome.LATER,
            "POST crm.example: answered 503",
            7.0,
        ),
        (CrmRefused("POST: the request cannot be sent"), PushOutcome.REFUSED, "POST: the request cannot be sent", None),
        (answer(301), PushOutcome.REFUSED, "answered 301", None),
        (
            answer(422, b'{"error":\n "no \xff\x00 s3cret of Bearer s3cret"}'),
            PushOutcome.REFUSED,
            'answered 422: {"error": "no \ufffd *** of ***"}',
            None,
        ),
        (answer(400, b"x" * 10_000), PushOutcome.REFUSED, f"answered 400: {'x' * 200}", None),
    ],
)
def test_what_became_of_an_update_is_said_by_the_answer(
    given_answer: Answer | Exception, outcome: PushOutcome, reason: str, retry_after: float | None
) -> None:
    pushed, _ = _push(replace(OUT, auth_value=("Bearer s3cret",)), given_answer)
    assert pushed == Pushed(key="u1.3", outcome=outcome, reason=reason, retry_after=retry_after)


READ: Final = replace(
    OUT, read_url=f"{URL}/now", read_status="data.abm[0].status", auth_value=("k",), auth_header="X-Key"
)


def test_an_update_is_done_when_the_record_shows_it() -> None:
    pushed, [_, call] = _push(READ, answer(200), answer(200, b'{"data":{"abm":[{"status":"explicit"}]}}'))
    assert pushed == Pushed(key="u1.3", outcome=PushOutcome.DONE)
    assert call == {"method": "GET", "url": "https://crm.example/leads/L%201%2F2/now", "headers": {"X-Key": "k"}}


@pytest.mark.parametrize(
    ("given_answer", "outcome", "reason"),
    [
        (
            answer(200, b'{"data":{"abm":[{"status":"latent"}]}}'),
            PushOutcome.REFUSED,
            "status shows 'latent' in place of 'explicit'",
        ),
        (answer(200, b"{}"), PushOutcome.REFUSED, "status shows nothing in place of 'explicit'"),
        (answer(403, b"no"), PushOutcome.FORBIDDEN, "answered 403: no"),
        (answer(401, b"no"), PushOutcome.NO_ACCESS, "answered 401: no"),
        (answer(200, b"<html>"), PushOutcome.LATER, "the answer with status 200 is not JSON"),
        (CrmUnavailable("GET crm.example: no answer"), PushOutcome.LATER, "GET crm.example: no answer"),
    ],
)
def test_an_update_that_the_record_does_not_show_is_not_done(
    given_answer: Answer | Exception, outcome: PushOutcome, reason: str
) -> None:
    pushed, _ = _push(READ, answer(204), given_answer)
    assert pushed == Pushed(key="u1.3", outcome=outcome, reason=reason)


@pytest.mark.parametrize("expression", ["data[", "", "abs(data)"])
def test_a_read_back_expression_that_cannot_be_used_is_named(expression: str) -> None:
    pushed, _ = _push(replace(READ, read_status=expression), answer(200), answer(200, b'{"data":"x"}'))
    assert pushed.outcome is PushOutcome.REFUSED
    assert str(pushed.reason).startswith(f"the connection's setting `read_status` ({expression!r}) cannot be used: ")


def test_each_update_of_a_batch_has_its_own_outcome_in_order() -> None:
    updates = [replace(UPDATE, key=key) for key in ("a", "b", "c")]
    pushed = OUT.push(updates, FakeApi(answers=[answer(200), CrmUnavailable("away"), answer(404)]))
    assert [(one.key, one.outcome) for one in pushed] == [
        ("a", PushOutcome.DONE),
        ("b", PushOutcome.LATER),
        ("c", PushOutcome.GONE),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LINES = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "at": JSON | st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
        "type": JSON | st.sampled_from(["action", "stage", "trigger", "identify", "tag", "owner", "profile", "jump"]),
        "subject": JSON | st.dictionaries(st.sampled_from(["id", "email", "phone", "visitor"]), JSON | st.emails()),
        "identities": JSON,
        "fields": JSON,
        "object": JSON,
        "stage": JSON,
        "pipeline": JSON,
        "action": JSON,
        "trigger": JSON,
        "owner": JSON,
        "add": JSON,
        "remove": JSON,
        "kind": JSON,
        "page": JSON,
        "session": JSON,
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first zones and domains are read from files
@given(st.lists(LINES | JSON, min_size=1, max_size=4))
def test_any_line_is_an_event_or_a_mistake_and_the_answer_counts_them(lines: list[Any]) -> None:
    delivery = _delivery(*lines)
    try:
        read = Standard().parse(delivery, {})
    except BadPayload as error:
        assert "is not JSON" in str(error) or error.path == "$"  # noqa: PT017 - both outcomes are right
        return
    answered = json.loads(Standard().receive(delivery).reply.body)
    assert answered["accepted"] == sum(isinstance(one, Event) for one in read)
    assert [wrong["line"] for wrong in answered["refused"]] == [
        place for place, one in enumerate(read) if isinstance(one, BadPayload)
    ]
    assert all("\0" not in json.dumps(shown([one])) for one in read)


def test_a_captured_request_is_written_as_it_is_read() -> None:
    raw = Case(system="standard", name="01-identify-profile-tag-action-stage-trigger-owner-deleted")
    content = (raw.folder / "01-identify-profile-tag-action-stage-trigger-owner-deleted.http").read_bytes()
    assert write_http(read_http(content, NOW)) == content
    assert read_http(b"GET /webhooks/x?a=1&b= HTTP/1.1\r\nHost: h\r\n\r\n", NOW).query == (("a", "1"), ("b", ""))
