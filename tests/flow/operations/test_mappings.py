"""Drafts and published versions: kept for ever, compared, and never overwritten by who did not know of the other."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import delete, select

from connector.core.errors import NotFound, WrongSetting
from connector.mapping import BadMapping
from connector.operations import mappings, publishing
from connector.operations.mappings import Outdated
from connector.operations.publishing import TooManyMoved
from connector.runtime.parts import Runtime
from connector.store import connections
from connector.store.tables import audit, mapping_versions, remaps
from tests.conftest import Clock
from tests.flow.mapping.test_remap import COVERED, line, status
from tests.flow.senders import MAPPING, Sender, add_connection, drain

KIM = MAPPING.replace("won: order", "won: project")
LEE = MAPPING.replace("bad: not_targeted", "bad: lost_order")


def test_a_draft_is_kept_with_author_time_comment_and_what_it_is_based_on(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    clock.forward(hours=1)
    saved = mappings.save_draft(runtime, "shop", KIM, actor="kim", comment="won is a project")
    assert (saved.version, saved.based_on, saved.beside) == (2, 1, ())
    draft, first = mappings.listed(runtime, "shop")
    assert (draft["state"], draft["author"], draft["comment"]) == ("draft", "kim", "won is a project")
    assert (draft["created_at"], draft["published_at"], draft["is_in_force"]) == (clock(), None, False)
    assert (first["state"], first["is_in_force"], first["published_by"]) == ("published", True, "test")
    assert mappings.newest_draft(runtime, "shop").source == KIM
    assert mappings.show(runtime, "shop")["version"] == 1


def test_publishing_a_draft_puts_it_in_force_under_its_number(runtime: Runtime) -> None:
    add_connection(runtime)
    mappings.save_draft(runtime, "shop", KIM, actor="kim", comment="won is a project")
    done = publishing.publish_draft(runtime, "shop", 2, actor="lee")
    assert (done.version, [str(one) for one in done.differences]) == (2, ["lead / won: order → project"])
    newest = next(mappings.listed(runtime, "shop"))
    assert (newest["author"], newest["published_by"], newest["is_in_force"]) == ("kim", "lee", True)
    assert _audited(runtime) == {("kim", "mapping.draft", 2), ("lee", "mapping.publish", 2)}


def test_of_two_editors_the_second_is_refused_and_nothing_is_overwritten(runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    mappings.save_draft(runtime, "shop", KIM, actor="kim")
    clock.forward(minutes=5)
    saved = mappings.save_draft(runtime, "shop", LEE, actor="lee", based_on=1)
    (other,) = saved.beside
    assert str(other) == "draft 2 by kim, 2026-04-01 03:00:00Z"
    assert [str(one) for one in other.differences] == [
        "lead / won: project → order",
        "lead / bad: not_targeted → lost_order",
    ]
    publishing.publish_draft(runtime, "shop", 3, actor="lee")
    with pytest.raises(Outdated, match="version 3 by lee") as caught:
        publishing.publish_draft(runtime, "shop", 2, actor="kim")
    assert (caught.value.newer.version, caught.value.based_on) == (3, 1)
    assert [str(one) for one in caught.value.newer.differences] == ["lead / bad: not_targeted → lost_order"]
    assert "lead / bad: not_targeted → lost_order" in str(caught.value)
    assert [row["state"] for row in mappings.listed(runtime, "shop")] == ["published", "draft", "published"]
    assert mappings.show(runtime, "shop")["source"] == LEE
    again = mappings.save_draft(runtime, "shop", KIM, actor="kim", based_on=1)
    assert [(one.version, one.state) for one in again.beside] == [(2, "draft"), (3, "published")]


def test_a_file_that_was_exported_says_what_it_is_based_on(runtime: Runtime) -> None:
    add_connection(runtime)
    mine = mappings.export(runtime, "shop").replace("won: order", "won: project")
    assert mine.startswith("# shop, version 1: ")
    publishing.publish(runtime, "shop", LEE, actor="lee")
    with pytest.raises(Outdated, match="version 2 by lee"):
        publishing.publish(runtime, "shop", mine, actor="kim")
    done = publishing.publish(runtime, "shop", mine, actor="kim", based_on=2)
    assert mappings.show(runtime, "shop")["source"] == KIM
    assert [str(one) for one in done.differences] == [
        "lead / won: order → project",
        "lead / bad: lost_order → not_targeted",
    ]
    with pytest.raises(Outdated, match="yours is based on no version"):
        publishing.publish(runtime, "shop", mine, actor="kim", based_on=77)


def test_a_version_that_was_taken_back_is_in_nobodys_way(runtime: Runtime) -> None:
    add_connection(runtime)
    mine = mappings.export(runtime, "shop").replace("won: order", "won: project")
    publishing.publish(runtime, "shop", LEE, actor="lee")
    publishing.rollback(runtime, "shop", 1, actor="lee")
    assert publishing.publish(runtime, "shop", mine, actor="kim").version == 4


def test_exported_files_are_the_same_file_again(runtime: Runtime) -> None:
    add_connection(runtime)
    text = mappings.export(runtime, "shop")
    assert mappings.read_file(runtime, "shop", text) == (MAPPING, 1)
    assert mappings.read_file(runtime, "shop", MAPPING) == (MAPPING, None)
    add_connection(runtime, "other")
    assert mappings.read_file(runtime, "other", text) == (MAPPING, None)


def test_who_publishes_during_the_what_if_is_not_overwritten(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(line(1, 1))
    drain(runtime)

    def faster(what: str, _done: int, _all: int) -> None:
        if what == "what-if":
            with runtime.database.write() as connection:
                now = runtime.clock()
                connections.publish(connection, "shop", LEE, author="lee", comment="", now=now)

    with pytest.raises(Outdated, match="version 2 by lee"):
        publishing.publish(runtime, "shop", KIM, actor="kim", progress=faster)
    assert mappings.show(runtime, "shop")["source"] == LEE


def test_what_moves_more_than_the_limit_must_be_confirmed(runtime: Runtime) -> None:
    add_connection(runtime)
    Sender(runtime).send(*(line(number, 1, "strange" if number < 4 else "new", f"L-{number}") for number in range(12)))
    drain(runtime)
    with pytest.raises(TooManyMoved, match=r"4 of 12 subjects \(33%\) would move") as caught:
        publishing.publish(runtime, "shop", COVERED, actor="kim")
    assert caught.value.found.moved == {("not_set", "visited"): 4}
    assert (mappings.show(runtime, "shop")["version"], status(runtime, "L-1")) == (1, "not_set")
    done = publishing.publish(runtime, "shop", COVERED, actor="kim", is_confirmed=True)
    assert (done.what_if.moving, done.subjects, status(runtime, "L-1")) == (4, 4, "visited")
    with pytest.raises(TooManyMoved):
        publishing.rollback(runtime, "shop", 1, actor="kim")
    back = publishing.rollback(runtime, "shop", 1, actor="kim", is_confirmed=True)
    assert (back.version, back.held, status(runtime, "L-1")) == (3, 4, "not_set")
    assert ("kim", "mapping.rollback", 3) in _audited(runtime)
    assert next(mappings.listed(runtime, "shop"))["comment"] == "version 1 again"


def test_publishing_a_published_version_is_rolling_back(runtime: Runtime) -> None:
    add_connection(runtime)
    publishing.publish(runtime, "shop", KIM, actor="kim", comment="x", since=date(2026, 3, 1))
    assert publishing.publish_draft(runtime, "shop", 1, actor="kim").version == 3
    assert mappings.show(runtime, "shop")["source"] == MAPPING


def test_what_is_not_there_or_not_right_is_refused_with_the_reason(runtime: Runtime) -> None:
    add_connection(runtime)
    with pytest.raises(NotFound, match="'shop' has no version 9"):
        mappings.version_of(runtime, "shop", 9)
    with pytest.raises(NotFound, match="'shop' has no version 9"):
        mappings.save_draft(runtime, "shop", KIM, actor="kim", based_on=9)
    with pytest.raises(NotFound, match="'shop' has no draft"):
        mappings.newest_draft(runtime, "shop")
    with pytest.raises(NotFound, match="there is no connection 'nope'"):
        mappings.save_draft(runtime, "nope", KIM, actor="kim")
    with pytest.raises(BadMapping, match="shop:2:9"):
        mappings.save_draft(runtime, "shop", "adapter: standard\nstages: x\n", actor="kim")
    with pytest.raises(WrongSetting, match="is for the adapter bitrix24"):
        mappings.save_draft(runtime, "shop", "adapter: bitrix24\n", actor="kim")
    assert [row["version"] for row in mappings.listed(runtime, "shop")] == [1]


def test_the_first_draft_of_a_connection_without_a_mapping_can_be_published(runtime: Runtime) -> None:
    add_connection(runtime)
    with runtime.database.write() as connection:
        connection.execute(delete(mapping_versions))
        connection.execute(delete(remaps))
    with pytest.raises(NotFound, match="no mapping was published for 'shop'"):
        mappings.show(runtime, "shop")
    assert mappings.save_draft(runtime, "shop", KIM, actor="kim").based_on is None
    mappings.save_draft(runtime, "shop", LEE, actor="lee")
    done = publishing.publish_draft(runtime, "shop", 1, actor="kim")
    assert (done.version, str(done.differences[0])) == (1, "adapter: nothing → standard")
    with pytest.raises(Outdated, match="yours is based on no version"):
        publishing.publish_draft(runtime, "shop", 2, actor="lee")


def _audited(runtime: Runtime) -> set[tuple[str, str, int]]:
    with runtime.database.read() as connection:
        rows = connection.execute(select(audit)).mappings()
        return {(row["actor"], row["action"], row["detail"]["version"]) for row in rows}
