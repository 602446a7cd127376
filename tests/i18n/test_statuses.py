"""What the statuses are called, how a word that a person types finds one, and how a language is added."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.core.errors import UnknownStatus
from connector.core.status import STATUSES, STATUSES_V1, StatusInfo
from connector.i18n import FOLDER, LANGUAGES, languages_in, words_in
from connector.i18n.statuses import aliases_of, find_status, labels_in

OWN = StatusInfo(code="trial", rank=None, names={"en": "Visited", "ja": "お試し", "vi": "Tryout", "zh": "order"})


def test_the_statuses_are_called_as_their_table_says() -> None:
    infos = (*STATUSES, *STATUSES_V1)
    assert labels_in("ja", infos)["quasi_explicit"] == "準顕在"
    assert labels_in("ja", infos)["appointment_acquisition"] == "アポ獲得"
    assert labels_in("zh", infos)["order"] == "成交"
    assert {language: labels_in(language, infos)["latent"] for language in LANGUAGES} == {
        "en": "Latent",
        "ja": "潜在",
        "vi": "Tiềm ẩn",
        "zh": "潜在",
    }


@pytest.mark.parametrize("info", STATUSES, ids=lambda info: info.code)
def test_every_code_label_and_alias_finds_its_status(info: StatusInfo) -> None:
    labels = [labels_in(language, STATUSES)[info.code] for language in LANGUAGES]
    for word in (info.code, *labels, *aliases_of(info.code)):
        assert find_status(word, STATUSES) == info.code
        assert find_status(f"  {word.upper()} ", STATUSES) == info.code


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
    assert find_status(word, STATUSES) == code


def test_a_company_s_own_status_is_found_and_takes_no_word_from_the_template() -> None:
    statuses = (*STATUSES, OWN)
    assert [find_status(word, statuses) for word in ("trial", "お試し", "Tryout")] == ["trial"] * 3
    assert [find_status(word, statuses) for word in ("order", "Visited")] == ["order", "visited"]


def test_a_word_that_is_no_status_is_refused_with_the_nearest_code() -> None:
    with pytest.raises(
        UnknownStatus, match=r"^'latnet' is not a status; allowed: not_set, .*, pending; did you mean latent\?$"
    ) as wrong:
        find_status("latnet", STATUSES)
    assert wrong.value.nearest == "latent"
    with pytest.raises(UnknownStatus, match=r"^'zzz' is not a status; allowed: not_set, .*, pending$") as far:
        find_status("zzz", STATUSES)
    assert far.value.nearest is None


def test_a_company_s_own_status_has_its_english_name_where_a_language_has_none() -> None:
    own = StatusInfo(code="loyal", rank=None, names={"en": "Loyal", "ja": "常連"})
    assert [labels_in(language, [own])["loyal"] for language in ("en", "ja", "zh")] == ["Loyal", "常連", "Loyal"]


def test_one_more_file_is_one_more_language(tmp_path: Path) -> None:
    english = (FOLDER / "en.toml").read_text("utf-8")
    klingon = english.replace('latent = "Latent"', 'latent = "So\'taH"').replace('"case"', "\"Qu', malja'\"")
    for language, text in (("en", english), ("tlh", klingon)):
        (tmp_path / f"{language}.toml").write_text(text, "utf-8")
    assert languages_in(tmp_path) == ("en", "tlh")
    assert words_in("tlh", tmp_path)["status.latent"] == "So'taH"
    assert labels_in("tlh", STATUSES, tmp_path)["latent"] == "So'taH"
    assert aliases_of("project", tmp_path) == ("case", "Qu'", "malja'")
    assert [find_status(word, STATUSES, tmp_path) for word in ("so'tah", "latent", "Qu'")] == [
        "latent",
        "latent",
        "project",
    ]
    with pytest.raises(UnknownStatus):
        find_status("So'taH", STATUSES)
