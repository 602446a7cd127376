"""The Jira adapter: issues with their changelog, owners by account, transitions in place of stages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.jira import Jira
from connector.adapter_kit.contract import Delivery, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from tests.adapters.builders import update_of
from tests.adapters.jira.fake import BOT, MORI, SATO, SHY, URL, FakeJira, busy, issue, jira, refusal
from tests.adapters.support import FakeApi, answer

NOW = datetime(2026, 3, 4, 5, 26, 8, tzinfo=UTC)
HOOK = "https://connector.example/webhooks/jira"
STAMP = 1772601967412


def _delivery(body: Any, **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=(), headers=headers, body=content, received_at=NOW)


def _webhook(word: str, *items: dict[str, Any], shown: dict[str, Any] | None = None, **more: Any) -> Delivery:
    log = {"changelog": {"id": "20931", "items": list(items)}} if items else {}
    return _delivery({"timestamp": STAMP, "webhookEvent": word, "issue": shown or issue(), **log, **more})


def _item(field: str, before: str | None, after: str | None, **strings: str | None) -> dict[str, Any]:
    return {"field": field, "fieldId": field, "from": before, "to": after, **strings}


MOVED = _item("status", "1", "3", fromString="To Do", toString="In Progress")


def _update(number: str = "10482", owner: str | None = None, **fields: Any) -> Update:
    field = "assignee" if owner else None
    return update_of(f"issue:{number}", fields, since=NOW, owner=owner, owner_field=field)


def _push(api: FakeJira, *updates: Update, **settings: Any) -> list[tuple[PushOutcome, str | None]]:
    pushed: Sequence[Pushed] = jira(**settings).push(updates, api)
    assert [one.key for one in pushed] == [update.key for update in updates]
    return [(one.outcome, one.reason) for one in pushed]


def _keys(events: Sequence[Event | BadPayload]) -> dict[str, str | None]:
    """Key → stage or owner."""
    return {event.key: event.stage or event.owner for event in events if isinstance(event, Event)}


def test_the_vendors_own_vector_is_a_good_signature() -> None:
    adapter = jira(webhook_secret=("It's a Secret to Everybody",))
    digest = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    adapter.verify(_delivery(b"Hello World!", **{"x-hub-signature": f"sha256={digest}"}), NOW)


def test_one_change_may_move_and_hand_over_an_issue() -> None:
    delivery = _webhook("jira:issue_updated", MOVED, _item("assignee", None, SATO), _item("priority", "3", "2"))
    api = FakeJira()
    assert _keys(jira().parse(delivery, jira().fetch([delivery], api))) == {
        "issue:10482:identify": None,
        "issue:10482:stage@20931": "In Progress",
        "issue:10482:owner@20931": SATO,
        "issue:10482:profile@1772601967412": None,
    }
    assert _keys(jira(stages_by="id").parse(delivery, {}))["issue:10482:stage@20931"] == "3"


def test_an_issue_that_nobody_has_any_more_and_one_without_changelog_are_read() -> None:
    left = _webhook("jira:issue_updated", _item("assignee", SATO, None))
    assert _keys(jira().parse(left, {}))["issue:10482:owner@20931"] is None
    kinds = [event.kind for event in jira().parse(_webhook("jira:issue_updated"), {}) if isinstance(event, Event)]
    assert kinds == [Kind.IDENTIFY, Kind.PROFILE]


def test_owners_e_mails_are_looked_up_once_and_hidden_ones_are_unknown() -> None:
    api = FakeJira()
    created = _webhook("jira:issue_created", shown=issue(assignee={"accountId": SATO}))
    moved = _webhook("jira:issue_updated", _item("assignee", None, SHY), MOVED, _item("assignee", SHY, None))
    gone = _delivery({"webhookEvent": "jira:issue_deleted", "issue": {"id": "1"}})
    assert jira().fetch([created, moved, gone, _delivery(b"x")], api) == {f"user:{SATO}": "k.sato@example.com"}
    assert jira(people=(f"Shy@example.com={SHY}",)).fetch([created, moved], api)[f"user:{SHY}"] == "shy@example.com"
    assert len(api.calls) == 1
    assert jira().fetch([gone], api) == {}
    assert Jira().fetch([created], api) == {}
    owner = next(e for e in jira().parse(created, jira().fetch([created], api)) if isinstance(e, Event) and e.owner)
    assert (owner.key, owner.owner_email) == ("issue:10482:owner@created", "k.sato@example.com")


@pytest.mark.parametrize(
    ("user", "is_ours"),
    [({"accountId": BOT}, True), ({"accountId": SATO}, False), ({}, None), (None, None), ("x", None)],
)
def test_the_actor_of_a_change_is_we_or_somebody_else(user: Any, *, is_ours: bool | None) -> None:
    api = FakeJira(on={"/myself": lambda _body: {"accountId": BOT}})
    changed = _webhook("jira:issue_updated", MOVED, _item("assignee", None, SATO), user=user)
    created = _webhook("jira:issue_created", user=user, shown=issue(creator=user))
    fetched = jira().fetch([changed, created], api)
    for delivery in (changed, created):
        events = [one for one in jira().parse(delivery, fetched) if isinstance(one, Event)]
        by = [one.is_ours for one in events if one.kind in {Kind.STAGE, Kind.OWNER}]
        assert by == [is_ours, is_ours]
    gone = _delivery({"webhookEvent": "jira:issue_deleted", "issue": {"id": "1"}, "user": user})
    assert jira().fetch([gone], FakeJira()) == {}


@pytest.mark.parametrize("error", [refusal(403), busy(None)])
def test_while_jira_does_not_say_who_we_are_nobody_knows_and_deliveries_are_read(error: Any) -> None:
    api = FakeJira(on={"/myself": lambda _body: error})
    delivery = _webhook("jira:issue_updated", MOVED, user={"accountId": BOT})
    events = [one for one in jira().parse(delivery, jira().fetch([delivery], api)) if isinstance(one, Event)]
    assert [one.is_ours for one in events] == [None, None, None]


def test_by_reading_the_changelog_says_who_made_each_change() -> None:
    by_us = {**_history(20931, 2, MOVED), "author": {"accountId": BOT}}
    by_sato = {**_history(20932, 3, _item("assignee", MORI, SATO)), "author": {"accountId": SATO}}
    logged = _logged(by_sato, by_us, creator={"accountId": MORI})
    api = FakeJira(on={"/jql": lambda _body: {"issues": [logged]}, "/myself": lambda _body: {"accountId": BOT}})
    events = jira().changes(datetime(2026, 3, 1, tzinfo=UTC), api)
    assert {one.key: (one.is_ours, one.sequence) for one in events if one.kind in {Kind.STAGE, Kind.OWNER}} == {
        "issue:10482:stage@20931": (True, 20931),
        "issue:10482:owner@20932": (False, 20932),
        "issue:10482:stage@created": (False, None),
        "issue:10482:owner@created": (False, None),
    }


def test_a_field_that_was_emptied_is_told_as_empty() -> None:
    profile = jira().parse(_webhook("jira:issue_updated"), {})[-1]
    assert isinstance(profile, Event)
    assert profile.data["customfield_10050"] is None


def test_changes_of_one_moment_are_told_apart_and_numbered() -> None:
    back = _item("status", "3", "1", fromString="In Progress", toString="To Do")
    found = []
    for number, item in (("99", MOVED), ("100", back), ("101", MOVED)):
        delivery = _webhook("jira:issue_updated", changelog={"id": number, "items": [item]})
        found += [one for one in jira().parse(delivery, {}) if isinstance(one, Event) and one.kind is Kind.STAGE]
    assert [(one.key, one.sequence) for one in found] == [
        (f"issue:10482:stage@{number}", number) for number in (99, 100, 101)
    ]


def test_identities_are_custom_fields_that_are_e_mails_or_those_of_the_settings() -> None:
    fields: dict[str, Any] = {"customfield_1": "03-1234-5678", "customfield_2": "12", "customfield_3": {"a": 1}}
    fields |= {"customfield_9": "https://u@example.com", "contact": "b@example.com"}
    delivery = _webhook("jira:issue_created", shown=issue(**fields))
    found = jira().parse(delivery, {})[0]
    assert isinstance(found, Event)
    assert [one.value for one in found.identities] == ["issue:10482", "a@example.com"]
    chosen = jira(email_fields=("contact",), phone_fields=("customfield_1", "customfield_2", "nowhere"))
    found = chosen.parse(delivery, {})[0]
    assert isinstance(found, Event)
    assert [one.value for one in found.identities] == ["issue:10482", "b@example.com", "0312345678"]


def test_issues_of_other_projects_are_ignored_and_unknown_events_held() -> None:
    assert jira(projects=("SALES",)).parse(_webhook("jira:issue_created"), {}) == []
    assert len(jira(projects=("LEAD",)).parse(_webhook("jira:issue_created"), {})) == 4
    with pytest.raises(UnknownEvent, match="the event jira:version_released is not known"):
        jira().parse(_webhook("jira:version_released"), {})


def test_what_is_json_is_never_answered_with_a_refusal() -> None:
    bodies: list[Any] = [{}, [], {"webhookEvent": 7}, {"issue": "x"}]
    for body in [*bodies, {"webhookEvent": "x", "timestamp": 1, "issue": {"id": "1"}}]:
        delivery = _delivery(body)
        assert jira().receive(delivery).reply.status == 202
        assert 1 <= len(jira().receive(delivery).key) <= 255
    with pytest.raises(BadPayload):
        jira().receive(_delivery(b"<html>"))


def test_the_key_is_the_identifier_else_what_tells_two_changes_apart() -> None:
    webhook = _webhook("jira:issue_updated", MOVED)
    assert jira().receive(replace(webhook, headers={"x-atlassian-webhook-identifier": "abc"})).key == "abc"
    assert jira().receive(webhook).key == f"jira:issue_updated:{STAMP}:10482:20931"
    assert jira().receive(_webhook("jira:issue_created")).key == f"jira:issue_created:{STAMP}:10482:-"
    assert jira().receive(_delivery({})).key == NOW.isoformat()
    assert (jira().receive(webhook).lane, jira().receive(_delivery({})).lane) == ("issue:10482", "")


@pytest.mark.parametrize("stamp", [-1, 10**15, "soon", None])
def test_a_time_that_is_none_is_refused_with_its_path(stamp: Any) -> None:
    with pytest.raises(BadPayload) as caught:
        jira().parse(_webhook("jira:issue_deleted", timestamp=stamp), {})
    assert caught.value.path == "$.timestamp"


def _history(number: int, day: int, *items: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(number), "created": f"2026-03-{day:02d}T00:00:00.000+0900", "items": list(items)}


def _logged(*histories: dict[str, Any], total: int | None = None, **fields: Any) -> dict[str, Any]:
    log = {"histories": list(histories), "total": len(histories) if total is None else total}
    return {**issue(**fields), "changelog": log}


def test_reconciliation_gives_the_same_keys_as_webhooks_page_by_page() -> None:
    back = _item("status", "3", "1", fromString="In Progress", toString="To Do")
    logged = _logged(_history(20932, 3, back), _history(20931, 2, MOVED, _item("assignee", MORI, SATO)))
    unreadable = {"id": "7", "fields": {"created": "x"}, "changelog": {"histories": []}}
    pages = [{"issues": [logged], "nextPageToken": "p2"}, {"issues": [unreadable]}]
    asked: list[Any] = []

    def search(body: Any) -> Any:
        asked.append(dict(body))
        return pages[len(asked) - 1]

    api = FakeJira(on={"/jql": search})
    events = list(jira(projects=("LEAD", "WEB")).changes(datetime(2026, 3, 4, 5, tzinfo=UTC), api))
    assert _keys(events) == {
        "issue:10482:identify": None,
        "issue:10482:stage@20932": "To Do",
        "issue:10482:owner@20931": SATO,
        "issue:10482:stage@20931": "In Progress",
        "issue:10482:stage@created": "To Do",
        "issue:10482:owner@created": MORI,
        "issue:10482:profile@1772601967412": None,
    }
    assert asked[0]["jql"] == 'project in ("LEAD", "WEB") AND updated >= "2026-03-04 14:00" ORDER BY updated ASC'
    assert [body.get("nextPageToken") for body in asked] == [None, "p2"]


def test_of_an_old_history_the_last_status_and_assignee_count_and_of_a_long_one_not_the_first() -> None:
    logged = _logged(
        _history(3, 3, _item("priority", "1", "2")), _history(2, 2, MOVED), _history(1, 1, MOVED), total=200
    )
    api = FakeJira(on={"/jql": lambda _: {"issues": [logged]}})
    found = _keys(list(jira().changes(datetime(2026, 3, 4, tzinfo=UTC), api)))
    assert [key for key in found if "stage" in key or "owner" in key] == ["issue:10482:stage@2"]
    new = FakeJira(on={"/jql": lambda _: {"issues": [_logged(assignee={"accountId": SATO})]}})
    found = _keys(list(jira().changes(datetime(2026, 3, 4, tzinfo=UTC), new)))
    assert (found["issue:10482:stage@created"], found["issue:10482:owner@created"]) == ("To Do", SATO)


@pytest.mark.parametrize(("zone", "asked"), [("", "00:00"), ("Mars/Base", "10:00"), ("../x", "10:00")])
def test_a_zone_that_is_not_known_costs_repetitions_only(zone: str, asked: str) -> None:
    api = FakeJira(on={"/jql": lambda _: {"issues": []}, "/myself": lambda _: {"timeZone": zone}})
    assert list(jira().changes(datetime(2026, 3, 4, tzinfo=UTC), api)) == []
    day = "2026-03-04" if asked == "00:00" else "2026-03-03"
    assert api.calls[-1][1]["jql"] == f'updated >= "{day} {asked}" ORDER BY updated ASC'


def test_from_the_beginning_of_time_can_be_asked_too() -> None:
    api = FakeJira(on={"/jql": lambda _: {"issues": []}})
    assert list(jira().changes(datetime.min.replace(tzinfo=UTC), api)) == []
    assert 'updated >= "1970-01-02 09:00"' in api.calls[-1][1]["jql"]


def test_fields_transition_and_assignee_are_written_and_read_back() -> None:
    api = FakeJira(issues={"10482": issue()})
    update = _update(owner="k.sato@example.com", status="in progress", customfield_10050="Order", summary=None)
    assert _push(api, update) == [(PushOutcome.DONE, None)]
    assert api.writes() == [
        ("PUT /issue/10482", {"fields": {"customfield_10050": "Order", "summary": None}}),
        ("POST /issue/10482/transitions", {"transition": {"id": "11"}}),
        ("PUT /issue/10482/assignee", {"accountId": SATO}),
    ]
    assert {json.dumps(one) for one in api.headers} == {
        json.dumps({"Authorization": "Basic Ym90QGV4YW1wbGUuY29tOnQwa2Vu", "Accept": "application/json"})
    }
    assert _push(api, _update(status="In Progress")) == [(PushOutcome.DONE, None)]
    assert _push(FakeJira(issues={"10482": issue()}), _update(status="3"), stages_by="id") == [(PushOutcome.DONE, None)]


def test_a_status_that_no_transition_leads_to_is_refused_with_those_that_can_be_reached() -> None:
    api = FakeJira(issues={"10482": issue()})
    assert _push(api, _update(status="Done", customfield_10050="Order")) == [
        (PushOutcome.REFUSED, "status: no transition leads from 'To Do' to 'Done'; from there one gets to In Progress")
    ]
    assert api.issues["10482"]["fields"]["customfield_10050"] == "Order"
    api.on["/transitions"] = lambda _: {"transitions": []}
    ((_, reason),) = _push(api, _update(status="Done"))
    assert str(reason).endswith("from there one gets to no other status")


def test_what_jira_refuses_is_named_and_the_rest_is_written() -> None:
    api = FakeJira(issues={"10482": issue()})

    def picky(body: Any) -> Any:
        if "customfield_1" in body["fields"]:
            return refusal(400, customfield_1="It is not on the appropriate screen, or unknown.")
        api.issues["10482"]["fields"] |= body["fields"]
        return {}

    api.on = {"PUT /issue/10482": picky}
    api.on["POST /issue/10482/transitions"] = lambda _: refusal(400, "A resolution is needed.")
    api.on["/assignee"] = lambda _: refusal(403)
    update = _update(owner="k.sato@example.com", status="In Progress", customfield_1="x", customfield_10050="Order")
    ((outcome, reason),) = _push(api, update)
    assert outcome is PushOutcome.REFUSED
    assert reason == (
        "customfield_1: It is not on the appropriate screen, or unknown.; "
        "status: the transition 'Start' answered 400: A resolution is needed.; "
        "assignee: answered 403: give the connector's user the permission in the project"
    )
    assert api.issues["10482"]["fields"]["customfield_10050"] == "Order"
    ((_, reason),) = _push(api, _update(customfield_1="x"))
    assert reason == "customfield_1: It is not on the appropriate screen, or unknown."
    api.on = {"PUT /issue/10482": lambda _: refusal(400, "no")}
    assert _push(api, _update(summary="x", labels=["a"])) == [
        (PushOutcome.REFUSED, "summary, labels: answered 400: no")
    ]


def test_owners_are_found_by_e_mail_the_setting_or_as_the_only_one_who_hides_it() -> None:
    api = FakeJira(issues={"10482": issue()})
    assert _push(api, _update(owner="k.mori@example.com")) == [
        (
            PushOutcome.REFUSED,
            "assignee: no active user of Jira shows the e-mail k.mori@example.com; name it in `people`",
        )
    ]
    assert _push(api, _update(owner="Shy@example.com"), people=(f"shy@example.com={SHY}",)) == [
        (PushOutcome.DONE, None)
    ]
    assert not [name for name, _ in api.calls if name == "GET /user/search"][1:]
    api.on["/user/search"] = lambda _: [{"accountId": SHY, "active": True}]
    for _ in range(2):
        assert _push(api, _update(owner="other@example.com")) == [(PushOutcome.DONE, None)]
    assert len([name for name, _ in api.calls if name == "GET /user/search"]) == 2
    assert api.memo[f"e-mail of {SHY}"] == "other@example.com"
    api.on["/user/search"] = lambda _: [{"accountId": SHY}, {"accountId": MORI}]
    assert _push(api, _update(owner="third@example.com"))[0][0] is PushOutcome.REFUSED


def test_a_write_that_saved_nothing_is_refused_with_what_is_shown() -> None:
    silent: dict[str, Any] = {end: lambda _: {} for end in ("PUT /issue/10482", "POST /issue/10482/transitions")}
    fields: dict[str, Any] = {"customfield_10060": {"id": "1", "value": "A"}, "labels": ["a"], "customfield_10070": 5.0}
    api = FakeJira(issues={"10482": issue(**fields)}, on={**silent, "/assignee": lambda _: {}})
    same: dict[str, Any] = {"customfield_10060": {"value": "A"}, "labels": ["a"], "customfield_10070": "5"}
    update = _update(owner="k.sato@example.com", status="In Progress", customfield_10050="Order", **same)
    ((outcome, reason),) = _push(api, update)
    assert outcome is PushOutcome.REFUSED
    assert reason == (
        "customfield_10050 shows nothing in place of 'Order'; status shows 'To Do' in place of 'In Progress'; "
        f"assignee shows nothing in place of '{SATO}'"
    )


def test_one_issues_failure_stops_no_other() -> None:
    api = FakeJira(issues={number: issue(number) for number in ("1", "2")}, on={"PUT /issue/1": busy})
    assert [(one.outcome, one.retry_after) for one in jira().push([_update(of, summary="x") for of in "123"], api)] == [
        (PushOutcome.LATER, 7.0),
        (PushOutcome.DONE, None),
        (PushOutcome.GONE, None),
    ]
    strange = [
        replace(_update(), record=RecordRef(object=of, id=at)) for of, at in (("deal", "1"), ("issue", "LEAD-1"))
    ]
    assert [outcome for outcome, _ in _push(api, *strange)] == [PushOutcome.REFUSED] * 2
    assert _push(api, _update("2")) == [(PushOutcome.DONE, None)]


@pytest.mark.parametrize("end", ["PUT /issue/1", "POST /issue/1/transitions", "PUT /issue/1/assignee"])
def test_an_issue_that_goes_while_it_is_written_is_gone(end: str) -> None:
    api = FakeJira(issues={"1": issue("1")}, on={end: lambda _: refusal(404)})
    update = _update("1", owner="k.sato@example.com", status="In Progress", summary="x")
    assert [outcome for outcome, _ in _push(api, update)] == [PushOutcome.GONE]


def test_locked_issues_and_unreadable_ones_are_tried_later() -> None:
    api = FakeJira(issues={"1": issue("1")}, on={"PUT /issue/1": lambda _: refusal(409, "locked")})
    assert _push(api, _update("1", summary="x")) == [(PushOutcome.LATER, "answered 409: locked")]
    assert [found for found, _ in _push(FakeJira(on={"GET /issue/1": busy}), _update("1", summary="x"))] == [
        PushOutcome.LATER
    ]
    refused = FakeJira(on={"GET /issue/1": lambda _: refusal(403)})
    assert [found for found, _ in _push(refused, _update("1", summary="x"))] == [PushOutcome.FORBIDDEN]

    def away(_body: Any) -> Any:
        api.on = {"/bulkfetch": busy}
        return {}

    api.on = {"PUT /issue/1": away}
    ((outcome, reason),) = _push(api, _update("1", summary="x"))
    assert (outcome, str(reason)[:28]) == (PushOutcome.LATER, "written, but not read back: ")

    def deleted(_body: Any) -> Any:
        del api.issues["1"]
        return {}

    api.on = {"PUT /issue/1": deleted}
    assert [found for found, _ in _push(api, _update("1", summary="x"))] == [PushOutcome.GONE]


@pytest.mark.parametrize(
    ("given", "raised", "text"),
    [
        (answer(401, b"<html>"), CrmRefused, "answered 401: check `login` and `api_token`"),
        (answer(302, b"[]"), CrmRefused, "answered 302$"),
        (answer(200, b"<html>"), CrmUnavailable, "not JSON"),
    ],
)
def test_errors_say_what_to_do(given: Any, raised: type[Exception], text: str) -> None:
    with pytest.raises(raised, match=text):
        jira().catalog(FakeApi(answers=[given]))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": "http://example.atlassian.net"}, "url"),
        ({"url": "https://[x"}, "url"),
        ({"login": ""}, "login"),
        ({"projects": ('LEAD" OR',)}, "projects"),
        ({"stages_by": "key"}, "stages_by"),
        ({"people": ("hana@example.com",)}, "people"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(CrmRefused, match=named):
        jira(**settings).catalog(FakeJira())


def test_updates_are_asked_for_only_with_a_site_and_credentials() -> None:
    assert [one.takes_updates for one in (jira(), jira(api_token=()), Jira())] == [True, False, False]


def test_the_catalogue_has_the_statuses_of_the_projects_people_and_fields() -> None:
    catalog = jira(projects=("LEAD",), url="http://127.0.0.1:1").catalog(FakeJira())
    assert catalog.stages["issue"][""] == {"To Do": "To Do", "In Progress": "In Progress"}
    assert jira(stages_by="id").catalog(FakeJira()).stages["issue"][""]["9"] == "Done"
    assert [(one.id, one.email, one.name, one.is_active) for one in catalog.owners] == [
        (SATO, "k.sato@example.com", "Keiko Sato", True),
        (MORI, "k.mori@example.com", MORI, False),
        (SHY, None, "Shy", True),
    ]
    assert catalog.fields["issue"] == {"summary": "Summary"}


def _inspected(api: FakeJira, **settings: Any) -> list[tuple[str, bool, str]]:
    return [(one.topic, one.is_good, one.text) for one in jira(**settings).inspect(HOOK, api)]


def test_an_inspection_says_what_works_and_what_is_wrong() -> None:
    held = {name: {"havePermission": True} for name in ("BROWSE_PROJECTS", "EDIT_ISSUES", "TRANSITION_ISSUES")}
    held["ASSIGN_ISSUES"] = {"havePermission": True}
    events = ["jira:issue_created", "jira:issue_updated", "jira:issue_deleted"]
    hooks = [{"url": HOOK, "events": events}, {"url": f"{HOOK}-2"}]
    on: dict[str, Any] = {"/mypermissions": lambda _: {"permissions": held}, "/1.0/webhook": lambda _: hooks}
    api = FakeJira(on=on)
    assert _inspected(api) == [
        ("credentials", True, "the API token is that of Bot"),
        ("scopes", True, "issues can be read, changed, moved and assigned in some project"),
        ("webhooks", True, f"1 webhook sends to {HOOK}"),
    ]
    held["ASSIGN_ISSUES"]["havePermission"] = False
    events.remove("jira:issue_deleted")
    found = _inspected(api, projects=("LEAD",))
    assert found[1][2] == "the connector's user lacks ASSIGN_ISSUES in the project LEAD"
    assert found[2][2] == "the webhook lacks the events jira:issue_deleted"
    hooks.clear()
    assert _inspected(api)[2][2].startswith(f"no webhook sends to {HOOK}")
    api.on = {end: lambda _: refusal(403) for end in ("/mypermissions", "/1.0/webhook")}
    found = _inspected(api, projects=("LEAD",))
    assert found[1][2].startswith("permissions in the project LEAD: answered 403")
    assert found[2][2].startswith("only an administrator sees the webhooks: look under System, WebHooks")
    api.on = {"/myself": lambda _: refusal(401)}
    assert [(topic, is_good) for topic, is_good, _ in _inspected(api)] == [("credentials", False)]
    assert URL not in str(found)
