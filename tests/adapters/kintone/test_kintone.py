"""The kintone adapter: records of one app, its process, revisions."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.kintone import Kintone
from connector.adapter_kit.contract import Delivery, Pushed, PushOutcome, Update
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from tests.adapters.builders import update_of
from tests.adapters.kintone.fake import PROCESS, URL, FakeKintone, busy, kintone, record, refusal
from tests.adapters.support import FakeApi, answer

NOW = datetime(2026, 3, 4, 5, 6, 20, tzinfo=UTC)


def _delivery(body: Any) -> Delivery:
    headers = {"content-type": "application/json"}
    content = json.dumps(body, ensure_ascii=False).encode()
    return Delivery(method="POST", query=(("token", "tok"),), headers=headers, body=content, received_at=NOW)


def _webhook(word: str, shown: dict[str, Any] | None = None, app: Any = "27", **more: Any) -> Delivery:
    body = {"id": "n1", "type": word, "app": {"id": app}, **({"record": shown} if shown else {}), **more}
    return _delivery(body)


def _update(number: str = "345", owner: str | None = None, **fields: Any) -> Update:
    field = "$owner" if owner else None
    return update_of(f"record:{number}", fields, since=NOW, owner=owner, owner_field=field)


def _stage(stage: str, number: str = "345", owner: str | None = None, **fields: Any) -> Update:
    return _update(number, owner, **{"$stage": stage}, **fields)


def _push(api: FakeKintone, *updates: Update, **settings: Any) -> list[tuple[PushOutcome, str | None]]:
    pushed: Sequence[Pushed] = kintone(**settings).push(updates, api)
    assert [one.key for one in pushed] == [update.key for update in updates]
    return [(one.outcome, one.reason) for one in pushed]


def _found(events: Sequence[Event | BadPayload], kind: Kind) -> Event:
    return next(event for event in events if isinstance(event, Event) and event.kind is kind)


def test_the_app_is_checked_and_what_cannot_be_read_is_no_bad_signature() -> None:
    adapter = kintone(webhook_token=("tok",))
    adapter.verify(_webhook("ADD_RECORD", app=27), NOW)
    adapter.verify(_delivery([]), NOW)
    with pytest.raises(BadSignature, match="comes from app 28; this connection is that of app 27"):
        adapter.verify(_webhook("ADD_RECORD", app="28"), NOW)
    Kintone(webhook_token=("tok",)).verify(_webhook("ADD_RECORD", app="28"), NOW)


def test_changes_of_one_minute_are_in_the_order_of_their_revisions() -> None:
    events = [
        _found(kintone().parse(_webhook("UPDATE_STATUS", record(revision=revision)), {}), Kind.STAGE)
        for revision in (10, 9, 100)
    ]
    assert [event.key for event in sorted(events, key=lambda event: (event.at, event.key))] == [
        "record:345:stage@r00000009",
        "record:345:stage@r00000010",
        "record:345:stage@r00000100",
    ]
    assert {event.at.replace(microsecond=0) for event in events} == {datetime(2026, 3, 4, 5, 6, tzinfo=UTC)}


def test_only_a_new_record_and_a_new_status_tell_a_stage() -> None:
    webhook = {
        word: [event.kind for event in kintone().parse(_webhook(word, record()), {}) if isinstance(event, Event)]
        for word in ("ADD_RECORD", "UPDATE_STATUS", "UPDATE_RECORD")
    }
    assert {word: Kind.STAGE in kinds for word, kinds in webhook.items()} == {
        "ADD_RECORD": True,
        "UPDATE_STATUS": True,
        "UPDATE_RECORD": False,
    }


def test_identities_are_links_that_read_as_addresses_or_phones_or_the_fields_of_the_settings() -> None:
    shown = record(
        メール=("LINK", "a@example.com"),
        サイト=("LINK", "https://u@example.com"),
        電話=("LINK", "03-1234-5678"),
        内線=("LINK", "1234"),
        連絡先=("SINGLE_LINE_TEXT", "b@example.com"),
        携帯=("SINGLE_LINE_TEXT", "+81 90 1234 5678"),
    )
    delivery = _webhook("ADD_RECORD", shown)
    found = _found(kintone().parse(delivery, {}), Kind.IDENTIFY).identities
    assert [(one.kind, one.value) for one in found[1:]] == [("email", "a@example.com"), ("phone", "0312345678")]
    chosen = kintone(email_fields=("連絡先", "nowhere"), phone_fields=("携帯",))
    found = _found(chosen.parse(delivery, {}), Kind.IDENTIFY).identities
    assert [(one.kind, one.value) for one in found[1:]] == [("email", "b@example.com"), ("phone", "+819012345678")]


def test_the_profile_has_values_by_code_and_what_is_empty_unless_the_record_is_new() -> None:
    data = _found(kintone().parse(_webhook("UPDATE_RECORD", record()), {}), Kind.PROFILE).data
    assert (data["会社名"], data["$stage"]) == ("ミナモト", "未処理")
    assert (data["見込金額"], data["作業者"], data["$owner"]) == ("", [], None)
    new = _found(kintone().parse(_webhook("ADD_RECORD", record(revision=1)), {}), Kind.PROFILE).data
    assert {"見込金額", "作業者", "$owner"}.isdisjoint(new)


@pytest.mark.parametrize(
    ("settings", "modifier", "is_ours"),
    [
        ({}, "bot", True),
        ({}, "k.sato", False),
        ({}, None, None),
        ({"login": "", "password": (), "api_token": ("t",)}, "Administrator", True),
        ({"login": "", "password": (), "api_token": ("t",)}, "bot", False),
    ],
)
def test_who_wrote_the_revision_that_entered_a_stage_is_who_moved_it(
    settings: dict[str, Any], modifier: str | None, *, is_ours: bool | None
) -> None:
    shown = record(更新者=("MODIFIER", {"code": modifier, "name": "x"})) if modifier else record()
    events = kintone(**settings).parse(_webhook("UPDATE_STATUS", shown), {})
    assert {event.kind: event.is_ours for event in events if isinstance(event, Event)} == {
        Kind.IDENTIFY: None,
        Kind.STAGE: is_ours,
        Kind.OWNER: None,
        Kind.PROFILE: None,
    }
    assert {event.sequence for event in events if isinstance(event, Event)} == {8}


def test_who_wrote_a_record_that_was_only_seen_in_its_stage_may_have_changed_something_else() -> None:
    adapter = kintone(stage_field="確度")
    shown = record(確度=("DROP_DOWN", "A"), 更新者=("MODIFIER", {"code": "k.sato", "name": "x"}))
    delivery, api = _webhook("UPDATE_RECORD", shown), FakeKintone(records={345: shown})
    stage = _found(adapter.parse(delivery, adapter.fetch([delivery], api)), Kind.STAGE)
    assert (stage.is_seen, stage.is_ours) == (True, None)


def test_owners_are_known_by_the_directory_the_setting_or_a_login_that_is_an_address() -> None:
    shown = record(作業者=("STATUS_ASSIGNEE", [{"code": "k.sato", "name": "佐藤"}]))
    delivery, api = _webhook("UPDATE_RECORD", shown), FakeKintone()
    owner = _found(kintone().parse(delivery, kintone().fetch([delivery], api)), Kind.OWNER)
    assert (owner.owner, owner.owner_email) == ("k.sato", "k.sato@example.com")
    token = kintone(login="", password=(), api_token=("t",), people=("Boss@example.com = k.sato",))
    assert token.fetch([delivery], FakeKintone()) == {"user:k.sato": "boss@example.com"}
    assert kintone(people=("boss@example.com=k.sato",)).catalog(api).owners[0].name == "佐藤 恵子"
    assert (
        kintone().fetch([_webhook("DELETE_RECORD", recordId="1"), _delivery([]), _delivery({"type": "x"})], api) == {}
    )
    assert Kintone(app="27").fetch([delivery], api) == {}


def test_a_creator_may_be_the_owner_too() -> None:
    shown = record(作成者=("CREATOR", {"code": "k.sato", "name": "佐藤"}))
    adapter = kintone(owner_field="作成者")
    assert _found(adapter.parse(_webhook("ADD_RECORD", shown), {}), Kind.OWNER).owner == "k.sato"


def test_where_a_field_is_the_stage_an_updated_record_is_read_as_it_is_now() -> None:
    adapter = kintone(stage_field="確度")
    delivery = _webhook("UPDATE_RECORD", record(確度=("DROP_DOWN", "A")))
    api = FakeKintone(records={345: record(revision=9, 確度=("DROP_DOWN", "B"))})
    stage = _found(adapter.parse(delivery, adapter.fetch([delivery], api)), Kind.STAGE)
    assert (stage.stage, stage.is_seen, stage.key) == ("B", True, "record:345:seen@r00000009")
    new = _found(adapter.parse(_webhook("ADD_RECORD", record(確度=("DROP_DOWN", "A"))), {}), Kind.STAGE)
    assert (new.stage, new.is_seen) == ("A", False)
    (gone,) = adapter.parse(delivery, adapter.fetch([delivery], FakeKintone()))
    assert isinstance(gone, Event)
    assert (gone.kind, gone.at) == (Kind.DELETED, NOW)
    with pytest.raises(CrmUnavailable, match="record:345 was not read"):
        adapter.parse(delivery, {})
    forbidden = FakeKintone(on={"record.json": lambda _: refusal("CB_NO02", 403)})
    with pytest.raises(CrmRefused, match="CB_NO02: no: give the connector's user"):
        adapter.parse(delivery, adapter.fetch([delivery], forbidden))
    with pytest.raises(CrmUnavailable):
        adapter.parse(delivery, adapter.fetch([delivery], FakeKintone(on={"record.json": busy})))


def test_a_record_without_stage_tells_none() -> None:
    adapter = kintone(stage_field="nowhere")
    kinds = [event.kind for event in adapter.parse(_webhook("ADD_RECORD", record()), {}) if isinstance(event, Event)]
    assert kinds == [Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE]


def test_an_unknown_event_is_held() -> None:
    with pytest.raises(UnknownEvent, match="the event FILE_UPLOADED is not known"):
        kintone().parse(_webhook("FILE_UPLOADED"), {})


@pytest.mark.parametrize(
    ("shown", "path"),
    [
        ({"$id": {"value": "x"}}, "$.$id.value"),
        ({"$id": {"value": -1}}, "$.$id.value"),
        ({"$id": {"value": 1}, "$revision": 7}, "$.$revision"),
        ({"$id": {"value": 1}, "$revision": {"value": 1}, "x": 1}, "$.record.CREATED_TIME.value"),
    ],
)
def test_a_record_that_cannot_be_read_names_the_path(shown: dict[str, Any], path: str) -> None:
    delivery = _webhook("ADD_RECORD", shown)
    with pytest.raises(BadPayload) as caught:
        kintone().parse(delivery, {})
    assert caught.value.path == path


def test_the_key_is_the_notifications_id_and_the_lane_the_record() -> None:
    webhook, deleted = _webhook("ADD_RECORD", record()), _webhook("DELETE_RECORD", recordId="345")
    for delivery in (webhook, deleted):
        received = kintone().receive(delivery)
        assert (received.key, received.lane) == ("n1", "record:345")
    assert kintone().receive(_delivery({"id": "n1", "type": "ADD_RECORD"})).lane == ""


def test_reconciliation_reads_page_by_page_and_goes_on_after_an_unreadable_record() -> None:
    records = {number: record(number, revision=number) for number in (1, 2, 3)}
    records[2]["更新日時"]["value"] = "soon"
    api = FakeKintone(records=records)
    source = replace(kintone()._source(api), page=2)
    events = list(source.changes(datetime(2026, 3, 4, 5, 6, 59, tzinfo=UTC)))
    assert [(e.key, e.is_seen) for e in events if e.kind is Kind.STAGE] == [
        ("record:1:stage@r00000001", False),
        ("record:3:seen@r00000003", True),
    ]
    queries = [body["query"] for path, body in api.asked if path == "records.json"]
    assert queries[:2] == [
        '更新日時 >= "2026-03-04T05:06:00Z" and $id > 0 order by $id asc limit 2',
        '更新日時 >= "2026-03-04T05:06:00Z" and $id > 2 order by $id asc limit 2',
    ]


def test_an_app_without_updated_time_cannot_be_reconciled() -> None:
    api = FakeKintone(on={"app/form/fields.json": lambda _: {"properties": {}}})
    with pytest.raises(CrmRefused, match="shows no updated time"):
        list(kintone().changes(NOW, api))


def test_one_record_is_written_by_the_calls_for_one_action_first_each_with_the_newest_revision() -> None:
    api = FakeKintone(records={345: record()})
    update = _stage("商談中", owner="k.sato@example.com", 会社名="新", 見込金額="1250000.0")
    assert _push(api, update) == [(PushOutcome.DONE, None)]
    values = {"会社名": {"value": "新"}, "見込金額": {"value": "1250000.0"}}
    assert api.writes() == [
        ("record/status.json", {"app": 0, "id": 345, "action": "始める", "revision": 8, "assignee": "k.sato"}),
        ("record.json", {"app": 0, "id": 345, "revision": 10, "record": values}),
        ("record/assignees.json", {"app": 0, "id": 345, "assignees": ["k.sato"], "revision": 11}),
    ]


def test_several_records_are_written_by_the_calls_for_many() -> None:
    taken = record(2, 5, 作業者=("STATUS_ASSIGNEE", [{"code": "k.sato", "name": ""}]))
    api = FakeKintone(records={1: record(1), 2: taken, 3: record(3, stage="商談中")})
    assert _push(api, *(_stage("商談中", of, 会社名="新") for of in ("1", "2", "3"))) == [(PushOutcome.DONE, None)] * 3
    moved = [
        {"id": 1, "action": "始める", "revision": 8},
        {"id": 2, "action": "始める", "revision": 5, "assignee": "k.sato"},
    ]
    assert api.writes()[0] == ("records/status.json", {"app": 0, "records": moved})
    assert [(path, [one["revision"] for one in body["records"]]) for path, body in api.writes()[1:]] == [
        ("records.json", [10, 7, 8])
    ]


def test_a_state_that_no_action_leads_to_is_refused_with_those_that_can_be_reached() -> None:
    api = FakeKintone(records={345: record(), 346: record(346, stage="受注")})
    assert _push(api, _stage("受注", 会社名="新"), _stage("未処理", "346")) == [
        (PushOutcome.REFUSED, "$stage: no action leads from '未処理' to '受注'; from there one gets to 商談中"),
        (PushOutcome.REFUSED, "$stage: no action leads from '受注' to '未処理'; from there one gets to no other state"),
    ]
    assert api.records[345]["会社名"]["value"] == "新"


def test_fields_may_stand_for_stage_and_owner() -> None:
    api = FakeKintone(records={345: record()})
    settings = {"stage_field": "確度", "owner_field": "営業担当"}
    assert _push(api, _stage("A", owner="k.sato@example.com", 関心=["x", "y"]), **settings) == [
        (PushOutcome.DONE, None)
    ]
    ((path, body),) = api.writes()
    assert (path, body["record"]["営業担当"]) == ("record.json", {"value": [{"code": "k.sato"}]})
    assert body["record"]["確度"] == {"value": "A"}
    assert _push(api, _update(関心=None, 営業担当="", 会社名=None)) == [(PushOutcome.DONE, None)]


def test_what_cannot_be_written_is_named_and_the_rest_is_written() -> None:
    without = {code: field for code, field in record().items() if code not in {"ステータス", "作業者"}}
    api = FakeKintone(records={345: without})
    ((outcome, reason),) = _push(api, _stage("A", owner="k.sato@example.com", nowhere="1", 会社名="新"))
    assert outcome is PushOutcome.REFUSED
    assert reason is not None
    assert "nowhere: the app has no field with this code" in reason
    assert "$stage: the process is off, and `stage_field` is not set" in reason
    assert "$owner: the process is off, set `owner_field`" in reason
    assert api.records[345]["会社名"]["value"] == "新"


def test_an_owner_whom_nobody_knows_is_looked_for_once_more() -> None:
    api = FakeKintone(records={345: record()}, memo={"people": []})
    assert _push(api, _update(owner="k.sato@example.com")) == [(PushOutcome.DONE, None)]
    assert _push(api, _update(owner="left@example.com")) == [
        (PushOutcome.REFUSED, "$owner: no active user of kintone has the e-mail left@example.com")
    ]
    api.memo.clear()
    token = {"login": "", "password": (), "api_token": ("t",)}
    assert _push(api, _update(owner="k.sato@example.com"), **token)[0][0] is PushOutcome.REFUSED
    assert api.calls[-1]["headers"] == {"X-Cybozu-API-Token": "t", "X-HTTP-Method-Override": "GET"}


def test_a_write_that_saved_nothing_is_refused_with_what_is_shown() -> None:
    silent = {path: lambda _: {"revision": "9"} for path in ("record/status.json", "record/assignees.json")}
    api = FakeKintone(records={345: record()}, on=dict(silent))
    api.on["record.json"] = lambda body: {"revision": "9"} if "record" in body else {}
    ((outcome, reason),) = _push(api, _stage("商談中", owner="k.sato@example.com", 会社名="新", 営業担当="x"))
    assert outcome is PushOutcome.REFUSED
    assert reason == (
        "会社名 shows 'ミナモト' in place of '新'; 営業担当 shows [] in place of [{'code': 'x'}]; "
        "$owner shows nothing in place of 'k.sato'; $stage shows '未処理' in place of '商談中'"
    )


def test_one_records_failure_stops_no_other() -> None:
    api = FakeKintone(records={number: record(number) for number in (1, 2, 3)})
    usual = FakeKintone(records=api.records)

    def picky(body: Any) -> Any:
        if any(entry["id"] == 2 for entry in body.get("records", [body])):
            return refusal("CB_VA01", 400, "入力内容が正しくありません。", **{"record.会社名.value": "長すぎます。"})
        return usual.call("PUT", "/v1/records.json" if "records" in body else "/v1/record.json", json=body)

    def many(body: Any) -> Any:
        return picky(body) if "records" in body else usual.call("", "/v1/records.json", json=body)

    api.on = {"records.json": many}
    api.on["record.json"] = lambda body: picky(body) if "record" in body else refusal("GAIA_RE01", 404)
    assert _push(api, *(_update(of, 会社名="新") for of in ("1", "2", "3", "4"))) == [
        (PushOutcome.DONE, None),
        (PushOutcome.REFUSED, "CB_VA01: 入力内容が正しくありません。; record.会社名.value: 長すぎます。"),
        (PushOutcome.DONE, None),
        (PushOutcome.GONE, "the record does not exist any more"),
    ]


def test_a_record_that_somebody_changed_meanwhile_is_written_later_the_others_now() -> None:
    api = FakeKintone(records={1: record(1), 2: record(2)})

    def changed(body: Any) -> Any:
        del api.on["records.json"]
        answered = api.call("", "/v1/records.json", json=body)
        api.records[2] = record(2, revision=9)
        return answered

    api.on["records.json"] = changed
    found = _push(api, _update("1", 会社名="新"), _update("2", 会社名="新"))
    assert found == [(PushOutcome.DONE, None), (PushOutcome.LATER, "GAIA_CO02: no")]


def test_a_busy_domain_is_tried_later_and_a_short_answer_too() -> None:
    api = FakeKintone(records={1: record(1), 2: record(2)}, on={"record/status.json": busy})
    (pushed,) = kintone().push([_stage("商談中", "1")], api)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 7.0)
    api.on = {"records/status.json": lambda _: {"records": [{"id": "1", "revision": "10"}]}}
    found = _push(api, _stage("商談中", "1"), _stage("商談中", "2"))
    assert found[1] == (PushOutcome.LATER, "kintone left the record out of its answer")
    unread = FakeKintone(on={"record.json": busy})
    assert [outcome for outcome, _ in _push(unread, _update(会社名="x"))] == [PushOutcome.LATER]


@pytest.mark.parametrize(
    ("then", "outcome"),
    [
        ({"records.json": busy}, PushOutcome.LATER),
        ({"records.json": lambda _: {"records": []}}, PushOutcome.GONE),
        ({"records.json": lambda _: {"records": []}, "record.json": busy}, PushOutcome.LATER),
    ],
)
def test_what_was_written_and_not_read_back_is_tried_later_or_gone(then: dict[str, Any], outcome: PushOutcome) -> None:
    api = FakeKintone(records={345: record()})

    def written(_body: Any) -> Any:
        api.on = {"record.json": lambda _: refusal("GAIA_RE01", 404), **then}
        return {"revision": "9"}

    api.on["record.json"] = written
    assert [found for found, _ in _push(api, _update(会社名="新"))] == [outcome]


def test_nothing_to_write_is_done_and_records_of_others_are_refused() -> None:
    api = FakeKintone(records={345: record()})
    assert _push(api, _stage("未処理")) == [(PushOutcome.DONE, None)]
    assert api.writes() == []
    strange = [replace(_update(), record=RecordRef(object=of, id=at)) for of, at in (("deal", "1"), ("record", "x"))]
    assert [reason for _, reason in _push(api, *strange)] == [
        "there is no record deal:1 in the app",
        "there is no record record:x in the app",
    ]


def test_an_app_in_a_guest_space_has_its_own_address() -> None:
    api = FakeKintone()
    kintone(guest_space=5).catalog(api)
    addresses = [call["url"] for call in api.calls]
    assert addresses[0] == f"{URL}/k/guest/5/v1/app/form/fields.json"
    assert f"{URL}/v1/users.json" in addresses


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (answer(404, b"<html>"), "answered 404 without an error of its own: check `url`"),
        (answer(302, b"[]"), "answered 302"),
        (refusal("CB_WA01", 401), "CB_WA01: no: check `login` and `password`"),
        (refusal("GAIA_NO01", 403), "GAIA_NO01: no: give the API token the rights"),
        (answer(400, b'{"code": "X", "errors": {"a": 1}}'), "X"),
    ],
)
def test_errors_say_what_to_do(given: Any, text: str) -> None:
    with pytest.raises(CrmRefused, match=text):
        kintone().catalog(FakeApi(answers=[given]))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": "http://example.cybozu.com"}, "url"),
        ({"url": "https://[x"}, "url"),
        ({"app": "案件"}, "app"),
        ({"password": ()}, "password"),
        ({"login": ""}, "password"),
        ({"people": ("hana@example.com",)}, "people"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(CrmRefused, match=named):
        kintone(**settings).catalog(FakeKintone())


def test_updates_are_asked_for_only_with_an_app_and_credentials() -> None:
    assert [one.takes_updates for one in (kintone(), kintone(password=()), Kintone())] == [True, False, False]


def test_the_catalogue_has_the_states_of_the_process_or_the_options_of_the_field() -> None:
    source = kintone(url="http://localhost:8080")._source(FakeKintone())
    catalog = replace(source, site=replace(source.site, page=2)).catalog()
    assert list(catalog.stages["record"][""]) == ["未処理", "商談中", "受注"]
    assert [(one.id, one.email, one.name, one.is_active) for one in catalog.owners] == [
        ("k.sato", "k.sato@example.com", "佐藤 恵子", True),
        ("mori@example.com", "mori@example.com", "森 健", True),
        ("left", "left@example.com", "left", False),
        ("robot", None, "robot", True),
    ]
    assert (catalog.fields["record"]["会社名"], catalog.fields["record"]["$stage"]) == ("会社", "process status")
    assert list(kintone(stage_field="確度").catalog(FakeKintone()).stages["record"][""]) == ["A", "B"]


def _inspected(api: FakeKintone, **settings: Any) -> list[tuple[str, bool, str]]:
    return [(one.topic, one.is_good, one.text) for one in kintone(**settings).inspect("https://x.example", api)]


def test_an_inspection_says_what_works() -> None:
    assert _inspected(FakeKintone()) == [
        ("credentials", True, "app 27 can be read"),
        ("scopes", True, "4 users are known"),
    ]


def test_an_inspection_says_what_is_wrong() -> None:
    forbidden = FakeKintone(on={"app/form/fields.json": lambda _: refusal("CB_WA01", 401)})
    assert [(topic, is_good) for topic, is_good, _ in _inspected(forbidden)] == [("credentials", False)]
    process = {**copy.deepcopy(PROCESS), "enable": False}
    on = {
        "app/form/fields.json": lambda _: {"properties": {}},
        "app/status.json": lambda _: process,
        "users.json": lambda _: refusal("CB_NO02", 403),
    }
    wrong = [text for _, is_good, text in _inspected(FakeKintone(on=dict(on)), owner_field="担当") if not is_good]
    assert wrong[0] == "the app has no field with the code '担当': correct the setting `owner_field`"
    assert wrong[1].startswith("the app's form shows no updated time")
    assert wrong[2].startswith("the process management of the app is off")
    assert wrong[3].startswith("the users cannot be read: CB_NO02")
    token = {"login": "", "password": (), "api_token": ("t",), "stage_field": "確度"}
    assert _inspected(FakeKintone(), **token)[1][2].startswith("an API token shows no users: set `login`")
