"""The Pipedrive adapter: changes of one second, their writers, what was emptied, what is archived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from adapters.pipedrive.push import ARCHIVED_ADVICE
from connector.adapter_kit.contract import PushOutcome
from connector.core.event import Event, Kind
from connector.emulators.pipedrive.directory import ABM_STATUS
from tests.adapters.pipedrive.fake import NOW, V1, Company, delivery, keys, read, webhook
from tests.adapters.served import body


def told(company: Company, record: str, *before: str, at: int = 0, of: str = "deal", **more: Any) -> list[Event]:
    """What a webhook says that is sent `at` a number of milliseconds after the second; `before`: what changed."""
    stamp = (NOW + timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    one = json.loads(webhook(company, record, of=of, timestamp=stamp, **more).body)
    return read(company, delivery(one | {"previous": dict.fromkeys(before)}))


def of_kind(events: Sequence[Event], kind: Kind) -> Event:
    (event,) = (event for event in events if event.kind is kind)
    return event


@pytest.mark.parametrize(
    ("kind", "field", "values"),
    [
        (Kind.PROFILE, "title", ("One", "Two", "One")),
        (Kind.PROFILE, ABM_STATUS, ("One", "Two", "One")),
        (Kind.STAGE, "stage_id", (16, 15, 16)),
        (Kind.OWNER, "owner_id", (18230055, 18230041, 18230055)),
    ],
)
def test_of_changes_within_one_second_the_last_is_the_newest_and_each_is_another(
    company: Company, kind: Kind, field: str, values: Sequence[Any]
) -> None:
    deal = company.crm.add("a@x.example")
    found = []
    for number, value in enumerate(values):
        company.crm.shelf.change("deal", deal, {field: value, "stage_change_time": "2026-03-06T02:12:00Z"})
        found.append(of_kind(told(company, deal, field, at=100 + number), kind))
    assert [(event.at, event.read_at) for event in found] == [
        (NOW, NOW + timedelta(milliseconds=100 + number)) for number in range(3)
    ]
    assert found[0].key == found[2].key != found[1].key
    assert found[2].key in keys(list(company.adapter.changes(NOW, company.api)))


def test_deleted_restored_and_deleted_again_are_two_ends(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    first, second = (told(company, deal, at=at, action="delete")[0] for at in (5, 6))
    assert (first.kind, second.kind) == (Kind.DELETED, Kind.DELETED)
    assert first.key != second.key


@pytest.mark.parametrize(
    ("meta", "before", "by_us"),
    [
        ({"change_source": "api", "user_id": "18230007"}, ("stage_id",), [True, None, None]),
        ({"change_source": "api", "user_id": "18230007"}, ("status", "owner_id"), [True, True, None]),
        ({"change_source": "api", "user_id": "18230041"}, ("owner_id",), [None, False, False]),
        ({"change_source": "app", "user_id": "18230007"}, ("stage_id", "owner_id"), [False, False, False]),
        ({"change_source": "api"}, ("stage_id", "owner_id"), [None, None, None]),
        ({}, ("stage_id", "owner_id"), [None, None, None]),
    ],
)
def test_the_writer_of_a_change_is_we_only_by_our_own_user_through_the_api(
    company: Company, meta: Any, before: Sequence[str], by_us: list[bool | None]
) -> None:
    deal = company.crm.add("a@x.example")
    events = told(company, deal, *before, **meta)
    kinds = (Kind.STAGE, Kind.OWNER, Kind.PROFILE)
    assert [of_kind(events, kind).is_ours for kind in kinds] == by_us


def test_who_we_are_is_asked_for_once_and_may_stay_unknown(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    ours: dict[str, Any] = {"change_source": "api", "user_id": "18230007"}
    for _ in range(2):
        assert of_kind(told(company, deal, "owner_id", **ours), Kind.OWNER).is_ours is True
    assert company.api.calls.count("GET /v1/users/me") == 1
    for answer in (body(403, {"error": "Scope and URL mismatch"}), body(200, {"data": {}})):
        company.api.memo.clear()
        company.api.instead["/v1/users/me"] = [answer]
        assert of_kind(told(company, deal, "owner_id", **ours), Kind.OWNER).is_ours is None
    new = read(company, webhook(company, deal, "create", **ours))
    assert [event.is_ours for event in new if event.kind in {Kind.STAGE, Kind.OWNER}] == [None, None]


def test_a_field_that_was_emptied_is_told_as_empty(company: Company) -> None:
    deal = company.crm.add("a@x.example", value=7)
    company.crm.shelf.change("deal", deal, {"value": None})
    for events in (told(company, deal, "value"), list(company.adapter.changes(NOW, company.api))):
        data = next(event.data for event in events if event.record and event.record.id == deal and event.data)
        assert (data["value"], data["custom_fields"][ABM_STATUS]) == (None, None)


def test_an_archived_deal_or_lead_is_still_there(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    lead = company.crm.lead(str(company.crm.record(deal).fields["person_id"]))
    company.crm.close(deal, "lost")
    company.crm.archive(deal)
    company.crm.archive(lead, "lead")
    found = list(company.adapter.changes(NOW, company.api))
    assert [event.stage for event in found if event.kind is Kind.STAGE] == ["lost"]
    assert {event.record.id for event in found if event.record} >= {deal, lead}
    assert list(company.adapter.changes(NOW + timedelta(minutes=1), company.api)) == []
    old = {"v": 1, "meta": {**V1["meta"], "id": int(deal)}}  # type: ignore[dict-item]
    for events in (told(company, deal, "is_archived"), read(company, delivery(old))):
        assert Kind.DELETED not in {event.kind for event in events}
        assert of_kind(events, Kind.PROFILE).data["is_archived"] is True


def test_what_is_archived_is_not_written_and_that_is_said(company: Company) -> None:
    deal = company.crm.add("a@x.example")
    lead = company.crm.lead(str(company.crm.record(deal).fields["person_id"]))
    company.crm.archive(deal)
    company.crm.archive(lead, "lead")
    for pushed in (company.push(deal, title="x"), company.push(lead, of="lead", title="x")):
        assert (pushed.outcome, pushed.reason) == (PushOutcome.REFUSED, ARCHIVED_ADVICE)
    assert company.push(lead, of="lead", is_archived="no").outcome is PushOutcome.DONE
    company.api.instead["GET /api/v2/deals"] = [body(403, {"error": "Scope and URL mismatch"})]
    assert "cannot be edited" in (company.push(deal, title="x").reason or "")
    person = str(company.crm.record(deal).fields["person_id"])
    assert "'no_such' is not allowed" in (company.push(person, of="person", no_such="x").reason or "")
