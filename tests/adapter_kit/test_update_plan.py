"""What adapters share of an update: values compared, results made of what a record shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.rest import RecordGone
from connector.adapter_kit.update_plan import Plan, is_same, result_of
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


class PlanOfAPortal(Plan):
    """A plan whose system names fields that a record has not, and compares in its own way."""

    __slots__ = ()
    LACKS: ClassVar[str | None] = "there is none"

    def is_same(self, shown: Any, wanted: Any) -> bool:
        return bool(shown) or shown == wanted


def test_what_a_record_shows_otherwise_is_named_field_by_field() -> None:
    wanted = {"a": 1, "b": None, "c": "x" * 99, "d": "y", "e": "secret1", "f": ["z"]}
    record = {"a": "1.0", "b": "z", "c": None, "e": "Bearer secret1\n", "f": {"z": 1}}
    plan = Plan(update=_update(), wanted=wanted, secrets=("secret1",))
    assert list(plan.differences(record)) == [
        "b shows 'z' in place of nothing",
        f"c shows nothing in place of '{'x' * 60}'",
        "d shows nothing in place of 'y'",
        "e shows 'Bearer ***' in place of '***'",
        "f shows {'z': 1} in place of ['z']",
    ]
    own = PlanOfAPortal(update=_update(), wanted={"d": "y", "e": 1})
    assert list(own.differences({"e": 2})) == ["d is not shown: there is none"]


def test_an_owner_is_written_as_the_system_calls_who_has_the_email() -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"}).with_owner({EMAIL.casefold(): [1]}, "active user")
    assert plan == Plan(update=_update(), wanted={"stage": "won", "owner": 1})


@pytest.mark.parametrize(("ids", "count"), [([], "no"), (["1", "2"], "more than one")])
def test_an_owner_whom_nobody_or_several_may_be_is_refused_and_the_rest_is_written(ids: list[str], count: str) -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"}).with_owner({EMAIL.casefold(): ids}, "active user")
    reason = f"owner: {count} active user has the e-mail {EMAIL}"
    assert plan == Plan(update=_update(), wanted={"stage": "won"}, refusals=(reason,))
    assert plan.judged({"stage": "new"}) == plan.pushed(
        PushOutcome.REFUSED, f"stage shows 'new' in place of 'won'; {reason}"
    )


@pytest.mark.parametrize("update", [_update(owner=None), _update(owner_field=None)])
def test_an_update_without_an_owner_leaves_the_owner_alone(update: Update) -> None:
    assert Plan(update=update).with_owner({}, "active user") == Plan(update=update)


def test_a_plan_is_done_when_its_record_shows_it_and_waits_when_it_is_not_shown() -> None:
    plan = Plan(update=_update(), wanted={"stage": "won"})
    assert (plan.id, plan.name) == ("7", "deal:7")
    assert plan.judged({"stage": "won"}) == Pushed(key="u1", outcome=PushOutcome.DONE)
    assert plan.judged(None).outcome is PushOutcome.LATER
    assert plan.unread(CrmUnavailable("why", 5.0)).retry_after == 5.0
    assert plan.unread(CrmRefused("why")) == plan.pushed(PushOutcome.LATER, "written, but not read back: why")
    assert plan.refused("no").refused("never").concluded(remark="not read back").reason == "no; never"
    assert plan.concluded(remark="not read back").reason == "not read back"


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
    assert expected == result_of(_update(), error)
    assert Plan(update=_update()).ended(error).result == expected
    reason = "why; no such field" if outcome is PushOutcome.REFUSED else "why"
    refused = Plan(update=_update()).refused("no such field").ended(error)
    assert refused.result == replace(expected, reason=reason)
