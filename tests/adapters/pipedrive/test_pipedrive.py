"""The Pipedrive adapter: deals, persons and leads, webhooks that are registered, pushes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.pipedrive import Pipedrive
from adapters.pipedrive.records import data_of, identities_of, time_of
from connector.adapter_kit.contract import Answer, InspectionResult, PushOutcome
from connector.core.errors import BadPayload, BadSignature, CrmRefused, CrmUnavailable, UnknownEvent
from connector.core.event import Kind, RecordRef
from connector.emulators.pipedrive.crm import PASSWORD
from connector.emulators.pipedrive.directory import ABM_STATUS
from tests.adapters.pipedrive.fake import NOW, V1, Company, delivery, keys, meta, read, update, webhook
from tests.adapters.served import URL, body

HOOK = "https://connector.example.com/webhooks/pipedrive"
HANA, KEN = "hana.sato@example.com", "ken.mori@example.com"


# --- what comes in


@pytest.mark.parametrize(
    "header", ["", "Basic", "Basic ###", "Basic dXNlcg==", "Bearer Y29ubmVjdG9yOng=", "Basic Y29ubmVjdG9yOng="]
)
def test_anything_but_user_and_password_is_refused(company: Company, header: str) -> None:
    with pytest.raises(BadSignature):
        company.adapter.verify(delivery({}, authorization=header), NOW)


def test_webhook_and_reconciliation_give_the_same_keys(company: Company) -> None:
    deal = company.crm.add("a@x.example", owner="18230055")
    company.clock.forward(minutes=1)
    company.crm.move(deal, "17")
    by_webhook = read(company, webhook(company, deal))
    found = list(company.adapter.changes(NOW, company.api))
    assert keys(by_webhook) <= keys(found)
    person = str(company.crm.record(deal).fields["person_id"])
    assert keys(found) - keys(by_webhook) == keys(read(company, webhook(company, person, of="person")))
    assert {event.owner_email for event in found if event.kind is Kind.OWNER} == {KEN}


def test_the_stage_of_a_closed_deal_is_how_it_was_closed(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    stages = []
    for status in ("won", "lost", "open"):
        company.clock.forward(minutes=1)
        company.crm.close(deal, status)
        one = json.loads(webhook(company, deal).body) | {"previous": {"status": "x"}}
        stages += [(event.stage, event.at) for event in read(company, delivery(one)) if event.kind is Kind.STAGE]
    assert stages == [(stage, NOW + timedelta(minutes=number)) for number, stage in enumerate(("won", "lost", "15"), 1)]


def test_a_deal_without_stage_owner_and_person_is_told_as_it_is(company: Company) -> None:
    bare = {"add_time": "2026-03-01 10:00:00", "update_time": "2026-03-01T10:00:00Z", "owner_id": None}
    events = read(company, delivery({"data": bare, "previous": None, "meta": meta("create")}))
    assert [(event.kind, event.owner) for event in events] == [
        (Kind.IDENTIFY, None),
        (Kind.OWNER, None),
        (Kind.PROFILE, None),
    ]
    assert company.api.calls == []


def test_a_record_without_a_time_is_set_aside(company: Company) -> None:
    with pytest.raises(BadPayload, match="add_time"):
        company.adapter.parse(delivery({"data": {"add_time": "soon"}, "previous": None, "meta": meta("create")}), {})


@pytest.mark.parametrize(("given", "shown"), [("2026-03-01 10:00:00", 10), ("2026-03-01T12:00:00.700+01:00", 11)])
def test_times_of_both_versions_are_read(given: str, shown: int) -> None:
    assert time_of({"add_time": given}, "add_time") == datetime(2026, 3, 1, shown, tzinfo=UTC)


def test_custom_fields_are_the_same_from_webhooks_and_from_rest() -> None:
    number = "a" * 40
    for wrapped, bare in (
        ({"id": 41, "type": "enum"}, 41),
        ({"values": [{"id": 7}, 9], "type": "set"}, [7, 9]),
        ({"values": None, "type": "set"}, []),
        ({"value": 3, "currency": "JPY", "type": "monetary"}, {"value": 3, "currency": "JPY"}),
        ({"value": "x", "type": "varchar"}, "x"),
        ({"value": 3, "currency": "JPY"}, {"value": 3, "currency": "JPY"}),
        ({"street": "x", "type": "address"}, {"street": "x", "type": "address"}),
    ):
        assert data_of({"custom_fields": {number: wrapped}}, {}) == {"custom_fields": {number: bare}}
        assert data_of({number: wrapped}, {}) == {"custom_fields": {number: bare}}


def test_what_was_typed_into_an_address_identifies_nobody() -> None:
    person = {
        "emails": [{"value": "none"}, {"value": "A@x.example"}, "odd"],
        "phones": [{"value": "12"}, {"value": ""}],
    }
    found = identities_of(RecordRef(object="person", id="1"), person, {})
    assert [one.value for one in found] == ["person:1", "a@x.example"]


def test_an_owner_whom_the_directory_does_not_have_is_asked_for_once(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    company.crm.shelf.change("deal", deal, {"owner_id": 999})
    for _ in range(2):
        assert {event.owner_email for event in read(company, webhook(company, deal))} == {None}
    assert company.api.calls.count("GET /v1/users") == 2
    company.api.memo.clear()
    company.api.instead["/v1/users"] = [body(403, {"error": "Scope and URL mismatch"})]
    assert read(company, webhook(company, deal))


def test_without_a_token_a_delivery_says_what_its_body_says(company: Company) -> None:
    company.adapter = replace(company.adapter, api_token=())
    deal = company.crm.add("a@x.example")
    assert not company.adapter.takes_updates
    events = read(company, webhook(company, deal))
    assert {one.kind for event in events for one in event.identities} == {"record"}
    assert company.api.calls == []


def test_an_old_webhook_needs_its_record_read(company: Company) -> None:
    with pytest.raises(CrmUnavailable, match="deal:1 was not read"):
        company.adapter.parse(delivery(V1), {})
    deal = company.crm.add("a@x.example")
    old = {"v": 1, "meta": {**V1["meta"], "id": int(deal)}}  # type: ignore[dict-item]
    assert keys(read(company, delivery(old))) == keys(read(company, webhook(company, deal)))
    lead = company.crm.lead(str(company.crm.record(deal).fields["person_id"]))
    for record, kinds in ((lead, {Kind.IDENTIFY, Kind.OWNER, Kind.PROFILE}), ("00-gone", {Kind.DELETED})):
        old = {"v": 1, "meta": {**V1["meta"], "object": "lead", "id": record}}  # type: ignore[dict-item]
        assert {event.kind for event in read(company, delivery(old))} == kinds


def test_what_is_of_another_company_or_object_is_ignored(company: Company) -> None:
    company.adapter = replace(company.adapter, company_id="7", objects=("deal",))
    for one in (meta("create", company_id="8"), meta("create", "person"), meta("create", "note")):
        content = delivery({"data": {"owner_id": 1}, "previous": None, "meta": one})
        assert (read(company, content), company.adapter.receive(content).lane) == ([], "")
    assert company.api.calls == []


def test_an_event_that_was_never_heard_of_is_held(company: Company) -> None:
    one = delivery({"meta": meta("create", "spaceship")})
    with pytest.raises(UnknownEvent, match=r"spaceship\.create"):
        company.adapter.parse(one, {})
    assert company.adapter.receive(one).lane == ""


def test_a_body_that_cannot_be_read_is_fetched_nothing_for(company: Company) -> None:
    one = replace(delivery({}), body=b"{")
    assert company.adapter.fetch([one], company.api) == {}
    with pytest.raises(BadPayload):
        company.adapter.receive(one)


def test_a_retry_is_the_same_delivery_and_users_and_old_webhooks_are_told_apart(company: Company) -> None:
    def key(content: Any) -> str:
        return company.adapter.receive(delivery(content)).key

    assert key({"meta": meta("change", attempt=3)}) == key({"meta": meta("change")}) == "e1"
    users = {key({"meta": meta("change", "user", id="7", timestamp=at)}) for at in (1, 2)}
    assert users == {"-:user:7:change:1", "-:user:7:change:2"}
    assert key(V1) == "-:deal:1:updated:1772600767"
    with pytest.raises(BadPayload, match="since 1970"):
        company.adapter.parse(delivery({"meta": meta("change", "user", timestamp=-5)}), {})


def test_reconciliation_reads_page_by_page_until_the_changes_are_older(company: Company) -> None:
    company.crm.rest.page = 2
    deals = [company.crm.add(f"{number}@x.example") for number in range(5)]
    persons = [str(company.crm.record(deal).fields["person_id"]) for deal in deals]
    company.clock.forward(hours=1)
    leads = [company.crm.lead(person) for person in persons[:3]]
    later = NOW + timedelta(minutes=30)
    found = list(company.adapter.changes(NOW, company.api))
    assert {event.record.id for event in found if event.record} == {*deals, *persons, *leads}
    recent = list(company.adapter.changes(later, company.api))
    assert {event.record.id for event in recent if event.record} == set(leads)
    company.clock.forward(hours=1)
    assert list(company.adapter.changes(company.clock(), company.api)) == []


def test_a_record_that_cannot_be_read_and_a_repeated_page_do_not_end_reconciliation(company: Company) -> None:
    company.adapter = replace(company.adapter, objects=("deal",))
    page = {"data": [{"id": 1, "add_time": "soon"}], "additional_data": {"next_cursor": "x"}}
    company.api.instead["/api/v2/deals"] = [body(200, page), body(200, page)]
    assert list(company.adapter.changes(NOW, company.api)) == []


# --- what goes out


def test_a_stage_takes_its_pipeline_along_and_opens_the_deal_only_where_that_is_asked_for(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    company.crm.close(deal, "lost")
    assert company.push(deal, KEN.upper(), stage_id="21", **{ABM_STATUS: "Explicit"}).outcome is PushOutcome.DONE
    fields = company.crm.record(deal).fields
    assert [fields[name] for name in ("stage_id", "pipeline_id", "status", "owner_id")] == [21, 4, "lost", 18230055]
    assert company.push(deal, stage_id="15", status="open").outcome is PushOutcome.DONE
    assert [fields[name] for name in ("stage_id", "pipeline_id", "status")] == [15, 3, "open"]
    assert company.push(deal, status="lost", lost_reason="price").outcome is PushOutcome.DONE
    assert "does not exist" not in (company.push(deal, stage_id="99").reason or "")


def test_each_object_is_written_and_read_back_in_its_own_way(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    person = str(company.crm.record(deal).fields["person_id"])
    lead = company.crm.lead(person)
    updates = [
        update(deal, **{ABM_STATUS: "E"}),
        update(person, HANA, "person", **{ABM_STATUS: "E"}),
        update(lead, KEN, "lead", is_archived="true", **{ABM_STATUS: "E"}),
    ]
    assert {one.outcome for one in company.adapter.push(updates, company.api)} == {PushOutcome.DONE}
    assert company.api.calls.count("GET /api/v2/deals") == 1


def test_what_cannot_be_written_is_refused_and_the_rest_is_written(company: Company) -> None:
    deal, other = company.crm.add("a@x.example"), company.crm.add("b@x.example")
    updates = [
        update(deal, "yuki.abe@example.com", **{ABM_STATUS: "E"}),
        update("x", of="company", name="y"),
        update(other, no_such="y"),
        update("404", **{ABM_STATUS: "E"}),
        update(f"{other}"),
    ]
    pushed = company.adapter.push(updates[:4], company.api)
    assert [one.outcome for one in pushed] == [PushOutcome.REFUSED] * 3 + [PushOutcome.GONE]
    assert pushed[0].reason == "owner_id: no active user of Pipedrive has the e-mail yuki.abe@example.com"
    assert pushed[1].reason == "records of the object 'company' cannot be written"
    assert "'no_such' is not allowed" in (pushed[2].reason or "")
    assert company.crm.status_of(deal) == "E"
    assert company.adapter.push(updates[4:], company.api)[0].outcome is PushOutcome.DONE


def test_a_write_that_is_not_saved_is_refused_with_the_field(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    company.crm.faults.lying = 1.0
    assert company.push(deal, title="Other").reason == "title shows 'a@x.example' in place of 'Other'"


def test_an_outage_leaves_the_rest_for_later_and_keeps_what_was_done(company: Company) -> None:
    deals = [company.crm.add(f"{number}@x.example") for number in range(3)]
    company.api.instead[f"PATCH /api/v2/deals/{deals[1]}"] = [CrmUnavailable("answered 429", 2.0)]
    updates = [update(deal, **{ABM_STATUS: "E"}) for deal in deals]
    pushed = company.adapter.push([*updates, update("9")], company.api)
    assert [one.outcome for one in pushed] == [PushOutcome.DONE, PushOutcome.LATER, PushOutcome.LATER, PushOutcome.DONE]
    assert pushed[1].retry_after == 2.0
    company.api.instead["GET /api/v2/deals"] = [CrmUnavailable("no answer"), body(200, {"data": None})]
    assert company.push(deals[0], title="x").reason == "written, but not read back: no answer"
    assert company.push(deals[0], title="x").reason == "written, but the record was not shown afterwards"


@pytest.mark.parametrize(
    ("answer", "outcome", "match"),
    [
        (body(401, {"error": "unauthorized access"}), PushOutcome.NO_ACCESS, "set api_token"),
        (body(402, {"error": "Company is not open"}), PushOutcome.NO_ACCESS, "plan or trial has ended"),
        (body(403, {"error": "Scope and URL mismatch"}), PushOutcome.FORBIDDEN, "lacks the right"),
        (body(400, ["odd"]), PushOutcome.REFUSED, "nothing readable"),
    ],
)
def test_what_refuses_an_update_is_told_with_what_to_do(
    company: Company, answer: Answer, outcome: PushOutcome, match: str
) -> None:
    first, second = (company.crm.add(f"{who}@x.example") for who in "ab")
    company.api.instead[f"deals/{second}"] = [answer]
    done, refused = company.adapter.push([update(first, title="x"), update(second, title="x")], company.api)
    assert (done.outcome, refused.outcome) == (PushOutcome.DONE, outcome)
    assert match in (refused.reason or "")


def test_the_page_of_the_content_network_means_to_wait(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    company.api.instead[f"deals/{deal}"] = [replace(body(403), body=b"<html>blocked</html>")]
    assert company.push(deal, title="x").retry_after == 900.0


@pytest.mark.parametrize(
    ("name", "shows", "wanted", "is_done"),
    [
        ("value", 48000.0, "48000", True),
        ("title", None, "", True),
        ("is_archived", True, "yes", True),
        ("is_archived", False, "true", False),
        ("title", "x", True, False),
        ("title", "x", "y", False),
        ("org_id", 7, "seven", False),
        ("was_seen", True, True, True),
    ],
)
def test_one_value_may_be_written_in_several_ways(
    company: Company, name: str, shows: Any, wanted: Any, *, is_done: bool
) -> None:
    row: Mapping[str, Any] = {"id": 1, name: shows}
    company.api.instead["PATCH /api/v2/deals/1"] = [body(200, {"data": row})]
    company.api.instead["GET /api/v2/deals"] = [body(200, {"data": [row]})]
    assert (company.push("1", **{name: wanted}).outcome is PushOutcome.DONE) is is_done


# --- tokens, settings, catalogue, webhooks


def _oauth(company: Company, **settings: Any) -> Pipedrive:
    secrets: dict[str, Any] = {"client_secret": ("s",), "refresh_token": ("first",), "client_id": "app"}
    return replace(company.adapter, api_token=(), oauth_url=URL, **(secrets | settings))


def test_an_access_token_is_renewed_when_it_is_refused_and_the_refresh_token_follows(company: Company) -> None:
    adapter = _oauth(company)
    good = body(200, {"data": []})
    tokens: list[Answer | Exception] = [
        body(200, {"access_token": f"a{number}", "refresh_token": f"r{number}"}) for number in (1, 2)
    ]
    company.api.instead = {"/oauth/token": tokens, "/v1/webhooks": [good, body(401, {"error": "x"}), good]}
    for _ in range(2):
        assert adapter._source(company.api).company.read("/v1/webhooks") == {"data": []}
    rotated = "rotated:refresh a7937b64b8caa58f"  # by the token that was given, so that a new one counts
    assert company.api.keeps == {"access_token": "a2", rotated: "r2"}
    assert company.api.calls.count("POST /oauth/token") == 2


def test_a_refresh_token_that_is_refused_or_missing_is_told(company: Company) -> None:
    company.api.instead["/oauth/token"] = [body(400, {"error": "invalid_grant"}), body(200, {"access_token": "a"})]
    with pytest.raises(CrmRefused, match="install the app again"):
        _oauth(company).catalog(company.api)
    with pytest.raises(CrmRefused, match="set api_token"):
        _oauth(company, client_id="").catalog(company.api)
    with pytest.raises(CrmRefused, match=r"401.*install the app again"):
        _oauth(company).catalog(company.api)
    assert company.api.keeps == {"access_token": "a"}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"objects": ("organization",)}, "objects"),
        ({"company_url": "http://x.pipedrive.com"}, "company_url"),
        ({"oauth_url": "ftp://x"}, "oauth_url"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(company: Company, settings: Any, name: str) -> None:
    with pytest.raises(CrmRefused, match=name):
        replace(company.adapter, **settings).catalog(company.api)


def test_the_catalogue_has_stages_users_and_fields(company: Company) -> None:
    catalog = company.adapter.catalog(company.api)
    assert catalog.stages["deal"][""]["21"] == "Renewals / To renew"
    assert list(catalog.stages["deal"][""])[-2:] == ["won", "lost"]
    assert [(one.email, one.is_active) for one in catalog.owners][-1] == ("yuki.abe@example.com", False)
    assert catalog.fields["lead"][ABM_STATUS] == "ABM status"
    more = {"data": [{"key": "a", "name": "A"}], "additional_data": {"pagination": {"more_items_in_collection": True}}}
    company.api.instead["/v1/personFields"] = [body(200, more), body(200, {"data": None})]
    only = replace(company.adapter, objects=("person",)).catalog(company.api)
    assert (only.stages, only.fields) == ({}, {"person": {"a": "A"}})


def test_webhooks_are_made_once_and_anew_when_gone_switched_off_or_of_another_password(company: Company) -> None:
    def count_created() -> int:
        assert company.adapter.subscribe(HOOK, NOW, company.api) == NOW + timedelta(days=1)
        number = company.api.calls.count("POST /v1/webhooks")
        company.api.calls.clear()
        return number

    hooks = company.crm.rest.webhooks
    assert (count_created(), count_created()) == (3, 0)
    assert {(row["event_object"], row["event_action"], row["version"]) for row in hooks.values()} == {
        ("deal", "*", "2.0"),
        ("person", "*", "2.0"),
        ("lead", "*", "2.0"),
    }
    first, second = list(hooks)[:2]
    hooks[first] |= {"is_active": 0}
    hooks[second] |= {"subscription_url": "https://other.example"}
    company.api.instead[f"DELETE /v1/webhooks/{first}"] = [body(404, {"error": "Webhook not found"})]
    assert count_created() == 2
    company.adapter = replace(company.adapter, http_password=("new", PASSWORD))
    assert count_created() == 3
    with pytest.raises(CrmRefused, match="http_password"):
        replace(company.adapter, http_password=()).subscribe(HOOK, NOW, company.api)


def _shown(findings: Sequence[InspectionResult]) -> list[tuple[str, bool]]:
    return [(finding.topic, finding.is_good) for finding in findings]


def test_inspection_shows_what_works(company: Company) -> None:
    company.adapter.subscribe(HOOK, NOW, company.api)
    findings = company.adapter.inspect(HOOK, company.api)
    assert _shown(findings) == [
        ("credentials", True),
        ("limits", True),
        *[("scopes", True)] * 3,
        *[("webhooks", True)] * 3,
    ]


def test_inspection_shows_what_is_wrong(company: Company) -> None:
    company.api.instead["/v1/users/me"] = [body(200, {"data": {}}), body(200, {}), body(401, {"error": "no"})]
    company.api.instead["/api/v2/persons"] = [body(403, {"error": "Scope and URL mismatch"})]
    company.api.instead["/v1/webhooks"] = [
        body(200, {"data": [{"subscription_url": "x"}] * 40}),
        body(403, {"error": "x"}),
    ]
    closed = replace(company.adapter, http_password=())
    wrong = closed.inspect(HOOK, company.api)
    assert _shown(wrong)[1:] == [("scopes", True), ("scopes", False), ("scopes", True), *[("webhooks", False)] * 5]
    assert "cannot be listed" in closed.inspect(HOOK, company.api)[-1].text
    assert _shown(closed.inspect(HOOK, company.api)) == [("credentials", False)]
