"""The HubSpot adapter's updates: what is written, what HubSpot answers, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.adapter_kit.contract import Pushed, PushOutcome
from connector.core.errors import CrmUnavailable
from tests.adapters.hubspot.fake import NOOR, Account, update
from tests.adapters.served import body


def test_an_update_is_done_when_the_record_shows_it(account: Account) -> None:
    record = account.crm.add("a@x.example")
    pushed = account.push(record, NOOR.upper(), lifecyclestage="customer", abm_status="Explicit")
    assert pushed == Pushed(key=f"key of contact:{record}", outcome=PushOutcome.DONE)
    assert account.crm.owner_of(record) == "61844311"
    assert [change.after.get("lifecyclestage") for change in account.crm.shelf.changes] == ["subscriber", "customer"]


@pytest.mark.parametrize(
    ("shows", "wanted", "is_emptied"),
    [
        ("opportunity", "lead", True),
        ("lead", "opportunity", False),
        ("lead", "lead", False),
        ("", "lead", False),
        ("51439524", "lead", True),
    ],
)
def test_a_lifecycle_stage_is_emptied_before_it_goes_anywhere_but_forward(
    account: Account, shows: str, wanted: str, *, is_emptied: bool
) -> None:
    record = account.crm.add("a@x.example")
    account.crm.shelf.change("contact", record, {"lifecyclestage": shows})
    assert account.push(record, lifecyclestage=wanted).outcome is PushOutcome.DONE
    emptied = [
        change
        for change in account.crm.shelf.changes
        if change.origin == "api" and change.after == {"lifecyclestage": ""}
    ]
    assert bool(emptied) is is_emptied
    assert account.crm.stage_of(record) == wanted


def test_an_unknown_owner_is_refused_and_the_rest_is_written(account: Account) -> None:
    record = account.crm.add("a@x.example")
    pushed = account.push(record, "former@example.com", abm_status="Explicit")
    assert pushed.outcome is PushOutcome.REFUSED
    assert pushed.reason == "hubspot_owner_id: no active owner in HubSpot has the e-mail former@example.com"
    assert account.crm.status_of(record) == "Explicit"
    assert account.push(record, "nobody@x.example").outcome is PushOutcome.REFUSED


def test_one_bad_value_refuses_its_own_record_only(account: Account) -> None:
    records = [account.crm.add(f"{number}@x.example") for number in range(5)]
    updates = [update(one, abm_status="Explicit") for one in records]
    updates[3] = update(records[3], hs_lead_status="NO_SUCH")
    pushed = account.adapter.push(updates, account.api)
    assert [one.outcome for one in pushed] == [PushOutcome.DONE] * 3 + [PushOutcome.REFUSED] + [PushOutcome.DONE]
    assert "INVALID_OPTION" in (pushed[3].reason or "")


def test_a_write_that_is_not_saved_is_refused_with_the_property(account: Account) -> None:
    record = account.crm.add("a@x.example")
    account.crm.faults.lying = 1.0
    assert account.push(record, abm_status="Explicit").reason == "abm_status shows nothing in place of 'Explicit'"


def test_deleted_and_merged_records_are_gone(account: Account) -> None:
    first, second, gone = (account.crm.add(f"{who}@x.example") for who in "abc")
    survivor = account.crm.merge(first, second)
    account.crm.delete(gone)
    pushed = account.adapter.push([update(one, abm_status="E") for one in (first, gone, survivor)], account.api)
    assert [(one.outcome, one.reason) for one in pushed] == [
        (PushOutcome.GONE, f"the record was merged into {survivor}"),
        (PushOutcome.GONE, "the record was deleted in HubSpot"),
        (PushOutcome.DONE, None),
    ]


UPDATE = "contacts/batch/update"


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (
            body(207, {"results": [], "errors": [{"message": "locked", "context": {"ids": ["%"]}}]}),
            PushOutcome.REFUSED,
            "locked",
        ),
        (body(207, {"results": [], "errors": [{"category": "NO"}]}), PushOutcome.REFUSED, "HubSpot: NO"),
        (body(207, {"results": []}), PushOutcome.LATER, "left the record out"),
        (
            body(207, {"errors": [{"category": "OBJECT_NOT_FOUND"}]}),
            PushOutcome.LATER,
            "did not find the record at first",
        ),
        (body(404, {}), PushOutcome.LATER, "did not find the record at first"),
        (
            body(409, {"message": "conflict", "errors": [{"message": "why"}]}),
            PushOutcome.REFUSED,
            "answered 409: conflict; why",
        ),
        (body(400), PushOutcome.REFUSED, "answered 400: nothing readable"),
        (body(423), PushOutcome.LATER, "answered 423"),
        (body(477, None, {"Retry-After": "7200"}), PushOutcome.LATER, "answered 477"),
        (CrmUnavailable('answered 429: {"policyName":"DAILY"}'), PushOutcome.LATER, "DAILY"),
    ],
)
def test_what_hubspot_answers_to_a_write_becomes_an_outcome(
    account: Account, answer: Any, outcome: PushOutcome, reason: str
) -> None:
    record = account.crm.add("a@x.example")
    if not isinstance(answer, Exception):
        answer = replace(answer, body=answer.body.replace(b'"%"', f'"{record}"'.encode()))
    account.api.instead[UPDATE] = [answer]
    pushed = account.push(record, abm_status="Explicit")
    assert pushed.outcome is outcome
    assert reason in (pushed.reason or "")


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CrmUnavailable("answered 429: ten_secondly_rolling"), 10.0),
        (CrmUnavailable("answered 429: You have reached your daily limit."), 900.0),
        (CrmUnavailable("answered 429: daily", 3.0), 3.0),
        (CrmUnavailable("no answer"), None),
        (body(423), 2.0),
        (body(477), 3600.0),
        (body(477, None, {"retry-after": "60"}), 60.0),
    ],
)
def test_how_long_to_wait_is_said_where_it_is_known(account: Account, error: Any, seconds: float | None) -> None:
    record = account.crm.add("a@x.example")
    account.api.instead[UPDATE] = [error]
    assert account.push(record, abm_status="Explicit").retry_after == seconds


def test_a_missing_scope_refuses_the_records_of_its_object_only_and_says_what_to_do(account: Account) -> None:
    contact = account.crm.add("a@x.example")
    deal = account.crm.deal(contact, "closedwon")
    account.api.instead["deals/batch/update"] = [body(403, {"message": "This app hasn't been granted all scopes"})]
    updates = [update(deal, of="deal", abm_status="Explicit"), update(contact, abm_status="Explicit")]
    refused, done = account.adapter.push(updates, account.api)
    assert (refused.outcome, done.outcome) == (PushOutcome.FORBIDDEN, PushOutcome.DONE)
    assert "crm.objects.deals" in (refused.reason or "")


def test_a_record_that_is_not_shown_after_the_write_is_tried_again(account: Account) -> None:
    record = account.crm.add("a@x.example")
    account.api.instead["contacts/batch/read"] = [body(200, {"results": []})]
    assert account.push(record, abm_status="Explicit").reason == "written, but the record was not shown afterwards"


def test_an_object_that_is_not_written_is_refused(account: Account) -> None:
    assert account.push("1", of="company", x="y").reason == "records of the object 'company' cannot be written"
    assert account.adapter.push([], account.api) == []


@pytest.mark.parametrize(
    ("shows", "wanted", "is_done"),
    [
        ("48000.00", 48000, True),
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC).isoformat(), True),
        ("b;a", ["a", "b"], True),
        ("true", True, True),
        ("", None, True),
        ("x", "y", False),
        ("1", "x", False),
        ("2026-01-01", "2026-01-01T00:00:00+00:00", False),
    ],
)
def test_one_value_may_be_written_in_several_ways(account: Account, shows: str, wanted: Any, *, is_done: bool) -> None:
    record = account.crm.add("a@x.example")
    row = {"id": record, "properties": {"abm_status": shows}}
    account.api.instead[UPDATE] = [body(200, {"results": [row]})]
    account.api.instead["contacts/batch/read"] = [body(200, {"results": [row]})]
    assert (account.push(record, abm_status=wanted).outcome is PushOutcome.DONE) is is_done
