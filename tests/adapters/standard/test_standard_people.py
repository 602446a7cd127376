"""Who lines are about, what stands for nobody, and what they empty."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.standard import Standard
from connector.adapter_kit.contract import persons_of
from connector.core.event import Identity, IdentityKind
from connector.core.mapping import translate
from connector.core.status import STATUSES
from connector.mapping import parse_mapping
from tests.adapters.standard.test_standard import LINE, event_of, mistake_in


def test_what_stands_for_nobody_is_passed_over_and_a_line_of_nothing_else_is_refused() -> None:
    subject = {"id": "undefined", "visitor": "null", "email": "a@example.com"}
    event = event_of(subject=subject)
    assert (event.identities, event.record) == ((Identity(kind=IdentityKind.EMAIL, value="a@example.com"),), None)
    for nobody in ({"visitor": "undefined"}, {"phone": "0000000000", "email": "noemail@noemail.com"}):
        assert mistake_in({**LINE, "subject": nobody}).startswith("$.events[0].subject: names nobody")


def test_a_sequence_tells_changes_of_one_instant_apart_and_which_records_are_people_is_a_setting() -> None:
    assert (event_of(sequence=7).sequence, event_of().sequence) == (7, None)
    assert mistake_in({**LINE, "sequence": "b"}).startswith("$.events[0].sequence: ")
    assert persons_of(Standard(person_objects=("contact",))) == {"contact"}
    assert persons_of(Standard()) == frozenset()


@pytest.mark.parametrize("emptied", [None, "", []])
def test_a_field_that_was_emptied_is_empty_here_and_one_that_is_not_named_stays(emptied: Any) -> None:
    mapping = "adapter: standard\nfields: {company: company, custom.budget: {from: budget, type: decimal}}\n"
    rules = parse_mapping(mapping, "m.yaml", STATUSES)
    (step,) = translate(event_of(type="profile", fields={"company": emptied, "budget": None}), rules)
    assert {name: value.value for name, value in step.fields.items()} == {"company": "", "custom.budget": ""}
    assert translate(event_of(type="profile", fields={"other": 1}), rules) == ()
