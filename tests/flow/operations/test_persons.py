"""All of a person is handed out and erased: proven by a search through every table, every file and Redis."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import event, insert, select

from connector.core.errors import NotFound
from connector.operations import merging
from connector.operations import subjects as operations
from connector.operations.doctor import balance, is_balanced
from connector.operations.persons import person
from connector.operations.persons.mentions import mentions_of
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import deliveries, imports, subjects
from connector.store.database import new_id
from connector.store.persons.holdings import Person, belonging
from connector.store.rows import fetch
from connector.store.tables import audit, echoes, metadata, records
from connector.web.app import create_app
from connector.what_if import runs
from connector.what_if.proposal import WhatIfRequest
from tests.conftest import NOW, Clock
from tests.flow.search import found_in
from tests.flow.senders import MAPPING, Sender, add_connection, drain, signed
from tests.flow.store_queries import decisions, subject_of

ANN = {"id": "REC-ann-4821", "email": "Ann.Person@b.example", "phone": "+81 90-1234-5678"}
WORK = {"id": "REC-ann-work", "email": "ann@work.example"}
BOB = {"id": "REC-bob-1", "email": "bob@b.example"}
WORDS = (ANN["id"], ANN["email"], "90-1234-5678", "9012345678", "Ann Personova", WORK["id"], WORK["email"])
FIELDS = MAPPING.replace("fields: {company: company}", "fields: {company: company, name: name}")


def _line(number: str, days: float, names: dict[str, str], **deed: Any) -> dict[str, Any]:
    at = (NOW - timedelta(days=days)).isoformat()
    return {"id": number, "at": at, "kind": "lead", "subject": names, "object": "lead", **deed}


def _stage(number: str, days: float, names: dict[str, str], stage: str = "talking") -> dict[str, Any]:
    return _line(number, days, names, type="stage", stage=stage)


@pytest.fixture
def sender(runtime: Runtime) -> Sender:
    """Two people of whom everything is held that can be; nothing of them has been sent yet."""
    add_connection(runtime, mapping=FIELDS)
    sender = Sender(runtime)
    _process(
        runtime, sender, _stage("a1", 9, ANN), _line("a2", 9, ANN, type="profile", fields={"name": "Ann Personova"})
    )
    _process(runtime, sender, _stage("w1", 8, WORK, "new"))
    _process(runtime, sender, _stage("a3", 7, ANN, "meeting"), _stage("b1", 7, BOB, "won"))
    _process(runtime, sender, _stage("a3", 7, ANN, "meeting"))
    _process(runtime, sender, _stage("a4", 6, ANN, "nobody knows"))
    merging.join(runtime, ANN["email"], WORK["email"], actor="kim")
    operations.set_status(runtime, ANN["email"], "visited", actor="kim")
    runs.start(
        runtime,
        WhatIfRequest(mappings={"shop": FIELDS.replace("meeting: app", "meeting: visited, m: app")}),
        actor="kim",
    )
    while runs.advance(runtime, runs.unfinished(runtime)[0], lambda: True):
        pass
    with runtime.database.write() as connection:
        noted = {"connection": "shop", "about": f"lead:{ANN['id']}", "digest": "d", "revision": 1}
        imports.note(connection, [noted, {**noted, "about": f"lead:{ANN['email'].casefold()}"}])
        record = connection.execute(select(records.c.id).where(records.c.external_id == ANN["id"])).scalar_one()
        sent = {"record": record, "field": "owner", "value": ANN["email"], "at": NOW}
        connection.execute(insert(echoes).values(id=new_id(NOW), **sent))
    sender.send(_stage("a5", 1, ANN, "won"))
    body = orjson.dumps({"events": [_stage("a6", 1, ANN)]})
    headers = signed(body, "forged", runtime.clock(), "whsec_HxAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh==")
    web = create_app(runtime.config, runtime).test_client()
    assert web.post("/webhooks/shop", data=body, headers=headers).status_code == 401
    return sender


def _process(runtime: Runtime, sender: Sender, *lines: dict[str, Any]) -> None:
    runtime.clock.forward(seconds=1)  # type: ignore[attr-defined]
    sender.send(*lines)
    drain(runtime)


def _what_bob_is(runtime: Runtime) -> Any:
    row = subject_of(runtime, "email", BOB["email"])
    return row, decisions(runtime, row.id), person.export(runtime, BOB["email"])["records"]


def test_nothing_is_left_of_who_is_erased_and_all_of_the_others(
    runtime: Runtime, sender: Sender, tmp_path: Path
) -> None:
    before, bob = found_in(runtime, tmp_path, WORDS), _what_bob_is(runtime)
    assert before >= {
        *("deliveries.body", "quarantine.sealed", "events.event", "events.steps", "identities.value"),
        *("records.external_id", "subjects.state", "merges.identities", "echoes.value", "imported.about"),
    }
    first = subject_of(runtime, "email", ANN["email"].casefold()).id
    done = person.erase(runtime, ANN["email"], actor="kim")
    assert found_in(runtime, tmp_path, (*WORDS, first)) == set()
    assert [one["id"] for one in runs.listed(runtime)] == []
    assert list(runtime.redis.keys("connector:what-if:*")) == []
    assert (done.deliveries, done.unread, done.others, done.quarantined) == (6, 1, 1, 1)
    assert _what_bob_is(runtime) == bob
    assert is_balanced(balance(runtime)["shop"])
    with runtime.database.read() as connection:
        lines = fetch(connection, select(audit).where(audit.c.action.startswith("subject.")))
    assert {(line["target"], line["actor"]) for line in lines} == {("erased", "kim")}
    assert sorted(line["action"] for line in lines) == ["subject.erase", "subject.jump", "subject.merge"]
    with pytest.raises(NotFound):
        person.export(runtime, first)
    _process(runtime, sender, _stage("a9", 0, ANN, "new"))
    again = subject_of(runtime, "email", ANN["email"].casefold())
    assert (again.id != first, again.status) == (True, "latent")
    assert is_balanced(balance(runtime)["shop"])


def test_what_was_erased_is_asked_for_no_more(runtime: Runtime, sender: Sender) -> None:
    del sender
    person.erase(runtime, ANN["email"], actor="kim")
    drain(runtime)
    with runtime.database.read() as connection:
        assert [row.status for row in subjects.listed(connection)] == ["order"]
        rows = deliveries.listed(connection)
    assert {row.outcome for row in rows if row.key.startswith("erased:")} == {"applied", "duplicate", "ignored"}
    assert {row.error for row in rows if row.outcome == "ignored"} == {"erased with a person whom it was about"}


def test_all_that_is_held_is_handed_out(runtime: Runtime, sender: Sender) -> None:
    del sender
    found = orjson.loads(
        orjson.dumps(person.export(runtime, ANN["email"]), default=str, option=orjson.OPT_NON_STR_KEYS)
    )
    assert {one["external_id"] for one in found["records"]} == {ANN["id"], WORK["id"]}
    assert {one["key"] for one in found["events"]} >= {"shop:a1", "shop:a2", "shop:a3", "shop:a4", "shop:w1"}
    assert {one["kind"] for one in found["outbox"]} == {"update"}
    assert sorted(one["action"] for one in found["audit"]) == ["subject.jump", "subject.merge"]
    assert (len(found["deliveries"]), len(found["quarantine"]), len(found["merges"])) == (6, 1, 1)
    assert (len(found["imported"]), len(found["echoes"]), len(found["subjects"])) == (2, 1, 2)
    assert "Ann Personova" in found["deliveries"][0]["body"]
    assert found["decisions"]


def test_one_who_is_kept_apart_is_another(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime, mapping=FIELDS)
    sender = Sender(runtime)
    _process(runtime, sender, _stage("a1", 9, ANN))
    _process(runtime, sender, _stage("b1", 8, BOB, "won"))
    clock.forward(seconds=1)
    merging.join(runtime, ANN["email"], BOB["email"], actor="kim")
    merging.undo(runtime, merging.listed(runtime, BOB["email"])[0]["id"], actor="kim")
    bob = _what_bob_is(runtime)
    assert BOB["email"] not in str(person.export(runtime, ANN["email"])["merges"])
    person.erase(runtime, ANN["email"], actor="kim")
    assert _what_bob_is(runtime)[1:] == bob[1:]


def test_whoever_is_erased_while_something_comes_in_is_a_new_subject(
    postgres_url: str, redis_url: str, tmp_path: Path, clock: Clock
) -> None:
    environ = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    with closing(Runtime(read_config(environ, tmp_path), clock)) as runtime:
        add_connection(runtime, mapping=FIELDS)
        sender = Sender(runtime)
        _process(runtime, sender, _stage("a1", 9, ANN))
        first = subject_of(runtime, "email", ANN["email"].casefold()).id
        turns = [lambda: person.erase(runtime, ANN["email"], actor="kim")]

        def meanwhile(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if "FOR UPDATE" in statement and "FROM subjects" in statement and turns:
                turns.pop()()

        event.listen(runtime.database.engine, "before_cursor_execute", meanwhile)
        _process(runtime, sender, _stage("a2", 8, ANN, "won"))
        event.remove(runtime.database.engine, "before_cursor_execute", meanwhile)
        again = subject_of(runtime, "email", ANN["email"].casefold())
        assert (turns, again.id != first, again.status) == ([], True, "order")
        assert is_balanced(balance(runtime)["shop"])


def test_every_table_that_refers_to_subjects_or_records_is_known_to_the_erasure(runtime: Runtime) -> None:
    nobody = Person(subjects=("x",), record_ids=(), records=frozenset(), names=frozenset())
    with runtime.database.read() as connection:
        known = {table.name for table in belonging(connection, nobody)}
    referring = {
        table.name
        for table in metadata.sorted_tables
        if any(key.column.table.name in {"subjects", "records"} for key in table.foreign_keys) or "subject" in table.c
    }
    assert referring <= known


@pytest.mark.parametrize(
    ("text", "is_meant"),
    [
        (b'{"email": "ANN.PERSON@b.example"}', True),
        (b"email=ann.person%40b.example&x=1", True),
        (b'{"tel": "(090) 1234-5678"}', True),
        (b'{"tel": "+81 90 1234 5678"}', True),
        (b'{"tel": "090-1234-5679"}', False),
        (b'{"objectId": 48}', True),
        (b'{"id":"48"}', True),
        (b"data%5Bid%5D=48&event=x", True),
        (b'{"time": "10:48:12", "n": 148}', False),
        ('{"name": "グエン・マイ"}'.encode(), True),
        (b'{"name": "\\u30b0\\u30a8\\u30f3\\u30fb\\u30de\\u30a4"}', True),
        (b'{"name": "Bob"}', False),
        (b'{"uid": "u-7"}', True),
    ],
)
def test_a_text_that_speaks_of_somebody_is_known_however_it_is_written(text: bytes, is_meant: bool) -> None:  # noqa: FBT001
    names = {("email", "ann.person@b.example"), ("phone", "+819012345678"), ("visitor", "v"), ("account", "shop:u-7")}
    whom = Person(subjects=("x",), record_ids=(), records=frozenset({("shop", "lead", "48")}), names=frozenset(names))
    mentions = mentions_of(whom, ["グエン・マイ"])
    assert mentions("shop", text) is is_meant
    assert not mentions("other", b'{"objectId": 48}')
