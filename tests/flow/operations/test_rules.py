"""Publishing rules: every subject is as the fold gives it under the document in force, at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector.core.calendar import local_day
from connector.core.engine import due_day, fold_all
from connector.core.errors import NotFound, WrongSetting
from connector.mapping import BadMapping
from connector.operations import mappings, publishing
from connector.operations.flow import remap, sweep
from connector.operations.mappings import Outdated
from connector.operations.publishing import Publication, PublishResult, TooManyMoved
from connector.operations.rules import SHIPPED, with_settings
from connector.operations.subjects import set_status
from connector.runtime.parts import Runtime
from connector.runtime.rules import BadRules
from connector.runtime.settings import FormerSetting
from connector.store import histories, remaps, subjects
from connector.store.event_json import step_from_json
from connector.store.remaps import RULES
from connector.store.tables import audit, decisions
from connector.store.tables import subjects as table
from connector.what_if.compare import what_if
from connector.what_if.forecast import forecast
from connector.what_if.report import Difference
from tests.conftest import NOW, Clock, put_in_force, wait_for
from tests.flow.conftest import KEY_PAGE, WORKSPACE
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import mails, subject_of

OFF = {"explicit.cool": {"enabled": False}, "explicit.warn": {"enabled": False}, "latent.warm": {"enabled": False}}
PROPOSALS: tuple[Mapping[str, Any], ...] = (
    {"rules": {"latent.surge": {"enabled": False}}},
    {"timezone": "America/New_York"},
    {"key_pages": [{"match": "contains", "url": "jobs"}]},
    {"session_gap_minutes": 1440, "fallback_to_administrators": True},
)


def source(runtime: Runtime, **changes: Any) -> str:
    """The document in force with other values for some keys."""
    try:
        present = mappings.version_of(runtime, RULES).source
    except NotFound:
        present = SHIPPED.read_text("utf-8")
    return with_settings(present, [FormerSetting(key=key, value=value, place="") for key, value in changes.items()])


def publish(runtime: Runtime, *, is_later: bool = False, **changes: Any) -> PublishResult:
    one = Publication(source=source(runtime, **changes), is_confirmed=True, is_later=is_later)
    return publishing.put_in_force(runtime, RULES, one, actor="kim")


def _line(name: str, number: int, days: float, **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": f"{name}{number}", "at": at, "subject": {"id": name}, "kind": "lead"} | deed


def _visit(name: str, number: int, days: float, **more: Any) -> dict[str, Any]:
    return _line(name, number, days, type="action", action="site_access", **more)


def _of(runtime: Runtime, name: str) -> subjects.SubjectRow:
    return subject_of(runtime, "record", f"shop:lead:{name}")


def _rules(runtime: Runtime, name: str) -> int:
    """The version of the rules that a subject was folded by."""
    with runtime.database.read() as connection:
        return int(connection.execute(select(table.c.rules).where(table.c.id == _of(runtime, name).id)).scalar_one())


def _explicit(runtime: Runtime, *names: str, days: float = 40) -> None:
    """Leads that were explicit so many days ago, and were not heard of since."""
    if runtime.connections.get("shop") is None:
        add_connection(runtime)
    for name in names:
        Sender(runtime).send(_visit(name, 1, days + 1), _visit(name, 2, days, page=KEY_PAGE), key=f"m{name}")
    drain(runtime)


def random_lines(chance: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """What four leads go through in a hundred days."""
    for number in range(count):
        deed: dict[str, Any] = chance.choice(
            (
                {
                    "type": "action",
                    "action": "site_access",
                    "page": chance.choice((KEY_PAGE, "https://e.example/jobs")),
                },
                {"type": "action", "action": "site_access"},
                {"type": "action", "action": "mail_open"},
                {
                    "type": "stage",
                    "object": "lead",
                    "stage": chance.choice(("new", "meeting", "won", "bad", "strange")),
                },
                {"type": "owner", "owner": "kim@example.jp"},
            )
        )
        yield _line(chance.choice("ABCD"), number, chance.random() * 100, **deed)


def expected(runtime: Runtime) -> dict[str, Any]:
    """Every subject as its stored steps give it under the rules in force, by its id."""
    ruleset, today = runtime.ruleset, local_day(runtime.clock(), runtime.ruleset.zone)
    found = {}
    with runtime.database.read() as connection:
        for row in subjects.listed(connection):
            steps = [
                step_from_json(raw)
                for event in subjects.history(connection, [row.id])[row.id]
                for raw in event["steps"]
            ]
            state = fold_all(steps, ruleset, today).state if steps else None
            found[row.id] = (_without_run(state.to_json()), due_day(state, ruleset)) if state else ({}, None)
    return found


def stored(runtime: Runtime) -> dict[str, Any]:
    with runtime.database.read() as connection:
        return {row.id: (_without_run(row.state or {}), row.due) for row in subjects.listed(connection)}


def _without_run(state: Mapping[str, Any]) -> dict[str, Any]:
    """Up to which day the daily rules ran differs where none was due."""
    return {key: value for key, value in state.items() if key != "last_run"}


def test_rules_that_are_switched_on_again_give_their_due_dates(selling: Runtime) -> None:
    publish(selling, rules=OFF)
    _explicit(selling, "A", "B")
    sweep(selling)
    assert {_of(selling, name).due for name in "AB"} == {None}
    assert forecast(selling, 100).subjects == 0
    done = publish(selling, rules={})
    assert done.what_if.moved == {("explicit", "quasi_explicit"): 2}
    assert [str(one) for one in done.differences] == [
        "rules / explicit.cool / enabled: false → true",
        "rules / explicit.warn / enabled: false → true",
        "rules / latent.warm / enabled: false → true",
    ]
    assert {_of(selling, name).status for name in "AB"} == {"quasi_explicit"}
    assert None not in {_of(selling, name).due for name in "AB"}
    assert (done.subjects, done.is_finished) == (2, True)


@pytest.mark.parametrize("proposal", PROPOSALS, ids=lambda one: next(iter(one)))
def test_what_was_said_happens_at_once(selling: Runtime, proposal: Mapping[str, Any]) -> None:
    add_connection(selling)
    chance = random.Random(str(proposal))
    for number, line in enumerate(random_lines(chance, 60)):
        Sender(selling).send(line, key=f"m{number}")
    drain(selling)
    sweep(selling)
    before = len(mails(selling))
    said: list[Difference] = []
    rules = mappings.proposal_of(selling, RULES, source(selling, **proposal))
    foreseen = what_if(selling, rules, each=said.append)
    assert stored(selling) == expected(selling)
    was = {row: state.get("status") for row, (state, _) in stored(selling).items()}
    done = publish(selling, **proposal)
    assert done.what_if == foreseen
    assert stored(selling) == expected(selling)
    now = {row: state.get("status") for row, (state, _) in stored(selling).items()}
    assert now == was | {one.subject: one.after["status"] for one in said}
    assert len(mails(selling)) == before
    nothing = what_if(selling, mappings.proposal_of(selling, RULES, source(selling)))
    assert (nothing.differing, nothing.drifted) == (0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_events_before_and_after_publishing_end_alike(selling: Runtime, seed: int) -> None:
    add_connection(selling)
    chance = random.Random(seed)
    lines = list(random_lines(chance, 40))
    publish_at = chance.randint(1, 39)
    for number, line in enumerate(chance.sample(lines, len(lines))):
        if number == publish_at:
            publish(selling, **PROPOSALS[seed])
        Sender(selling).send(line, key=f"m{number}")
        drain(selling)
    sweep(selling)
    assert stored(selling) == expected(selling)


def test_a_publish_that_is_cut_short_goes_on_and_nobody_uses_half_of_it(selling: Runtime, clock: Clock) -> None:
    publish(selling, rules=OFF)
    _explicit(selling, *"ABCD")
    before = len(mails(selling))
    done = publish(selling, is_later=True, rules={})
    assert not done.is_finished
    Sender(selling).send(_visit("B", 9, 0.1), key="late")
    drain(selling)
    clock.forward(days=1)
    sweep(selling)
    assert (_rules(selling, "B"), _rules(selling, "A")) == (3, 2)
    turns = iter((True, False))
    run = remap(selling, RULES, has_time=lambda: next(turns))
    assert run is not None
    assert run.finished_at is None
    run = remap(selling, RULES)
    assert run is not None
    assert run.finished_at is not None
    assert stored(selling) == expected(selling)
    assert len(mails(selling)) == before
    assert remap(selling, RULES) == run


def test_a_publish_that_is_killed_is_gone_on_with(selling: Runtime) -> None:
    names = [f"L{number}" for number in range(150)]
    add_connection(selling)
    for name in names:
        Sender(selling).send(_visit(name, 1, 11), _visit(name, 2, 10, page=KEY_PAGE), key=f"m{name}")
    drain(selling)
    file = selling.config.data_dir.parent / "rules.yaml"
    file.write_text(source(selling, rules={"latent.surge": {"enabled": False}}))
    environ = {"DATABASE_URL": selling.config.database_url, "CONNECTOR_DATA_DIR": str(selling.config.data_dir)}
    command = [sys.executable, "-m", "connector.cli", "rules", "publish", str(file), "--confirm"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")}
    killed = subprocess.Popen(command, env={**kept, **environ}, stdout=subprocess.DEVNULL)
    wait_for(lambda: _left(selling) < len(names) or killed.poll() is not None, "the first subjects folded anew", 60)
    killed.kill()
    assert killed.wait() in {0, -signal.SIGKILL}
    selling.rules.forget()
    Sender(selling).send(_visit("L9", 9, 0.1), _visit("L149", 9, 0.1), key="meanwhile")
    drain(selling)
    run = remap(selling, RULES)
    assert run is not None
    assert run.finished_at is not None
    sweep(selling)  # what was killed had another clock, which ran ahead
    assert (_left(selling), stored(selling) == expected(selling)) == (0, True)
    assert mails(selling) == []


def _left(runtime: Runtime) -> int:
    """How many subjects are still of the first version of the rules."""
    with runtime.database.read() as connection:
        return len(histories.of_former_rules(connection, 2, 1000))


def test_a_subject_that_cannot_be_folded_stops_no_other(selling: Runtime) -> None:
    _explicit(selling, *"AB")
    with selling.database.write() as connection:
        broken = decisions.update().where(decisions.c.subject == _of(selling, "A").id).values(notify=5)
        connection.execute(broken)
    done = publish(selling, session_gap_minutes=5)
    assert not done.is_finished
    assert (_rules(selling, "A"), _rules(selling, "B")) == (1, 2)


def test_nobody_is_mailed_for_what_a_publish_decides_and_today_s_mails_are_asked_for_before(selling: Runtime) -> None:
    _explicit(selling, "A", days=26)
    Sender(selling).send(_line("A", 5, 26, type="owner", owner="kim@example.jp"), key="owner")
    drain(selling)
    assert mails(selling) == []
    publish(selling, rules={"explicit.react": {"enabled": False}})
    assert mails(selling) == [("kim@example.jp", "explicit.warn")]
    publish(selling, timezone="Asia/Ho_Chi_Minh")
    publish(selling, key_pages=[{"match": "exact", "url": "https://e.example/none"}])
    assert len(mails(selling)) == 1


OLD = """
adapter: standard
stages: {lead: {working: in_progress, new: latent, won: order}}
"""


@pytest.fixture
def old(runtime: Runtime) -> Runtime:
    """A workspace on ver.1.0 that mails, with a lead in progress."""
    put_in_force(runtime, **{**WORKSPACE, "template": "basic-1.0"})
    add_connection(runtime, mapping=OLD)
    stage = {"type": "stage", "object": "lead"}
    Sender(runtime).send(_line("A", 1, 30, **stage, stage="working"), _line("B", 1, 3, **stage, stage="new"))
    drain(runtime)
    assert _of(runtime, "A").status == "in_progress"
    return runtime


def test_an_upgrade_is_a_publish_and_there_is_no_way_back(old: Runtime) -> None:
    done = publish(old, template="basic-2.0")
    assert done.what_if.moved == {("in_progress", "pending"): 1}
    assert _of(old, "A").status == "pending"
    assert mails(old) == []
    assert old.connections.broken() == ()
    stage = {"type": "stage", "object": "lead"}
    Sender(old).send(_line("B", 2, 2, **stage, stage="working"), key="later")
    drain(old)
    assert _of(old, "B").status == "pending"
    with pytest.raises(WrongSetting, match=r"cannot go from basic-2\.0 to basic-1\.0"):
        publish(old, template="basic-1.0")
    with pytest.raises(WrongSetting, match=r"cannot go from basic-2\.0 to basic-1\.0"):
        publishing.rollback(old, RULES, 1, actor="kim")
    assert mappings.version_of(old, RULES).version == 2


def test_whoever_upgrades_says_what_in_progress_becomes(old: Runtime) -> None:
    publish(old, template="basic-2.0", in_progress="Visited")
    assert _of(old, "A").status == "visited"
    publish(old, in_progress="pending")
    assert _of(old, "A").status == "pending"


def test_a_status_that_a_mapping_names_cannot_go(selling: Runtime) -> None:
    publish(selling, own_statuses=[{"code": "loyal", "en": "Loyal"}])
    add_connection(selling, mapping=MAPPING.replace("won: order", "won: loyal"))
    with pytest.raises(BadMapping, match=r"mapping of shop:4:.*'loyal'"):
        publish(selling, own_statuses=[])
    assert mappings.version_of(selling, RULES).version == 2


def test_a_status_that_people_have_cannot_go(selling: Runtime, clock: Clock) -> None:
    publish(selling, own_statuses=[{"code": "loyal", "en": "Loyal"}])
    add_connection(selling)
    Sender(selling).send({"id": "1", "at": clock().isoformat(), "subject": {"id": "A"}, "type": "identify"})
    drain(selling)
    set_status(selling, "shop:lead:A", "loyal", actor="kim")
    with pytest.raises(WrongSetting, match=r"1 hold 'loyal'"):
        publishing.rollback(selling, RULES, 1, actor="kim")
    assert mappings.version_of(selling, RULES).version == 2


def test_a_draft_is_published_under_its_number_and_the_audit_names_who(selling: Runtime) -> None:
    saved = mappings.save_draft(selling, RULES, source(selling, shared_after=5), actor="kim", comment="five")
    assert (saved.version, saved.based_on) == (2, 1)
    done = publishing.publish_draft(selling, RULES, 2, actor="lee")
    assert (done.version, [str(one) for one in done.differences]) == (2, ["shared_after: 3 → 5"])
    assert selling.ruleset.settings.identity.shared_after == 5
    back = publishing.rollback(selling, RULES, 1, actor="lee")
    assert (back.version, selling.ruleset.settings.identity.shared_after) == (3, 3)
    assert [row["state"] for row in mappings.listed(selling, RULES)] == ["published"] * 3
    with selling.database.read() as connection:
        rows = connection.execute(select(audit.c.actor, audit.c.action, audit.c.target)).all()
    assert set(rows) == {
        ("kim", "rules.draft", "rules"),
        ("lee", "rules.publish", "rules"),
        ("lee", "rules.rollback", "rules"),
    }


def test_of_two_editors_the_second_is_refused(selling: Runtime) -> None:
    mine = mappings.export(selling, RULES).replace("shared_after: 3", "shared_after: 4")
    publish(selling, shared_after=9)
    with pytest.raises(Outdated, match=r"(?s)shared_after: 3 → 9.*`connector rules export`.*--based-on 2"):
        publishing.publish(selling, RULES, mine, actor="lee")
    publishing.publish(selling, RULES, mine, actor="lee", based_on=2)
    assert selling.ruleset.settings.identity.shared_after == 4


def test_rules_that_move_too_many_are_held_until_they_are_confirmed(selling: Runtime) -> None:
    _explicit(selling, "A", days=10)
    text = source(selling, rules={"latent.surge": {"enabled": False}})
    with pytest.raises(TooManyMoved, match="nothing was published"):
        publishing.publish(selling, RULES, text, actor="kim")
    publishing.publish(selling, RULES, text, actor="kim", is_confirmed=True)


def test_wrong_rules_are_not_published(selling: Runtime) -> None:
    with pytest.raises(BadRules, match=r"mine\.yaml:1:11: timezone: found 'x'"):
        publishing.publish(selling, RULES, "timezone: x", file="mine.yaml", actor="kim")
    with pytest.raises(NotFound, match="'rules' has no version 7; `connector rules versions` lists them"):
        mappings.version_of(selling, RULES, 7)


def test_without_any_published_rules_it_is_said_how(runtime: Runtime) -> None:
    with pytest.raises(NotFound, match="no rules were published; do so by `connector rules publish FILE`"):
        mappings.version_of(runtime, RULES)


def test_a_subject_without_any_event_that_counts_stands_since_its_first_event(selling: Runtime) -> None:
    add_connection(selling)
    stage = {"type": "stage", "object": "lead"}
    Sender(selling).send(_line("A", 2, 9, **stage, stage="won"), _line("A", 1, 20, **stage, stage="strange"), key="m")
    drain(selling)
    said: list[Difference] = []
    draft = "adapter: standard\n"
    first = NOW - timedelta(days=20)
    what_if(selling, mappings.proposal_of(selling, "shop", draft), each=said.append)
    assert [one.after["since"] for one in said] == [first.isoformat()]
    publishing.put_in_force(selling, "shop", Publication(source=draft, is_confirmed=True), actor="kim")
    assert (_of(selling, "A").status, _of(selling, "A").since) == ("not_set", first)
    Sender(selling).send(_line("A", 0, 30, **stage, stage="strange"), key="earlier")
    drain(selling)
    assert _of(selling, "A").since == NOW - timedelta(days=30)


def test_what_a_wrong_clock_decided_for_dates_to_come_is_revised(selling: Runtime, clock: Clock) -> None:
    _explicit(selling, "A", days=1)
    right = stored(selling)
    clock.forward(days=400)
    sweep(selling)
    assert _of(selling, "A").status == "latent"
    clock.now = NOW
    sweep(selling)
    assert stored(selling) == expected(selling)
    assert _of(selling, "A").status == "explicit"
    assert _of(selling, "A").due == right[_of(selling, "A").id][1]
    with selling.database.read() as connection:
        rows = subjects.decisions_of(connection, _of(selling, "A").id)
    assert {row.rule for row in rows if row.revised_at is None} == {"not_set.act", "latent.surge"}
    assert "explicit.cool" in {row.rule for row in rows if row.revised_at is not None}
    sweep(selling)
    with selling.database.read() as connection:
        assert subjects.decisions_of(connection, _of(selling, "A").id) == rows


def test_an_event_heals_a_subject_that_ran_ahead_too(selling: Runtime, clock: Clock) -> None:
    _explicit(selling, "A", days=1)
    clock.forward(days=400)
    sweep(selling)
    clock.now = NOW
    Sender(selling).send(_visit("A", 9, 0.01), key="again")
    drain(selling)
    assert stored(selling) == expected(selling)
    assert date.fromordinal((_of(selling, "A").state or {})["last_run"]) == date(2026, 4, 1)


def test_the_run_of_the_newest_version_is_the_one_that_counts(selling: Runtime) -> None:
    _explicit(selling, "A")
    publish(selling, is_later=True, session_gap_minutes=5)
    publish(selling, is_later=True, session_gap_minutes=6)
    remap(selling, RULES)
    assert _rules(selling, "A") == 3
    with selling.database.read() as connection:
        assert remaps.waiting(connection, selling.clock()) == []
