"""The tracker's adapter: what a page may say, what it may not, and when."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tracker import Tracker
from connector.adapter_kit.contract import BrowserCollector
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Event
from connector.emulators.tracker.site import sign_token
from tests.adapters.support import FakeApi
from tests.adapters.tracker.signing import SIGNING, SITE

SECRET = "identity-b6f0c2a94e7d41c8935a"
VISITOR = "9f3c1a2b5d6e7f80"
SENT = 1772601970000
KEY = "site-5f1c0e7a93d84b26"
RECEIVED = SIGNING.delivery.received_at
ADAPTER = Tracker(sites=(f"{SITE}/",), site_keys=(KEY,), identity_secret=(SECRET,))
LOGIN = {"id": "8a1b2c3d4e5f6071", "type": "login", "at": SENT, "page": f"{SITE}/"}


def parse(*events: Any, adapter: Tracker = ADAPTER, **body: Any) -> list[Event | BadPayload]:
    whole = {"id": "4d2f8a6b1c9e7035", "visitor": VISITOR, "sent": SENT, "events": events, **body}
    return list(adapter.parse(replace(SIGNING.delivery, body=json.dumps(whole).encode()), {}))


def parsed(adapter: Tracker = ADAPTER, **event: Any) -> Event:
    (one,) = parse({**LOGIN, **event}, adapter=adapter)
    assert isinstance(one, Event), one
    return one


def mistake(**event: Any) -> str:
    (one,) = parse({**LOGIN, **event})
    assert isinstance(one, BadPayload)
    return str(one)


def token(**claims: Any) -> str:
    given = {"email": "a@example.com", "visitor": VISITOR, "expires": SENT // 1000 + 3600, "secret": SECRET, **claims}
    return sign_token(**given)


def test_it_collects_and_takes_no_updates() -> None:
    assert isinstance(ADAPTER, BrowserCollector)
    assert not ADAPTER.takes_updates


@pytest.mark.parametrize(
    ("adapter", "origin", "key", "reason"),
    [
        (Tracker(site_keys=(KEY,)), SITE, KEY, "no sites are configured"),
        (Tracker(sites=(" ",), site_keys=(KEY,)), SITE, KEY, "no sites are configured"),
        (Tracker(sites=(SITE,)), SITE, KEY, "no token secret is configured"),
        (ADAPTER, SITE, "other", "the token does not match"),
        (ADAPTER, "null", KEY, "the page's origin 'null' is none of the connection's `sites`"),
        (ADAPTER, f"{SITE}.evil.example", KEY, "none of the connection's `sites`"),
    ],
)
def test_without_site_and_key_it_is_closed(adapter: Tracker, origin: str, key: str, reason: str) -> None:
    delivery = replace(SIGNING.delivery, query=(("key", key),), headers={"origin": origin})
    with pytest.raises(BadSignature, match=reason):
        adapter.verify(delivery, RECEIVED)


@pytest.mark.parametrize(
    ("headers", "is_wanted"),
    [
        ({"user-agent": "Mozilla/5.0 Firefox/150.0"}, True),
        ({"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}, False),
        ({"user-agent": "curl/8.5.0"}, False),
        ({}, False),
        ({"user-agent": "Mozilla/5.0", "sec-gpc": "1"}, False),
        ({"user-agent": "Mozilla/5.0", "sec-gpc": "0", "dnt": "1"}, True),
    ],
)
def test_bots_and_whoever_does_not_want_to_be_tracked_are_not_stored(headers: dict[str, str], is_wanted: bool) -> None:  # noqa: FBT001
    assert ADAPTER.wants(replace(SIGNING.delivery, headers=headers)) is is_wanted


def test_which_signals_and_which_bots_is_a_setting() -> None:
    delivery = replace(SIGNING.delivery, headers={"user-agent": "Inspector", "sec-gpc": "1", "dnt": "1"})
    assert not Tracker(signals=("dnt",)).wants(delivery)
    assert Tracker(signals=("none",)).wants(delivery)
    assert not Tracker(signals=(), bots=("inspector", "")).wants(delivery)


def test_a_browser_s_clock_counts_for_spans_only_and_nothing_is_in_the_future() -> None:
    for clock in (SENT, SENT - 10**10, SENT + 10**10):
        (one,) = parse({**LOGIN, "at": clock - 90_000}, sent=clock)
        assert isinstance(one, Event)
        assert one.at == RECEIVED - timedelta(seconds=90)
    assert parsed(at=SENT + 5_000).at == RECEIVED
    assert parsed(at=SENT - 8 * 86_400_000).at == RECEIVED
    assert parsed(at=-(2**63) + 1).at == RECEIVED


def test_an_event_sent_again_has_the_same_key() -> None:
    assert parsed(at=SENT - 1000).key == parsed(at=SENT - 9000).key == f"{VISITOR}:8a1b2c3d4e5f6071"


def test_a_token_names_the_visitor_once_however_often_it_comes() -> None:
    one, two = parsed(type="identify", token=token()), parsed(type="identify", token=token(email=" A@Example.com"))
    assert [one.key, one.is_lead] == [two.key, True]
    assert {(identity.kind, identity.value) for identity in two.identities} == {
        ("visitor", VISITOR),
        ("email", "a@example.com"),
    }


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"visitor": "0" * 16}, "was made for another visitor"),
        ({"expires": SENT // 1000}, "has expired"),
        ({"expires": SENT // 1000 + 90_000}, "good for more than a day"),
        ({"secret": "x" * 24}, "the signature does not match"),
        ({"email": "nobody"}, "it must be an e-mail address"),
    ],
)
def test_a_token_that_is_not_good_names_nobody(claims: dict[str, Any], reason: str) -> None:
    assert reason in mistake(type="identify", token=token(**claims))


def test_a_token_is_refused_without_a_secret_of_24_characters() -> None:
    for secrets in ((), ("short",), ("",)):
        identity = token(secret=secrets[0] if secrets and secrets[0] else SECRET)
        (one,) = parse(
            {**LOGIN, "type": "identify", "token": identity},
            adapter=Tracker(sites=(SITE,), site_keys=(KEY,), identity_secret=secrets),
        )
        assert "no signature secret is configured" in str(one)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_token_that_nobody_signed_is_refused(text: str) -> None:
    assert "$.events[0].token" in mistake(type="identify", token=text)


def test_what_a_site_signed_in_another_form_is_refused_with_the_reason() -> None:
    for content in ("bm90IGpzb24", "A", "é"):
        signature = hmac.new(SECRET.encode(), content.encode(), "sha256").hexdigest()
        assert "is signed, but not the base64url of JSON" in mistake(type="identify", token=f"{content}.{signature}")


def test_a_page_s_own_word_on_who_it_is_counts_for_nothing() -> None:
    claims: dict[str, Any] = {
        "email": "ceo@example.com",
        "identities": [{"kind": "email", "value": "ceo@example.com"}],
        "owner": "x",
    }
    event = parsed(**claims, fields={"mail": "ceo@example.com", "long": "x" * 201, "size": "10", "n": 1})
    assert [(identity.kind, identity.value) for identity in event.identities] == [("visitor", VISITOR)]
    assert event.data == {"type": "login", "fields": {"size": "10"}}
    assert "ceo" not in repr(event)


@pytest.mark.parametrize(
    "page", [SITE, f"{SITE}/", f"{SITE}?a=1", f"{SITE}#top", f"{SITE}/a/b?c=d", "HTTPS://WWW.EXAMPLE.COM/A"]
)
def test_a_page_of_the_site_is_taken(page: str) -> None:
    assert parsed(page=page).page == page


@pytest.mark.parametrize("page", [f"{SITE}.evil.example/", "https://example.com/", "/pricing", f"{SITE}@evil.example/"])
def test_a_page_of_any_other_site_is_refused(page: str) -> None:
    assert "it must be a page of https://www.example.com" in mistake(page=page)


@pytest.mark.parametrize(
    ("word", "entry", "name"),
    [
        ("form", "", "form_submission"),
        ("form", "?utm_medium=email", "email_form_submission"),
        ("signup", "?utm_medium=email", "email_membership_registration"),
        ("login", "?utm_medium=email", "login"),
        ("form", "?utm_source=cocoar", "form_submission"),
        ("form", 7, "form_submission"),
    ],
)
def test_a_form_in_a_session_that_a_mail_began_is_one_from_a_mail(word: str, entry: Any, name: str) -> None:
    assert parsed(type=word, entry=entry).name == name


def test_the_marks_of_mails_are_a_setting() -> None:
    marked = Tracker(sites=(SITE,), email_marks=("from=mail",), cocoar_marks=("ar",))
    assert parsed(marked, type="page", page=f"{SITE}/?from=mail", entered=True).name == "email_inflow"
    assert parsed(marked, type="page", page=f"{SITE}/?ar", entered=True).name == "cocoar_inflow"
    assert parsed(marked, type="page", page=f"{SITE}/?utm_medium=email", entered=True).name == "site_access"


def test_an_address_from_a_mail_is_an_inflow_only_where_the_site_was_entered_by_it() -> None:
    for entered in (None, False, "yes"):
        assert parsed(type="page", page=f"{SITE}/?utm_medium=email", entered=entered).name == "site_access"


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"id": "short"}, "$.events[0].id"),
        ({"type": "purchase"}, "$.events[0].type"),
        ({"at": "today"}, "$.events[0].at"),
        ({"page": None}, "$.events[0].page"),
        ({"session": "a b"}, "$.events[0].session"),
        ({"type": "event"}, "$.events[0].name"),
        ({"fields": ["a"]}, "$.events[0].fields"),
        ({"fields": dict.fromkeys(map(str, range(31)), "x")}, "$.events[0].fields"),
    ],
)
def test_a_wrong_event_is_named_by_its_path(event: dict[str, Any], path: str) -> None:
    assert mistake(**event).startswith(f"{path}: ")


def test_a_body_without_events_or_visitor_is_refused() -> None:
    bodies: list[dict[str, Any]] = [{"events": []}, {"events": [LOGIN] * 51}, {"visitor": "me"}, {"sent": None}]
    for body in bodies:
        with pytest.raises(BadPayload):
            parse(LOGIN, **body)


def test_a_look_says_what_cannot_work_and_gives_the_tag_for_the_pages() -> None:
    wrong = Tracker(sites=("www.example.com", f"{SITE}/shop"), identity_secret=("short",)).inspect(
        "", FakeApi(answers=[])
    )
    assert [finding.is_good for finding in wrong] == [False] * 4
    assert [finding.is_good for finding in Tracker(site_keys=(KEY,)).inspect("", FakeApi(answers=[]))] == [False]
    url = "https://connector.example.com/collect/site"
    for adapter, message in ((ADAPTER, "tokens name visitors"), (replace(ADAPTER, identity_secret=()), "is not set")):
        sites, tag = adapter.inspect(url, FakeApi(answers=[]))
        assert message in sites.text
        assert tag.text == (
            'into every page: <script async src="https://connector.example.com/tracker.js" '
            f'data-connection="site" data-key="{KEY}"></script>'
        )


def test_the_lane_is_the_visitor() -> None:
    assert ADAPTER.receive(SIGNING.delivery).lane == f"visitor:{VISITOR}"
    with pytest.raises(BadPayload):
        ADAPTER.receive(replace(SIGNING.delivery, body=b"[]"))
