"""Who has what, event by event, and what is to be stored of it: the single cases behind the properties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from connector.core.decide.identity import Known, Resolved, resolve
from connector.core.decide.people import MOST_HOLDERS, MOST_SOURCES, People
from connector.core.event import IdentityKind
from connector.core.identity import Apart, Holding, Identifying, IdentityKey, Knot, Naming, StoredNaming, strongest
from connector.core.ruleset import IdentityRules

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
RULES: Final = {"shop": Identifying(persons=frozenset({"contact"}))}
PHONE: Final = IdentityKey(IdentityKind.PHONE, "+81312345678")
VISITOR: Final = IdentityKey(IdentityKind.VISITOR, "v-1")


def email(name: str) -> IdentityKey:
    return IdentityKey(IdentityKind.EMAIL, f"{name}@x.example")


def record(name: str) -> IdentityKey:
    return IdentityKey(IdentityKind.RECORD, f"shop:{name}")


def says(day: int, *keys: IdentityKey, about: str | None = None, **more: Any) -> Naming:
    """An event of a day, about a record where one is given."""
    of = record(about) if about else None
    at = START + timedelta(days=day)
    named = (of, *keys) if of else keys
    return Naming(
        event=f"shop:{day}", connection="shop", order=(at, day), at=at, keys=named, record=of, is_whole=bool(of), **more
    )


def held(key: IdentityKey, subject: str, number: int = 0, day: int = 0, **more: Any) -> Holding:
    at = START + timedelta(days=day)
    more.setdefault("sources", (f"shop:{subject}",))
    return Holding(key=key, number=number, subject=subject, since=at, changed_at=at, **more)


def ids(prefix: str = "N") -> Iterator[str]:
    return (f"{prefix}{number}" for number in range(1000))


def people(*holdings: Holding, apart: Sequence[Apart] = (), shared_after: int = 3) -> People:
    return People(holdings, apart, ids(), RULES, IdentityRules(shared_after=shared_after))


def stored(day: int, subject: str, *keys: IdentityKey, about: str, origin: str | None = None) -> StoredNaming:
    return StoredNaming(id=f"E{day}", subject=subject, origin=origin or subject, naming=says(day, *keys, about=about))


def joined_with_one_phone() -> People:
    """Two who both have a phone, until an e-mail shows that they are one."""
    first = [held(one, "A") for one in (record("lead:1"), email("ann"), PHONE)]
    second = [held(record("lead:2"), "B"), held(email("bob"), "B"), held(PHONE, "B", number=1)]
    found = people(*first, *second)
    assert found.place(says(3, email("bob"), about="lead:1")) == "A"
    return found


def test_of_two_who_are_joined_what_both_had_is_kept_once() -> None:
    found = joined_with_one_phone()
    assert [(one.loser, one.survivor, one.event) for one in found.joined] == [("B", "A", "shop:3")]
    assert found.holders(PHONE) == ["A"]
    (kept,) = [one for one in found.holdings() if one.key == PHONE]
    assert (kept.number, set(kept.sources)) == (0, {"shop:A", "shop:B"})
    assert found.dropped() == [(PHONE, 1)]
    assert found.is_turned


def test_a_place_that_was_dropped_may_be_taken_by_the_next_who_has_the_same() -> None:
    found = joined_with_one_phone()
    assert found.place(says(4, email("cat"), PHONE, about="lead:3")) == "N0"
    assert {(one.number, one.subject) for one in found.holdings() if one.key == PHONE} == {(0, "A"), (1, "N0")}
    assert found.dropped() == []


def test_what_one_of_two_had_lost_is_had_again_where_the_other_has_it() -> None:
    lost = held(PHONE, "A", until=START + timedelta(days=1), sources=("",))
    found = people(held(record("lead:1"), "A"), lost, held(email("b"), "B"), held(PHONE, "B", number=1, day=1))
    found.place(says(3, email("b"), about="lead:1"))
    (kept,) = [one for one in found.holdings() if one.key == PHONE]
    assert (kept.since, kept.until) == (START, None)
    again = people(held(record("lead:1"), "A"), lost, held(email("b"), "B"), held(PHONE, "B", 1, until=lost.until))
    again.place(says(3, email("b"), about="lead:1"))
    assert [one.until for one in again.holdings() if one.key == PHONE] == [lost.until]


def test_a_system_that_names_two_of_its_persons_as_one_says_that_they_are() -> None:
    found = people(held(record("contact:1"), "A"), held(record("contact:2"), "B"))
    assert found.place(says(1, record("contact:2"), about="contact:1")) == "A"
    assert [one.loser for one in found.joined] == ["B"]


def test_a_person_s_record_takes_the_place_of_one_that_an_e_mail_stood_in_for() -> None:
    found = people()
    first = found.place(says(1, email("a"), about="contact:email:a@x.example"))
    assert found.place(says(2, email("a"), about="contact:7")) == first


def test_a_deal_of_two_persons_makes_them_no_one() -> None:
    found = people(held(record("contact:1"), "A"), held(record("contact:2"), "B"))
    assert found.place(says(1, record("contact:1"), record("contact:2"), about="deal:1")) == "A"
    assert found.joined == []


def test_who_is_kept_apart_is_joined_by_nothing_and_given_nothing_of_the_other() -> None:
    apart = Apart(one="A", other="B", sides={record("lead:1"): "A", email("bob"): "B"})
    found = people(held(record("lead:1"), "A"), held(email("bob"), "B"), apart=[apart])
    assert found.place(says(1, email("bob"), about="lead:1")) == "A"
    assert (found.joined, found.holders(email("bob"))) == ([], ["B"])
    assert found.place(says(2, email("bob"), email("cat"))) == "B"


def test_what_a_person_s_record_takes_back_its_occasions_only_repeated() -> None:
    found = people()
    typo, right = email("typo"), email("right")
    home = found.place(says(1, typo, about="contact:1"))
    assert found.place(says(2, typo, record("contact:1"), about="deal:1")) == home
    found.place(says(3, right, about="contact:1"))
    assert (found.holders(typo), found.holders(right)) == ([], [home])
    assert found.place(says(4, typo, about="contact:2")) != home


def test_what_another_record_says_too_stands_when_one_takes_it_back() -> None:
    found = people()
    home = found.place(says(1, email("a"), about="lead:1"))
    assert found.place(says(2, email("a"), about="lead:2")) == home
    found.place(says(3, email("b"), about="lead:1"))
    assert found.holders(email("a")) == [home]
    found.place(says(4, email("b"), about="lead:2"))
    assert found.holders(email("a")) == []
    assert found.place(says(5, email("a"), about="lead:2")) == home
    assert found.holders(email("a")) == [home]


def test_what_very_many_records_have_said_is_not_released_any_more() -> None:
    for count, holders in ((MOST_SOURCES - 1, []), (MOST_SOURCES, ["N0"])):
        found = people()
        for number in range(count):
            assert found.place(says(number, email("a"), about=f"lead:{number}")) == "N0"
        for number in range(count):
            found.place(says(100 + number, email("b"), about=f"lead:{number}"))
        assert found.holders(email("a")) == holders


def test_a_phone_without_any_e_mail_is_shared_where_very_many_persons_have_it() -> None:
    found = people()
    for number in range(MOST_HOLDERS + 1):
        assert found.shared == set()
        assert found.place(says(number, PHONE, about=f"contact:{number}")) == f"N{number}"
    assert found.shared == {PHONE}


def test_what_is_shared_finds_nobody_and_is_given_to_nobody_who_has_anything_else() -> None:
    found = people(*(held(PHONE, f"S{number}", number, is_shared=True) for number in range(4)))
    assert found.place(says(1, PHONE, about="lead:1")) == "N0"
    assert found.holders(PHONE) == ["S0", "S1", "S2", "S3"]
    assert found.place(says(2, PHONE)) == "N1"
    assert found.place(says(3, PHONE)) == "N1"


def test_who_says_a_merge_means_whoever_has_nothing_else() -> None:
    holdings = [
        held(record("lead:1"), "A"),
        held(email("a"), "A"),
        held(PHONE, "A"),
        held(PHONE, "B", 1, sources=("",)),
    ]
    found = people(*holdings)
    assert found.place(says(1, record("lead:1"), PHONE)) == "A"
    assert found.joined == []
    assert found.place(says(2, record("lead:1"), PHONE, is_merge=True)) == "A"
    assert [one.loser for one in found.joined] == ["B"]


# --- in a batch, and with all that is known


def known(*holdings: Holding, day: int = 0, **more: Any) -> Known:
    at = START + timedelta(days=day)
    return Known(holdings=holdings, newest={one.subject: at for one in holdings}, rules=RULES, **more)


def test_a_phone_that_too_many_have_within_one_batch_has_found_nobody_from_the_start() -> None:
    named = [says(0, PHONE, about="lead:9")]
    named += [says(day, email(str(day)), PHONE, about=f"lead:{day}") for day in range(1, 5)]
    found = resolve(named, Known(rules=RULES), ids())
    assert len(set(found.subjects)) == 5
    assert {one.is_shared for one in found.holdings if one.key == PHONE} == {True}


def _three_and_a_fourth() -> tuple[list[Naming], Known, Knot]:
    """Three who share a phone, of whom the first has found a lead by it, and the event of a fourth."""
    subjects = {"A": ("1", "9"), "B": ("2",), "C": ("3",)}
    holdings: list[Holding] = []
    events: list[StoredNaming] = []
    for number, (subject, records) in enumerate(subjects.items()):
        name = f"lead:{records[0]}"
        keys = (record(name), email(subject), PHONE)
        holdings += [held(key, subject, number if key == PHONE else 0, sources=(f"shop:{name}",)) for key in keys]
        events.append(stored(number + 1, subject, email(subject), PHONE, about=name))
    holdings.append(held(record("lead:9"), "A", sources=("shop:lead:9",)))
    events.append(stored(0, "A", PHONE, about="lead:9"))
    fresh = [says(4, email("D"), PHONE, about="lead:4")]
    return (
        fresh,
        known(*holdings, day=3),
        Knot(subjects=frozenset(subjects), holdings=tuple(holdings), events=tuple(events)),
    )


def test_a_phone_that_becomes_shared_by_one_more_is_told_again_with_all_who_have_it() -> None:
    fresh, before, knot = _three_and_a_fourth()
    asked = resolve(fresh, before, ids())
    assert asked == Resolved(knot=frozenset("ABC"))
    found = resolve(fresh, before, ids(), knot)
    assert found.subjects == ("N1",)
    assert list(found.moved.values()) == ["N0"]
    assert {one.is_shared for one in found.holdings if one.key == PHONE} == {True}
    assert len({one.number for one in found.holdings if one.key == PHONE}) == 4


def test_a_subject_that_was_merged_away_is_there_again_where_a_person_keeps_it_apart() -> None:
    events = (
        stored(1, "A", email("ann"), about="lead:1"),
        stored(2, "A", email("bob"), about="lead:2", origin="B"),
        stored(3, "A", email("bob"), about="lead:1"),
    )
    first = [held(key, "A", sources=("shop:lead:1",)) for key in (record("lead:1"), email("ann"))]
    second = [held(key, "A", sources=("shop:lead:2",)) for key in (record("lead:2"), email("bob"))]
    holdings = (*first, *second)
    sides = {record("lead:1"): "A", email("ann"): "A", record("lead:2"): "B", email("bob"): "B"}
    knot = Knot(
        subjects=frozenset("A"), holdings=holdings, events=events, apart=(Apart(one="A", other="B", sides=sides),)
    )
    assert resolve([], known(*holdings), ids(), wanted={"A"}) == Resolved(knot=frozenset("A"))
    found = resolve([], known(*holdings), ids(), knot, {"A"})
    assert (dict(found.moved), set(found.revived)) == ({"E2": "B"}, {"B"})
    assert {one.subject for one in found.holdings if one.key in {record("lead:2"), email("bob")}} == {"B"}
    assert found.record_owners == {record("lead:1"): "A", record("lead:2"): "B"}


def test_what_no_event_says_any_more_still_finds_its_subject() -> None:
    old = held(email("ann"), "A", sources=("shop:lead:1",))
    gone = held(email("typo"), "A", sources=("shop:lead:1",), until=START)
    outside = held(PHONE, "Z", is_shared=True, sources=("shop:lead:8",))
    own = held(PHONE, "A", 1, is_shared=True, sources=("shop:lead:1",))
    knot = Knot(subjects=frozenset("A"), holdings=(old, gone, outside, own))
    found = resolve([says(5, email("ann"), about="lead:7")], known(old, gone, own), ids(), knot)
    assert found.subjects == ("A",)
    assert found.record_owners == {record("lead:7"): "A"}
    assert (gone.key, gone.number) in found.dropped
    assert {one.subject for one in found.holdings} == {"A"}


def test_a_late_event_that_makes_one_of_two_is_told_again_and_says_which_event_showed_it() -> None:
    events = (stored(2, "A", PHONE, about="lead:1"), stored(3, "B", email("b"), about="lead:2"))
    holdings = (
        *(held(key, "A", day=2, sources=("shop:lead:1",)) for key in (record("lead:1"), PHONE)),
        *(held(key, "B", day=3, sources=("shop:lead:2",)) for key in (record("lead:2"), email("b"))),
    )
    late = [says(1, email("b"), about="lead:1")]
    assert resolve(late, known(*holdings, day=3), ids()).knot == {"A", "B"}
    knot = Knot(subjects=frozenset("AB"), holdings=holdings, events=events)
    found = resolve(late, known(*holdings, day=3), ids(), knot)
    assert (found.subjects, found.moved, found.merged) == (("A",), {"E3": "A"}, {"B": "A"})


@pytest.mark.parametrize("kinds", [(IdentityKind.MOBILE, IdentityKind.EMAIL), (IdentityKind.MOBILE,)])
def test_where_the_mobile_is_the_person_it_joins_also_where_no_e_mail_identifies(
    kinds: tuple[IdentityKind, ...],
) -> None:
    mobile = IdentityKey(IdentityKind.MOBILE, "+819012345678")
    rules = {"shop": Identifying(kinds=kinds)}
    found = People([held(record("lead:1"), "A"), held(mobile, "B")], (), ids(), rules, IdentityRules())
    assert found.place(says(1, mobile, about="lead:1")) == "A"
    assert [one.loser for one in found.joined] == ["B"]


def test_a_visitor_of_whom_nothing_is_known_is_whom_it_names() -> None:
    found = people(held(VISITOR, "A", sources=("",)), held(email("ann"), "B"))
    assert found.place(says(1, email("ann"), VISITOR)) == "A"
    assert [one.loser for one in found.joined] == ["B"]


def test_of_all_that_somebody_has_a_record_says_best_who_it_is() -> None:
    assert strongest([VISITOR, PHONE, email("ann"), record("lead:1")]) == record("lead:1")
    assert strongest([VISITOR, email("bob"), PHONE, email("ann")]) == email("ann")
