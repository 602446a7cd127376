"""What the BowNow adapter makes of messages, and what it reads from and writes to the API."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.bownow import FAR, BowNow
from adapters.bownow.client import renamed, rows_in
from connector.adapter_kit.contract import Adapter, Person, PushOutcome
from connector.adapter_kit.records import digest, exact
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable
from connector.core.event import Kind
from tests.adapters.bownow.fake import BOW, HANA, KEN, NOW, FakeBowNow, read, reply, update, webhook
from tests.adapters.builders import keys, outcomes

SINCE = datetime(2026, 3, 26, tzinfo=UTC)
UNAVAILABLE = CrmUnavailable("POST api.bownow.jp: answered 429", None)


def test_it_keeps_the_contract() -> None:
    assert isinstance(BOW, Adapter)
    assert BOW.takes_updates
    assert not BowNow().takes_updates
    assert BOW.greet(webhook({})) is None
    assert BOW.subscribe("https://connector.example", NOW, FakeBowNow()) is None


# Notices


@pytest.mark.parametrize(
    ("body", "sids"),
    [
        ({"sid": "sid_1", "items": ["status"]}, 1),
        ({"sids": ["sid_1", "sid_2", "sid_1"]}, 2),
        ({"data": [{"lead_sid": "sid_1"}, {"lead_sid": 7}]}, 2),
        ([{"sid": "sid_1"}], 1),
        (b"sid=sid_1&items%5B%5D=status", 1),
        ({"sids": [], "sid": None, "items": ["tag"]}, 0),
        (b"sid=&items%5B%5D=status", 0),
        ({"sids": [f"sid_{place}" for place in range(1000)]}, 1000),
    ],
)
def test_a_notice_has_no_one_or_many_sids(body: Any, sids: int) -> None:
    assert BOW.receive(webhook(body)).reply.body == b'{"accepted": %d}' % sids


def test_the_lane_is_the_first_lead() -> None:
    assert BOW.receive(webhook({"sids": ["sid_1", "sid_2"]})).lane == "sid_1"
    assert BOW.receive(webhook({})).lane == ""


def test_the_same_body_at_another_time_is_another_delivery() -> None:
    one = webhook({"sid": "sid_1"})
    assert BOW.receive(one).key == BOW.receive(one).key
    assert (
        BOW.receive(one).key != BOW.receive(replace(one, received_at=datetime(2026, 3, 26, 8, 16, 6, tzinfo=UTC))).key
    )


@pytest.mark.parametrize("body", [{"sid": {"id": [1.5]}}, {"sid": 1.5}, {"sids": ["a:b"]}, {"sids": ["../x"]}, b"[1"])
def test_what_is_no_sid_is_told_with_its_path(body: Any) -> None:
    if body == {"sid": {"id": [1.5]}}:
        assert BOW.receive(webhook(body)).reply.body == b'{"accepted": 0}'
        return
    for method in (BOW.receive, lambda one: BOW.parse(one, {})):
        with pytest.raises(BadPayload):
            method(webhook(body))
    assert BOW.fetch([webhook(body)], FakeBowNow()) == {"changed": [], "people": {}}


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_the_contracts_errors_are_raised(body: bytes) -> None:
    try:
        BOW.receive(webhook(body))
    except BadPayload as error:
        assert error.path.startswith("$")  # noqa: PT017 - not every body is wrong


# Reading


def test_a_lead_becomes_its_events_with_the_first_of_its_persons_in_charge(api: FakeBowNow) -> None:
    events = read(webhook({"sid": "sid_1"}), api)
    moment = "2026-03-26T08:16:02+00:00"
    assert keys(events) == [
        "sid_1:identify",
        f"sid_1:stage:2@{moment}",
        f"sid_1:owner:501@{moment}",
        f"sid_1:tag:reactive@{moment}",
        f"sid_1:profile@{moment}:{digest(events[4].data)}",
    ]
    assert [f"{one.kind}:{one.value}" for one in events[0].identities] == [
        "record:lead:sid_1",
        "email:sid_1@example.com",
        "phone:0312345678",
    ]
    assert (events[1].stage, events[1].is_seen) == ("2", True)
    assert (events[2].owner, events[2].owner_email) == ("501", "hana.mori@example.co.jp")
    assert events[4].data["status_id"] == 2


def test_two_changes_of_one_second_are_two_and_what_is_read_stands_under_its_name(api: FakeBowNow) -> None:
    first = keys(read(webhook({"sid": "sid_1"}), api))
    api.leads["sid_1"]["company_name"] = "Two"
    second = keys(read(webhook({"sid": "sid_1"}), api))
    assert first[:-1] == second[:-1]
    assert first[-1] != second[-1]
    assert {"lead:sid_1", "lead:sid_9"} <= set(BOW.fetch([webhook({"sids": ["sid_1", "sid_9"]})], api))
    assert "lead:sid_1" in BOW.fetch([webhook({"type": "lead_update"})], api)


def test_what_is_emptied_is_shown_empty_but_for_what_was_never_filled_in_a_new_lead(api: FakeBowNow) -> None:
    api.leads["sid_1"] |= {"company_name": None, "email": ""}
    data = read(webhook({"sid": "sid_1"}), api)[-1].data
    assert (data["company_name"], data["email"]) == (None, "")
    api.leads["sid_1"]["updated_at"] = api.leads["sid_1"]["created_at"]
    assert not {"company_name", "email"} & set(read(webhook({"sid": "sid_1"}), api)[-1].data)


def test_a_lead_of_nobody_with_a_status_as_object(api: FakeBowNow) -> None:
    events = read(webhook({"sid": "sid_2"}), api)
    assert [event.kind for event in events] == [Kind.IDENTIFY, Kind.STAGE, Kind.OWNER, Kind.PROFILE]
    assert (events[1].stage, events[2].owner, len(events[0].identities)) == ("5", None, 1)


def test_a_lead_without_status_says_nothing_of_it(api: FakeBowNow) -> None:
    api.add("sid_3", status_id="")
    assert Kind.STAGE not in [event.kind for event in read(webhook({"sid": "sid_3"}), api)]


def test_a_thousand_leads_are_read_in_five_searches_and_each_once(api: FakeBowNow) -> None:
    sids = [f"sid_{place}" for place in range(1, 1001)]
    for sid in sids:
        api.add(sid)
    BOW.fetch([webhook({"sids": sids}), webhook({"sid": "sid_7"})], api)
    assert api.lines().count("POST /leads/search") == 5
    assert not [line for line in api.lines() if line.startswith("GET")]


def test_what_a_search_leaves_out_is_asked_for_by_itself_and_is_gone_only_when_that_says_so(api: FakeBowNow) -> None:
    api.hidden = {"sid_1"}
    events = read(webhook({"sids": ["sid_1", "sid_9"]}), api)
    assert keys(events)[0] == "sid_1:identify"
    assert (events[-1].key, events[-1].kind, events[-1].at) == (f"lead:sid_9:deleted@{exact(NOW)}", Kind.DELETED, NOW)
    api.answers["GET /leads/sid_1"] = [reply({"errors": []}, 403), reply(api.leads["sid_1"])]
    with pytest.raises(CrmRefused, match=r"GET /leads/\{sid\}: answered 403"):
        BOW.fetch([webhook({"sid": "sid_1"})], api)
    assert keys(read(webhook({"sid": "sid_1"}), api))[0] == "sid_1:identify"


def test_a_lead_that_was_not_read_waits() -> None:
    with pytest.raises(CrmUnavailable):
        BOW.parse(webhook({"sid": "sid_1"}), {})


def test_a_notice_without_sids_reads_what_changed_lately(api: FakeBowNow) -> None:
    api.add("sid_3", updated_at="2026-03-26T15:00:00+09:00")
    api.add("sid_4", updated_at="yesterday")
    events = read(webhook({"items": ["status"]}), api)
    assert {event.key.partition(":")[0] for event in events} == {"sid_1", "sid_2"}
    body = api.calls[-2][1]
    assert body == {"page": 1, "per_page": 200, "sort": "desc", "updated_from": "2026-03-26T07:16:05+00:00"}
    assert BOW.parse(webhook({}), {}) == []


def test_a_lead_that_cannot_be_read_stops_no_other(api: FakeBowNow) -> None:
    api.add("sid_3", updated_at="yesterday")
    one = webhook({"sids": ["sid_3", "sid_2"]})
    bad, *events = BOW.parse(one, BOW.fetch([one], api))
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.updated_at"
    assert len(events) == 4


def test_times_without_a_zone_are_those_of_the_connection(api: FakeBowNow) -> None:
    api.add("sid_3", updated_at="2026/03/26 17:16:02", created_at=None)
    events = read(webhook({"sid": "sid_3"}), api)
    assert {event.at for event in events} == {datetime(2026, 3, 26, 8, 16, 2, tzinfo=UTC)}
    api.add("sid_3", updated_at=None)
    assert read(webhook({"sid": "sid_3"}), api)[-1].at == datetime(2026, 3, 24, 7, 2, 11, tzinfo=UTC)


def test_other_keys_and_calls_are_settings(api: FakeBowNow) -> None:
    api.leads["sid_1"] |= {"lead_status": 4, "modified": "2026-03-27T00:00:00+09:00"}
    other = replace(
        BOW, keys=("status_id=lead_status", "updated_at=modified", "root=lead"), calls=("write=PUT /leads/{sid}",)
    )
    events = read(webhook({"sid": "sid_1"}), api, other)
    assert (events[1].stage, events[-1].data["status_id"]) == ("4", 2)
    api.answers["PUT /leads/sid_1"] = [reply({})]
    assert outcomes(other.push([update(status_id="4")], api)) == [(PushOutcome.DONE, None)]
    assert api.calls[-2][:2] == ("PUT /leads/sid_1", {"lead": {"lead_status": 4}})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"keys": ("status=x",)}, "keys ('status' is none of"),
        ({"calls": ("update=PUT /x",)}, "calls ('update' is none of"),
        ({"calls": ("write=/leads",)}, "calls (write must be a method and a path)"),
        ({"order": "name"}, "order (created or updated)"),
        ({"pages": 0}, "pages (1 or more)"),
        ({"zone": "Mars/Base"}, "zone ('Mars/Base' is no time zone"),
        ({"tracking_id": ""}, "tracking_id (missing)"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        replace(BOW, **settings).catalog(FakeBowNow())
    assert text in str(caught.value)


def test_pairs_and_rows_are_read_as_written() -> None:
    assert renamed(["a = b", "c"]) == {"a": "b", "c": "c"}
    assert rows_in([{"id": 1}, 2], "leads") == [{"id": 1}]
    assert rows_in({"items": [{"id": 1}]}, "leads") == [{"id": 1}]
    assert rows_in("text", "leads") == []


# What changed


def test_changes_are_those_since_then_with_the_keys_that_notices_give(api: FakeBowNow) -> None:
    api.add("sid_3", updated_at="2026-03-25T15:00:00+09:00")
    api.add("sid_4", updated_at="2026-03-27T15:00:00+09:00")
    api.leads["sid_4"]["sid"] = None
    changed = list(BOW.changes(SINCE, api))
    assert keys(changed) == keys([*read(webhook({"sid": "sid_1"}), api), *read(webhook({"sid": "sid_2"}), api)])


@pytest.mark.parametrize(("order", "pages", "searches"), [("created", 25, 3), ("updated", 25, 2), ("created", 1, 1)])
def test_a_search_ends_at_its_last_page_at_the_setting_or_where_older_leads_begin(
    api: FakeBowNow, order: str, pages: int, searches: int
) -> None:
    for place in range(401):
        at = "2026-03-26T17:16:02+09:00" if place < 300 else "2026-03-01T00:00:00+09:00"
        api.add(f"sid_{place}", updated_at=at)
    list(replace(BOW, order=order, pages=pages).changes(SINCE, api))
    assert api.lines().count("POST /leads/search") == searches


def test_nothing_changed_is_no_page(api: FakeBowNow) -> None:
    api.leads = {}
    assert list(BOW.changes(SINCE, api)) == []


# Directories


def test_the_catalogue_has_statuses_by_id_and_accounts(api: FakeBowNow) -> None:
    catalog = BOW.catalog(api)
    assert catalog.stages == {"lead": {"": {"1": "未設定", "2": "潜在"}}}
    assert catalog.owners == (
        Person(id="501", email="hana.mori@example.co.jp", name="森 花"),
        Person(id="502", email=None, name="502"),
    )


def test_without_a_call_for_accounts_owners_have_no_email_and_statuses_are_there_all_the_same(api: FakeBowNow) -> None:
    api.answers["POST /accounts/search"] = [reply({}, 404)] * 3
    assert BOW.catalog(api).owners == ()
    assert read(webhook({"sid": "sid_1"}), api)[2].owner_email is None
    ((outcome, reason),) = outcomes(BOW.push([update(owner="hana.mori@example.co.jp", status_id=3)], api))
    assert outcome is PushOutcome.REFUSED
    assert "give their ids by the setting `accounts`" in (reason or "")
    assert api.leads["sid_1"]["status_id"] == 3


def test_accounts_of_the_settings_need_no_call(api: FakeBowNow) -> None:
    known = replace(BOW, accounts=("Ken@example.co.jp=502",))
    assert outcomes(known.push([update(owner="ken@example.co.jp")], api)) == [(PushOutcome.DONE, None)]
    assert api.leads["sid_1"]["staff_ids"] == [502]
    assert "POST /accounts/search" not in api.lines()


def test_inspection_says_what_works(api: FakeBowNow) -> None:
    found = BOW.inspect("https://connector.example/webhooks/bow", api)
    assert [(one.topic, one.is_good) for one in found] == [("credentials", True), ("limits", False), ("webhooks", True)]
    assert "does not read" in found[1].text
    api.leads = {}
    found = replace(BOW, webhook_token=()).inspect("https://connector.example/webhooks/bow", api)
    assert [one.is_good for one in found] == [True, True, False]
    assert api.calls[-1][1]["updated_from"] == FAR


# Updates


def test_an_update_is_done_when_the_read_back_shows_every_field(api: FakeBowNow) -> None:
    results = BOW.push([update(status_id="5", free_item1="Latent"), update("sid_2", status_id=2)], api)
    assert outcomes(results) == [(PushOutcome.DONE, None)] * 2
    assert api.leads["sid_1"]["status_id"] == 5
    assert api.lines()[-3:] == ["PATCH /leads/sid_1", "PATCH /leads/sid_2", "POST /leads/search"]


def test_a_new_owner_takes_the_first_place_and_the_others_stay(api: FakeBowNow) -> None:
    api.accounts = [HANA, {**KEN, "email": "ken@example.co.jp"}, {"id": 503, "email": "eve@example.co.jp"}]
    assert outcomes(BOW.push([update(owner="eve@example.co.jp")], api)) == [(PushOutcome.DONE, None)]
    assert api.leads["sid_1"]["staff_ids"] == [503, 502]
    assert outcomes(BOW.push([update(owner="ken@example.co.jp", status_id=2)], api)) == [(PushOutcome.DONE, None)]
    assert api.leads["sid_1"]["staff_ids"] == [502]


def test_tags_are_added_to_those_that_are_there(api: FakeBowNow) -> None:
    api.leads["sid_1"]["tag_ids"] = [3]
    assert (
        outcomes(BOW.push([update(tag_ids=["7"]), update("sid_2", tag_ids=8)], api)) == [(PushOutcome.DONE, None)] * 2
    )
    assert (api.leads["sid_1"]["tag_ids"], api.leads["sid_2"]["tag_ids"]) == ([7, 3], [8])


def test_an_unknown_owner_is_refused_after_the_directory_was_asked_anew_and_the_rest_is_written(
    api: FakeBowNow,
) -> None:
    results = BOW.push([update(owner="who@example.com", status_id=4), update("sid_2", owner="who@example.com")], api)
    reason = "staff_ids: no account of BowNow has the e-mail who@example.com"
    assert outcomes(results) == [(PushOutcome.REFUSED, reason)] * 2
    assert api.leads["sid_1"]["status_id"] == 4
    assert api.lines().count("POST /accounts/search") == 2


def test_what_was_reported_and_not_saved_is_refused_with_the_field(api: FakeBowNow) -> None:
    api.is_deaf = True
    results = BOW.push([update(status_id=5, free_item1="Latent", nothing="", staff_ids=[502, 501])], api)
    ((outcome, reason),) = outcomes(results)
    assert outcome is PushOutcome.REFUSED
    assert (reason or "").split("; ") == [
        "status_id shows 2 in place of 5",
        "free_item1 shows nothing in place of 'Latent'",
        "nothing is not shown: the lead has no such field",
        "see the settings `keys` and `calls`",
        "staff_ids shows [501, 502] in place of [502, 501]",
    ]


def test_an_empty_value_is_shown_by_nothing_and_a_status_by_its_object(api: FakeBowNow) -> None:
    api.is_deaf = True
    assert outcomes(BOW.push([update("sid_2", status_id=5, free_item1="")], api)) == [(PushOutcome.DONE, None)]


def test_gone_busy_refused_and_foreign_records_stop_no_other(api: FakeBowNow) -> None:
    api.add("sid_3")
    api.add("sid_4")
    api.answers["PATCH /leads/sid_3"] = [reply({}, 409)]
    api.answers["PATCH /leads/sid_4"] = [reply({"errors": [{"message": "unknown items: x"}]}, 422)]
    updates = [
        update("sid_8", status_id=4),
        update("sid_9", tag_ids=[1]),
        update("sid_3", status_id=4),
        update("sid_4", status_id=4),
        update("sid_1", of="company", status_id=4),
        update("sid_1", status_id=4),
        update("sid_2"),
    ]
    results = outcomes(BOW.push(updates, api))
    assert [outcome for outcome, _ in results] == [
        PushOutcome.GONE,
        PushOutcome.GONE,
        PushOutcome.LATER,
        PushOutcome.REFUSED,
        PushOutcome.REFUSED,
        PushOutcome.DONE,
        PushOutcome.DONE,
    ]
    assert results[3][1] == 'PATCH /leads/{sid}: answered 422: {"errors": [{"message": "unknown items: x"}]}'
    assert results[4][1] == "records of the object 'company' cannot be written; BowNow has leads"


def test_a_lead_that_goes_while_it_is_written_is_gone(api: FakeBowNow) -> None:
    api.answers["PATCH /leads/sid_9"] = [reply({})]
    assert outcomes(BOW.push([update("sid_9", status_id=4)], api))[0][0] is PushOutcome.GONE


def test_one_failure_stops_no_other_but_a_daily_limit_stops_all(api: FakeBowNow) -> None:
    updates = [update(status_id=4), update("sid_2", status_id=4), update("sid_9", of="x")]
    api.answers["PATCH /leads/sid_1"] = [UNAVAILABLE]
    assert [one for one, _ in outcomes(BOW.push(updates, api))] == [
        PushOutcome.LATER,
        PushOutcome.DONE,
        PushOutcome.REFUSED,
    ]
    api.answers["PATCH /leads/sid_1"] = [CrmUnavailable("daily limit", 3600.0)]
    results = BOW.push(updates, api)
    assert outcomes(results)[:2] == [(PushOutcome.LATER, "daily limit")] * 2
    assert [result.retry_after for result in results] == [3600.0, 3600.0, None]


@pytest.mark.parametrize("error", [CrmUnavailable("away", 5.0), reply({}, 400)])
def test_what_cannot_be_read_back_is_tried_again(api: FakeBowNow, error: Any) -> None:
    api.answers["POST /leads/search"] = [error]
    ((outcome, reason),) = outcomes(BOW.push([update(status_id=4)], api))
    assert outcome is PushOutcome.LATER
    assert (reason or "").startswith("written, but not read back: ")
