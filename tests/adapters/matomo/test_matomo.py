"""The Matomo adapter: visits are asked for, since nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.matomo import Matomo
from connector.adapter_kit.contract import Answer
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable
from connector.core.event import Event
from tests.adapters.matomo.signing import SIGNING
from tests.adapters.support import FakeApi, answer, payloads_of, shown

TOKEN: Final = SIGNING.secrets[0]
SINCE: Final = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
MATOMO: Final = Matomo(url="https://matomo.example.com/", token=(TOKEN,))
VISIT: Final[dict[str, Any]] = json.loads((payloads_of("matomo") / "visits.json").read_text())[0]
EXPECTED: Final[list[dict[str, Any]]] = json.loads((payloads_of("matomo") / "visits.events.json").read_text())


def _json(value: Any, status: int = 200) -> Answer:
    return answer(status, json.dumps(value).encode())


def _read(*visits: Any, adapter: Matomo = MATOMO) -> list[Event]:
    """The events of a site that has these visits on one day, and none on the other days."""
    return [one for one in _events(*visits, adapter=adapter) if isinstance(one, Event)]


def _events(*visits: Any, adapter: Matomo = MATOMO) -> list[Event | BadPayload]:
    newest = {"lastActionTimestamp": int(SINCE.timestamp())}
    api = FakeApi(answers=[_json([newest]), _json(list(visits)), *[_json([])] * 3])
    return list(adapter.changes(SINCE, api))


def _visit(*actions: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {**VISIT, "userId": None, "actionDetails": list(actions), "referrerType": "direct", **more}


def _words(*actions: Mapping[str, Any], adapter: Matomo = MATOMO, **more: Any) -> list[str | None]:
    return [event.name for event in _read(_visit(*actions, **more), adapter=adapter)]


def _page(url: str = "https://www.example.com/", number: str = "1") -> dict[str, Any]:
    return {"type": "action", "url": url, "pageId": number, "timestamp": 1772601967}


def test_a_visit_becomes_its_actions_and_the_tie_of_visitor_and_user() -> None:
    assert shown(_read(VISIT)) == EXPECTED


def test_a_visit_that_goes_on_gives_the_same_events_and_more() -> None:
    first = {**VISIT, "actionDetails": VISIT["actionDetails"][:2], "userId": None}
    before, after = _read(first), _read(VISIT)
    assert before == after[1:3]
    assert len({event.key for event in after}) == len(after)


def test_numbers_may_come_as_texts() -> None:
    texts = [{name: str(value) for name, value in action.items()} for action in VISIT["actionDetails"][:2]]
    seen = {**VISIT, "idVisit": 90312, "firstActionTimestamp": "1772601967", "actionDetails": texts}
    assert [event.key for event in _read(seen)] == [event.key for event in _read(VISIT)[:3]]


def test_a_page_view_says_by_its_address_how_it_was_reached() -> None:
    pages = [_page("https://www.example.com/?bownowmail=sid1"), _page("https://www.example.com/#cocoar", "2"), _page()]
    assert _words(*pages) == ["action:email", "action:cocoar", "action"]


@pytest.mark.parametrize(
    ("visit", "word"),
    [
        ({"referrerType": "campaign", "referrerName": "Newsletter"}, "action:email"),
        ({"referrerType": "campaign", "referrerName": "cocoar"}, "action:cocoar"),
        ({"referrerType": "campaign", "referrerName": "spring"}, "action"),
        ({"referrerType": "website", "referrerName": "newsletter"}, "action"),
        ({"referrerType": "campaign", "referrerName": "spring", "campaignMedium": "email"}, "action:email"),
    ],
)
def test_the_first_page_of_a_visit_says_by_its_campaign_how_it_was_reached(visit: dict[str, Any], word: str) -> None:
    assert _words(_page(), _page(number="2"), **visit) == [word, "action"]


def test_campaigns_have_the_names_that_the_connection_says() -> None:
    own = replace(MATOMO, email_campaigns=(" Spring ",))
    assert _words(_page(), adapter=own, referrerType="campaign", referrerName="spring") == ["action:email"]


def test_other_actions_are_named_by_what_matomo_says_of_them() -> None:
    page = {**_page(), "pageId": None, "idpageview": "aB3xK9"}
    actions = [
        {**page, "type": "event", "eventCategory": "user", "eventAction": "login"},
        {**page, "type": "goal", "goalId": 3},
        {**page, "type": "ecommerceOrder", "orderId": "A1"},
        {**page, "type": "outlink", "timestamp": None, "idpageview": None},
    ]
    events = _read(_visit(*actions))
    assert [event.name for event in events] == ["event user/login", "goal 3", "ecommerceOrder", "outlink"]
    assert [event.page is None for event in events] == [False, False, True, True]
    assert events[3].at == datetime.fromtimestamp(VISIT["firstActionTimestamp"], UTC)
    assert len({event.key for event in events}) == 4


def test_what_cannot_be_read_stops_nothing_else() -> None:
    bad = [
        {**VISIT, "idVisit": None},
        {**VISIT, "firstActionTimestamp": 10**14},
        _visit(visitorId=[]),
        _visit(actionDetails=None),
    ]
    events = _events(*bad)
    assert [one.path for one in events if isinstance(one, BadPayload)] == ["$.idVisit", "$.firstActionTimestamp"]
    assert len(events) == 2
    assert _words({"url": "x"}, _page(), {**_page(), "timestamp": "soon"}) == ["action"]


def test_a_visit_stays_the_same_person_s_when_its_visitor_s_id_changes() -> None:
    (before,) = _read(_visit(_page()))
    tie, after = _read(_visit(_page(), visitorId="0c1d2e3f4a5b6c7d", userId="a@example.com"))
    assert before.key == after.key
    assert [one.value for one in before.identities] == ["9f3a1c7be5d20846", "visit:1:90312"]
    assert [one.value for one in tie.identities] == ["0c1d2e3f4a5b6c7d", "visit:1:90312", "a@example.com"]
    assert [one.value for one in _read(_visit(_page(), visitorId=None))[0].identities] == ["visit:1:90312"]


def test_the_log_is_asked_for_day_by_day_with_the_token_in_the_body() -> None:
    newest = {"lastActionTimestamp": (SINCE + timedelta(hours=20)).timestamp()}
    api = FakeApi(answers=[_json([{**newest, "lastActionTimestamp": int(newest["lastActionTimestamp"])}])])
    pages = [[_visit(idVisit=str(number)) for number in part] for part in ((1, 2), (3,))]
    api.answers += [_json([]), *map(_json, pages), _json([_visit(idVisit="3")])]
    matomo = replace(MATOMO, url="https://example.com/matomo/index.php", batch=2, sites=("7", " 7"))
    assert list(matomo.changes(SINCE, api)) == []
    assert {call["url"] for call in api.calls} == {"https://example.com/matomo/index.php"}
    assert all(call["data"] == {"token_auth": TOKEN} and TOKEN not in str(call["params"]) for call in api.calls)
    asked = [(one["params"].get("date"), one["params"].get("filter_offset")) for one in api.calls]
    assert asked == [
        (None, None),
        ("2026-03-03", "0"),
        ("2026-03-04", "0"),
        ("2026-03-04", "2"),
        ("2026-03-05", "0"),
    ]
    assert api.calls[1]["params"]["minTimestamp"] == str(int(SINCE.timestamp()) - 1)


def test_a_visit_that_two_days_show_is_read_once() -> None:
    newest = {"lastActionTimestamp": int(SINCE.timestamp())}
    api = FakeApi(answers=[_json([newest]), _json([VISIT]), _json([VISIT]), _json([])])
    assert shown(list(MATOMO.changes(SINCE, api))) == EXPECTED


def test_a_site_where_nothing_happened_is_asked_once() -> None:
    api = FakeApi(answers=[_json([])])
    assert list(MATOMO.changes(SINCE, api)) == []
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (_json({"result": "error", "message": f"no {TOKEN}"}), CrmRefused, "Matomo refused: no ***"),
        (_json({"result": "error", "message": "no"}, 401), CrmRefused, "Matomo refused: no"),
        (_json([], 403), CrmRefused, "answered 403"),
        (answer(301), CrmRefused, "set `url` to where it is now"),
        (_json({"value": 1}), CrmRefused, "something else than a list"),
        (_json([1]), CrmRefused, "something else than a list"),
        (_json([{"lastActionTimestamp": "soon"}]), CrmRefused, "has no time"),
        (_json([{"lastActionTimestamp": 10**18}]), CrmRefused, "has no time"),
        (answer(200, b"<html>"), CrmUnavailable, "not JSON"),
    ],
)
def test_what_matomo_refuses_is_said(given: Answer, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text.replace("*", r"\*")):
        list(MATOMO.changes(SINCE, FakeApi(answers=[given])))


@pytest.mark.parametrize(
    "wrong", [{"url": "matomo"}, {"token": ()}, {"token": ("",)}, {"sites": ()}, {"sites": ("a",)}, {"batch": 0}]
)
def test_a_setting_that_cannot_be_used_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(CrmRefused, match=next(iter(wrong))):
        list(replace(MATOMO, **wrong).changes(SINCE, FakeApi(answers=[])))


def test_inspection_tells_of_the_token_and_of_each_site() -> None:
    two = replace(MATOMO, sites=("1", "2", "3"))
    refused = _json({"result": "error", "message": "it requires 'view' access for the website id = 2."}, 401)
    newest = _json([{"lastActionTimestamp": int(SINCE.timestamp())}])
    found = two.inspect("", FakeApi(answers=[_json({"value": "5.1.2"}), newest, refused, _json([])]))
    assert [(one.topic, one.is_good) for one in found] == [
        ("credentials", True),
        ("scopes", True),
        ("scopes", False),
        ("scopes", True),
    ]
    assert found[0].text == "Matomo 5.1.2 takes the token"
    assert "2026-03-04 05:00Z" in found[1].text
    assert "site 2" in found[2].text
    (bad,) = MATOMO.inspect("", FakeApi(answers=[_json({"result": "error", "message": "Unable"}, 401)]))
    assert (bad.topic, bad.is_good) == ("credentials", False)


def test_what_somebody_sends_in_matomo_s_name_is_not_read() -> None:
    with pytest.raises(BadSignature):
        MATOMO.verify(SIGNING.delivery, SINCE)
    for read in (MATOMO.receive, lambda delivery: MATOMO.parse(delivery, {})):
        with pytest.raises(BadPayload):
            read(SIGNING.delivery)
    assert not MATOMO.takes_updates


VALUES: Final = st.none() | st.text(max_size=6) | st.integers() | st.booleans() | st.lists(st.integers(), max_size=1)


@settings(max_examples=60)
@given(
    visit=st.dictionaries(st.sampled_from(["idVisit", "visitorId", "userId", "referrerType", "referrerName"]), VALUES),
    action=st.dictionaries(st.sampled_from(["type", "url", "pageId", "timestamp", "goalId", "eventCategory"]), VALUES),
)
def test_any_visit_is_read_or_left_out(visit: dict[str, Any], action: dict[str, Any]) -> None:
    found = _read({**_visit({**_page(), **action}, lastActionTimestamp=1), **visit}, VISIT)
    assert shown(found)[-len(EXPECTED) :] == EXPECTED
