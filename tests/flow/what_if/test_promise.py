"""What publishing does is what the what-if said: states, decisions, mails, pushes, released and held events."""

from __future__ import annotations

import random
from typing import Any

import pytest

from connector.mapping import parse_mapping
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import sweep
from connector.operations.publishing import Publication, put_in_force
from connector.runtime.parts import Runtime
from connector.store import outbox, subjects
from connector.what_if.compare import what_if
from connector.what_if.proposal import Proposal
from connector.what_if.report import Difference
from tests.flow.conftest import KEY_PAGE
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import count_as_sent

STAGES = ("new", "talking", "meeting", "won", "bad", "odd")
GOALS = ("latent", "explicit", "appointment_prospect", "visited", "project", "order", "lost_order", "ignore", None)
LEADS = tuple(f"l{number}@example.jp" for number in range(8))


def mapping(chance: random.Random) -> str:
    """A mapping that leaves stages out or ignores them, and has a trigger, an action, fields, an owner at times."""
    chosen = {stage: goal for stage in STAGES if (goal := chance.choice(GOALS))}
    lines = ["adapter: standard", f"backward: {chance.choice(('follow', 'ignore'))}"]
    lines += [f"unmapped: {chance.choice(('hold', 'hold', 'ignore'))}"]
    lines += ["stages: {lead: {" + ", ".join(f"{stage}: {goal}" for stage, goal in chosen.items()) + "}}"]
    if chance.random() < 0.5:
        lines += ["triggers: [{id: webinar, on: webinar, jump_to: explicit}]"]
    if chance.random() < 0.5:
        lines += [f"actions: {{clicked: {chance.choice(('email_inflow', 'login', 'ignore'))}}}"]
    if chance.random() < 0.5:
        lines += [f"fields: {{company: {{from: company, conflict: {chance.choice(('newest', 'if_empty'))}}}}}"]
    if chance.random() < 0.5:
        lines += [f"owner: {{match: {chance.choice(('table, table: {17: hana@example.jp}', 'email'))}}}"]
    return "\n".join([*lines, 'push: {lead: {fields: {abm: "{status.code}"}}}', ""])


def event(chance: random.Random, number: int) -> dict[str, Any]:
    """Something that happened to one of the leads in the weeks before the tests' now."""
    kind = chance.choice(
        (
            {"type": "stage", "object": "lead", "stage": chance.choice(STAGES)},
            {"type": "trigger", "trigger": "webinar"},
            {"type": "action", "action": "clicked"},
            {"type": "action", "action": chance.choice(("site_access", "form_submission")), "page": KEY_PAGE},
            {"type": "owner", "owner": chance.choice(("17", "kim@example.jp"))},
            {"type": "profile", "fields": {"company": chance.choice(("Acme", "Ekuma"))}},
        )
    )
    lead = chance.choice(LEADS)
    at = f"2026-0{chance.randint(2, 3)}-{chance.randint(1, 28):02}T{chance.randint(0, 23):02}:00:00+09:00"
    if chance.random() < 0.2:
        at = f"2026-04-01T{chance.randint(0, 11):02}:30:00+09:00"
    return {"id": f"e{number}", "at": at, "subject": {"id": lead, "email": lead}, "kind": "lead"} | kind


@pytest.mark.parametrize("seed", range(112, 118))
def test_publishing_does_what_the_what_if_foresaw_of_random_events(selling: Runtime, seed: int) -> None:
    chance = random.Random(seed)
    first, second = mapping(chance), mapping(chance)
    add_connection(selling, mapping=first)
    sender = Sender(selling)
    for number in range(60):
        sender.send(event(chance, number))
    drain(selling)
    sweep(selling)
    count_as_sent(selling)
    said: list[Difference] = []
    proposal = Proposal(mappings={"shop": parse_mapping(second, "second")})
    foreseen = what_if(selling, proposal, each=said.append)
    before, mails = _shown(selling), _count(selling, outbox.NOTICE)
    done = put_in_force(selling, "shop", Publication(source=second, is_confirmed=True), actor="kim")
    assert done.what_if == foreseen
    assert (done.events, done.held) == (foreseen.released, foreseen.newly_held)
    expected = before | {one.subject: _essence(one.after) for one in said}
    assert _shown(selling) == expected
    assert _count(selling, outbox.NOTICE) - mails == foreseen.mails
    assert _count(selling, outbox.UPDATE) == foreseen.pushes
    assert is_balanced(balance(selling)["shop"])
    nothing = what_if(selling, proposal)
    assert (nothing.differing, nothing.drifted, nothing.released, nothing.newly_held) == (0, 0, 0, 0)
    put_in_force(selling, "shop", Publication(source=first, is_confirmed=True), actor="kim")
    assert _shown(selling) == before


def _shown(runtime: Runtime) -> dict[str, Any]:
    with runtime.database.read() as connection:
        rows = subjects.listed(connection)
    return {row.id: _essence({**(row.state or {}), "since": row.since.isoformat()}) for row in rows}


def _essence(raw: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"kind": "unknown", "status": "not_set", "owner": None, "tags": [], "profile": {}}
    return {key: raw.get(key, value) for key, value in nothing.items()} | {"since": raw["since"]}


def _count(runtime: Runtime, kind: str) -> int:
    with runtime.database.read() as connection:
        rows = outbox.listed(connection, limit=10_000)
    return sum(row.kind == kind and row.outcome == "waiting" for row in rows)
