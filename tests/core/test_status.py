"""The table of statuses."""

from __future__ import annotations

from connector.core.rules import BASIC_1
from connector.core.status import STATUSES, STATUSES_V1


def test_the_ladder_has_nine_ranks_and_three_statuses_are_off_it() -> None:
    assert {info.code: info.rank for info in STATUSES} == {
        "not_set": 0,
        "latent": 1,
        "quasi_explicit": 2,
        "explicit": 3,
        "appointment_prospect": 4,
        "appointment_acquisition": 5,
        "visited": 6,
        "project": 7,
        "order": 8,
        "lost_order": None,
        "not_targeted": None,
        "pending": None,
    }


def test_three_statuses_have_no_automatic_processing_and_one_is_not_listed() -> None:
    assert [info.code for info in STATUSES if not info.automatic] == ["appointment_acquisition", "project", "order"]
    assert [info.code for info in STATUSES if not info.listed] == ["not_set"]


def test_the_older_template_has_ten_statuses_of_which_rules_move_three() -> None:
    assert [info.code for info in STATUSES_V1] == [
        "not_set",
        "latent",
        "explicit",
        "appointment_prospect",
        "appointment_acquisition",
        "visited",
        "project",
        "order",
        "in_progress",
        "not_targeted",
    ]
    assert {info.code for info in STATUSES_V1 if info.automatic} == {rule.status for rule in BASIC_1.rules}
