"""The statuses: their table, and how a word that a person types finds one."""

from __future__ import annotations

import pytest

from connector.core.errors import UnknownStatus
from connector.core.rules import BASIC_1
from connector.core.status import STATUSES, STATUSES_V1, Status, StatusInfo, find_status

OWN = StatusInfo(
    code="trial", rank=None, en="Visited", ja="お試し", vi="Dùng thử", zh="试用", aliases=("order", "tryout")
)


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


def test_the_older_template_has_ten_statuses_and_every_code_has_its_name() -> None:
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
    assert {info.code for info in (*STATUSES, *STATUSES_V1)} == set(Status)
    assert {info.code for info in STATUSES_V1 if info.automatic} == {rule.status for rule in BASIC_1.rules}


@pytest.mark.parametrize("info", STATUSES, ids=lambda info: info.code)
def test_every_code_label_and_alias_finds_its_status(info: StatusInfo) -> None:
    for word in (info.code, info.en, info.ja, info.vi, info.zh, *info.aliases):
        assert find_status(word) == info.code
        assert find_status(f"  {word.upper()} ") == info.code


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("semi-explicit", "quasi_explicit"),
        ("Revealed", "explicit"),
        ("actualized", "explicit"),
        ("顕在", "explicit"),
        ("reserved", "pending"),
        ("off target", "not_targeted"),
        ("off-target", "not_targeted"),
        ("対象外", "not_targeted"),
        ("loss", "lost_order"),
        ("orders", "order"),
        ("case", "project"),
        ("アポ", "appointment_acquisition"),
        ("ｱﾎﾟ獲得", "appointment_acquisition"),
        ("ＬＡＴＥＮＴ", "latent"),
        ("Tiê\u0300m â\u0309n", "latent"),
    ],
)
def test_the_other_words_of_the_vendor_are_understood_in_any_width_and_case(word: str, code: str) -> None:
    assert find_status(word) == code


def test_a_company_s_own_status_is_found_and_takes_no_word_from_the_template() -> None:
    statuses = (*STATUSES, OWN)
    assert [find_status(word, statuses) for word in ("trial", "お試し", "Tryout")] == ["trial"] * 3
    assert [find_status(word, statuses) for word in ("order", "Visited")] == ["order", "visited"]


def test_a_word_that_is_no_status_is_refused_with_the_nearest_code() -> None:
    with pytest.raises(
        UnknownStatus, match=r"^'latnet' is not a status; allowed: not_set, .*, pending; did you mean latent\?$"
    ) as wrong:
        find_status("latnet")
    assert wrong.value.nearest == "latent"
    with pytest.raises(UnknownStatus, match=r"^'zzz' is not a status; allowed: not_set, .*, pending$") as far:
        find_status("zzz")
    assert far.value.nearest is None
