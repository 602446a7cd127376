"""Messages of the Segment spec become events: tracks, pages, identities, profiles."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.segment_spec import OWN_EMAIL, SpecReader, messages, receive
from connector.adapter_kit.tracking import COCOAR_MARKS, EMAIL_MARKS
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind

ANONYMOUS: Final = "8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853"
AT: Final = "2026-03-04T05:26:08.333Z"
READER: Final = SpecReader(email_events=OWN_EMAIL, email_marks=EMAIL_MARKS, cocoar_marks=COCOAR_MARKS)
EMAIL: Final = Identity(kind=IdentityKind.EMAIL, value="a@example.com")
VISITOR: Final = Identity(kind=IdentityKind.VISITOR, value=ANONYMOUS)
USER: Final = Identity(kind=IdentityKind.ACCOUNT, value="u_1")
KEYS: Final = ("url", "email", "page", "campaign", "traits", "sessionId", "medium", "link_url")
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


def _message(**values: Any) -> dict[str, Any]:
    return {"type": "track", "event": "E", "messageId": "m1", "timestamp": AT, "anonymousId": ANONYMOUS, **values}


def _delivery(content: Any) -> Delivery:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Delivery(method="POST", query=(), headers={}, body=body, received_at=datetime(2026, 3, 4, 6, tzinfo=UTC))


def _read(**values: Any) -> list[Event]:
    found = READER.read(_delivery(_message(**values)))
    return [event for event in found if isinstance(event, Event)]


def _names(**values: Any) -> list[str]:
    return [f"{event.kind}:{event.name or ''}" for event in _read(**values)]


def test_a_visitor_s_track_is_one_action_by_the_site_s_own_word() -> None:
    (event,) = _read(event=" Form Submitted ", properties={"form_id": "contact"})
    assert (event.name, event.identities, event.is_lead) == ("Form Submitted", (VISITOR,), False)
    assert event.data == {"event": " Form Submitted ", "properties": {"form_id": "contact"}}
    assert event.at == datetime(2026, 3, 4, 5, 26, 8, 333000, UTC)


def test_an_event_that_says_who_the_visitor_is_ties_them() -> None:
    for known in ({"userId": "u_1"}, {"context": {"traits": {"email": "A@example.com"}}}):
        tie, action = _read(**known)
        assert (tie.kind, tie.key, tie.identities) == ("identify", "m1#identify", action.identities)
        assert action.is_lead is tie.is_lead is True
    (action,) = _read(anonymousId=None, userId="u_1")
    assert (action.identities, action.is_lead) == ((USER,), True)


def test_an_e_mail_among_the_properties_is_the_visitor_s_own_in_some_events_only() -> None:
    properties = {"email": "a@example.com"}
    assert EMAIL in _read(event="form submitted", properties=properties)[0].identities
    assert _read(event="Colleague Invited", properties=properties)[0].identities == (VISITOR,)


def test_an_e_mail_that_is_none_is_passed_over() -> None:
    assert _read(event="Form Submitted", properties={"email": "n/a"}, traits={"email": 7})[0].identities == (VISITOR,)


def test_identify_ties_and_gives_the_profile_of_both_places() -> None:
    traits, older = {"email": "a@example.com", "plan": "b"}, {"plan": "a", "city": "Osaka"}
    tie, profile, action = _read(type="identify", userId="u_1", traits=traits, context={"traits": older})
    assert tie.identities == (VISITOR, USER, EMAIL)
    assert profile.data == {"email": "a@example.com", "plan": "b", "city": "Osaka"}
    assert (action.kind, action.name) == ("action", "identify")
    assert _names(type="identify", traits={"plan": "a"}) == ["profile:", "action:identify"]


@pytest.mark.parametrize("name", ["previousId", "Previous ID"])
def test_alias_ties_the_id_before(name: str) -> None:
    (tie,) = _read(type="alias", userId="u_1", anonymousId=None, **{name: ANONYMOUS})
    # It may have been a visitor's or a user's: nothing in the message tells.
    before = Identity(kind=IdentityKind.ACCOUNT, value=ANONYMOUS)
    assert (tie.kind, set(tie.identities)) == ("identify", {USER, VISITOR, before})
    (again,) = _read(type="alias", userId="u_1", previousId=ANONYMOUS)
    assert again.identities == (VISITOR, USER)
    (renamed,) = _read(type="alias", userId="u_1", anonymousId=None, previousId="u_0")
    assert Identity(kind=IdentityKind.ACCOUNT, value="u_0") in renamed.identities
    assert _read(type="alias") == []


def test_groups_are_ignored() -> None:
    assert _read(type="group", groupId="g") == []


def test_a_page_says_where_and_how_it_was_reached() -> None:
    url = "https://www.example.com/pricing"
    context = {"page": {"url": "https://www.example.com/other"}, "campaign": {"medium": "email"}, "ip": "203.0.113.24"}
    (event,) = _read(type="page", properties={"url": url}, context=context)
    assert (event.name, event.page) == ("page:email", url)
    assert event.data["context"] == {"page": context["page"], "campaign": context["campaign"]}
    (other,) = _read(type="page", properties={"url": 1}, context={"page": context["page"], "campaign": "x"})
    assert (other.name, other.page) == ("page", "https://www.example.com/other")
    assert _names(type="page", properties={"url": f"{url}?utm_source=cocoar"}) == ["action:page:cocoar"]
    assert _read(event="Email Link Clicked", properties={"link_url": url})[0].page == url


def test_a_screen_is_named() -> None:
    (event,) = _read(type="screen", name="Pricing")
    assert (event.name, event.page) == ("screen", "Pricing")


def test_a_session_is_told_with_its_visitor() -> None:
    assert _read(context={"sessionId": 1772601880123})[0].session == f"{ANONYMOUS}:1772601880123"
    others: list[Any] = ["", None, True, []]
    assert [_read(context={"sessionId": value})[0].session for value in others] == [None] * 4


def test_the_time_is_the_corrected_one_where_there_is_one() -> None:
    (event,) = _read(timestamp=None, receivedAt="2026-03-04T05:00:00Z")
    assert event.at == datetime(2026, 3, 4, 5, tzinfo=UTC)


def test_a_batch_keeps_what_is_good_and_names_what_is_not() -> None:
    bad = [
        1,
        _message(messageId=[]),
        _message(anonymousId="undefined"),
        _message(type="delete"),
        _message(timestamp="yesterday"),
        _message(event="a\0"),
    ]
    found = READER.read(_delivery([_message(), *bad]))
    assert isinstance(found[0], Event)
    paths = [one.path for one in found[1:] if isinstance(one, BadPayload)]
    assert paths == ["$[1]", "$[2].messageId", "$[3].anonymousId", "$[4].type", "$[5].timestamp", "$[6].event"]


def test_a_single_message_of_an_unknown_type_is_held() -> None:
    with pytest.raises(UnknownEvent, match="'delete' is none of alias, group"):
        READER.read(_delivery(_message(type="delete")))


@pytest.mark.parametrize("content", [b"", [], 1, "x", [{}] * 4001])
def test_what_is_no_message_is_refused(content: Any) -> None:
    with pytest.raises(BadPayload):
        messages(_delivery(content))
    with pytest.raises(BadPayload):
        receive(_delivery(content))


def test_a_delivery_is_known_by_the_ids_of_its_messages() -> None:
    assert receive(_delivery(_message())).key == "m1"
    keys = [
        receive(_delivery([_message(messageId=one) for one in ids])).key for ids in (["m1"], ["m1", "m2"], ["m1", None])
    ]
    assert len({*keys, "m1"}) == 4
    for content in ([1], _message(messageId=[])):
        with pytest.raises(BadPayload):
            receive(_delivery(content))


def test_a_message_without_an_id_is_known_by_what_it_says_and_when() -> None:
    """As the documentation's samples have none, and requests to delete a user never have one."""

    def key(**values: Any) -> str:
        return receive(_delivery(_message(messageId=None, **values))).key

    first = key()
    assert first == key(receivedAt="2026-03-04T05:30:00Z", sentAt="2026-03-04T05:29:59Z")
    (event,) = READER.read(_delivery(_message(messageId=None)))
    assert isinstance(event, Event)
    assert event.key == first
    assert len({first, key(timestamp="2026-03-04T05:26:08.001Z"), key(event="F"), key(userId="u_1")}) == 4
    assert receive(_delivery({"type": "delete", "userId": "u_1", "timestamp": AT})).key
    by_receipt = {key(timestamp=None, receivedAt=f"2026-03-04T05:00:0{second}Z") for second in (1, 2)}
    assert len(by_receipt) == 2


def test_the_lane_is_the_first_visitor_or_user() -> None:
    assert receive(_delivery([_message(), _message(anonymousId="x")])).lane == f"visitor:{ANONYMOUS}"
    assert receive(_delivery(_message(anonymousId=None, userId="u_1"))).lane == "account:u_1"
    assert (
        receive(_delivery(_message(anonymousId=None))).lane == receive(_delivery(_message(anonymousId=[]))).lane == ""
    )


@settings(max_examples=60)
@given(
    values=st.dictionaries(
        st.sampled_from(
            ["type", "event", "userId", "previousId", "context", "properties", "traits", "name", "messageId"]
        ),
        JSON | st.sampled_from(["track", "page", "screen", "identify", "alias"]),
    )
)
def test_any_message_is_read_or_refused(values: dict[str, Any]) -> None:
    found = READER.read(_delivery([_message(**values), _message()]))
    assert found
    assert all(event.identities for event in found if isinstance(event, Event))
