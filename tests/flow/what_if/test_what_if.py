"""What-if says what publishing then does, and writes nothing; whatever has happened and whatever is proposed."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from benchmarks import places, population
from connector.core.errors import ConnectorError, NotFound, UnknownStatus, WrongSetting
from connector.core.rules import BASIC_1, BASIC_2
from connector.core.ruleset import KeyPage, Ruleset
from connector.mapping import parse_mapping
from connector.operations.flow import sweep
from connector.operations.publishing import publish
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import batches, connections, outbox, subjects
from connector.store.tables import metadata
from connector.store.tables import subjects as subject_table
from connector.what_if.compare import what_if
from connector.what_if.proposal import Proposal, WhatIfRequest, read_proposal
from connector.what_if.report import Cancelled, Difference, WhatIf
from tests.conftest import NOW, Clock, put_in_force
from tests.flow.conftest import KEY_PAGE
from tests.flow.pipeline.test_order import CONNECTIONS, draw_lines, marked
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import mails, subject_of
from tests.hypothesis_profile import examples

DRAFTS = (
    MAPPING,
    MAPPING.replace("meeting: appointment_acquisition", "meeting: visited"),
    MAPPING.replace("won: order", "won: ignore, strange: explicit"),
    MAPPING.replace(", bad: not_targeted", ""),
    MAPPING.replace("adapter: standard", "adapter: standard\nunmapped: ignore\nbackward: ignore"),
    MAPPING.replace("jump_to: appointment_prospect", "jump_to: project, reopen: true"),
    MAPPING.replace("owner: {match: email}", "owner: {match: email, conflict: if_empty}"),
    MAPPING.replace("fields: {company: company}", "actions: {site_access: form_submission}"),
    "adapter: standard\n",
)
_number = itertools.count()
_often = settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def _line(number: int, day: str, **more: Any) -> dict[str, Any]:
    base = {"id": f"e{number}", "at": f"{day}T10:00:00+09:00", "subject": {"id": "L-1", "email": "a@example.jp"}}
    return base | {"type": "stage", "object": "lead", "kind": "lead"} | more


def _happen(runtime: Runtime, chance: random.Random) -> None:
    """Two people go through something, of which a mapping may not know every stage."""
    for name in CONNECTIONS:
        if runtime.connections.get(name) is None:
            add_connection(runtime, name)
    lines = marked(draw_lines(chance, 1) + draw_lines(chance, 2), f"x{next(_number):06}")
    for line in lines:
        if line.get("stage") and chance.random() < 0.2:
            line["stage"] = "strange"
    for name in CONNECTIONS:
        own = [{key: value for key, value in one.items() if key != "connection"} for one in lines]
        theirs = [one for one, line in zip(own, lines, strict=True) if line["connection"] == name]
        assert Sender(runtime, name).send(*theirs, key=f"msg_{next(_number)}").status_code == 202
    drain(runtime)
    sweep(runtime)


def _content(runtime: Runtime) -> dict[str, list[Any]]:
    """Every row of every table."""
    with runtime.database.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all())) for table in metadata.sorted_tables
        }


def _run(runtime: Runtime, proposal: Proposal, **options: Any) -> tuple[WhatIf, dict[str, Difference]]:
    """The what-if, which leaves every row of the database as it was."""
    before = _content(runtime)
    found: list[Difference] = []
    result = what_if(runtime, proposal, each=found.append, **options)
    assert _content(runtime) == before
    assert result.differing == len(found)
    assert result.subjects == len(before["subjects"]) - _merged(runtime)
    return result, {one.subject: one for one in found}


def _merged(runtime: Runtime) -> int:
    with runtime.database.read() as connection:
        return len(connection.execute(select(subject_table.c.id).where(subject_table.c.merged_into.is_not(None))).all())


def _standing(runtime: Runtime) -> dict[str, dict[str, Any]]:
    """What shows of every subject."""
    with runtime.database.read() as connection:
        rows = subjects.listed(connection, limit=100_000)
    empty: dict[str, Any] = {
        "kind": "unknown",
        "status": "not_set",
        "since": None,
        "owner": None,
        "tags": [],
        "profile": {},
    }
    return {row.id: {name: (row.state or empty)[name] for name in empty} for row in rows}


def _pushes(runtime: Runtime) -> int:
    """How often an update was asked for."""
    with runtime.database.read() as connection:
        rows = outbox.listed(connection, limit=100_000)
    return sum(row.revision for row in rows if row.kind == outbox.UPDATE)


@_often
@given(seed=st.integers(0, 2**32))
def _is_empty(selling: Runtime, seed: int) -> None:
    _happen(selling, random.Random(seed))
    rules = selling.connections.all()["shop"].rules
    present = Proposal(mappings=dict.fromkeys(CONNECTIONS, rules))
    same = Proposal(rules=selling.ruleset, mappings={"desk": rules})
    for proposal in (present, same):
        result, found = _run(selling, proposal)
        assert found == {}
        assert replace(result, subjects=0) == WhatIf(subjects=0)


def test_what_is_in_force_already_would_change_nothing(selling: Runtime) -> None:
    _is_empty(selling)


@_often
@given(seed=st.integers(0, 2**32), draft=st.sampled_from(DRAFTS), has_since=st.booleans())
def _as_said(selling: Runtime, seed: int, *, draft: str, has_since: bool) -> None:
    _happen(selling, random.Random(seed))
    since = NOW.date() - timedelta(days=30) if has_since else None
    before, asked, told = _standing(selling), _pushes(selling), mails(selling)
    said, differences = _run(selling, Proposal(mappings={"shop": parse_mapping(draft, "draft")}), since=since)
    done = publish(selling, "shop", draft, actor="kim", since=since, is_confirmed=True)
    sweep(selling)
    after = {of: dict(differences[of].after) if of in differences else one for of, one in before.items()}
    assert _standing(selling) == after
    assert all(before[of] == one.before for of, one in differences.items())
    assert (said.released, said.newly_held) == (done.events, done.held)
    assert said.mails == len(mails(selling)) - len(told)
    assert said.pushes == _pushes(selling) - asked
    moved = [(before[of]["status"], one["status"]) for of, one in after.items()]
    assert said.moving == sum(one != other for one, other in moved)
    assert {way: moved.count(way) for way in said.moved} == said.moved


def test_publishing_does_what_the_what_if_foresaw(selling: Runtime) -> None:
    _as_said(selling)


@pytest.fixture
def three(selling: Runtime) -> Runtime:
    """Three leads, of whom one has a stage that nothing is known of."""
    add_connection(selling)
    for number, stage in enumerate(("meeting", "won", "strange")):
        subject = {"id": f"L-{number}", "email": f"p{number}@example.jp"}
        Sender(selling).send(_line(number, "2026-03-12", stage=stage, subject=subject), key=f"msg_{number}")
    drain(selling)
    return selling


def _draft(text: str) -> Proposal:
    return Proposal(mappings={"shop": parse_mapping(text, "draft")})


def test_each_subject_says_why_it_differs(three: Runtime) -> None:
    _, found = _run(three, _draft(DRAFTS[1]))
    (one,) = found.values()
    assert one.to_json() | {"subject": "", "changed": {}} == {
        "subject": "",
        "identities": [{"kind": "email", "value": "p0@example.jp"}, {"kind": "record", "value": "shop:lead:L-0"}],
        "from": "appointment_acquisition",
        "to": "visited",
        "changed": {},
        "undone": [_jump("appointment_acquisition"), _jump("appointment_acquisition", rule="any.appointment")],
        "made": [_jump("visited")],
        "mails": [],
        "pushes": [{"connection": "shop", "object": "lead", "id": "L-0", "wrong": None}],
    }
    assert one.changed == ("status",)


def _jump(to: str, rule: str = "jump") -> dict[str, Any]:
    is_jump = rule == "jump"
    before = "not_set" if is_jump else to
    passed = [info.code for info in BASIC_2.statuses if info.rank is not None]
    return {
        "at": "2026-03-12T01:00:00+00:00",
        "rule": rule,
        "from": before,
        "to": to,
        "notify": [],
        "skipped": passed[1 : passed.index(to)] if is_jump else [],
        "reason": None if is_jump else "no_recipient",
        "step": "shop:e0",
        "facts": {"by": "crm"} if is_jump else {},
    }


def test_held_events_are_released_and_others_held(three: Runtime) -> None:
    released, found = _run(three, _draft(DRAFTS[2]))
    assert (released.released, released.newly_held) == (1, 0)
    assert {(one.before["status"], one.after["status"]) for one in found.values()} == {
        ("not_set", "explicit"),
        ("order", "not_set"),
    }
    held, _ = _run(three, _draft("adapter: standard\n"))
    assert (held.released, held.newly_held) == (0, 2)
    assert held.held_by == {("shop", "stage: lead / meeting"): 1, ("shop", "stage: lead / won"): 1}
    assert held.moved == {("appointment_acquisition", "not_set"): 1, ("order", "not_set"): 1}
    assert held.share == pytest.approx(2 / 3)


def test_what_a_system_cannot_take_is_shown(three: Runtime) -> None:
    push = "push: {lead: {status: {project: {x: 1}}, fields: {s: '{status.code}'}}}\n"
    draft = f"adapter: standard\nstages: {{lead: {{meeting: visited, won: project}}}}\n{push}"
    found, _ = _run(three, _draft(draft))
    assert found.untaken_by == {}
    assert (found.pushes, found.untaken) == (2, 0)
    draft = f"adapter: standard\nunmapped: ignore\nactions: {{site_access: ignore}}\n{push}"
    found, _ = _run(three, _draft(draft))
    assert found.untaken_by == {("shop", "lead", "no push value for the status not_set"): 2}


def test_an_update_with_nothing_in_it_is_no_push(three: Runtime) -> None:
    draft = "adapter: standard\nstages: {lead: {meeting: visited, won: project}}\npush: {lead: {owner: person}}\n"
    found, _ = _run(three, _draft(draft))
    assert (found.moving, found.pushes, found.untaken) == (2, 0, 0)


BITRIX = """
adapter: bitrix24
stages: {{lead: {{NEW: {new}}}}}
push: {{lead: {{status: {{latent: {{STATUS_ID: GONE}}, visited: {{STATUS_ID: NEW}}, order: {{STATUS_ID: WON}}}}}}}}
"""


@pytest.mark.parametrize(("to", "wrong"), [("latent", "the system has no stage GONE"), ("order", None)])
def test_a_stage_that_the_system_has_not_is_named(three: Runtime, to: str, wrong: str | None) -> None:
    add_connection(
        three,
        "portal",
        adapter="bitrix24",
        secrets={"application_tokens": ["t" * 32], "webhook_url": ["https://portal.example/rest/1/abc/"]},
        mapping=BITRIX.format(new="visited"),
    )
    with three.database.write() as connection:
        content = {"stages": {"lead": {"": {"NEW": "New", "WON": "Won"}}}, "owners": [], "fields": {}}
        connections.add_catalog(connection, "portal", content, NOW)
        first = subject_of(three, "email", "p0@example.jp").id
        record = subjects.records_of(connection, [first])[first][0]
        batches.save_records(
            connection,
            [
                asdict(record)
                | {"id": "R" * 26, "connection": "portal", "external_id": "7", "stage": "X", "pipeline": None}
            ],
        )
    draft = MAPPING.replace("meeting: appointment_acquisition", f"meeting: {to}")
    found, _ = _run(three, _draft(draft))
    assert found.pushes_by == {"portal": 1, "shop": 1}
    assert found.untaken_by == ({("portal", "lead", wrong): 1} if wrong else {})


def test_mails_of_today_are_counted_and_those_of_the_past_are_not(selling: Runtime) -> None:
    add_connection(selling)
    owner = _line(1, "2026-03-01", type="owner", owner="kim@example.jp")
    past, today = _line(2, "2026-03-02", stage="won"), _line(3, "2026-04-01", stage="won")
    today["subject"] = owner["subject"] = {"id": "L-2", "email": "b@example.jp"}
    Sender(selling).send(owner, past, today)
    drain(selling)
    draft = MAPPING.replace("won: order", "won: appointment_acquisition")
    found, differences = _run(selling, _draft(draft))
    assert (found.mails, found.mails_by) == (1, {"any.appointment": 1})
    assert [one.mails for one in differences.values() if one.mails] == [(("any.appointment", "kim@example.jp"),)]


def test_other_key_pages_move_whom_they_would_have_moved(selling: Runtime) -> None:
    add_connection(selling)
    visits = [_line(n, f"2026-03-{20 + n}", type="action", action="site_access", page=KEY_PAGE) for n in (1, 3)]
    Sender(selling).send(*visits)
    drain(selling)
    assert subject_of(selling, "email", "a@example.jp").status == "explicit"
    elsewhere = replace(selling.ruleset.settings, key_pages=(KeyPage(match="exact", url="https://e.example/jobs"),))
    found, _ = _run(selling, Proposal(rules=Ruleset(BASIC_2, elsewhere)))
    assert found.moved == {("explicit", "quasi_explicit"): 1}


def test_what_is_due_today_is_no_difference(selling: Runtime, clock: Clock) -> None:
    add_connection(selling)
    Sender(selling).send(_line(1, "2026-01-05", stage="won"), _line(2, "2026-01-06", stage="bad"))
    drain(selling)
    clock.forward(days=400)
    found, _ = _run(selling, Proposal(rules=selling.ruleset))
    assert found == WhatIf(subjects=1)


def test_what_older_settings_left_behind_is_counted_apart(three: Runtime) -> None:
    with three.database.write() as connection:
        row = subject_of(three, "email", "p0@example.jp")
        state = {**(row.state or {}), "tags": ["by-older-settings"]}
        connection.execute(update(subject_table).where(subject_table.c.id == row.id).values(state=state))
    found, _ = _run(three, Proposal(rules=three.ruleset))
    assert found == WhatIf(subjects=3, drifted=1)


def test_a_proposal_that_is_cancelled_has_no_result(three: Runtime) -> None:
    seen: list[tuple[int, int]] = []
    with pytest.raises(Cancelled, match=r"ended after 2 of 3 subjects; nothing was changed"):
        what_if(
            three,
            _draft(DRAFTS[1]),
            page=1,
            progress=lambda done, total: seen.append((done, total)),
            is_cancelled=lambda: len(seen) == 2,
        )
    assert seen == [(1, 3), (2, 3)]


OLD = """
adapter: standard
stages: {lead: {working: in_progress, new: latent, won: order}}
triggers: [{id: call, on: call, jump_to: [order, in_progress]}]
"""


@pytest.fixture
def old(database_url: str, redis_url: str, tmp_path: Path, clock: Clock) -> Any:
    """A workspace on ver.1.0 that mails, with a lead in progress and one who acts."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    found = Runtime(read_config(environ, tmp_path), clock)
    put_in_force(found, template=BASIC_1.name, mail_enabled=True)
    add_connection(found, mapping=OLD)
    lines = [_line(1, "2026-03-02", stage="working"), _line(2, "2026-03-03", type="owner", owner="kim@example.jp")]
    for number, day in enumerate(("2026-03-30", "2026-04-01")):
        visit = {"type": "action", "action": "site_access", "subject": {"id": "L-2", "email": "b@example.jp"}}
        lines.append(_line(10 + number, day, **visit))
    for number in (1, 2):
        call = {"type": "trigger", "trigger": "call", "subject": {"id": "L-3", "email": "c@example.jp"}}
        lines.append(_line(20 + number, f"2026-03-0{number}", **call))
    Sender(found).send(*lines)
    drain(found)
    yield found
    found.close()


def test_an_upgrade_of_the_template_is_shown_before_and_mails_nobody(old: Runtime) -> None:
    found, _ = _run(old, read_proposal(old, WhatIfRequest(template="basic-2.0")))
    assert found.moved == {("in_progress", "pending"): 2, ("latent", "quasi_explicit"): 1}
    assert found.mails == 0


def test_whoever_upgrades_says_what_in_progress_becomes(old: Runtime) -> None:
    found, _ = _run(old, read_proposal(old, WhatIfRequest(template="basic-2.0", in_progress="Visited")))
    assert ("in_progress", "visited") in found.moved


WRONG: list[tuple[str, WhatIfRequest, type[ConnectorError], str]] = [
    ("nothing", WhatIfRequest(), WrongSetting, "needs something that would be other"),
    ("template", WhatIfRequest(template="basic-3.0"), WrongSetting, "allowed: basic-2.0, basic-1"),
    (
        "downgrade",
        WhatIfRequest(template="basic-1.0"),
        WrongSetting,
        "cannot go from basic-2.0 to basic-1.0; allowed: from basic-1.0 to basic-2.0",
    ),
    ("in progress", WhatIfRequest(template="basic-2.0", in_progress="pendin"), UnknownStatus, "did you mean pending"),
    ("connection", WhatIfRequest(mappings={"x": MAPPING}), NotFound, "no connection 'x'"),
    (
        "adapter",
        WhatIfRequest(mappings={"shop": "adapter: bitrix24\n"}),
        WrongSetting,
        "for the adapter bitrix24; the connection's is standard",
    ),
    ("settings", WhatIfRequest(settings={"timezone": "Tokyo"}), WrongSetting, "timezone"),
]


@pytest.mark.parametrize(("asked", "error", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_cannot_be_proposed_is_refused(
    three: Runtime, asked: WhatIfRequest, error: type[ConnectorError], message: str
) -> None:
    with pytest.raises(error, match=message):
        what_if(three, read_proposal(three, asked))


def test_other_settings_leave_the_rest_as_it_is(three: Runtime) -> None:
    found = read_proposal(three, WhatIfRequest(settings={"session_gap_minutes": 5}, since="2026-03-01"))
    assert found.rules is not None
    assert found.rules.settings == replace(three.ruleset.settings, session_gap_minutes=5)
    request = WhatIfRequest(since="2026-03-01")
    assert WhatIfRequest(**json.loads(json.dumps(request.to_json()))).since_date == date(2026, 3, 1)


def test_memory_does_not_grow_with_the_number_of_subjects(runtime: Runtime) -> None:
    places.add_connection(runtime)
    rules = runtime.connections.all()[places.NAME].rules
    draft = Proposal(mappings={places.NAME: parse_mapping(DRAFTS[1], "draft")})
    peaks = []
    for first, count in ((0, 50), (50, 400)):
        population.store(runtime, rules, count, 10, first)
        what_if(runtime, draft, page=25)
        tracemalloc.start()
        found = what_if(runtime, draft, page=25)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert found.subjects == 450
    assert peaks[1] < 1.5 * peaks[0]
