"""What was stored before identities had sources and times is read again, and everybody stays who he was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import column, insert, select
from sqlalchemy import table as table_of

from connector.store.database import Database
from connector.store.migrations import migrate
from connector.store.tables import apart, events, identities, merges

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
REGIONS: Final = {"tokyo": "JP", "hanoi": "VN", "site": "", "desk": "", "*": "VN"}
ADAPTERS: Final = {"tokyo": "hubspot", "hanoi": "zoho", "site": "segment", "desk": "generic"}


def _day(number: int) -> datetime:
    return START + timedelta(days=number)


def _written(at: datetime) -> str:
    return at.isoformat(" ", "microseconds")[:26]


def _event(number: int, name: str, subject: str, *names: tuple[str, str], about: str = "") -> dict[str, Any]:
    said: dict[str, Any] = {"key": f"{name}:{number}", "at": _day(number).isoformat(), "kind": "record"}
    said |= {"identities": names} | ({"record": about.split(":")} if about else {})
    return {
        "id": f"E{number}",
        "connection": name,
        "key": f"{name}:{number}",
        "subject": subject,
        "origin": subject,
        "at": _written(_day(number)),
        "kind": "record",
        "outcome": "applied",
        "event": json.dumps(said),
        "steps": "[]",
    }


EVENTS: Final = (
    _event(1, "tokyo", "S", ("phone", "09012345678"), ("email", "aiko@x.example"), about="contact:1"),
    _event(2, "site", "S", ("record", "site:user:7"), ("record", "site:visitor:ab")),
    _event(3, "tokyo", "S", ("phone", "+819012345678"), ("email", "both@x.example"), about="contact:1"),
    _event(4, "hanoi", "T", ("phone", "0908222333"), ("phone", "101"), ("email", "both@x.example"), about="Leads:9"),
    _event(5, "desk", "U", ("phone", "0908222444")),
    _event(6, "desk", "U", ("phone", "1")),
)
KNOWN: Final = (
    ("phone", "09012345678", "S"),
    ("phone", "+819012345678", "S"),
    ("email", "aiko@x.example", "S"),
    ("email", "both@x.example", "S"),
    ("record", "tokyo:contact:1", "S"),
    ("record", "site:user:7", "S"),
    ("record", "site:visitor:ab", "S"),
    ("phone", "0908222333", "T"),
    ("phone", "101", "T"),
    ("record", "hanoi:Leads:9", "T"),
    ("phone", "0908222444", "U"),
    ("visitor", "old-1", "U"),
    ("visitor", "undefined", "T"),
)


def _rows() -> dict[str, list[dict[str, Any]]]:
    at = _written(START)
    mappings = [
        {"id": f"M{name}", "connection": name, "version": 1, "state": "published", "author": "t", "comment": ""}
        | {"source": f"adapter: x\n{f'region: {region}' if region else ''}\n", "created_at": at, "published_at": at}
        for name, region in REGIONS.items()
    ]
    connections = [
        {
            "id": name,
            "name": name,
            "adapter": adapter,
            "settings": "{}",
            "sealed": "",
            "is_paused": False,
            "created_at": at,
        }
        for name, adapter in ADAPTERS.items()
    ]
    subject = {"kind": "lead", "status": "latent", "since": at, "version": 1, "created_at": at}
    merge = {"id": "G", "at": at, "loser": "Z", "survivor": "S", "event": "tokyo:1"}
    merge["identities"] = json.dumps([["phone", "09012345678"], ["record", "site:user:7"], ["email", "gone@x.example"]])
    return {
        "connections": connections,
        "mapping_versions": mappings,
        "subjects": [subject | {"id": of} for of in "STUZ"],
        "events": list(EVENTS),
        "identities": [{"kind": kind, "value": value, "subject": of} for kind, value, of in KNOWN],
        "apart": [{"one": "S", "other": "T", "at": at, "by": "kim"}],
        "merges": [merge],
    }


@pytest.fixture
def migrated(empty_database_url: str) -> Iterator[Database]:
    """A database of the version before, brought to the present."""
    migrate(empty_database_url, "0011")
    database = Database(empty_database_url)
    with database.write() as connection:
        for table, rows in _rows().items():
            for row in rows:
                connection.execute(insert(table_of(table, *map(column, row))).values(row))
    migrate(empty_database_url)
    yield database
    database.close()


def test_stored_identities_are_read_again_with_their_sources_and_times(migrated: Database) -> None:
    columns = ("kind", "value", "number", "subject", "sources", "since", "changed_at", "until", "is_shared")
    with migrated.read() as connection:
        query = select(*(identities.c[name] for name in columns)).order_by("kind", "value", "number")
        found = [tuple(row) for row in connection.execute(query).all()]
    tokyo, hanoi = ["tokyo:contact:1"], ["hanoi:Leads:9"]
    assert found == [
        ("account", "site:7", 0, "S", [""], _day(2), _day(2), None, False),
        ("email", "aiko@x.example", 0, "S", tokyo, _day(1), _day(1), None, False),
        ("email", "both@x.example", 0, "S", tokyo, _day(3), _day(3), None, False),
        ("email", "both@x.example", 1, "T", hanoi, _day(4), _day(4), None, False),
        ("mobile", "+819012345678", 0, "S", tokyo, _day(1), _day(3), None, False),
        ("mobile", "+84908222333", 0, "T", hanoi, _day(4), _day(4), None, False),
        ("mobile", "+84908222444", 0, "U", [""], _day(5), _day(5), None, False),
        ("phone", "1", 0, "U", [""], _day(6), _day(6), None, False),
        ("record", "hanoi:Leads:9", 0, "T", hanoi, _day(4), _day(4), None, False),
        ("record", "tokyo:contact:1", 0, "S", tokyo, _day(1), _day(3), None, False),
        ("visitor", "old-1", 0, "U", [""], _day(0), _day(0), None, False),
        ("visitor", "site:ab", 0, "S", [""], _day(2), _day(2), None, False),
    ]


def test_stored_events_name_what_is_looked_for_now(migrated: Database) -> None:
    with migrated.read() as connection:
        rows = connection.execute(select(events.c.id, events.c.event)).all()
    assert {of: [tuple(one) for one in event["identities"]] for of, event in rows} == {
        "E1": [("mobile", "+819012345678"), ("email", "aiko@x.example")],
        "E2": [("account", "site:7"), ("visitor", "site:ab")],
        "E3": [("mobile", "+819012345678"), ("email", "both@x.example")],
        "E4": [("mobile", "+84908222333"), ("email", "both@x.example")],
        "E5": [("mobile", "+84908222444")],
        "E6": [("phone", "1")],
    }


def test_who_is_kept_apart_has_sides_and_what_both_have_is_of_neither(migrated: Database) -> None:
    with migrated.read() as connection:
        (sides,) = connection.execute(select(apart.c.sides)).scalars()
    assert {(kind, value): of for kind, value, of in sides} == {
        ("account", "site:7"): "S",
        ("email", "aiko@x.example"): "S",
        ("mobile", "+819012345678"): "S",
        ("record", "tokyo:contact:1"): "S",
        ("visitor", "site:ab"): "S",
        ("mobile", "+84908222333"): "T",
        ("record", "hanoi:Leads:9"): "T",
    }


def test_merges_say_what_found_the_loser_as_it_is_found_now(migrated: Database) -> None:
    with migrated.read() as connection:
        (found,) = connection.execute(select(merges.c.identities)).scalars()
    assert [tuple(one) for one in found] == [
        ("account", "site:7"),
        ("email", "gone@x.example"),
        ("mobile", "+819012345678"),
    ]
