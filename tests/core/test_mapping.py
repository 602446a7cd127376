"""A mapping: what each kind of event becomes, what is held, and what a record should show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.errors import Unmapped
from connector.core.event import BIT, Conflict, Event, FieldValue, Kind, RecordRef, Step
from connector.core.mapping import Backward, FieldRule, MappingRules, OwnerRule, Policy, TriggerRule, translate

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAD = RecordRef(object="lead", id="1")
DEAL = RecordRef(object="deal", id="2")
RULES = MappingRules(
    adapter="standard",
    stages={"lead": {"": {"NEW": "latent", "SPAM": "ignore"}}, "deal": {"0": {"WON": "order"}}},
    triggers=(
        TriggerRule(id="webinar", on="form", jump_to="explicit", when=lambda data: data.get("form") == "12"),
        TriggerRule(id="any-form", on="form", jump_to="visited", may_reopen=True),
    ),
    actions={"mail_click": "email_inflow", "noise": "ignore"},
    fields=(
        FieldRule(name="company", read=lambda data: data.get("COMPANY")),
        FieldRule(name="custom.size", read=lambda data: data.get("SIZE"), conflict=Conflict.IF_EMPTY),
    ),
    owner=OwnerRule(conflict=Conflict.THEIRS),
)


def event(kind: Kind, **values: Any) -> Event:
    return Event(key="e1", at=AT, kind=kind, **values)


def step(kind: Kind, key: str = "e1", **values: Any) -> Step:
    return Step(id=key, at=AT, kind=kind, **values)


def held(given_event: Event, rules: MappingRules = RULES) -> tuple[str, str]:
    with pytest.raises(Unmapped) as caught:
        translate(given_event, rules)
    return caught.value.what, caught.value.name


def test_a_stage_is_a_jump_to_the_status_that_it_stands_for() -> None:
    assert translate(event(Kind.STAGE, record=LEAD, stage="NEW", is_lead=True), RULES) == (
        step(Kind.JUMP, to="latent", by="crm", is_lead=True),
    )


def test_a_stage_is_looked_up_in_its_pipeline() -> None:
    won = event(Kind.STAGE, record=DEAL, pipeline="0", stage="WON")
    assert translate(won, RULES) == (step(Kind.JUMP, to="order", by="crm"),)
    assert held(event(Kind.STAGE, record=DEAL, pipeline="7", stage="WON")) == ("stage", "deal / 7 / WON")


def test_a_stage_moves_forward_only_where_the_mapping_says_so() -> None:
    rules = MappingRules(adapter="standard", backward=Backward.IGNORE, stages=RULES.stages)
    assert translate(event(Kind.STAGE, record=LEAD, stage="NEW"), rules) == (
        step(Kind.JUMP, to="latent", by="crm", is_forward_only=True),
    )


def test_an_ignored_stage_is_no_step() -> None:
    assert translate(event(Kind.STAGE, record=LEAD, stage="SPAM"), RULES) == ()


def test_a_stage_that_was_emptied_says_nothing() -> None:
    assert translate(event(Kind.STAGE, record=LEAD, stage=""), RULES) == ()


def test_an_unmapped_stage_is_held_with_its_place() -> None:
    assert held(event(Kind.STAGE, record=LEAD, stage="ODD")) == ("stage", "lead / ODD")
    assert held(event(Kind.STAGE)) == ("stage", " / ")


@pytest.mark.parametrize(
    "given_event",
    [
        event(Kind.STAGE, record=LEAD, stage="ODD"),
        event(Kind.TRIGGER, name="odd"),
        event(Kind.ACTION, name="odd"),
        event(Kind.JUMP, stage="order"),
    ],
    ids=lambda given_event: given_event.kind.value,
)
def test_what_is_unmapped_passes_by_where_the_mapping_says_so(given_event: Event) -> None:
    rules = MappingRules(adapter="standard", unmapped=Policy.IGNORE)
    assert translate(given_event, rules) == ()
    held(given_event)


def test_a_trigger_fires_by_its_own_name() -> None:
    assert translate(event(Kind.TRIGGER, name="any-form"), RULES) == (
        step(Kind.TRIGGER, key="e1#any-form", to="visited", trigger="any-form", may_reopen=True),
    )


def test_every_trigger_on_an_event_whose_condition_holds_fires() -> None:
    both = translate(event(Kind.TRIGGER, name="form", data={"form": "12"}), RULES)
    one = translate(event(Kind.TRIGGER, name="form", data={"form": "13"}), RULES)
    assert [[fired.trigger for fired in steps] for steps in (both, one)] == [["webinar", "any-form"], ["any-form"]]


def test_a_trigger_without_an_entry_is_held() -> None:
    assert held(event(Kind.TRIGGER, name="call")) == ("trigger", "call")
    assert held(event(Kind.TRIGGER)) == ("trigger", "")


def test_an_action_counts_as_what_the_mapping_says() -> None:
    clicked = event(Kind.ACTION, name="mail_click", page="https://a.example/", session="s")
    assert translate(clicked, RULES) == (
        step(Kind.ACTION, action="email_inflow", page="https://a.example/", session="s"),
    )


@pytest.mark.parametrize("name", BIT)
def test_our_own_words_for_actions_need_no_entry(name: str) -> None:
    assert translate(event(Kind.ACTION, name=name), RULES) == (step(Kind.ACTION, action=name),)


def test_capitals_and_spaces_around_it_make_no_other_action() -> None:
    rules = MappingRules(
        adapter="standard", triggers=RULES.triggers, actions={"Form": "form_submission", "FORM": "login"}
    )
    assert translate(event(Kind.ACTION, name=" form "), rules)[1:] == (step(Kind.ACTION, action="form_submission"),)
    assert [made.kind for made in translate(event(Kind.ACTION, name="FORM "), rules)] == [Kind.TRIGGER, Kind.ACTION]
    assert translate(event(Kind.ACTION, name="FORM"), rules)[1:] == (step(Kind.ACTION, action="login"),)


def test_an_action_fires_the_triggers_on_it_too() -> None:
    rules = MappingRules(adapter="standard", triggers=RULES.triggers, actions={"form": "form_submission"})
    assert [made.kind for made in translate(event(Kind.ACTION, name="form"), rules)] == [Kind.TRIGGER, Kind.ACTION]
    assert [made.kind for made in translate(event(Kind.ACTION, name="form"), RULES)] == [Kind.TRIGGER]


def test_an_ignored_action_is_no_step_and_an_unknown_one_is_held() -> None:
    assert translate(event(Kind.ACTION, name="noise"), RULES) == ()
    assert held(event(Kind.ACTION, name="hum")) == ("action", "hum")
    assert held(event(Kind.ACTION)) == ("action", "")


def test_an_owner_is_found_by_the_e_mail_of_their_directory() -> None:
    owned = event(Kind.OWNER, owner="17", owner_email="hana@example.com")
    assert translate(owned, RULES) == (step(Kind.OWNER, owner="hana@example.com", conflict=Conflict.THEIRS),)


def test_an_owner_is_found_by_the_table_where_there_is_one() -> None:
    rules = MappingRules(adapter="standard", owner=OwnerRule(table={"17": "hana@example.com"}))
    owned = event(Kind.OWNER, owner="17", owner_email="other@example.com")
    assert translate(owned, rules) == (step(Kind.OWNER, owner="hana@example.com"),)
    assert held(event(Kind.OWNER, owner="18", owner_email="other@example.com"), rules) == ("owner", "18")


def test_no_owner_any_more_is_told_on() -> None:
    rules = MappingRules(adapter="standard", owner=OwnerRule(table={"17": "hana@example.com"}))
    assert translate(event(Kind.OWNER), rules) == (step(Kind.OWNER, owner=None),)
    assert translate(event(Kind.OWNER), RULES) == (step(Kind.OWNER, owner=None, conflict=Conflict.THEIRS),)


def test_an_unknown_owner_is_held_or_ignored_and_without_a_rule_owners_are_left_alone() -> None:
    assert held(event(Kind.OWNER, owner="17")) == ("owner", "17")
    ignoring = MappingRules(adapter="standard", owner=OwnerRule(unknown=Policy.IGNORE))
    assert translate(event(Kind.OWNER, owner="17"), ignoring) == ()
    assert translate(event(Kind.OWNER, owner="17"), MappingRules(adapter="standard")) == ()


def test_a_profile_takes_the_fields_that_can_be_read() -> None:
    assert translate(event(Kind.PROFILE, data={"COMPANY": "Acme"}), RULES) == (
        step(Kind.PROFILE, fields={"company": FieldValue(value="Acme")}, source="e1"),
    )
    both = translate(event(Kind.PROFILE, data={"COMPANY": "", "SIZE": 0}), RULES)
    assert both[0].fields == {
        "company": FieldValue(value=""),
        "custom.size": FieldValue(value=0, conflict=Conflict.IF_EMPTY),
    }
    assert translate(event(Kind.PROFILE, data={"OTHER": 1}), RULES) == ()


def test_identities_tags_and_deletions_need_no_entry() -> None:
    assert translate(event(Kind.IDENTIFY, is_lead=True), RULES) == (step(Kind.IDENTIFY, is_lead=True),)
    assert translate(event(Kind.TAG, tag="vip", is_removed=True), RULES) == (
        step(Kind.TAG, tag="vip", is_removed=True),
    )
    assert translate(event(Kind.DELETED, record=LEAD), RULES) == ()


WORDS = st.sampled_from(["", "NEW", "WON", "form", "webinar", "mail_click", "login", "0", "17", "odd"])
EVENTS = st.builds(
    Event,
    key=st.text(max_size=3),
    at=st.datetimes(timezones=st.just(UTC)),
    kind=st.sampled_from(Kind),
    record=st.none() | st.builds(RecordRef, object=WORDS | st.just("lead"), id=WORDS),
    name=st.none() | WORDS,
    stage=st.none() | WORDS,
    pipeline=st.none() | WORDS,
    owner=st.none() | WORDS,
    owner_email=st.none() | WORDS,
    tag=st.none() | WORDS,
    data=st.dictionaries(WORDS, st.none() | st.integers() | WORDS),
)
RULESETS = st.builds(
    MappingRules,
    adapter=st.just("standard"),
    backward=st.sampled_from(Backward),
    unmapped=st.sampled_from(Policy),
    stages=st.just(RULES.stages) | st.just({}),
    triggers=st.just(RULES.triggers) | st.just(()),
    actions=st.just(RULES.actions) | st.just({}),
    fields=st.just(RULES.fields) | st.just(()),
    owner=st.none()
    | st.builds(OwnerRule, table=st.none() | st.dictionaries(WORDS, WORDS), unknown=st.sampled_from(Policy)),
)


@settings(deadline=None)
@given(EVENTS, RULESETS)
def test_any_event_becomes_steps_at_its_time_or_is_held(given_event: Event, rules: MappingRules) -> None:
    try:
        steps = translate(given_event, rules)
    except Unmapped:
        return
    assert all(made.at == given_event.at and made.id.startswith(given_event.key) for made in steps)
    assert len({made.order for made in steps}) == len(steps)


def test_a_whole_record_says_who_it_is_its_fields_its_owner_and_its_stage() -> None:
    rules = MappingRules(
        adapter="a",
        stages={"lead": {"": {"NEW": "latent"}}},
        fields=(FieldRule(name="company", read=lambda data: data.get("COMPANY")),),
        owner=OwnerRule(),
    )
    whole = Event(
        key="c:1",
        at=AT,
        kind=Kind.RECORD,
        is_lead=True,
        record=RecordRef(object="lead", id="1"),
        stage="NEW",
        owner="17",
        owner_email="hana@example.com",
        data={"COMPANY": "Example"},
    )
    assert [(step.id, step.kind) for step in translate(whole, rules)] == [
        ("c:1", Kind.IDENTIFY),
        ("c:1#profile", Kind.PROFILE),
        ("c:1#owner", Kind.OWNER),
        ("c:1#stage", Kind.JUMP),
    ]
    bare = Event(key="c:2", at=AT, kind=Kind.RECORD)
    assert [step.kind for step in translate(bare, rules)] == [Kind.IDENTIFY]
