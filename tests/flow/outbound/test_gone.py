"""A record that is deleted takes no more updates, and one that comes back does, in whatever order that is told."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.operations.flow import build_processor
from connector.runtime.parts import Runtime
from connector.store import subjects
from tests.conftest import NOW
from tests.flow.senders import add_connection
from tests.flow.store_queries import subject_of, updates

REF = RecordRef(object="lead", id="1")
NAMES = (Identity(kind=IdentityKind.RECORD, value="lead:1"), Identity(kind=IdentityKind.EMAIL, value="a@b.example"))


def _event(key: str, days: float, kind: Kind, stage: str | None = None) -> Event:
    at = NOW - timedelta(days=days)
    return Event(key=key, at=at, kind=kind, identities=NAMES, record=REF, is_lead=True, stage=stage)


MADE = _event("made", 9, Kind.STAGE, "new")
GONE = _event("gone", 6, Kind.DELETED)
BACK = _event("back", 3, Kind.IDENTIFY)


def _is_gone(runtime: Runtime) -> bool:
    with runtime.database.read() as connection:
        (row,) = subjects.records_by_key(connection, {("shop", "lead", "1")}).values()
    return bool(row.is_gone)


@pytest.mark.parametrize(
    "order", list(permutations((MADE, GONE, BACK))), ids=lambda order: "-".join(one.key for one in order)
)
def test_a_fact_after_the_deletion_says_that_the_record_is_back(runtime: Runtime, order: tuple[Event, ...]) -> None:
    add_connection(runtime)
    shop = runtime.connections.get("shop")
    assert shop
    for event in order:
        build_processor(runtime).apply_events(shop, [event])
    assert not _is_gone(runtime)
    assert updates(runtime)["1"].outcome == "waiting"
    again = _event("again", 1, Kind.DELETED)
    build_processor(runtime).apply_events(shop, [again])
    assert _is_gone(runtime)
    assert subject_of(runtime, "email", "a@b.example").status == "latent"


def test_a_record_that_is_gone_stays_gone_for_what_was_before(runtime: Runtime) -> None:
    add_connection(runtime)
    shop = runtime.connections.get("shop")
    assert shop
    build_processor(runtime).apply_events(shop, [GONE, MADE])
    assert _is_gone(runtime)
