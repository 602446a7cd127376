"""What a record should show of its subject, and when there is nothing to show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.core.mapping import MappingRules, PushRule
from connector.core.updates import (
    PERSON_NAMES,
    PROFILE,
    VIEW_NAMES,
    SeenRecord,
    ShownSubject,
    WantedUpdate,
    follows_subject,
    shows_otherwise,
    template_names,
    wanted_update,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKYO = ZoneInfo("Asia/Tokyo")
WARM = {"explicit": {"STATUS_ID": "WARM"}}
STAGES = {"lead": {"": {"NEW": "explicit"}, "sales": {"NEW": "latent"}}}


def subject(status: str = "explicit", **values: Any) -> ShownSubject:
    known: dict[str, Any] = {"label": status.capitalize(), "since": AT, "owner": None, "profile": {}, "identities": ()}
    return ShownSubject(status=status, **known | values)


def wanted(rule: PushRule, shown: ShownSubject | None = None, **record: Any) -> WantedUpdate | None:
    rules = MappingRules(adapter="standard", stages=STAGES, push={"lead": rule})
    return wanted_update(rules, SeenRecord(object="lead", **record), shown or subject(), TOKYO)


def test_a_template_sees_the_names_that_are_documented() -> None:
    names = template_names(subject(profile={"company": "Example"}), TOKYO)
    assert tuple(names) == (*VIEW_NAMES, *PERSON_NAMES, f"{PROFILE}company")
    assert list(names.values()) == [
        "explicit",
        "Explicit",
        "2026-03-01",
        "2026-03-01T12:00:00+00:00",
        "",
        "",
        "",
        "Example",
    ]
    assert template_names(subject(owner="hana@example.com"), TOKYO)["owner"] == "hana@example.com"


def test_the_day_is_that_of_the_workspace() -> None:
    late = datetime(2026, 3, 1, 20, tzinfo=UTC)
    assert template_names(subject(since=late), TOKYO)["since.date"] == "2026-03-02"


def test_a_person_is_shown_by_the_profile_and_else_by_what_finds_them() -> None:
    profile = {"company": "Example", "custom.tags": ["a", "b"], "custom.big": True, "custom.size": 12, "email": None}
    identities = (("email", "a@example.com"), ("email", "b@example.com"), ("visitor", "v"))
    names = template_names(subject(profile=profile, identities=identities), TOKYO)
    assert {name: text for name, text in names.items() if name not in VIEW_NAMES} == {
        "email": "a@example.com",
        "phone": "",
        "profile.company": "Example",
        "profile.custom.tags": "a, b",
        "profile.custom.big": "true",
        "profile.custom.size": "12",
        "profile.email": "",
    }


@pytest.mark.parametrize(
    ("status", "record", "expected"),
    [
        ("explicit", {}, {"STATUS_ID": "WARM", "ABM": "Explicit"}),
        ("explicit", {"stage": "NEW"}, {"ABM": "Explicit"}),
        ("explicit", {"pipeline": "sales", "stage": "NEW"}, {"STATUS_ID": "WARM", "ABM": "Explicit"}),
        ("latent", {}, {"ABM": "Latent"}),
    ],
)
def test_a_record_should_show_the_fields_of_its_status_unless_its_stage_stands_for_it_and_the_texts(
    status: str, record: Mapping[str, str], expected: Mapping[str, str]
) -> None:
    rule = PushRule(status=WARM, fields={"ABM": lambda names: names["status.label"]})
    found = wanted(rule, subject(status), **record)
    assert found is not None
    assert found.fields == expected
    assert (found.status is None) == (status == "latent")
    assert not found.is_empty


def test_the_owner_is_written_where_the_mapping_has_a_field_for_it() -> None:
    shown = subject(owner="hana@example.com")
    with_field, without = wanted(PushRule(owner="ASSIGNED"), shown), wanted(PushRule(), shown)
    assert with_field is not None
    assert without is not None
    assert (with_field.owner, with_field.owner_field, with_field.is_empty) == ("hana@example.com", "ASSIGNED", False)
    assert (without.owner, without.owner_field, without.is_empty) == (None, None, True)


def test_nothing_is_sent_to_a_record_that_shows_all_there_is() -> None:
    known, unknown = wanted(PushRule(status=WARM), stage="NEW"), wanted(PushRule(status=WARM), subject("latent"))
    assert known is not None
    assert unknown is not None
    assert (known.status, known.is_empty) == ({}, True)
    assert (unknown.status, unknown.is_empty) == (None, True)


def test_a_record_that_the_push_makes_is_sent_even_if_it_shows_nothing() -> None:
    found = wanted(PushRule(new_leads=True))
    assert found is not None
    assert (found.fields, found.is_empty) == ({}, False)


def test_a_record_that_is_gone_or_that_no_mapping_pushes_should_show_nothing() -> None:
    assert wanted(PushRule(status=WARM), is_gone=True) is None
    assert wanted_update(MappingRules(adapter="standard"), SeenRecord(object="lead"), subject(), TOKYO) is None


@pytest.mark.parametrize(("rule", "follows"), [(PushRule(), True), (PushRule(new_leads=True), False)])
def test_a_record_follows_its_subject_unless_it_is_made_once(*, rule: PushRule, follows: bool) -> None:
    rules = MappingRules(adapter="standard", push={"lead": rule})
    assert follows_subject(rules, "lead") is follows
    assert follows_subject(rules, "deal") is False


@pytest.mark.parametrize("record_id", ["email:a@x.example", "phone:+819011112222"])
def test_only_a_system_that_names_people_so_is_told_of_a_record_that_an_e_mail_or_phone_stands_in_for(
    record_id: str,
) -> None:
    push = {"lead": PushRule()}
    assert follows_subject(MappingRules(adapter="bitrix24", push=push), "lead", record_id) is False
    assert follows_subject(MappingRules(adapter="standard", push=push, takes_stand_ins=True), "lead", record_id) is True


@pytest.mark.parametrize(
    ("record", "owner", "expected"),
    [
        ({"stage": "new", "owner": "kim@example.jp"}, "Kim@example.jp", False),
        ({"stage": "warm", "owner": "kim@example.jp"}, None, False),
        ({"stage": "HOT"}, "kim@example.jp", False),
        ({"stage": ""}, "kim@example.jp", False),
        ({"stage": "bad"}, "kim@example.jp", True),
        ({"stage": "new", "owner": "lee@example.jp"}, "kim@example.jp", True),
        ({"stage": "new", "owner": ""}, "kim@example.jp", True),
        ({"stage": "bad", "owner": "lee@example.jp", "is_gone": True}, "kim@example.jp", False),
        ({"object": "deal", "stage": "bad"}, "kim@example.jp", False),
    ],
)
def test_a_record_shows_otherwise_where_its_stage_or_owner_is_another_than_the_one_to_be_shown(
    record: dict[str, Any], owner: str | None, *, expected: bool
) -> None:
    rules = MappingRules(
        adapter="standard",
        stages={"lead": {"": {"new": "latent", "warm": "latent", "bad": "not_targeted"}}},
        push={"lead": PushRule(status={"latent": {"STAGE": "hot"}}, owner="OWNER")},
    )
    assert shows_otherwise(rules, SeenRecord(**{"object": "lead", **record}), "latent", owner) is expected
