"""However deliveries come (in any order, batch or repetition, by any identity), the store ends as the fold says."""

from __future__ import annotations

import itertools
import json
import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connector.core.rules import BASIC_2
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from connector.what_if.simulate import simulate
from tests.conftest import NOW
from tests.flow.conftest import KEY_PAGE
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import whole_state
from tests.hypothesis_profile import examples

STAGES = {"new": "latent", "talking": "appointment_prospect", "meeting": "appointment_acquisition", "won": "order"}
STAGES["bad"] = "not_targeted"
CONNECTIONS = ("shop", "desk")
DAYS = (0, 0, 0, 1, 2, 3, 4, 5, 24, 25, 30, 31, 59, 60, 61, 89, 90, 91, 100)
TOKYO = ZoneInfo("Asia/Tokyo")
_number = itertools.count()


def draw_lines(chance: random.Random, person: int) -> list[dict[str, Any]]:
    """Lines of one person, who is known by e-mail, visitor and records of two connections; they end joined."""
    email, visitor, record = f"p{person}@MARK.example", f"v{person}MARK", f"L{person}MARK"
    names = {"email": email, "visitor": visitor, "id": record}
    lines = []
    for number in range(chance.randint(2, 12)):
        at = NOW - timedelta(days=chance.choice(DAYS), minutes=chance.choice((0, 1, 20, 600, 1439)))
        line: dict[str, Any] = {"id": f"MARK{person}{number:03}", "at": at.isoformat()}
        line |= _draw_deed(chance)
        keys = chance.sample(list(names), chance.randint(1, 3))
        if line["type"] == "stage":
            keys = sorted({*keys, "id"})
        line["subject"] = {key: names[key] for key in keys}
        line["connection"] = chance.choice(CONNECTIONS)
        lines.append(line | ({"kind": "lead"} if chance.random() < 0.3 else {}))
    at = NOW - timedelta(days=chance.choice(DAYS))
    joined = {"id": f"MARK{person}join", "at": at.isoformat(), "type": "identify", "connection": "shop"}
    return [
        *lines,
        joined | {"subject": names},
        joined | {"id": f"MARK{person}desk", "connection": "desk", "subject": names},
    ]


def _draw_deed(chance: random.Random) -> dict[str, Any]:
    kind = chance.choices(("action", "stage", "trigger", "identify", "tag", "owner", "profile"), (8, 4, 1, 1, 1, 2, 1))[
        0
    ]
    if kind == "action":
        page = chance.choice((None, None, KEY_PAGE))
        action = chance.choice(("site_access", "site_access", "form_submission", "email_inflow"))
        return {"type": kind, "action": action} | ({"page": page} if page else {})
    if kind == "stage":
        return {"type": kind, "object": "lead", "stage": chance.choice(list(STAGES))}
    if kind == "trigger":
        return {"type": kind, "trigger": "webinar"}
    if kind == "tag":
        return {"type": kind, "add": "reactive"}
    if kind == "owner":
        return {"type": kind, "owner": chance.choice(("kim@example.jp", "lee@example.jp", None))}
    return {"type": kind} | ({"fields": {"company": chance.choice(("Acme", "Beta"))}} if kind == "profile" else {})


def marked(lines: list[dict[str, Any]], mark: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(json.dumps(lines).replace("MARK", mark))
    return found


def send(senders: dict[str, Sender], lines: list[dict[str, Any]], mark: str) -> None:
    for name, sender in senders.items():
        own = [
            {key: value for key, value in one.items() if key != "connection"}
            for one in lines
            if one["connection"] == name
        ]
        if own:
            answer = sender.send(*own, key=f"msg_{mark}_{next(_number)}")
            assert (answer.status_code, answer.json["refused"]) == (202, [])  # type: ignore[index]


def as_simulated(line: dict[str, Any]) -> dict[str, Any]:
    """A line as `connector simulate` reads it, its id as the store's steps have it."""
    plain: dict[str, Any] = {key: line[key] for key in ("at", "kind", "action", "page", "owner", "add") if key in line}
    plain |= {"type": line["type"], "subject": "s", "id": f"{line['connection']}:{line['id']}"}
    if line["type"] == "stage":
        plain |= {"type": "jump", "to": STAGES[line["stage"]], "by": "crm"}
    elif line["type"] == "trigger":
        plain |= {"to": "appointment_prospect", "trigger": "webinar", "id": f"{plain['id']}#webinar"}
    elif line["type"] == "profile":
        plain |= {"type": "tag", "remove": "nothing"}
    return plain


def simulated(runtime: Runtime, lines: list[dict[str, Any]]) -> dict[str, Any]:
    until = NOW.astimezone(TOKYO).date()
    rows = simulate(
        [json.dumps(as_simulated(line)).encode() for line in lines], runtime.ruleset.settings, BASIC_2, until
    )
    end = rows[-1]
    made = [{"at": row["at"], "rule": row["rule"], "after": row["to"], "reason": row["reason"]} for row in rows[:-1]]
    return {"end": [end[key] for key in ("kind", "status", "since", "tags")], "decisions": made, "due": end["due"]}


def as_told(found: dict[str, Any]) -> dict[str, Any]:
    kind, status, _, due, since = found["row"]
    made = [{key: one[key] for key in ("at", "rule", "after", "reason")} for one in found["decisions"]]
    day = datetime.fromordinal(due).date().isoformat() if due else None
    return {"end": [kind, status, since, found["state"]["tags"]], "decisions": made, "due": day}


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(seed=st.integers(0, 2**32), is_swept=st.booleans(), is_drained=st.booleans())
def _same_end(selling: Runtime, seed: int, *, is_swept: bool, is_drained: bool) -> None:
    chance = random.Random(seed)
    for name in CONNECTIONS:
        if selling.connections.get(name) is None:
            add_connection(selling, name)
    senders = {name: Sender(selling, name) for name in CONNECTIONS}
    lines = draw_lines(chance, 1) + draw_lines(chance, 2)
    mark, other = (f"x{next(_number):06}" for _ in range(2))
    send(senders, sorted(marked(lines, mark), key=lambda line: line["at"]), mark)
    drain(selling)
    again = marked(lines + chance.sample(lines, len(lines) // 2), other)
    chance.shuffle(again)
    while again:
        part, again = again[: (size := chance.randint(1, 6))], again[size:]
        send(senders, list({line["id"]: line for line in part}.values()), other)
        if is_drained:
            drain(selling)
        if is_swept and chance.random() < 0.2:
            sweep(selling)
    drain(selling)
    sweep(selling)
    for person in (1, 2):
        own = [line for line in marked(lines, "") if line["id"].startswith(str(person))]
        first = whole_state(selling, f"p{person}@{mark}.example", mark)
        second = whole_state(selling, f"p{person}@{other}.example", other)
        assert second == first
        assert as_told(first) == simulated(selling, own)
    assert all(is_balanced(book) for book in balance(selling).values())


def test_any_order_repetition_and_batching_of_deliveries_ends_as_one_delivery_in_order_and_as_simulated(
    selling: Runtime,
) -> None:
    _same_end(selling)
