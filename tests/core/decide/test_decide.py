"""What `decide` makes of single cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from connector.core.calendar import local_day
from connector.core.decide.batch import Context, Refold, TranslatedEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef, Step
from connector.core.identity import RecordKey
from connector.core.mapping import MappingRules, PushRule
from connector.core.ruleset import Ruleset
from tests.core.decide.memory_store import MemoryStore
from tests.core.decide.test_properties import NOW, RULESET

MAKES_LEADS = MappingRules(adapter="standard", push={"lead": PushRule(new_leads=True)})


def _lead(key: str, connection: str, record: RecordRef | None = None) -> TranslatedEvent:
    names = (Identity(kind=IdentityKind.EMAIL, value="a@example.jp"),)
    event = Event(key=key, at=NOW, kind=Kind.IDENTIFY, identities=names, record=record, is_lead=True)
    step = Step(id=key, at=NOW, kind=Kind.IDENTIFY, is_lead=True)
    return TranslatedEvent(connection=connection, event=event, steps=(step,))


def test_a_new_lead_gets_one_record_in_each_system_that_takes_new_leads() -> None:
    context = Context(ruleset=RULESET, now=NOW, mappings={"pool": MAKES_LEADS})
    store = MemoryStore()
    changes = store.run(context, [_lead("shop:1", "shop")])
    (subject,) = store.subjects
    assert [update.record.key for update in changes.updates] == [RecordKey("pool", "lead", subject)]
    assert store.run(context, [_lead("shop:2", "shop")]).updates == ()


def test_a_lead_that_the_system_knows_already_gets_no_record_there() -> None:
    context = Context(ruleset=RULESET, now=NOW, mappings={"pool": MAKES_LEADS})
    changes = MemoryStore().run(context, [_lead("pool:1", "pool", RecordRef(object="lead", id="7"))])
    assert [record.key for record in changes.records] == [RecordKey("pool", "lead", "7")]
    assert changes.updates == ()


def test_a_lead_of_which_only_an_e_mail_is_known_there_gets_a_record() -> None:
    context = Context(ruleset=RULESET, now=NOW, mappings={"pool": MAKES_LEADS})
    stand_in = RecordRef(object="lead", id="email:a@example.jp")
    changes = MemoryStore().run(context, [_lead("pool:1", "pool", stand_in)])
    assert [update.record.key.id for update in changes.updates] == [next(iter(changes.subjects)).id]


def test_a_subject_on_which_no_daily_rule_is_due_is_left_alone_by_a_sweep() -> None:
    context, store = Context(ruleset=RULESET, now=NOW), MemoryStore()
    store.run(context, [_lead("shop:1", "shop")])
    (subject,) = store.subjects
    today = local_day(NOW, RULESET.zone)
    changes = store.run(context, refolds=[Refold(subject=subject, until=today), Refold(subject="nobody", until=today)])
    assert (changes.subjects, changes.decisions) == ((), ())


def test_a_subject_of_which_nothing_counts_stands_since_its_first_event() -> None:
    context, store = Context(ruleset=RULESET, now=NOW), MemoryStore()
    for days in (2, 5, 3):
        held = _lead(f"shop:{days}", "shop")
        at = NOW - timedelta(days=days)
        held = replace(held, event=replace(held.event, at=at), steps=(), unmapped="stage: lead / strange")
        store.run(context, [held])
    (known,) = store.subjects.values()
    assert (known.state, known.since) == (None, NOW - timedelta(days=5))


def test_a_subject_is_stored_with_the_version_of_the_rules_that_it_was_folded_by() -> None:
    store = MemoryStore()
    store.run(Context(ruleset=RULESET, now=NOW), [_lead("shop:1", "shop")])
    (subject,) = store.subjects
    newer = Context(ruleset=Ruleset(RULESET.template, RULESET.settings, 7), now=NOW)
    refold = [Refold(subject=subject, is_whole=True)]
    assert [change.rules for change in store.run(newer, refolds=refold).subjects] == [7]
    assert store.run(newer, refolds=refold).subjects == ()


def test_a_subject_that_is_folded_again_runs_no_date_after_today() -> None:
    context, store = Context(ruleset=RULESET, now=NOW), MemoryStore()
    store.run(context, [_lead("shop:1", "shop")])
    (subject,) = store.subjects
    today = context.today
    for refold, last_run in (
        (Refold(subject=subject, until=today + 9, is_whole=True), today),
        (Refold(subject=subject, is_whole=True), today),
    ):
        store.run(context, refolds=[refold])
        state = store.subjects[subject].state
        assert state is not None
        assert state.last_run == last_run


def test_a_duplicate_says_in_which_delivery_it_was_first() -> None:
    context, store = Context(ruleset=RULESET, now=NOW), MemoryStore()
    store.run(context, [replace(_lead("shop:1", "shop"), delivery="A"), _lead("shop:2", "shop")])
    later = [("1", "B"), ("2", "B"), ("3", "C"), ("3", "C"), ("3", "D"), ("1", None)]
    changes = store.run(context, [replace(_lead(f"shop:{key}", "shop"), delivery=by) for key, by in later])
    assert [one.reason for one in changes.outcomes] == [
        "the same as in delivery A",
        "the same as reconciliation or an import has brought",
        None,
        None,
        "the same as in delivery C",
        None,
    ]
