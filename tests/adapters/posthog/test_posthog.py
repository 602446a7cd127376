"""The PostHog adapter: events one by one, persons that are merged when they are identified."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.posthog import PostHog
from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Event, Identity, IdentityKind
from tests.adapters.posthog.signing import SIGNING
from tests.adapters.support import FakeApi

ANONYMOUS: Final = "019cb8a0-1f2d-7c4e-9a60-5b7d2e8f1034"
SENT: Final = SIGNING.delivery
OPEN: Final = PostHog(token=SIGNING.secrets)


def _body(word: str, *, person: Any = None, chain: str = "", distinct_id: Any = ANONYMOUS, **properties: Any) -> bytes:
    event = {
        "uuid": "e1",
        "event": word,
        "distinct_id": distinct_id,
        "timestamp": "2026-03-04T05:29:02Z",
        "properties": {f"${name[1:]}" if name[0] == "_" else name: value for name, value in properties.items()},
        "elements_chain": chain,
    }
    return json.dumps({"event": event, **({"person": person} if person else {})}).encode()


def _delivery(*given: Any, **more: Any) -> Delivery:
    return replace(SENT, body=_body(*given, **more))


def _read(*given: Any, adapter: PostHog = OPEN, **more: Any) -> list[Event]:
    return [event for event in adapter.parse(_delivery(*given, **more), {}) if isinstance(event, Event)]


def _words(*given: Any, **more: Any) -> list[str]:
    return [f"{event.kind}:{event.name or ''}" for event in _read(*given, **more)]


def test_the_token_may_stand_in_another_header_or_in_the_address() -> None:
    own = PostHog(token=SIGNING.secrets, header="X-Connector")
    own.verify(replace(SENT, headers={"x-connector": f"Bearer {SIGNING.secrets[1]}"}), SENT.received_at)
    OPEN.verify(replace(SENT, query=(("token", SIGNING.secrets[0]),)), SENT.received_at)
    with pytest.raises(BadSignature):
        own.verify(replace(SENT, headers={"authorization": SIGNING.secrets[0]}), SENT.received_at)


def test_an_unknown_visitor_s_own_event_is_one_action() -> None:
    (event,) = _read("file_downloaded", file="a.pdf", _session_id="s1", _current_url="https://www.example.com/")
    assert (event.key, event.name, event.session, event.page) == (
        "e1",
        "file_downloaded",
        "s1",
        "https://www.example.com/",
    )
    assert (event.identities, event.is_lead) == ((Identity(kind=IdentityKind.VISITOR, value=ANONYMOUS),), False)
    assert event.data["properties"] == {"file": "a.pdf", "$current_url": "https://www.example.com/"}


def test_a_person_s_e_mail_stands_in_the_property_that_is_set() -> None:
    person = {"properties": {"email": "a@example.com", "mail": "b@example.com"}}
    assert _words("x", person=person) == ["identify:", "action:x"]
    (tie, _) = _read("x", person=person, adapter=PostHog(email_property="mail"))
    assert Identity(kind=IdentityKind.EMAIL, value="b@example.com") in tie.identities


def test_a_user_s_random_id_names_the_user_and_is_found_again_where_posthog_does_not_say_that_it_is_one() -> None:
    user = "019cb8a0-1f2d-7c4e-9a60-aaaaaaaaaaaa"
    by_id, unnamed = (Identity(kind=kind, value=user) for kind in (IdentityKind.ACCOUNT, IdentityKind.VISITOR))
    before = Identity(kind=IdentityKind.VISITOR, value=ANONYMOUS)
    (tie, _) = _read("$identify", distinct_id=user, _anon_distinct_id=ANONYMOUS)
    assert tie.identities == (by_id, unnamed, before)
    assert _read("x", distinct_id=user)[0].identities == (unnamed,)
    (alias,) = _read("$create_alias", distinct_id=ANONYMOUS, alias=user)
    assert alias.identities == (before, by_id, unnamed)


@pytest.mark.parametrize("known", [{"_is_identified": True}, {"_user_id": "u_1"}])
def test_who_was_identified_is_a_lead_without_an_e_mail(known: dict[str, Any]) -> None:
    (event,) = _read("x", distinct_id="u_1", **known)
    assert event.is_lead is True
    assert _read("x", distinct_id="u_1", _is_identified=False)[0].is_lead is False


def test_identify_and_alias_tie_the_ids_before() -> None:
    user, visitor = (
        Identity(kind=IdentityKind.ACCOUNT, value="u_1"),
        Identity(kind=IdentityKind.VISITOR, value=ANONYMOUS),
    )
    tie, profile, action = _read("$identify", distinct_id="u_1", _anon_distinct_id=ANONYMOUS, _set={"plan": "a"})
    assert (tie.kind, tie.identities) == ("identify", (user, visitor))
    assert (profile.data, action.name) == ({"plan": "a"}, "$identify")
    (alias,) = _read("$create_alias", distinct_id=ANONYMOUS, alias="u_1")
    assert (alias.kind, alias.identities) == ("identify", (visitor, user))
    assert _words("$set", _set_once={"plan": "a"}) == ["profile:"]
    assert _words("$set") == []


@pytest.mark.parametrize(
    ("properties", "word"),
    [
        ({"_current_url": "https://www.example.com/?utm_medium=email"}, "$pageview:email"),
        ({"_current_url": "https://www.example.com/?cocoar=1"}, "$pageview:cocoar"),
        ({"_current_url": "https://www.example.com/", "utm_medium": "email"}, "$pageview"),
        ({"utm_medium": "email"}, "$pageview:email"),
        ({}, "$pageview"),
    ],
)
def test_a_page_view_says_by_its_address_how_it_was_reached(properties: dict[str, Any], word: str) -> None:
    assert _words("$pageview", **properties) == [f"action:{word}"]


@pytest.mark.parametrize(
    ("chain", "properties", "word"),
    [
        ("", {"_event_type": "submit"}, "submit"),
        ("", {}, "click"),
        ('a:href="/files/a.PDF?v=2#p"nth-child="1"', {"_event_type": "click"}, "download"),
        ("", {"_event_type": "click", "_external_click_url": "https://files.example.com/a.zip"}, "download"),
        ('a:attr__href="/pdf"href="/pdf"', {"_event_type": "click"}, "click"),
        ('a:href="/a.pdf"', {"_event_type": "change"}, "change"),
    ],
)
def test_autocapture_says_what_it_saw(chain: str, properties: dict[str, Any], word: str) -> None:
    assert _words("$autocapture", chain=chain, **properties) == [f"action:$autocapture {word}"]


def test_a_screen_is_named() -> None:
    assert _read("$screen", _screen_name="Pricing")[0].page == "Pricing"


def test_what_is_no_event_of_posthog_s_template_is_refused_by_its_path() -> None:
    for body, path in (
        (b"{}", "$.event"),
        (_body("x", distinct_id="null"), "$.event.distinct_id"),
        (_body(""), "$.event.event"),
    ):
        with pytest.raises(BadPayload) as caught:
            OPEN.parse(replace(SENT, body=body), {})
        assert caught.value.path == path


def test_a_delivery_is_known_by_its_event() -> None:
    assert OPEN.receive(SENT).key == "019cb8a3-15c8-7f04-b9d1-6a2e7c0f8b35"
    assert OPEN.receive(SENT).lane == f"visitor:{ANONYMOUS}"
    assert (
        OPEN.receive(_delivery("x", distinct_id=None)).lane == OPEN.receive(_delivery("x", distinct_id=[])).lane == ""
    )
    assert OPEN.receive(SENT).reply.status == 202
    with pytest.raises(BadPayload):
        OPEN.receive(replace(SENT, body=b'{"event": "x"}'))


def test_posthog_is_told_nothing_and_cannot_be_asked() -> None:
    assert not OPEN.takes_updates
    assert list(OPEN.changes(SENT.received_at, FakeApi(answers=[]))) == []


@settings(max_examples=60)
@given(
    word=st.sampled_from(sorted(PostHog.EVENTS)),
    distinct_id=st.none() | st.text(max_size=5) | st.integers() | st.booleans() | st.lists(st.integers(), max_size=1),
    properties=st.dictionaries(
        st.sampled_from(
            ["_current_url", "_set", "_anon_distinct_id", "alias", "_event_type", "_session_id", "_user_id"]
        ),
        st.none()
        | st.text(max_size=8)
        | st.booleans()
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    ),
)
def test_any_event_is_read_or_refused(word: str, distinct_id: Any, properties: dict[str, Any]) -> None:
    try:
        found = _read(word, distinct_id=distinct_id, **properties)
    except BadPayload:
        return
    assert all(event.identities for event in found)
