"""The closed sets of events fit together."""

from __future__ import annotations

from connector.core.event import COUNTED, OF_DELIVERY, Outcome, delivery_outcome


def test_every_outcome_of_an_event_has_its_place_among_the_outcomes_of_a_delivery() -> None:
    assert {*OF_DELIVERY, Outcome.PENDING} == set(Outcome)
    assert len(OF_DELIVERY) == len(set(OF_DELIVERY))
    assert set(OF_DELIVERY) > COUNTED


def test_a_delivery_ends_as_the_event_that_somebody_has_to_look_at() -> None:
    assert delivery_outcome({Outcome.APPLIED: 3, Outcome.HELD: 1}) is Outcome.HELD
    assert delivery_outcome({Outcome.APPLIED: 0, Outcome.ECHO: 1}) is Outcome.ECHO
    assert delivery_outcome({}) is Outcome.IGNORED
