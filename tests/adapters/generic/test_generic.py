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
from connector.adapter_kit.contract import Delivery, persons_of
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event, RecordRef
from tests.adapters.generic.signing import SIGNING

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
    assert kinds(LEAD) == kinds({**LEAD, "owner": None}, owner="owner || null") == ["identify", "profile"]


@pytest.mark.parametrize(
    ("content", "path"), [({"owner": None}, "owner"), ({"card": {"by": None}}, "card.by"), ({"owner": ""}, "owner")]
)
def test_an_owner_that_was_emptied_is_nobody_and_one_that_is_not_named_stays(
    content: dict[str, Any], path: str
) -> None:
    emptied = one("owner", {**LEAD, **content}, owner=path)
    assert (emptied.owner, emptied.owner_email) == (None, None)
    silences: list[dict[str, Any]] = [{}, {"card": None}, {"card": {}}]
    for silent in silences:
        assert kinds({**LEAD, **silent}, owner="card.by") == ["identify", "profile"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"email": "n/a"}, ["$.email: is 'n/a'; it must be an e-mail address"]),
        (
            {"email": "a@x.example; b@x.example"},
            ["$.email: is 'a@x.example; b@x.example'; it must be an e-mail address"],
        ),
        ({"phone": "call me"}, ["$.phone: is 'call me'; it must be a phone number"]),
        (
            {"email": {"x": 1}, "phone": 7},
            ["$.email: is an object; it must be an e-mail address", "$.phone: is 7; it must be a phone number"],
        ),
    ],
)
def test_a_value_that_identifies_nobody_is_left_out_and_said_and_the_rest_counts(
    values: dict[str, Any], said: list[str]
) -> None:
    lead = {"event_id": "e1", "at": LEAD["at"], "record": 12, "stage": "new", **values}
    assert kinds(lead) == ["identify", "stage", "profile"]
    stage = one("stage", lead)
    assert [identity.kind for identity in stage.identities] == ["record"]
    assert stage.data["left_out"] == said
    assert mistake({"event_id": "e1", **values}).endswith("; ".join(said))


def test_several_addresses_of_a_list_are_one_person_s() -> None:
    found = one("identify", {**LEAD, "email": ["a@example.com", "n/a", "b@example.com"]}).identities
    assert [identity.value for identity in found] == ["lead:12", "a@example.com", "b@example.com"]


def test_what_stands_for_nothing_names_nobody() -> None:
    for nobody in ({"record": "undefined"}, {"visitor": "undefined"}, {"record": "null", "visitor": "0"}):
        assert mistake({"at": LEAD["at"], **nobody}).startswith("$: names nobody")
    assert kinds({**LEAD, "record": "undefined", "stage": "new"}) == ["identify", "profile"]


def test_a_visitor_s_id_that_is_not_random_counts_in_its_connection_alone() -> None:
    for value, is_local in (("12", True), ("8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853", False)):
        (who,) = one("action", {"event_id": "e1", "visitor": value, "action": "login"}).identities
        assert (who.value, who.is_local) == (value, is_local)


def test_which_records_are_people_is_a_setting() -> None:
    assert persons_of(Generic()) == frozenset()
    assert persons_of(Generic(person_objects=("contact", "person"))) == {"contact", "person"}


def test_changes_of_one_second_are_told_apart_and_what_is_told_again_is_not() -> None:
    """A stage that is left and entered again within a second has the same time twice."""
    told = [
        {"event_id": f"e{number}", "at": "2026-03-04T05:26:07.5Z", "record": 12, "stage": stage, "rev": number}
        | {"stage_at": "2026-03-04T05:26:07Z", "email": email}
        for number, (stage, email) in enumerate([("A", "a@example.com"), ("B", ""), ("A", "a@example.com")])
    ]
    keys = [[event.key for event in read(Generic(), one) if isinstance(event, Event)] for one in told]
    assert len({key for of_one in keys for key in of_one if "stage" in key}) == 3
    assert len({key for of_one in keys for key in of_one if "profile" in key}) == 3
    assert keys[0] == [event.key for event in read(Generic(), told[0]) if isinstance(event, Event)]
    assert [one("profile", event, sequence="rev").sequence for event in told] == [0, 1, 2]
    later = {**told[2], "at": "2026-03-04T05:27:00Z"}
    assert [
        event.is_seen for event in read(Generic(), later) if isinstance(event, Event) and event.kind == "stage"
    ] == [False]


def test_a_record_may_be_deleted_again_after_it_came_back() -> None:
    keys = {one("deleted", {**LEAD, "event_id": f"e{number}", "deleted": True}).key for number in (1, 2, 2)}
    assert len(keys) == 2


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
        ("2026-03-04 05:26:07 UTC", "2026-03-04T05:26:07+00:00"),
        ("2026/03/04 14:26", "2026-03-04T05:26:00+00:00"),
        ("2026/3/4", "2026-03-03T15:00:00+00:00"),
        ("2026.03.04 14:26:07,1234567", "2026-03-04T05:26:07.123456+00:00"),
        ("2026-03-04T00:26:07-05", "2026-03-04T05:26:07+00:00"),
        ("20260304", "2026-03-03T15:00:00+00:00"),
        ("20260304142607", "2026-03-04T05:26:07+00:00"),
        ("20260304T052607Z", "2026-03-04T05:26:07+00:00"),
        ("Wed, 04 Mar 2026 14:26:07 +0900", "2026-03-04T05:26:07+00:00"),
        ("4 Mar 2026 05:26 GMT", "2026-03-04T05:26:00+00:00"),
        ("/Date(1772601967123)/", "2026-03-04T05:26:07.123000+00:00"),
        ("/Date(1772601967123+0900)/", "2026-03-04T05:26:07.123000+00:00"),
        ("0000-00-00 00:00:00", RECEIVED.isoformat()),
        ("0000-00-00", RECEIVED.isoformat()),
        (None, RECEIVED.isoformat()),
        ("", RECEIVED.isoformat()),
    ],
)
def test_times_are_read_in_the_forms_that_systems_write(written: Any, meant: str) -> None:
    assert one("identify", {**LEAD, "at": written}, utc_offset="+09:00").at.isoformat() == meant


@pytest.mark.parametrize(
    "written",
    [
        *("yesterday", -5, 10**15, "9" * 400, 1e300, True, [1], "2026-13-01", "04/03/2026 08:00", "20261399", "1" * 25),
        *(
            "Wed, 04 Mar 2026 14:26:07 JST",
            "Wed, 44 Mar 2026 14:26:07 GMT",
            "/Date(-1)/",
            "2026-03-04 25:00",
            "1900-01-01",
        ),
    ],
)
def test_a_time_that_is_none_is_refused_with_its_place(written: Any) -> None:
    assert mistake({**LEAD, "at": written}).startswith("$.at: ")


def test_a_system_s_own_form_and_zone_of_times_are_settings() -> None:
    settings: dict[str, Any] = {"time_format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"}
    for written, meant in (("04.03.2026 06:26", "05:26"), ("04.07.2026 07:26", "05:26")):
        assert one("identify", {**LEAD, "at": written}, **settings).at.strftime("%H:%M") == meant
    assert "in the form %d.%m.%Y %H:%M (the setting `time_format`)" in mistake({**LEAD, "at": "2026-03-04"}, **settings)
    assert one("identify", {**LEAD, "at": 1772601967}, **settings).at.isoformat() == "2026-03-04T05:26:07+00:00"
    assert "in the setting `time_format`" in mistake({**LEAD, "at": "yesterday"})


@given(
    written=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.from_regex(r"[0-9/.:TZ +-]{1,25}", fullmatch=True)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_any_time_is_read_or_refused(written: Any) -> None:
    for found in read(Generic(zone="Asia/Tokyo"), {**LEAD, "at": written}):
        assert isinstance(found, BadPayload) or found.at.tzinfo is UTC


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
        ({"record": 1, "owner": {}}, {"owner": "abs(owner)"}, "$: the connection's setting `owner` cannot be applied"),
    ],
)
def test_an_event_that_cannot_be_read_is_named_by_its_place(content: Any, settings: dict[str, str], path: str) -> None:
    assert mistake(content, **settings).startswith(path)


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("join('/', [to_string(id), updated_at])", "$.updated_at"),
        ("join('/', [card.changed[0].at, updated_at])", "$.card.changed[0].at"),
        ("join('/', [card.*.at, updated_at])", "$.updated_at"),
    ],
)
def test_the_sender_is_told_which_field_an_id_needs(path: str, missing: str) -> None:
    adapter, content = Generic(id=path), {"id": 12, "record": 12, "card": {}}
    with pytest.raises(BadPayload, match="is missing; the connection's setting `id` needs it") as caught:
        adapter.receive(deliver(content))
    assert caught.value.path == missing
    with pytest.raises(BadPayload, match="the connection's setting `id` cannot be applied"):
        Generic(id="abs(record)").receive(deliver({"record": "x"}))


def test_an_event_without_the_id_that_it_needs_holds_back_itself_alone() -> None:
    adapter = Generic(id="join('/', [to_string(record), updated_at])")
    good = {"record": 12, "updated_at": "2026-03-04T05:26:07Z"}
    reply = json.loads(adapter.receive(deliver([{"record": 11}, good])).reply.body)
    assert reply == {"accepted": 1, "refused": ["$[0].updated_at: is missing; the connection's setting `id` needs it"]}
    bad, *events = adapter.parse(deliver([{"record": 11}, good]), {})
    assert isinstance(bad, BadPayload)
    assert len(events) == 2


def test_a_body_without_events_is_refused() -> None:
    adapter = Generic(events="data.items")
    for count in (0, 501):
        with pytest.raises(BadPayload, match="1 to 500 events"):
            adapter.receive(deliver({"data": {"items": [{"record": 1}] * count}}))
    assert mistake({}, events="data.items") == "$.data.items: is missing; it must be an object"
    assert adapter.receive(deliver({"data": {"items": [{}]}})).lane == ""
    assert json.loads(adapter.receive(deliver({"data": {"items": [LEAD]}})).reply.body) == {"accepted": 1}


@pytest.mark.parametrize(
    "wrong", [{"stage": "a["}, {"body": "xml"}, {"utc_offset": "JST"}, {"zone": "JST"}, {"time_format": "%Q"}]
)
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
