"""The Zoho adapter's updates: batches, blueprints, and what becomes of each record."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.zoho.client import error_in
from connector.adapter_kit.contract import Person, PushOutcome, Update
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import CrmRefused, CrmUnavailable
from tests.adapters.builders import update_of
from tests.adapters.served import body
from tests.adapters.zoho.fake import (
    KEIKO,
    MIO,
    NOW,
    REN,
    FakeAccount,
    connection,
)


def update_for(record_id: str, module: str = "Leads", *, owner: str | None = None, **fields: Any) -> Update:
    field = "Owner" if owner else None
    return update_of(f"{module}:{record_id}", fields, since=NOW, owner=owner, owner_field=field)


def push_updates(account: FakeAccount, *updates: Update, **more: Any) -> list[tuple[PushOutcome, str | None]]:
    return [(one.outcome, one.reason) for one in connection(**more).push(updates, account)]


def test_updates_are_batches_of_a_hundred_without_the_customer_s_rules(account: FakeAccount) -> None:
    leads = [account.crm.add(f"p{number}@example.com", owner=KEIKO.id) for number in range(101)]
    updates = [update_for(lead, owner=REN.email, ABM_Status="Explicit") for lead in leads]
    assert set(push_updates(account, *updates)) == {(PushOutcome.DONE, None)}
    assert {account.crm.owner_of(lead) for lead in leads} == {REN.id}
    assert account.calls.count("PUT Leads") == 2
    assert account.crm.rest.triggered == 0
    push_updates(account, update_for(leads[0], ABM_Status="x"), trigger=("workflow",))
    assert account.crm.rest.triggered == 1


def test_one_record_s_failure_stops_no_other(account: FakeAccount) -> None:
    good, wrong, locked = (account.crm.add(f"{who}@example.com") for who in "abc")
    deal = account.crm.shelf.add("Deals", {"Stage": "Qualification"}).id
    account.crm.rest.locked.add(locked)
    pushed = push_updates(
        account,
        update_for(good, Lead_Status="Contacted"),
        update_for(wrong, Nonsense="x"),
        update_for(locked, Lead_Status="Contacted"),
        update_for("4876876000009999999", Lead_Status="Contacted"),
        update_for(deal, "Deals", Stage="Closed Won"),
        update_for("x", Lead_Status="Contacted"),
        update_for(good, "Accounts", Lead_Status="Contacted"),
        update_for(deal, "Leads"),
    )
    expected = ["done", "refused", "later", "gone", "done", "refused", "refused", "done"]
    assert [outcome.value for outcome, _ in pushed] == expected
    assert pushed[1][1] == "INVALID_DATA: Nonsense: invalid data"


def test_a_stage_under_a_blueprint_is_reached_by_its_transition_and_the_rest_is_written(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted", "Lost Lead"), "Junk Lead": ()}}
    moved, alone, stuck, unmet = (account.crm.add(f"{who}@example.com") for who in "abcd")
    dead = account.crm.add("e@example.com", stage="Junk Lead")
    pushed = push_updates(
        account,
        update_for(moved, Lead_Status="Contacted", ABM_Status="Explicit"),
        update_for(alone, Lead_Status="Contacted"),
        update_for(stuck, Lead_Status="Junk Lead", ABM_Status="Explicit"),
        update_for(unmet, Lead_Status="Lost Lead", ABM_Status="Explicit"),
        update_for(dead, Lead_Status="Contacted"),
        update_for(dead, "Deals", Stage="x"),
    )
    assert [outcome.value for outcome, _ in pushed] == ["done", "done", "refused", "refused", "refused", "gone"]
    assert [account.crm.stage_of(lead) for lead in (moved, alone)] == ["Contacted"] * 2
    assert [account.crm.status_of(lead) for lead in (moved, stuck, unmet)] == ["Explicit"] * 3
    assert "whose transitions lead to 'Contacted', 'Lost Lead' from here" in (pushed[2][1] or "")
    assert "Lead_Status: MANDATORY_NOT_FOUND: Reason" in (pushed[3][1] or "")
    assert "lead to nothing from here" in (pushed[4][1] or "")


def test_a_stage_that_a_blueprint_holds_and_that_is_there_already_is_done(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",)}}
    lead = account.crm.add("ann@example.com")
    assert push_updates(account, update_for(lead, Lead_Status="Not Contacted")) == [(PushOutcome.DONE, None)]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (CrmUnavailable("busy", 3.0), PushOutcome.LATER),
        (body(400, {"data": [{"code": "INVALID_DATA", "details": {"api_name": "ABM_Status"}}]}), PushOutcome.REFUSED),
    ],
)
def test_what_is_left_after_a_transition_may_fail(account: FakeAccount, answer: Any, outcome: PushOutcome) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",)}}
    lead = account.crm.add("ann@example.com")
    push_updates(account, update_for(lead, ABM_Status="x"))
    caught = {"data": [{"code": "RECORD_IN_BLUEPRINT", "details": {}}]}
    ways = {"blueprint": {"transitions": [{"id": 1, "next_field_value": "Contacted"}]}}
    account.answers = [body(400, caught), body(200, ways), body(200, {}), answer]
    [pushed] = connection().push([update_for(lead, Lead_Status="Contacted", ABM_Status="y")], account)
    assert pushed.outcome is outcome


def test_a_blueprint_that_cannot_be_asked_is_tried_later(account: FakeAccount) -> None:
    account.crm.rest.blueprints = {"Leads": {"Not Contacted": ("Contacted",)}}
    lead = account.crm.add("ann@example.com")
    push_updates(account, update_for(lead, ABM_Status="x"))
    caught = {"data": [{"code": "RECORD_IN_BLUEPRINT", "details": {}}]}
    account.answers = [body(400, caught), CrmUnavailable("busy", 3.0)]
    [pushed] = connection().push([update_for(lead, Lead_Status="Contacted")], account)
    assert (pushed.outcome, pushed.reason, pushed.retry_after) == (PushOutcome.LATER, "busy", 3.0)


def test_an_owner_that_nobody_or_several_are_is_refused_and_the_rest_written(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com", owner=KEIKO.id)
    for email in ("nobody@example.jp", MIO.email):
        [(outcome, reason)] = push_updates(account, update_for(lead, owner=email, ABM_Status=email))
        assert (outcome, reason) == (PushOutcome.REFUSED, f"Owner: no active user has the e-mail {email}")
        assert account.crm.status_of(lead) == email
    account.memo["people"] = [Person(id=id_, email="a@b.c", name="a") for id_ in ("1", "2")]
    assert (
        push_updates(account, update_for(lead, owner="a@b.c"))[0][1]
        == "Owner: more than one active user has the e-mail a@b.c"
    )


def test_a_system_that_reports_what_it_did_not_save_is_found_out(account: FakeAccount) -> None:
    account.crm.faults.lying = 1.0
    lead = account.crm.add("ann@example.com", owner=KEIKO.id)
    [(outcome, reason)] = push_updates(account, update_for(lead, owner=REN.email, ABM_Status="Explicit"))
    assert outcome is PushOutcome.REFUSED
    assert reason == f"ABM_Status shows nothing in place of 'Explicit'; Owner shows '{KEIKO.id}' in place of '{REN.id}'"


@pytest.mark.parametrize(
    ("shown", "wanted", "is_same"),
    [
        (True, True, True),
        (None, "", True),
        ("x", None, False),
        (12500, "12500.0", True),
        ("2026-03-04T14:30:05+09:00", "2026-03-04T05:30:05+00:00", True),
        ("2026-03-04T14:30:05+09:00", "2026-03-04", False),
        ("2026-03-04T14:30:05", "2026-03-04T15:30:05", False),
        ("a", "b", False),
    ],
)
def test_a_value_is_the_same_in_any_form_that_zoho_gives_it(
    account: FakeAccount, shown: Any, wanted: Any, *, is_same: bool
) -> None:
    lead = account.crm.add("ann@example.com", ABM_Status=shown)
    account.crm.faults.lying = 1.0
    assert (push_updates(account, update_for(lead, ABM_Status=wanted))[0][0] is PushOutcome.DONE) is is_same


def test_what_passes_by_itself_is_tried_later(account: FakeAccount) -> None:
    lead = account.crm.add("ann@example.com")
    update = update_for(lead, ABM_Status="Explicit")
    push_updates(account, update)
    good = body(200, {"data": [{"code": "SUCCESS"}]})
    for answers, reason, pause in (
        ([CrmUnavailable("no answer", 7.0)], "no answer", 7.0),
        ([body(400, {"code": "LIMIT_EXCEEDED"})], "LIMIT_EXCEEDED: the credits of 24 hours are used up", 900.0),
        ([body(200, [])], "Zoho answered for another number of records than were sent", None),
        ([good, CrmUnavailable("no answer")], "written, but not read back: no answer", None),
        ([good, body(200, {"data": []})], "written, but the record was not shown afterwards", None),
    ):
        account.answers = [*answers]
        [pushed] = connection().push([update], account)
        assert (pushed.outcome, pushed.reason, pushed.retry_after) == (PushOutcome.LATER, reason, pause)
    other = account.crm.add("bob@example.com")
    account.answers = [
        body(207, {"data": [{"code": "SUCCESS"}, {"code": "NOT_ALLOWED"}]}),
        CrmUnavailable("no answer"),
    ]
    outcomes = [one.outcome for one in connection().push([update, update_for(other, ABM_Status="x")], account)]
    assert outcomes == [PushOutcome.LATER, PushOutcome.REFUSED]


def test_an_error_is_judged_by_its_code() -> None:
    assert isinstance(error_in({"code": "RECORD_LOCKED"}), CrmUnavailable)
    assert isinstance(error_in({"code": "INVALID_DATA", "details": {"api_name": "id"}}), RecordGone)
    assert str(error_in(7)) == "no error code"
    assert isinstance(error_in({"code": "INTERNAL_ERROR"}), CrmUnavailable)
    assert isinstance(error_in({"code": "NO_PERMISSION", "details": 7}), CrmRefused)
