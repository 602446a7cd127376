"""The loop that every adapter pushes with: one result per update, in order, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.push_in_batches import Plan, each, is_same, push_in_batches, result_of, write_batches
from connector.adapter_kit.rest import Forbidden, RecordGone
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable
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


def test_a_result_names_what_was_not_written_for_certain() -> None:
    plan = Plan(update=_update(), wanted={"stage": "won", "note": "x"})
    assert plan.judged({"stage": "new", "note": "x"}).unwritten == {"stage"}
    assert plan.judged({"stage": "won", "note": "x"}).unwritten == plan.judged(None).unwritten == frozenset()
    refused = result_of(_update(), CrmRefused("why"))
    assert refused.unwritten == {*_update().fields, "owner"}
    assert result_of(_update(owner_field=None), CrmRefused("why")).unwritten == {*_update().fields}
    assert result_of(_update(), CrmUnavailable("why")).unwritten == frozenset()


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (CrmUnavailable("why", 5.0), PushOutcome.LATER),
        (RecordGone("why"), PushOutcome.GONE),
        (CrmRefused("why"), PushOutcome.REFUSED),
        (Forbidden("why"), PushOutcome.FORBIDDEN),
        (AccessRefused("why"), PushOutcome.NO_ACCESS),
    ],
)
def test_an_error_says_what_becomes_of_an_update(error: CrmError, outcome: PushOutcome) -> None:
    after = 5.0 if outcome is PushOutcome.LATER else None
    expected = Pushed(key="u1", outcome=outcome, reason="why", retry_after=after)
    assert expected == result_of(_update(), error)
    assert Plan(update=_update()).ended(error).result == expected
    reason = "why; no such field" if outcome in {PushOutcome.REFUSED, PushOutcome.FORBIDDEN} else "why"
    refused = Plan(update=_update()).refused("no such field").ended(error)
    assert refused.result == replace(expected, reason=reason)


DONE, LATER, REFUSED, GONE = PushOutcome.DONE, PushOutcome.LATER, PushOutcome.REFUSED, PushOutcome.GONE
NO_ACCESS = PushOutcome.NO_ACCESS


def update(number: str, record_object: str = "lead", **fields: Any) -> Update:
    return Update(
        key=f"key of {number}",
        record=RecordRef(object=record_object, id=number),
        status="latent",
        label="Latent",
        since=datetime(2026, 3, 4, tzinfo=UTC),
        fields=fields,
    )


def plan(planned: Update) -> Plan:
    return Plan(update=planned, wanted=planned.fields)


@dataclass(kw_only=True)
class System:
    """A system whose records show what is written, but for those that are `bad` or show something `instead`.

    `down`: what every write raises, `blind`: every read; `batches` and `reads` are the ids of each call.
    """

    bad: Mapping[str, CrmError | Plan] = field(default_factory=dict)
    instead: Mapping[str, Mapping[str, Any] | CrmError | None] = field(default_factory=dict)
    down: CrmError | None = None
    blind: CrmError | None = None
    batches: list[list[str]] = field(default_factory=list)
    reads: list[list[str]] = field(default_factory=list)
    shown: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, plans: Sequence[Plan]) -> list[Plan | CrmError | None]:
        self.batches.append([plan.id for plan in plans])
        if self.down:
            raise self.down
        self.shown |= {plan.id: plan.wanted for plan in plans}
        return [self.bad.get(plan.id) for plan in plans]

    def write_whole(self, plans: Sequence[Plan]) -> list[None]:
        """One bad record undoes the call."""
        self.batches.append([plan.id for plan in plans])
        for plan in plans:
            error = self.bad.get(plan.id)
            if isinstance(error, CrmError):
                raise error
        self.shown |= {plan.id: plan.wanted for plan in plans}
        return [None for _ in plans]

    def read(self, plans: Sequence[Plan]) -> list[Mapping[str, Any] | CrmError | None]:
        self.reads.append([plan.id for plan in plans])
        if self.blind:
            raise self.blind
        return [self.instead.get(plan.id, self.shown[plan.id]) for plan in plans]


def outcomes(results: Sequence[Pushed]) -> list[tuple[PushOutcome, str | None]]:
    return [(result.outcome, result.reason) for result in results]


def test_what_is_written_and_shown_is_done_batch_by_batch_and_read_back_together() -> None:
    system = System()
    results = push_in_batches([update(id_, stage="won") for id_ in "abc"], plan, system.write, system.read, size=2)
    assert results == [Pushed(key=f"key of {id_}", outcome=DONE) for id_ in "abc"]
    assert (system.batches, system.reads) == ([["a", "b"], ["c"]], [["a", "b", "c"]])


def test_records_of_one_object_go_together_unless_the_system_says_otherwise() -> None:
    updates = [update("a", "lead", n=1), update("b", "deal", n=1), update("c", "lead", n=2)]
    system, other = System(), System()
    push_in_batches(updates, plan, system.write, system.read, size=9)
    push_in_batches(updates, plan, other.write, other.read, size=9, kind=lambda plan: plan.wanted["n"])
    assert (system.batches, system.reads) == ([["a", "c"], ["b"]], [["a", "c"], ["b"]])
    assert (other.batches, other.reads) == ([["a", "b"], ["c"]], [["a", "c"], ["b"]])


def test_an_update_that_cannot_be_planned_or_has_nothing_to_write_is_not_written() -> None:
    def choosy(planned: Update) -> Plan:
        if planned.record.id == "b":
            raise RecordGone
        return plan(planned) if planned.record.id == "a" else Plan(update=planned).refused("no such field")

    system = System()
    updates = [update("a"), update("b"), update("c", stage="won"), update("d")]
    assert outcomes(push_in_batches(updates, choosy, system.write, system.read)) == [
        (DONE, None),
        (GONE, "the record does not exist any more"),
        (REFUSED, "no such field"),
        (REFUSED, "no such field"),
    ]
    assert (system.batches, system.reads) == ([], [])


def test_a_part_that_was_refused_stands_beside_those_that_were_written() -> None:
    system = System(bad={"b": CrmRefused("locked"), "c": CrmUnavailable("busy")})
    results = push_in_batches(
        [update(id_, stage="won") for id_ in "abc"],
        lambda planned: plan(planned).refused("owner: nobody has the e-mail"),
        system.write,
        system.read,
        size=9,
    )
    assert outcomes(results) == [
        (REFUSED, "owner: nobody has the e-mail"),
        (REFUSED, "locked; owner: nobody has the e-mail"),
        (LATER, "busy"),
    ]
    assert (system.shown["a"], system.reads) == ({"stage": "won"}, [["a"]])


def test_what_the_write_leaves_out_is_judged_by_what_is_left() -> None:
    first, second = update("a", stage="won", city="x"), update("b", stage="won")
    fewer = Plan(update=first, wanted={"city": "x"}).refused("stage: no way leads there")
    nothing = Plan(update=second).refused("stage: no way leads there")
    system = System(bad={"a": fewer, "b": nothing})
    results = push_in_batches([first, second], plan, system.write, system.read, size=9)
    assert outcomes(results) == [(REFUSED, "stage: no way leads there")] * 2
    assert system.reads == [["a"]]


@pytest.mark.parametrize(
    ("shown", "outcome", "reason"),
    [
        ({"stage": "new"}, REFUSED, "stage shows 'new' in place of 'won'"),
        (None, LATER, "written, but the record was not shown afterwards"),
        (RecordGone("merged"), GONE, "merged"),
        (CrmRefused("hidden"), REFUSED, "hidden"),
    ],
)
def test_a_record_that_does_not_show_it_is_not_done(shown: Any, outcome: PushOutcome, reason: str) -> None:
    system = System(instead={"a": shown})
    results = push_in_batches([update(id_, stage="won") for id_ in "ab"], plan, system.write, system.read)
    assert outcomes(results) == [(outcome, reason), (DONE, None)]


@pytest.mark.parametrize(("error", "pause"), [(CrmUnavailable("busy", 5.0), 5.0), (CrmRefused("busy"), None)])
def test_what_cannot_be_read_back_is_tried_later(error: CrmError, pause: float | None) -> None:
    system = System(blind=error)
    (result,) = push_in_batches([update("a", stage="won")], plan, system.write, system.read)
    reason = "written, but not read back: busy"
    assert result == Pushed(key="key of a", outcome=LATER, reason=reason, retry_after=pause)


def test_a_system_that_shows_nothing_says_so() -> None:
    results = push_in_batches([update("a", stage="won"), update("b")], plan, System().write, None)
    assert outcomes(results) == [(DONE, "not read back"), (DONE, None)]


def test_what_a_write_raises_ends_its_kind_and_no_other() -> None:
    system = System(down=CrmUnavailable("limit", 60.0))
    updates = [update("a", stage="won"), update("b", stage="won"), update("c", "deal", stage="won")]
    results = push_in_batches(updates, plan, system.write, system.read)
    assert [(result.outcome, result.retry_after) for result in results] == [(LATER, 60.0)] * 3
    assert (system.batches, system.reads) == ([["a"], ["c"]], [])


def test_what_refuses_the_connection_as_a_whole_ends_all_that_is_left() -> None:
    system = System(down=AccessRefused("no"))
    updates = [update("a", stage="won"), update("b", stage="won"), update("c", "deal", stage="won")]
    results = push_in_batches(updates, plan, system.write, system.read, undone_by=(CrmRefused,))
    assert outcomes(results) == [(NO_ACCESS, "no")] * 3
    assert (system.batches, system.reads) == ([["a"]], [])


def test_a_record_whose_write_finds_the_connection_refused_ends_those_behind_it() -> None:
    system = System(bad={"b": AccessRefused("no")})
    updates = [update(id_, stage="won") for id_ in "abc"]
    results = push_in_batches(updates, plan, system.write, system.read)
    assert outcomes(results) == [(DONE, None), (NO_ACCESS, "no"), (NO_ACCESS, "no")]
    assert system.batches == [["a"], ["b"]]


def test_records_that_go_one_by_one_ask_no_more_once_the_connection_is_refused() -> None:
    asked: list[str] = []

    def write(planned: Plan) -> None:
        asked.append(planned.id)
        message = "no"
        raise AccessRefused(message)

    results = push_in_batches([update(id_, stage="won") for id_ in "abc"], plan, each(write), None, size=3)
    assert (outcomes(results), asked) == ([(NO_ACCESS, "no")] * 3, ["a"])


def test_a_connection_that_is_refused_while_updates_are_planned_plans_no_more() -> None:
    asked: list[str] = []

    def planned(one: Update) -> Plan:
        asked.append(one.record.id)
        message = "no"
        raise AccessRefused(message)

    results = push_in_batches([update(id_, stage="won") for id_ in "ab"], planned, System().write, None)
    assert (outcomes(results), asked) == ([(NO_ACCESS, "no")] * 2, ["a"])


def test_what_was_written_before_the_connection_was_refused_waits_for_its_reading() -> None:
    system = System(blind=AccessRefused("no"))
    (result,) = push_in_batches([update("a", stage="won")], plan, system.write, system.read)
    assert (result.outcome, result.reason) == (NO_ACCESS, "written, but not read back: no")


def test_of_a_batch_that_one_record_undoes_each_half_is_written_by_itself() -> None:
    system = System(bad={"b": CrmRefused("bad value"), "f": CrmUnavailable("away")})
    done = write_batches(
        [plan(update(id_, stage="won")) for id_ in "abcdefgh"], system.write_whole, size=4, undone_by=(CrmRefused,)
    )
    assert system.batches == [list("abcd"), list("ab"), ["a"], ["b"], list("cd"), list("efgh")]
    assert [each.result and each.result.outcome for each in done] == [None, REFUSED, None, None, *[LATER] * 4]


def test_records_that_go_one_by_one_fail_one_by_one() -> None:
    def write(planned: Plan) -> None:
        if planned.id == "a":
            message = "away"
            raise CrmUnavailable(message)

    results = push_in_batches([update(id_, stage="won") for id_ in "ab"], plan, each(write), each(lambda p: p.wanted))
    assert outcomes(results) == [(LATER, "away"), (DONE, None)]


FATES = (None, CrmRefused("no"), CrmUnavailable("busy", 3.0), RecordGone("gone"))


@given(
    fates=st.lists(st.tuples(*[st.sampled_from(FATES)] * 3, st.sampled_from(("lead", "deal"))), max_size=12),
    size=st.integers(1, 5),
    is_whole=st.booleans(),
)
def test_every_update_has_one_result_in_order_and_only_what_was_shown_is_done(
    fates: list[tuple[CrmError | None, CrmError | None, CrmError | None, str]], size: int, *, is_whole: bool
) -> None:
    updates = [update(str(place), fate[3], stage="won") for place, fate in enumerate(fates)]

    def choosy(planned: Update) -> Plan:
        if error := fates[int(planned.record.id)][0]:
            raise error
        return plan(planned)

    system = System(
        bad={str(place): fate[1] for place, fate in enumerate(fates) if fate[1]},
        instead={str(place): fate[2] for place, fate in enumerate(fates) if fate[2]},
    )
    undone_by = (CrmRefused, CrmUnavailable) if is_whole else ()
    write = system.write_whole if is_whole else system.write
    results = push_in_batches(updates, choosy, write, system.read, size=size, undone_by=undone_by)
    assert [result.key for result in results] == [one.key for one in updates]
    assert [result.outcome for result in results] == [
        next((OUTCOMES[type(error)] for error in fate[:3] if error), DONE) for fate in fates
    ]
    assert all(len(batch) <= size for batch in system.batches)


OUTCOMES = {CrmRefused: REFUSED, CrmUnavailable: LATER, RecordGone: GONE}
