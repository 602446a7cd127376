"""The Salesforce adapter's updates: collections, read back, judged by code and by what the record shows."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.salesforce.client import error_in
from connector.adapter_kit.contract import PushOutcome
from connector.adapter_kit.rest import RecordGone
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable
from tests.adapters.salesforce.fake import (
    HANA,
    KEN,
    UNSEEN,
    YUKI,
    FakeOrg,
    connection,
    push_updates,
    update_for,
)
from tests.adapters.served import body


def test_updates_are_collections_read_back_with_assignment_rules_off(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com", owner=HANA.id) for number in range(201)]
    updates = [update_for(lead, owner=KEN.email, ABM_Status__c="Explicit") for lead in leads]
    assert set(push_updates(org, *updates)) == {(PushOutcome.DONE, None)}
    assert {org.crm.owner_of(lead) for lead in leads} == {KEN.id}
    assert [call for call in org.calls if call.startswith("PATCH")] == ["PATCH composite/sobjects"] * 2
    assert all(headers.get("Sforce-Auto-Assign") == "FALSE" for headers in org.headers if "Authorization" in headers)


def test_one_record_s_failure_stops_no_other(org: FakeOrg) -> None:
    good, wrong, locked, gone, converted = (org.crm.add(f"{who}@example.com") for who in "abcde")
    deal = org.crm.make("Opportunity", {"StageName": "Prospecting", "OwnerId": HANA.id})
    org.crm.rest.locked.add(locked)
    org.crm.delete(gone)
    org.crm.convert(converted)
    pushed = push_updates(
        org,
        update_for(good, Status="Working - Contacted"),
        update_for(wrong, Status="MQL"),
        update_for(locked, Status="Working - Contacted"),
        update_for(gone, Status="Working - Contacted"),
        update_for(converted, Status="Working - Contacted"),
        update_for(deal, "Opportunity", StageName="Closed Won"),
        update_for("1907", Status="Working - Contacted"),
        update_for(UNSEEN, "Account", Status="x"),
    )
    assert [outcome.value for outcome, _ in pushed] == [
        *("done", "refused", "later", "gone", "gone", "done", "refused", "refused")
    ]
    assert "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: Status: Status: bad value" in (pushed[1][1] or "")
    assert "its contact and opportunity go on" in (pushed[4][1] or "")
    assert "Account:" in (pushed[7][1] or "")


def test_where_nothing_was_written_nothing_is_read_back(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.rest.locked.add(lead)
    [(outcome, reason)] = push_updates(org, update_for(lead, Status="Working - Contacted"))
    assert outcome is PushOutcome.LATER
    assert (reason or "").startswith("UNABLE_TO_LOCK_ROW: unable to obtain exclusive access")
    assert not any("query" in call for call in org.calls)


def test_a_collection_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(org: FakeOrg) -> None:
    leads = [org.crm.add(f"p{number}@example.com") for number in range(5)]
    updates = [update_for(lead, ABM_Status__c="Explicit") for lead in leads]
    updates[3] = update_for(leads[3], Nonsense__c="x")
    pushed = push_updates(org, *updates)
    assert [outcome for outcome, _ in pushed] == [*[PushOutcome.DONE] * 3, PushOutcome.REFUSED, PushOutcome.DONE]
    assert "No such column 'Nonsense__c'" in (pushed[3][1] or "")


def test_an_owner_that_nobody_or_several_are_is_refused_and_the_rest_written(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com", owner=HANA.id)
    for email, text in (("x'y@example.jp", "no active user has"), (YUKI.email, "no active user has")):
        [(outcome, reason)] = push_updates(org, update_for(lead, owner=email, ABM_Status__c=email))
        assert (outcome, reason) == (PushOutcome.REFUSED, f"OwnerId: {text} the e-mail {email}")
        assert org.crm.status_of(lead) == email
    org.memo["users by e-mail"] = {KEN.email: [KEN.id, HANA.id]}
    [(outcome, reason)] = push_updates(org, update_for(lead, owner=KEN.email))
    assert (outcome, reason) == (PushOutcome.REFUSED, f"OwnerId: more than one active user has the e-mail {KEN.email}")


def test_an_update_of_nothing_is_done(org: FakeOrg) -> None:
    assert push_updates(org, update_for(UNSEEN)) == [(PushOutcome.DONE, None)]


def test_a_system_that_reports_what_it_did_not_save_is_found_out(org: FakeOrg) -> None:
    org.crm.faults.lying = 1.0
    lead = org.crm.add("ann@example.com")
    [(outcome, reason)] = push_updates(org, update_for(lead, ABM_Status__c="Explicit", ABM_Since__c="2026-01-01"))
    assert outcome is PushOutcome.REFUSED
    assert (
        reason
        == "ABM_Status__c shows nothing in place of 'Explicit'; ABM_Since__c shows nothing in place of '2026-01-01'"
    )


@pytest.mark.parametrize(
    ("shown", "wanted", "is_same"),
    [
        (True, True, True),
        (False, True, False),
        (None, "", True),
        ("x", None, False),
        (12500.0, "12500", True),
        (1, 2, False),
        ("2026-01-01T12:00:00.000+0000", "2026-01-01T13:00:00+01:00", True),
        ("2026-01-01T12:00:00.000+0000", "2026-01-01", False),
        ("2026-01-01T12:00:00", "2026-01-01T13:00:00", False),
        ("a", "b", False),
    ],
)
def test_a_value_is_the_same_in_any_form_that_salesforce_gives_it(
    org: FakeOrg, shown: Any, wanted: Any, *, is_same: bool
) -> None:
    lead = org.crm.add("ann@example.com")
    org.crm.faults.lying = 1.0
    org.crm.record(lead).fields["ABM_Status__c"] = shown
    [(outcome, _)] = push_updates(org, update_for(lead, ABM_Status__c=wanted))
    assert (outcome is PushOutcome.DONE) is is_same


def test_what_passes_by_itself_is_tried_later(org: FakeOrg) -> None:
    lead = org.crm.add("ann@example.com")
    update = update_for(lead, ABM_Status__c="Explicit")
    push_updates(org, update)
    limit = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]
    org.answers = [body(403, limit)]
    [pushed] = connection().push([update], org)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 900.0)
    org.answers = [CrmUnavailable("no answer", 7.0)]
    [pushed] = connection().push([update], org)
    assert (pushed.outcome, pushed.retry_after) == (PushOutcome.LATER, 7.0)
    org.answers = [body(200, {"odd": 1})]
    assert push_updates(org, update)[0][0] is PushOutcome.LATER
    org.answers = [body(200, [{"success": True}]), CrmUnavailable("no answer")]
    assert push_updates(org, update) == [(PushOutcome.LATER, "written, but not read back: no answer")]
    org.answers = [body(200, [{"success": True}]), body(200, {"records": []})]
    assert push_updates(org, update) == [(PushOutcome.LATER, "written, but the record was not shown afterwards")]


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"errorCode": "CANNOT_EXECUTE_FLOW_TRIGGER", "message": "failed: UNABLE_TO_LOCK_ROW: x"}], CrmUnavailable),
        ([{"errorCode": "CANNOT_EXECUTE_FLOW_TRIGGER", "message": "failed"}], CrmRefused),
        ([{"statusCode": "UNABLE_TO_LOCK_ROW"}], CrmUnavailable),
        ([{"errorCode": "NOT_FOUND"}], RecordGone),
        ([7], CrmRefused),
        ({}, CrmRefused),
    ],
)
def test_an_error_is_judged_by_its_code(org: FakeOrg, errors: Any, kind: type[CrmError]) -> None:
    assert type(error_in(errors)) is kind
    org.memo["access_token"], org.answers = "t", [body(404, errors)]
    # NOT_FOUND of a whole call is that of its address: no record is gone by it.
    with pytest.raises(CrmUnavailable if kind is CrmUnavailable else CrmRefused) as caught:
        connection().catalog(org)
    assert not isinstance(caught.value, RecordGone)
