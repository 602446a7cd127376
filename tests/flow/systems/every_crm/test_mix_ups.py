"""Every CRM, whole product: two people stay two, and a change that a person makes is never lost or taken for ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from adapters import ADAPTERS
from connector.adapter_kit.contract import persons_of
from connector.core.identity import RecordKey
from connector.emulators.engine.emulator import Crm
from connector.emulators.engine.faults import Faults
from connector.emulators.systems import CRMS, SITES
from connector.emulators.xinnet.crm import XinnetLeads
from connector.i18n.statuses import labels_in
from connector.mapping import parse_mapping
from connector.operations.subjects import find_subject, set_owner, set_status
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.subjects import RecordRow, SubjectRow
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS, EndToEnd, playing
from tests.flow.systems.every_crm.people import NAMES, People
from tests.flow.systems.every_crm.standard_crm import StandardCrm

MOBILE, OTHER_MOBILE, SWITCHBOARD = "+81 90-1234-5678", "+81 80-2345-6789", "+81 3-1234-5678"
ROOT: Final = Path(__file__).parents[4]
STEP: Final = timedelta(milliseconds=120)
EMULATORS: Final[Mapping[str, type[Crm]]] = {**CRMS, "standard": StandardCrm, "xinnet": XinnetLeads}


@dataclass(frozen=True, slots=True)
class Play:
    """A system that is connected, its people, and the time."""

    run: EndToEnd
    system: Crm
    people: People
    clock: Clock

    def later(self, **span: float) -> None:
        """All that was done so far arrives, and then time passes."""
        self.run.finish()
        self.clock.forward(**span)

    def at_a_new_second(self) -> None:
        """An hour later, at the beginning of a second."""
        self.later(hours=1)
        self.clock.now = self.clock.now.replace(microsecond=0)

    def link(self, record: str) -> RecordRow:
        """What is known of a record."""
        key = RecordKey(self.run.name, self.system.OBJECT, record)
        with self.run.runtime.database.read() as connection:
            return subjects.records_by_key(connection, {key})[key]

    def subject(self, record: str) -> SubjectRow:
        """Whose a record is."""
        with self.run.runtime.database.read() as connection:
            return subjects.get(connection, self.link(record).subject)

    def status(self, stage: str) -> str:
        """The status that the shipped mapping gives a stage."""
        source = (MAPPINGS / f"{self.run.name}.yaml").read_text()
        rules = parse_mapping(source, self.run.name, tuple(self.run.runtime.ruleset.statuses.values()))
        status = rules.status_of(self.system.OBJECT, None, stage)
        assert isinstance(status, str)
        return status

    def label(self, status: str) -> str:
        """A status in English."""
        return labels_in("en", self.run.runtime.ruleset.statuses.values())[status]

    def stands(self, record: str, stage: str, owner: str | None) -> None:
        """The record is in that stage with that owner, there and here."""
        subject = self.subject(record)
        assert (self.system.stage_of(record), subject.status) == (stage, self.status(stage))
        if self.system.OWNERS:
            assert self.system.owner_of(record) == owner
            assert subject.owner == (self.system.OWNERS[owner] if owner else None)


def _owners(system: Crm) -> tuple[str | None, str | None]:
    """Two of a system's employees; None where it has no persons in charge."""
    first, second, *_ = [*system.OWNERS, None, None]
    return first, second


# --- who is who


def _shared_mobile(play: Play) -> None:
    """Two people with one mobile phone keep their own owner and stage, and what is decided of one is told of one."""
    system, (first, second) = play.system, _owners(play.system)
    one = play.people.add("aiko@customer.example", phone=MOBILE, owner=first, stage=system.STAGES[1])
    play.later(hours=1)
    two = play.people.add("ken@customer.example", phone=MOBILE, owner=second, stage=system.STAGES[0])
    play.later(hours=1)
    play.stands(one, system.STAGES[1], first)
    play.stands(two, system.STAGES[0], second)
    runtime = play.run.runtime
    if first and second:
        set_owner(runtime, play.subject(one).id, system.OWNERS[second], actor="test")
        set_owner(runtime, play.subject(two).id, system.OWNERS[first], actor="test")
    play.later(hours=1)
    play.stands(one, system.STAGES[1], second)
    play.stands(two, system.STAGES[0], first)
    known = play.people.add("mio@customer.example", phone=OTHER_MOBILE)
    play.later(hours=1)
    nameless = play.people.add("", phone=OTHER_MOBILE)
    play.later()
    connected = runtime.connections.get(play.run.name)
    assert connected
    # In Pipedrive each deal of our people has a person of its own.
    is_person = system.OBJECT in persons_of(connected.adapter) or system.NAME == "pipedrive"
    assert (play.subject(known).id == play.subject(nameless).id) is not is_person


def _switchboard(play: Play) -> None:
    """A number of many people is nobody's: all keep their stages, and one who has nothing else is somebody else."""
    stages = [*play.system.STAGES[:2], *play.system.STAGES[:2], play.system.STAGES[0]]
    records = []
    for number, stage in enumerate(stages):
        records.append(play.people.add(f"p{number}@customer.example", phone=SWITCHBOARD, stage=stage))
        play.later(minutes=10)
    nameless = play.people.add("", phone=SWITCHBOARD, stage=play.system.STAGES[1])
    play.later()
    assert len({play.subject(record).id for record in (*records, nameless)}) == len(records) + 1
    assert [play.subject(one).status for one in records] == [play.status(stage) for stage in stages]
    assert [play.system.stage_of(one) for one in records] == stages


def _placeholders(play: Play) -> None:
    """What stands for nobody joins nobody: no e-mail, no phone."""
    one, two = play.system.STAGES[:2]
    mailbox = "noemail@noemail.com"
    given = ((mailbox, None, one), (mailbox, None, two), ("", "000-0000-0000", one), ("", "0000000000", two))
    records = []
    for email, phone, stage in given:
        records.append(play.people.add(email, phone=phone, stage=stage))
        play.later(minutes=10)
    assert len({play.subject(record).id for record in records}) == len(records)
    assert [play.subject(one).status for one in records] == [play.status(stage) for _, _, stage in given]


def _corrected_email(play: Play) -> None:
    """Whose e-mail was a typo is not joined with whom it truly belongs to, who comes later."""
    system, (first, second) = play.system, _owners(play.system)
    one = play.people.add("ken@customer.example", owner=first)
    play.later(hours=1)
    system.move(one, system.STAGES[2])
    play.later(hours=1)
    play.people.correct_email(one, "kenji@customer.example")
    play.later(hours=1)
    two = play.people.add("ken@customer.example", owner=second)
    play.later(hours=1)
    play.stands(one, system.STAGES[2], first)
    play.stands(two, system.STAGES[0], second)
    runtime = play.run.runtime
    found = [find_subject(runtime, f"{name}@customer.example") for name in ("kenji", "ken")]
    assert found == [play.subject(one).id, play.subject(two).id]


# --- whose word it is


def _owner_to_and_fro(play: Play) -> None:
    """We write A, people set B and A again within minutes: their A is no echo of ours, and A stays."""
    system, (first, second) = play.system, _owners(play.system)
    assert first
    assert second
    record = play.people.add("aiko@customer.example", owner=second)
    play.later(hours=1)
    play.run.give_to(system.OWNERS[first])
    for owner in (second, first):
        play.later(minutes=1)
        system.assign(record, owner)
    play.later(minutes=1)
    play.run.set_status("pending")
    play.later()
    assert (system.owner_of(record), play.subject(record).owner) == (first, system.OWNERS[first])


def _stage_to_and_fro(play: Play) -> None:
    """The same of stages."""
    system = play.system
    record = play.people.add("aiko@customer.example")
    play.later(hours=1)
    play.run.set_status("appointment_prospect")
    play.later(minutes=1)
    assert system.stage_of(record) == system.STAGES[1]
    for stage, status in ((system.STAGES[0], "latent"), (system.STAGES[1], "appointment_prospect")):
        system.move(record, stage)
        play.later(minutes=1)
        assert (system.stage_of(record), play.subject(record).status) == (stage, status)


# --- what is the newest


def _stage_in_a_second(play: Play) -> None:
    """Stages set and set back within one second, each told before the next is set."""
    system = play.system
    first, *moves = (0, 1, 2) if system.NAME in FORWARD else (2, 1, 0, 1, 0)
    record = play.people.add("aiko@customer.example", stage=system.STAGES[first])
    play.at_a_new_second()
    for place in moves:
        system.move(record, system.STAGES[place])
        play.run.finish()
        play.clock.now += STEP
        assert system.stage_of(record) == system.STAGES[place]
        assert play.subject(record).status == play.status(system.STAGES[place])


def _owner_in_a_second(play: Play) -> None:
    """The same of owners."""
    system, (first, second) = play.system, _owners(play.system)
    assert first
    assert second
    record = play.people.add("aiko@customer.example", owner=first)
    play.at_a_new_second()
    for owner in (second, first, second, first):
        system.assign(record, owner)
        play.run.finish()
        play.clock.now += STEP
        assert (system.owner_of(record), play.subject(record).owner) == (owner, system.OWNERS[owner])


def _field_in_a_second(play: Play) -> None:
    """The same of a text."""
    record = play.people.add("aiko@customer.example")
    play.at_a_new_second()
    for text in ("One", "Two") if play.system.NAME in FORWARD else ("One", "Two", "One"):
        play.people.note(record, text)
        play.run.finish()
        play.clock.now += STEP
        assert _note(play, record) == text


def _emptied(play: Play) -> None:
    """A field that is emptied there is empty here."""
    record = play.people.add("aiko@customer.example")
    for text in ("One", None):
        play.later(hours=1)
        play.people.note(record, text)
    play.later()
    assert _note(play, record) is None


def _note(play: Play, record: str) -> str | None:
    return (play.subject(record).state or {})["profile"].get("custom.note") or None


# --- what is there


def _deleted_twice(play: Play) -> None:
    """Deleted, restored, deleted: it is gone, and nothing is written to it."""
    for apart in (timedelta(hours=1), STEP) if play.system.NAME in MILLISECONDS else (timedelta(hours=1),):
        record = play.people.add(f"{apart.seconds}@customer.example")
        play.at_a_new_second()
        gone = []
        for act in (play.people.delete, play.people.restore, play.people.delete):
            act(record)
            play.run.finish()
            gone.append(play.link(record).is_gone)
            play.clock.now += apart
        assert gone == [True, False, True]
        pushes = play.run.pushes()
        set_status(play.run.runtime, play.subject(record).id, "pending", actor="test")
        play.later(hours=1)
        assert play.run.pushes() == pushes


def _archived(play: Play) -> None:
    """What is archived is still there, and goes on when it comes back."""
    system = play.system
    record = play.people.add("aiko@customer.example", stage=system.STAGES[1])
    play.later(hours=1)
    play.people.archive(record)
    play.later(hours=1)
    play.run.reconcile()
    play.later(hours=1)
    assert not play.link(record).is_gone
    assert play.subject(record).status == play.status(system.STAGES[1])
    play.people.archive(record, is_back=True)
    system.move(record, system.STAGES[2])
    play.later()
    assert not play.link(record).is_gone
    assert play.subject(record).status == play.status(system.STAGES[2])


CASES: Final[Mapping[str, Callable[[Play], None]]] = {
    "shared mobile": _shared_mobile,
    "switchboard": _switchboard,
    "placeholders": _placeholders,
    "corrected e-mail": _corrected_email,
    "owner to and fro": _owner_to_and_fro,
    "stage to and fro": _stage_to_and_fro,
    "stages of one second": _stage_in_a_second,
    "owners of one second": _owner_in_a_second,
    "texts of one second": _field_in_a_second,
    "emptied field": _emptied,
    "deleted twice": _deleted_twice,
    "archived": _archived,
}
MILLISECONDS: Final = frozenset({"hubspot", "pipedrive"})
"""Systems that date a deletion to the millisecond."""
FORWARD: Final[Mapping[str, str]] = {
    "xinnet": "yes, but set back within a second it says what it said before, and that is its first webhook sent again"
}
"""Systems whose webhooks have neither an id nor more than a second, and which cannot be read."""
YES = "yes"
FOR_GOOD = "it deletes for good"
NO_ARCHIVE = "it has no archive"
NO_OWNERS = "its leads have no persons in charge"
LACKS: Final[Mapping[str, Mapping[str, str]]] = {
    "amis": {"archived": NO_ARCHIVE},
    "bitrix24": {"deleted twice": "not confirmed: whether its bin tells of what comes back", "archived": NO_ARCHIVE},
    "bownow": {"deleted twice": "no bin is documented", "archived": NO_ARCHIVE},
    "generic": {"archived": "it has no word for it"},
    "hubspot": {"archived": "its archive is its bin"},
    "jira": {"deleted twice": FOR_GOOD, "archived": "what is archived is read-only and in no search"},
    "kintone": {"deleted twice": FOR_GOOD, "archived": NO_ARCHIVE},
    "odoo": {"deleted twice": FOR_GOOD},
    "pipedrive": {},
    "salesforce": {"archived": "of leads and opportunities it has none"},
    "standard": {"deleted twice": "the form has no deletion", "archived": "the form has no word for it"},
    "xinnet": {
        "owner to and fro": NO_OWNERS,
        "owners of one second": NO_OWNERS,
        "stage to and fro": "a lead never goes back",
        "deleted twice": "it tells of no deletion",
        "archived": NO_ARCHIVE,
    },
    "zoho": {"archived": NO_ARCHIVE},
}
"""Every system that records are written to, with the cases that it has no notion of, and why."""
PLAYED: Final = [(name, case) for name, lacks in LACKS.items() for case in CASES if case not in lacks]


def _mapping(name: str, case: str) -> str | None:
    """The shipped mapping unless a case needs another."""
    emulator = EMULATORS[name]
    if case in {"texts of one second", "emptied field"}:
        field = NAMES[name].quoted or NAMES[name].note
        return f"adapter: {name}\nunmapped: ignore\nfields: {{custom.note: '{field}'}}\n"
    if case == "stage to and fro":
        one, two = emulator.STAGES[:2]
        return f"""
adapter: {name}
stages: {{{emulator.OBJECT}: {{{one!r}: latent, {two!r}: appointment_prospect}}}}
push: {{{emulator.OBJECT}: {{status: {{appointment_prospect: {{{emulator.STAGE!r}: {two!r}}}}}}}}}
"""
    return None


@pytest.mark.parametrize(("name", "case"), PLAYED)
def test_nothing_is_mixed_up(runtime: Runtime, clock: Clock, name: str, case: str) -> None:
    system = EMULATORS[name](now=clock, faults=Faults(seed=1))
    with playing(runtime, system, _mapping(name, case)) as run:
        CASES[case](Play(run, system, People(system), clock))
        assert {"held", "dead", "pending"}.isdisjoint(run.outcomes())


def _table() -> str:
    """What is played, as `docs/reliability.md` shows it."""
    rows = [f"| system | {' | '.join(CASES)} |", f"|---|{'---|' * len(CASES)}"]
    for name, lacks in LACKS.items():
        cells = [lacks.get(case) or (FORWARD.get(name, YES) if "one second" in case else YES) for case in CASES]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_documentation_shows_what_is_played() -> None:
    assert _table() in (ROOT / "docs" / "reliability.md").read_text()


def test_no_system_and_no_case_is_left_out() -> None:
    assert set(LACKS) == set(ADAPTERS) - set(SITES) - {"youyi"}
    assert {case for lacks in LACKS.values() for case in lacks} <= set(CASES)
