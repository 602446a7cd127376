"""What a mapping file becomes: every key of it, its defaults, its statuses."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.errors import Unmapped
from connector.core.event import Conflict, Event
from connector.core.mapping import Backward, MappingRules, OwnerRule, Policy, translate
from connector.core.ruleset import Settings
from connector.core.status import STATUSES, STATUSES_V1, StatusInfo
from connector.core.updates import SeenRecord, ShownSubject, wanted_update
from connector.mapping import check_mapping, parse_mapping
from tests.hypothesis_profile import examples
from tests.mapping.strategies import EVENTS, FILES
from tests.mapping.whole_mapping import AT, mistakes_in, whole
from tests.mapping.wrong_mappings import SMALLEST


def test_every_key_of_a_file_arrives_in_the_rules() -> None:
    rules = whole()
    assert (rules.adapter, rules.backward, rules.unmapped) == ("bitrix24", Backward.IGNORE, Policy.IGNORE)
    assert rules.stages == {
        "lead": {
            "": {
                "NEW": "latent",
                "IN_PROCESS": "appointment_prospect",
                "PROCESSED": "appointment_acquisition",
                "JUNK": "ignore",
            }
        },
        "deal": {"0": {"NEW": "project", "WON": "order", "LOSE": "lost_order"}, "7": {"WON": "order"}},
    }
    assert rules.actions == {"crm_form_submitted": "form_submission", "noise": "ignore"}
    assert rules.owner == OwnerRule(source="ASSIGNED_BY_ID", table={"17": "hana@example.com"}, unknown=Policy.IGNORE)
    (trigger,) = rules.triggers
    assert (trigger.id, trigger.on, trigger.jump_to, trigger.may_reopen) == (
        "webinar-form",
        "crm_form_submitted",
        "appointment_prospect",
        True,
    )
    assert [(rule.name, rule.conflict) for rule in rules.fields] == [
        ("email", Conflict.NEWEST),
        ("company", Conflict.THEIRS),
        ("custom.budget", Conflict.NEWEST),
    ]
    assert rules.push["lead"].owner == "ASSIGNED_BY_ID"
    assert rules.columns == {"id": ("番号",), "phone": ("携帯", "電話"), "company": ("会社名",)}
    assert rules.date_format == "DD/MM/YYYY"


def test_what_is_not_said_has_its_default() -> None:
    assert parse_mapping(SMALLEST, "m.yaml") == MappingRules(adapter="standard")


def test_the_adapter_is_one_of_those_that_there_are() -> None:
    assert parse_mapping(SMALLEST, "m.yaml", adapters=("bitrix24", "standard")).adapter == "standard"
    (mistake,) = check_mapping("adapter: bitrix", "m.yaml", adapters=("bitrix24", "standard"))
    assert str(mistake) == ("m.yaml:1:10: 'bitrix' is not allowed; did you mean bitrix24? Allowed: bitrix24, standard")


def test_a_list_of_statuses_counts() -> None:
    rules = parse_mapping(
        "adapter: a\nstages: {deal: {A: [order, 失注], B: [project, order]}}\n"
        "triggers: [{id: t, on: t, jump_to: [latent, explicit]}]",
        "m.yaml",
    )
    assert rules.stages == {"deal": {"": {"A": ("order", "lost_order"), "B": ("project", "order")}}}
    assert rules.triggers[0].jump_to == ("latent", "explicit")


def test_a_company_s_own_statuses_are_allowed_where_the_template_s_are() -> None:
    names = {"en": "Loyal customer", "ja": "常連", "vi": "Thân thiết", "zh": "忠实"}
    own = StatusInfo(code="loyal", rank=None, automatic=False, names=names)
    text = "adapter: a\nstages: {deal: {A: [order, 常連], B: loyal customer}}\npush: {deal: {status: {loyal: {X: z}}}}"
    rules = parse_mapping(text, "m.yaml", (*STATUSES, own))
    assert rules.stages == {"deal": {"": {"A": ("order", "loyal"), "B": "loyal"}}}
    assert len(check_mapping(text, "m.yaml")) == 3


def test_statuses_are_those_of_the_template() -> None:
    text = "adapter: a\nstages: {lead: {A: in_progress}}"
    assert parse_mapping(text, "m.yaml", STATUSES_V1).stages == {"lead": {"": {"A": "in_progress"}}}
    assert "'in_progress' is no status" in mistakes_in(text)[0]


def test_no_word_of_the_rules_carries_its_place_along() -> None:
    rules = whole()
    words = [rules.adapter, *rules.stages, *rules.stages["deal"]["0"], *rules.actions, rules.triggers[0].id]
    words += [*rules.push, *rules.push["lead"].fields, *rules.push["lead"].status, rules.push["lead"].owner or ""]
    words += rules.push["lead"].status["appointment_prospect"]
    assert {type(word) for word in words} == {str}


def test_a_record_shows_values_and_texts() -> None:
    subject = ShownSubject(
        status="appointment_prospect", label="Appointment prospect", since=AT, owner=None, profile={}, identities=()
    )
    wanted = wanted_update(whole(), SeenRecord(object="lead"), subject, Settings().zone)
    assert wanted is not None
    assert wanted.fields == {
        "STATUS_ID": "IN_PROCESS",
        "FLAG": True,
        "COUNT": 7,
        "R": 1.5,
        "T": "0123",
        "L": ["a", 1],
        "O": {"x": None},
        "UF_CRM_ABM_STATUS": "Appointment prospect {since} 2026-03-01",
        "UF_CRM_ABM_FIXED": "abm",
    }


@settings(max_examples=examples(200), deadline=None)
@given(FILES, st.lists(EVENTS, max_size=5))
def test_a_mapping_that_validates_raises_nothing_but_unmapped_for_any_event(
    content: dict[str, Any], events: list[Event]
) -> None:
    rules = parse_mapping(json.dumps(content, ensure_ascii=False), "m.yaml")
    for event in events:
        try:
            steps = translate(event, rules)
        except Unmapped:
            continue
        for step in steps:
            json.dumps({name: given_value.value for name, given_value in step.fields.items()}, allow_nan=False)
