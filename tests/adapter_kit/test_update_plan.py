"""What adapters share of an update: values compared, results made of what a record shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.rest import RecordGone, chunks
from connector.adapter_kit.update_plan import Failure, Plan, differences, failed, is_same
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable
from connector.core.event import RecordRef

EMAIL = "Ken.Sato@example.com"


def _update(owner: str | None = EMAIL, owner_field: str | None = "owner") -> Update:
    return Update(
        key="u1",
        record=RecordRef(object="deal", id="7"),
        status="latent",
        label="Latent",
        since=datetime(2026, 3, 4, tzinfo=UTC),
        fields={},
        owner=owner,
        owner_field=owner_field,
    )


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("a", " a "),
        (None, ""),
        (12500, "12500.00"),
        ("true", True),
        (False, "False"),
        ("2026-03-04T09:00:00+09:00", "2026-03-04T00:00:00Z"),
        ("2026-03-04 00:00:00", "2026-03-04"),
        (["a"], ["a"]),
    ],
)
def test_a_value_that_is_written_otherwise_is_the_same(shown: Any, wanted: Any) -> None:
    assert is_same(shown, wanted)
    assert is_same(wanted, shown)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        ("a", "b"),
        (None, "0"),
        (1, True),
        (None, False),
        ("2026-03-04T00:00:00Z", "x"),
        ("2026-03-04T00:00:00", "2026-03-04T00:00:00Z"),
        ("sNaN", "1"),
    ],
)
def test_another_value_is_not_the_same(shown: Any, wanted: Any) -> None:
    assert not is_same(shown, wanted)
    assert not is_same(wanted, shown)


def test_what_a_record_shows_otherwise_is_named_field_by_field() -> None:
    wanted, record = {"a": 1, "b": None, "c": "x" * 99, "d": "y"}, {"a": "1.0", "b": "z", "c": None}
    assert list(differences(wanted, record)) == [
        "b shows 'z' in place of nothing",
        f"c shows nothing in place of '{'x' * 59}",
        "d shows nothing in place of 'y'",
    ]
    assert list(differences({"d": "y", "e": 1}, {"e": 2}, lambda *_: True, "there is none")) == [
        "d is not shown: there is none"
    ]


def test_an_owner_is_written_as_the_system_calls_who_has_the_email() -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"}).with_owner({EMAIL.casefold(): [1]}, "active user")
    assert plan == Plan(update=_update(), wanted={"stage": "won", "owner": 1})


@pytest.mark.parametrize(("ids", "count"), [([], "no"), (["1", "2"], "more than one")])
def test_an_owner_whom_nobody_or_several_may_be_is_refused_and_the_rest_is_written(ids: list[str], count: str) -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"}).with_owner({EMAIL.casefold(): ids}, "active user")
    reason = f"owner: {count} active user has the e-mail {EMAIL}"
    assert plan == Plan(update=_update(), wanted={"stage": "won"}, refusals=(reason,))
    assert plan.shown({"stage": "new"}) == plan.pushed(
        PushOutcome.REFUSED, f"stage shows 'new' in place of 'won'; {reason}"
    )


@pytest.mark.parametrize("update", [_update(owner=None), _update(owner_field=None)])
def test_an_update_without_an_owner_leaves_the_owner_alone(update: Update) -> None:
    assert Plan(update=update).with_owner({}, "active user") == Plan(update=update)


def test_a_plan_is_done_when_its_record_shows_it_and_waits_when_it_is_not_shown() -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"})
    assert (plan.id, plan.name) == ("7", "deal:7")
    assert plan.shown({"stage": "won"}) == Pushed(key="u1", outcome=PushOutcome.DONE)
    assert plan.shown(None).outcome is PushOutcome.LATER
    assert plan.unread(CrmUnavailable("why", 5.0)).retry_after == 5.0
    assert plan.unread(CrmRefused("why")) == plan.pushed(PushOutcome.LATER, "written, but not read back: why")
    assert plan.shown({}, lacks="none").reason == "stage is not shown: none"
    assert plan.refused("no").refused("never").settled().reason == "no; never"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CrmUnavailable("why", 5.0), PushOutcome.LATER),
        (RecordGone("why"), PushOutcome.GONE),
        (CrmRefused("why"), PushOutcome.REFUSED),
    ],
)
def test_an_error_says_what_becomes_of_an_update(error: CrmError, outcome: PushOutcome) -> None:
    after = 5.0 if outcome is PushOutcome.LATER else None
    expected = Pushed(key="u1", outcome=outcome, reason="why", retry_after=after)
    assert expected == failed(_update(), error)
    assert expected == Plan(update=_update()).failed(error)


@pytest.mark.parametrize(("outcome", "error"), [(PushOutcome.LATER, CrmUnavailable), (PushOutcome.GONE, CrmRefused)])
def test_what_failed_for_one_record_can_be_raised(outcome: PushOutcome, error: type[CrmError]) -> None:
    failure = Failure(outcome=outcome, reason="why", retry_after=5.0)
    assert Plan(update=_update()).failed(failure) == Pushed(key="u1", outcome=outcome, reason="why", retry_after=5.0)
    with pytest.raises(error, match="why"):
        raise failure.error()


def test_values_are_cut_into_pieces() -> None:
    assert list(chunks([1, 2, 3], 2)) == [[1, 2], [3]]
