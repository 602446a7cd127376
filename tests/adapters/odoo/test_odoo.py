"""The Odoo adapter: leads by two protocols, automation rules, lost and won leads."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.odoo import Odoo
from connector.adapter_kit.contract import Answer, Delivery, Pushed, PushOutcome, Update
from connector.adapter_kit.records import exact
from connector.core.errors import BadPayload, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Event, Kind, RecordRef
from tests.adapters.builders import update_of
from tests.adapters.odoo.fake import KEY, URL, USERS, FakeOdoo, busy, lead, odoo, refusal
from tests.adapters.support import FakeApi

NOW = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)
HOOK = "https://connector.example/webhooks/odoo"


def _delivery(body: Any, *query: tuple[str, str]) -> Delivery:
    headers = {"content-type": "application/json"}
    return Delivery(method="POST", query=query, headers=headers, body=json.dumps(body).encode(), received_at=NOW)


def _webhook(lead_id: int = 77, model: str = "crm.lead", *query: tuple[str, str]) -> Delivery:
    return _delivery({"_action": "x(#1)", "_id": lead_id, "_model": model}, *query)


def _update(lead_id: str = "77", owner: str | None = None, **fields: Any) -> Update:
    field = "user_id" if owner else None
    return update_of(f"lead:{lead_id}", fields, since=NOW, owner=owner, owner_field=field)


def _push(api: FakeOdoo, *updates: Update, **settings: Any) -> list[tuple[PushOutcome, str | None]]:
    pushed: Sequence[Pushed] = odoo(**settings).push(updates, api)
    assert [one.key for one in pushed] == [update.key for update in updates]
    return [(one.outcome, one.reason) for one in pushed]


def _stages(events: Sequence[Event | BadPayload]) -> list[tuple[str | None, bool]]:
    return [(e.stage, e.is_seen) for e in events if isinstance(e, Event) and e.kind is Kind.STAGE]


def test_a_record_is_read_once_however_many_deliveries_tell_of_it() -> None:
    api = FakeOdoo(leads={77: lead(user_id=[9, "Keiko Sato"]), 78: lead(78)})
    deliveries = [
        _webhook(77),
        _webhook(77),
        _webhook(78),
        _delivery([]),
        _webhook(5, "res.partner"),
        _webhook(9, "crm.lead", ("event", "deleted")),
    ]
    fetched = odoo().fetch(deliveries, api)
    searches = [body["domain"] for name, body in api.asked if name == "crm.lead.search_read"]
    assert searches == [[["id", "in", [77, 78]]]]
    assert fetched["user:9"] == "k.sato@example.com"
    assert fetched["user:11"] == "k.mori@example.com"
    owner = next(e for e in odoo().parse(deliveries[0], fetched) if isinstance(e, Event) and e.kind is Kind.OWNER)
    assert (owner.owner, owner.owner_email) == ("9", "k.sato@example.com")
    assert odoo().fetch([_delivery({})], api) == {}


def test_every_call_counts_archived_records_and_asks_in_the_connections_language() -> None:
    api = FakeOdoo(leads={77: lead()})
    odoo(database="prod", language="ja_JP").fetch([_webhook()], api)
    assert all(body["context"] == {"lang": "ja_JP", "active_test": False} for _, body in api.asked)
    headers = [call["headers"] for call in api.calls]
    assert headers == [{"Authorization": f"bearer {KEY}", "X-Odoo-Database": "prod"}] * len(headers)


def test_own_fields_and_those_of_the_setting_are_read_and_false_means_empty() -> None:
    api = FakeOdoo(leads={77: lead(x_studio_site="Nagoya", active=False, probability=50.0, team_id=False)})
    fetched = odoo(fields=("x_studio_site", "not_there")).fetch([_webhook()], api)
    wanted = next(body["fields"] for name, body in api.asked if name == "crm.lead.search_read")
    assert wanted.count("x_studio_site") == 1
    assert {"x_abm_status", "stage_id"} <= set(wanted)
    assert "not_there" not in wanted
    row = fetched["lead:77"]
    assert (row["x_studio_site"], row["active"], row["user_id"], row["team_id"]) == ("Nagoya", False, None, None)


def _read(**values: Any) -> list[Event]:
    delivery = _webhook()
    events = odoo().parse(delivery, odoo().fetch([delivery], FakeOdoo(leads={77: lead(**values)})))
    return [event for event in events if isinstance(event, Event)]


def test_a_field_that_was_emptied_is_shown_empty_but_one_that_was_never_filled_in_a_new_lead() -> None:
    assert _read(email_from=False)[-1].data["email_from"] is None
    new = _read(email_from=False, write_date="2026-03-01 00:00:00")[-1]
    assert (new.kind, "email_from" in new.data) == (Kind.PROFILE, False)


def test_two_changes_of_one_second_are_two() -> None:
    first, second, owned = _read(name="One"), _read(name="Two"), _read(user_id=[9, "Keiko Sato"])
    assert first[-1].key != second[-1].key
    assert first[-2].key == second[-2].key != owned[-2].key
    assert first[-1].at == second[-1].at
    assert _read(name="One")[-1].key == first[-1].key


@pytest.mark.parametrize(
    ("values", "is_ours"),
    [
        ({"date_last_stage_update": "2026-03-04 05:06:07", "write_uid": [2, "Integration"]}, True),
        ({"date_last_stage_update": "2026-03-04 05:06:07", "write_uid": [9, "Keiko Sato"]}, False),
        ({"date_last_stage_update": "2026-03-04 05:06:07"}, None),
        ({"write_uid": [9, "Keiko Sato"]}, None),
    ],
)
def test_who_wrote_last_moved_it_where_that_was_the_last_that_was_written(
    values: dict[str, Any], *, is_ours: bool | None
) -> None:
    events = _read(**values)
    assert [event.is_ours for event in events if event.kind is Kind.STAGE and not event.is_seen] == [is_ours]
    assert {event.is_ours for event in events if event.kind is not Kind.STAGE or event.is_seen} == {None}


def test_who_we_are_may_be_unknown() -> None:
    api = FakeOdoo(leads={77: lead()}, on={"res.users.context_get": lambda _: {"lang": "en_US"}})
    assert odoo().fetch([_webhook()], api)["us"] is None


def test_every_phone_of_a_lead_finds_it_and_odoos_own_spelling_goes_first() -> None:
    phones = {"phone_sanitized": "+81312345678", "phone": "03-1234-5678", "mobile": "090-1234-5678"}
    found = [one.value for one in _read(**phones)[0].identities if one.kind == "phone"]
    assert found == ["+81312345678", "09012345678"]


@pytest.mark.parametrize(
    ("values", "stages"),
    [
        ({}, [("New", False), ("New", True)]),
        ({"write_date": "2026-03-02 00:00:00"}, [("New", False)]),
        ({"date_last_stage_update": False}, [("New", True)]),
        ({"stage_id": False}, []),
        ({"active": False, "probability": 0.0, "date_closed": "2026-03-03 00:00:00"}, [("lost", False)]),
        ({"active": False, "probability": 0.0}, [("lost", True)]),
        ({"active": False, "lost_reason_id": [2, "x"]}, [("lost", True)]),
        ({"active": False, "date_closed": "2026-03-03 00:00:00"}, [("archived", False)]),
    ],
)
def test_a_stage_is_dated_where_odoo_dates_it_and_archived_records_have_their_own(
    values: dict[str, Any], stages: list[tuple[str, bool]]
) -> None:
    delivery = _webhook()
    assert _stages(odoo().parse(delivery, odoo().fetch([delivery], FakeOdoo(leads={77: lead(**values)})))) == stages


def test_stages_may_be_called_by_their_ids() -> None:
    adapter, delivery, api = odoo(stages_by="id"), _webhook(), FakeOdoo(leads={77: lead()})
    assert _stages(adapter.parse(delivery, adapter.fetch([delivery], api)))[0] == ("1", False)
    assert adapter.catalog(api).stages["lead"][""]["6"] == "Proposition"
    assert _push(api, _update(stage_id="6"), stages_by="id") == [(PushOutcome.DONE, None)]
    assert api.leads[77]["stage_id"] == [6, "Proposition"]


def test_a_record_that_cannot_be_found_is_gone_forbidden_or_read_again() -> None:
    delivery = _webhook()
    (gone,) = odoo().parse(delivery, odoo().fetch([delivery], FakeOdoo()))
    assert isinstance(gone, Event)
    assert (gone.kind, gone.key, gone.at) == (Kind.DELETED, f"lead:77:deleted@{exact(NOW)}", NOW)
    forbidden = FakeOdoo(on={"crm.lead.read": lambda _: refusal("AccessError", "You may not", 403)})
    with pytest.raises(CrmRefused, match="AccessError: You may not: give the user"):
        odoo().parse(delivery, odoo().fetch([delivery], forbidden))
    back: list[Callable[[dict[str, Any]], Any]] = [busy, lambda _: [{"id": 77}]]
    for read in back:
        with pytest.raises(CrmUnavailable):
            odoo().parse(delivery, odoo().fetch([delivery], FakeOdoo(on={"crm.lead.read": read})))
    with pytest.raises(CrmUnavailable, match="lead:77 was not read"):
        odoo().parse(delivery, {})


def test_other_models_and_other_words_in_the_address_are_held() -> None:
    with pytest.raises(UnknownEvent, match=r"the model res\.partner"):
        odoo().parse(_webhook(77, "res.partner"), {})
    with pytest.raises(UnknownEvent, match="event=removed; it may say event=deleted"):
        odoo().parse(_webhook(77, "crm.lead", ("event", "removed")), {})


@pytest.mark.parametrize(
    ("body", "path"),
    [({}, "$._id"), ({"_id": 0}, "$._id"), ({"_id": "x"}, "$._id"), ({"_id": 1}, "$._model"), ([], "$")],
)
def test_a_body_without_record_is_refused_with_the_path(body: Any, path: str) -> None:
    delivery = _delivery(body)
    with pytest.raises(BadPayload) as caught:
        odoo().receive(delivery)
    assert caught.value.path == path


def test_two_deliveries_of_one_record_have_keys_of_their_own_and_one_lane() -> None:
    first, second = _webhook(), replace(_webhook(), received_at=NOW.replace(second=9))
    assert odoo().receive(first).key != odoo().receive(second).key
    assert odoo().receive(first).lane == odoo().receive(second).lane == "lead:77"


def test_reconciliation_reads_page_by_page_and_goes_on_after_an_unreadable_record() -> None:
    leads = {number: lead(number) for number in (1, 2, 3)}
    leads[2] |= {"write_date": "2026-99-04 05:06:07", "create_date": False, "date_last_stage_update": False}
    api = FakeOdoo(leads=leads)
    events = list(replace(odoo()._source(api), page=2).changes(datetime(2026, 3, 4, tzinfo=UTC)))
    assert sorted({e.record.id for e in events if e.record}) == ["1", "3"]
    domains = [body["domain"] for name, body in api.asked if name == "crm.lead.search_read"]
    assert domains[0] == [["write_date", ">=", "2026-03-04 00:00:00"], ["id", ">", 0]]
    assert [domain[1][2] for domain in domains] == [0, 2, 3]
    assert list(odoo().changes(datetime(2026, 3, 4, tzinfo=UTC), api)) == events
    delivery = _webhook(1)
    same = odoo().parse(delivery, odoo().fetch([delivery], api))
    assert [e.key for e in same if isinstance(e, Event)] == [e.key for e in events if e.record and e.record.id == "1"]


def test_records_that_get_the_same_are_written_together_and_read_back() -> None:
    api = FakeOdoo(leads={77: lead(), 78: lead(78, team_id=False), 79: lead(79, team_id=[9, "Other"])})
    same = {"stage_id": "Proposition", "x_abm_status": "Project", "name": None}
    updates = [_update(of, owner="k.mori@example.com", **same) for of in ("77", "78", "79")]
    assert _push(api, *updates) == [(PushOutcome.DONE, None)] * 3
    writes = [(body["ids"], body["vals"]["stage_id"]) for name, body in api.asked if name == "crm.lead.write"]
    assert writes == [([77], 6), ([78, 79], 3)]
    assert [api.leads[of]["user_id"][0] for of in (77, 78, 79)] == [11, 11, 11]


def test_lost_is_set_with_its_reason_once_and_a_stage_brings_the_record_back() -> None:
    api = FakeOdoo(leads={77: lead()})
    assert _push(api, _update(stage_id="lost", lost_reason_id=2)) == [(PushOutcome.DONE, None)]
    assert api.asked[-2] == ("crm.lead.action_set_lost", api.asked[-2][1] | {"ids": [77], "lost_reason_id": 2})
    assert _push(api, _update(stage_id="lost")) == [(PushOutcome.DONE, None)]
    assert api.methods() == ["crm.lead.action_set_lost"]
    assert _push(api, _update(stage_id="New")) == [(PushOutcome.DONE, None)]
    assert api.methods()[1:] == ["crm.lead.write", "crm.lead.action_unarchive"]


def test_what_cannot_be_written_is_named_and_the_rest_is_written() -> None:
    api = FakeOdoo(leads={77: lead()})
    ((outcome, reason),) = _push(
        api, _update(owner="left@example.com", stage_id="Propposition", x_typo="1", x_abm_status="Project")
    )
    assert outcome is PushOutcome.REFUSED
    assert reason is not None
    assert "x_typo: crm.lead has no such field" in reason
    assert "user_id: no active internal user of Odoo has the e-mail left@example.com" in reason
    assert "there is no stage 'Propposition'; there are New, Proposition" in reason
    assert api.leads[77]["x_abm_status"] == "Project"
    ((outcome, reason),) = _push(api, _update(stage_id="archived"))
    assert (outcome, reason) == (PushOutcome.REFUSED, "stage_id: archived can be read only; write lost")


def test_a_user_who_came_since_is_found_in_a_fresh_list_and_asked_for_once() -> None:
    api = FakeOdoo(leads={77: lead(), 78: lead(78)}, memo={"people": []})
    found = _push(api, _update(owner="k.sato@example.com"), _update("78", owner="nobody@example.com"))
    assert [outcome for outcome, _ in found] == [PushOutcome.DONE, PushOutcome.REFUSED]
    assert len([name for name, _ in api.asked if name == "res.users.search_read"]) == 2


def test_a_write_that_saved_nothing_or_something_else_is_refused() -> None:
    api = FakeOdoo(leads={77: lead(x_abm_since="2026-03-01")}, on={"crm.lead.write": lambda _: True})
    updated = _update(stage_id="Proposition", x_abm_status="Project", x_abm_since="", user_id=9)
    ((outcome, reason),) = _push(api, updated)
    assert outcome is PushOutcome.REFUSED
    assert reason == (
        "stage_id shows 'New' in place of 'Proposition'; x_abm_status shows nothing in place of 'Project'; "
        "x_abm_since shows '2026-03-01' in place of ''; user_id shows nothing in place of 9"
    )


def test_values_are_the_same_however_odoo_writes_them() -> None:
    shown: dict[str, Any] = {"date_closed": "2026-03-04 00:00:00", "probability": 42.5, "active": True}
    api = FakeOdoo(leads={77: lead(**shown)}, on={"crm.lead.write": lambda _: True})
    assert _push(api, _update(date_closed="2026-03-04", probability="42.50")) == [(PushOutcome.DONE, None)]
    ((_, reason),) = _push(api, _update(active=1))
    assert reason == "active shows True in place of 1"


def test_one_records_failure_stops_no_other() -> None:
    def picky(body: dict[str, Any]) -> Any:
        return refusal("ValidationError", "Not this one") if 78 in body["ids"] else True

    api = FakeOdoo(
        leads={77: lead(x_abm_status="P"), 78: lead(78), 79: lead(79, x_abm_status="P")}, on={"crm.lead.write": picky}
    )
    updates = [_update(of, x_abm_status="P") for of in ("77", "78", "79", "80")]
    assert _push(api, *updates) == [
        (PushOutcome.DONE, None),
        (PushOutcome.REFUSED, "crm.lead.write: ValidationError: Not this one"),
        (PushOutcome.DONE, None),
        (PushOutcome.GONE, "the record does not exist any more"),
    ]


def test_locked_records_and_a_busy_server_are_tried_later() -> None:
    locked = FakeOdoo(leads={77: lead()}, on={"crm.lead.write": lambda _: refusal("LockError", "locked", 409)})
    assert _push(locked, _update(name="x")) == [(PushOutcome.LATER, "crm.lead.write: LockError: locked")]
    away = FakeOdoo(leads={77: lead()}, on={"crm.lead.write": busy})
    (pushed,) = odoo().push([_update(name="x")], away)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 7.0)
    unread = FakeOdoo(on={"crm.lead.read": busy})
    assert [outcome for outcome, _ in _push(unread, _update(name="x"))] == [PushOutcome.LATER]


def test_what_was_written_and_not_read_back_is_tried_later_or_gone() -> None:
    api = FakeOdoo(leads={77: lead()})

    def away(_body: dict[str, Any]) -> bool:
        api.on["crm.lead.search_read"] = busy
        return True

    api.on["crm.lead.write"] = away
    ((outcome, reason),) = _push(api, _update(name="x"))
    assert (outcome, str(reason)[:28]) == (PushOutcome.LATER, "written, but not read back: ")
    for answered, outcome in ((None, PushOutcome.GONE), (busy, PushOutcome.LATER)):
        fake = FakeOdoo(leads={77: lead()})
        fake.on["crm.lead.write"] = lambda _, fake=fake: fake.leads.clear() or True  # type: ignore[misc]
        if answered:
            fake.on["crm.lead.read"] = answered
        assert [found for found, _ in _push(fake, _update(name="x"))] == [outcome]


def test_records_that_are_none_of_odoos_are_refused() -> None:
    updates = [replace(_update(), record=RecordRef(object=of, id=at)) for of, at in (("deal", "1"), ("lead", "x"))]
    assert _push(FakeOdoo(), *updates) == [
        (PushOutcome.REFUSED, "there is no record deal:1 in Odoo's CRM"),
        (PushOutcome.REFUSED, "there is no record lead:x in Odoo's CRM"),
    ]


def test_older_versions_are_asked_by_json_answering() -> None:
    settings = {"protocol": "jsonrpc", "database": "prod", "login": "bot"}
    api = FakeOdoo(leads={77: lead()})
    update = _update(stage_id="Proposition", x_abm_status="Project")
    assert _push(api, update, **settings) == [(PushOutcome.DONE, None)]
    assert {call["url"] for call in api.calls} == {f"{URL}/jsonrpc"}
    assert [call["json"]["params"]["method"] for call in api.calls].count("authenticate") == 1
    api.on["crm.lead.write"] = lambda _: refusal("AccessError", "You may not", 403)
    ((outcome, reason),) = _push(api, _update(name="x"), **settings)
    assert (outcome, str(reason)[:44]) == (PushOutcome.FORBIDDEN, "crm.lead.write: AccessError: You may not: gi")
    with pytest.raises(CrmRefused, match="knows no user 'bot' with this key"):
        odoo(**settings, api_key=("wrong",)).push([update], FakeOdoo())


def _answering(body: Any, status: int = 200) -> FakeApi:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return FakeApi(answers=[Answer(status=status, headers={}, body=content)], memo={"uid of bot": 2})


@pytest.mark.parametrize(
    ("body", "raised", "text"),
    [
        ({"error": {"code": 404, "message": "404: Not Found"}}, CrmRefused, "NotFound: 404: Not Found"),
        ({"error": {"code": 200, "message": "x"}}, CrmRefused, "NotFound: x"),
        ({"error": {"code": 100, "data": {"name": "odoo.http.SessionExpiredException"}}}, CrmRefused, "make a new one"),
        ({"error": {"code": 200, "data": {"name": "psycopg2.errors.X", "message": KEY}}}, CrmUnavailable, r"X: \*\*\*"),
        (
            {"error": {"code": 200, "data": {"name": "builtins.ValueError", "message": "f"}}},
            CrmRefused,
            "ValueError: f",
        ),
        ({"error": "x"}, CrmRefused, "answered 200 to JSON-RPC: check `url`"),
    ],
)
def test_errors_of_json_rpc_come_with_status_200(body: Any, raised: type[Exception], text: str) -> None:
    adapter = odoo(protocol="jsonrpc", database="prod", login="bot")
    with pytest.raises(raised, match=text):
        adapter.fetch([_webhook()], _answering(body))


def test_a_page_in_place_of_an_answer_names_the_setting() -> None:
    page = _answering(b"<html>", 404)
    with pytest.raises(CrmRefused, match="answered 404 to JSON-2: check `url`, and before Odoo 19 set `protocol`"):
        odoo().fetch([_webhook()], page)
    with pytest.raises(CrmRefused, match="answered 404 to JSON-RPC"):
        odoo(protocol="jsonrpc", database="prod", login="bot").fetch([_webhook()], _answering(b"[]", 404))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"url": "http://example.odoo.com"}, "url"),
        ({"url": "https://[x"}, "url"),
        ({"api_key": ()}, "api_key"),
        ({"protocol": "xmlrpc"}, "protocol"),
        ({"protocol": "jsonrpc", "login": "x"}, "database"),
        ({"stages_by": "sequence"}, "stages_by"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(CrmRefused, match=named):
        odoo(**settings).catalog(FakeOdoo())


def test_an_address_on_this_machine_needs_no_https() -> None:
    assert odoo(url="http://127.0.0.1:8069").catalog(FakeOdoo()).owners


def test_updates_are_asked_for_only_with_an_address_and_a_key() -> None:
    assert [adapter.takes_updates for adapter in (odoo(), odoo(api_key=()), Odoo())] == [True, False, False]


def test_the_catalogue_has_lost_as_a_stage_people_with_their_e_mails_and_fields() -> None:
    api = FakeOdoo(on={"crm.stage.fields_get": lambda _: {"name": {}}})
    catalog = odoo().catalog(api)
    assert list(catalog.stages["lead"][""]) == ["New", "Proposition", "lost", "archived"]
    assert [(one.id, one.email, one.is_active) for one in catalog.owners] == [
        ("9", "k.sato@example.com", True),
        ("11", "k.mori@example.com", True),
        ("12", "left@example.com", False),
        ("13", None, True),
    ]
    assert len(catalog.owners) == len(USERS)
    assert catalog.fields["lead"]["active"] == "Active"
    assert catalog.fields["lead"]["name"] == "name"


def _inspected(api: FakeOdoo, **settings: Any) -> list[tuple[str, bool, str]]:
    return [(one.topic, one.is_good, one.text) for one in odoo(webhook_token=("tok",), **settings).inspect(HOOK, api)]


def test_an_inspection_says_that_all_is_well() -> None:
    rules = [{"name": "Leads", "webhook_url": f"{HOOK}?token=tok"}, {"name": "Other", "webhook_url": False}]
    api = FakeOdoo(on={"crm.lead.has_access": lambda _: True, "ir.actions.server.search_read": lambda _: rules})
    found = _inspected(api)
    assert [(topic, is_good) for topic, is_good, _ in found] == [
        ("credentials", True),
        ("scopes", True),
        ("webhooks", True),
    ]
    assert found[-1][2] == "these actions send here: Leads"


def test_an_inspection_says_what_is_wrong() -> None:
    bad_key = FakeOdoo(on={"res.users.context_get": lambda _: refusal("AccessDenied", "", 401)})
    assert [(topic, is_good) for topic, is_good, _ in _inspected(bad_key)] == [("credentials", False)]
    forbidden = {
        name: lambda _: refusal("AccessError", "no", 403)
        for name in ("crm.lead.search_read", "ir.actions.server.search_read")
    }
    texts = [text for _, is_good, text in _inspected(FakeOdoo(on=dict(forbidden))) if not is_good]
    assert texts[1] == f"the user of the API key may not see automation rules: look whether they send to {HOOK}?token=…"
    rules: list[dict[str, Any]] = []
    api = FakeOdoo(on={"crm.lead.has_access": lambda _: False, "ir.actions.server.search_read": lambda _: rules})
    texts = [text for _, is_good, text in _inspected(api) if not is_good]
    assert texts[0].startswith("the user of the API key may read leads, but not change them")
    assert texts[1].startswith(f"no action of an automation rule sends to {HOOK}?token=…")
    rules.append({"name": "Leads", "webhook_url": f"{HOOK}?token=old"})
    assert _inspected(api)[2][2] == "the address of these actions lacks the token of `webhook_token`: Leads"
