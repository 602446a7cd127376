"""What the adapter writes, lists and says of a system that its settings describe."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.generic import Generic
from adapters.generic.read import MOST_PAGES
from connector.adapter_kit.contract import Answer, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable
from connector.core.event import Event, RecordRef
from tests.adapters.generic.test_generic import LEAD, read
from tests.adapters.support import FakeApi, answer

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
    told = Generic(**{**LISTED, "changes_url": url, **settings}).changes(SINCE, api)
    return api, [one for one in told if isinstance(one, Event)]


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


def test_a_record_that_cannot_be_read_stops_no_other_and_is_told_in_its_place() -> None:
    adapter = Generic(**{**LISTED, "changes_url": "https://crm.example/v1", "types": ("", "lead")})
    rows = [{"at": LEAD["at"]}, {"record": 1}, 7, {**LEAD, "type": "x"}, LEAD]
    told = list(adapter.changes(SINCE, FakeApi(answers=[page(*rows)])))
    assert [one.path for one in told if isinstance(one, BadPayload)] == [
        "$.rows[0]",
        "$.rows[1].at",
        "$.rows[2]",
        "$.rows[3]",
    ]
    assert [one.kind for one in told if isinstance(one, Event)] == ["identify", "profile"]
    with pytest.raises(CrmRefused, match="the list of `changes_items` cannot be read"):
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
