"""The rules document: what it stands for, every mistake at its place, and how a running process notices a new one."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import SQLAlchemyError

from connector.core.rules import BASIC_1, BASIC_2
from connector.core.ruleset import IdentityRules, Settings
from connector.operations.rules import SHIPPED
from connector.runtime.parts import Runtime
from connector.runtime.rules import BadRules, RulesInForce, parse_rules
from connector.store import connections
from connector.store.database import Database
from connector.store.remaps import RULES
from tests.conftest import put_in_force

ALLOWED = "a name of the IANA time zone database, such as Asia/Tokyo"


def mistakes(text: str) -> list[str]:
    with pytest.raises(BadRules) as caught:
        parse_rules(text, "rules.yaml")
    return [str(one) for one in caught.value.mistakes]


def test_the_shipped_document_stands_for_a_new_workspace() -> None:
    found = parse_rules(SHIPPED.read_text(), SHIPPED.name)
    assert (found.template, found.settings, found.version) == (BASIC_2, Settings(), 0)


def test_what_identifies_nobody_is_read_as_it_is_compared() -> None:
    text = """
placeholders:
  addresses: [None@Example.com]
  domains: [Example.ORG]
  numbers: ["03-1234-5678", "+81 3 1234 5678", 101, 0000000000]
shared_after: 5
region: VN
date_order: dmy
"""
    settings = parse_rules(text, "rules.yaml").settings
    assert settings.identity == IdentityRules(
        addresses=frozenset({"none@example.com"}),
        domains=frozenset({"example.org"}),
        numbers=frozenset({"0312345678", "+84312345678", "+81312345678", "101", "0000000000", "+84000000000"}),
        shared_after=5,
    )
    assert (settings.region, settings.date_order) == ("VN", "dmy")


def test_a_status_of_the_former_template_is_what_it_has_become() -> None:
    upgraded = parse_rules("template: basic-2.0\nin_progress: Visited\n", "rules.yaml")
    assert upgraded.renamed == {"in_progress": "visited"}
    assert upgraded.statuses["visited"].former_codes == ("in_progress",)
    assert parse_rules("template: basic-2.0\n", "rules.yaml").renamed == {"in_progress": "pending"}
    assert parse_rules("template: basic-1.0\n", "rules.yaml").template == BASIC_1


def test_every_mistake_is_named_with_its_place() -> None:
    text = """template: basic-3.0
timezone: Asia/Tokio
session_gap: 30
key_pages:
- {match: prefx, url: ""}
rules:
  latent.wram: {enabled: false}
  latent.warm: {enabled: "no", notice: false}
own_statuses: [{en: x}]
administrators: [boss]
placeholders: {domains: [a@b], numbers: [call me], words: []}
shared_after: 0
region: jp
date_order: mdyy
"""
    found = mistakes(text)
    assert [line.split(": ")[0:2] for line in found] == [
        ["rules.yaml:1:11", "template"],
        ["rules.yaml:2:11", "timezone"],
        ["rules.yaml:3:1", "session_gap"],
        ["rules.yaml:5:11", "key_pages.0.match"],
        ["rules.yaml:5:23", "key_pages.0.url"],
        ["rules.yaml:7:3", "rules.latent.wram"],
        ["rules.yaml:8:26", "rules.latent.warm.enabled"],
        ["rules.yaml:8:32", "rules.latent.warm.notice"],
        ["rules.yaml:9:16", "own_statuses.0.code"],
        ["rules.yaml:10:18", "administrators.0"],
        ["rules.yaml:11:26", "placeholders.domains.0"],
        ["rules.yaml:11:42", "placeholders.numbers.0"],
        ["rules.yaml:11:52", "placeholders.words"],
        ["rules.yaml:12:15", "shared_after"],
        ["rules.yaml:13:9", "region"],
        ["rules.yaml:14:13", "date_order"],
    ]
    assert found[1].endswith(f"found 'Asia/Tokio'; allowed: {ALLOWED}; did you mean Asia/Tokyo?")
    assert "; did you mean latent.warm?" in found[5]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("in_progress: nowhere", "rules.yaml:1:14: in_progress: found 'nowhere'; allowed: one of not_set, latent"),
        ("", "rules.yaml:1:1: the file is empty; a rules document has a key at least"),
        ("- a", "rules.yaml:1:1: the file is no table; a rules document is made of `key: value` lines"),
        ("a: &x 1\nb: *x", "rules.yaml:2:4: *x refers to another place; write the value out"),
        ("timezone: UTC\ntimezone: UTC", "rules.yaml:2:1: 'timezone' stands twice; it is in line 1 already"),
        ("session_gap_minutes:\n", "rules.yaml:1:1: session_gap_minutes: found null; allowed: a whole number"),
        ("session_gap_minutes: 1.5", "rules.yaml:1:22: session_gap_minutes: found 1.5; allowed: a whole number"),
    ],
)
def test_a_mistake_is_named(text: str, mistake: str) -> None:
    (found,) = mistakes(text)
    assert found.startswith(mistake)


def test_a_published_document_is_noticed_within_a_second(runtime: Runtime) -> None:
    now = [0.0]
    found = RulesInForce(runtime.database, lambda: now[0])
    assert (found.get().version, found.get().gap.total_seconds()) == (0, 1800)
    put_in_force(runtime, session_gap_minutes=5)
    assert found.get().version == 0
    now[0] = 1.0
    assert (found.get().version, found.get().gap.total_seconds()) == (1, 300)
    put_in_force(runtime, session_gap_minutes=6)
    found.forget()
    assert found.get().version == 2
    assert found.get() is found.get()


def test_the_rules_stay_as_they_were_while_they_cannot_be_read(runtime: Runtime) -> None:
    put_in_force(runtime, session_gap_minutes=5)
    before = runtime.ruleset
    with runtime.database.write() as connection:
        connections.publish(connection, RULES, "timezone: x", author="", comment="", now=runtime.clock())
    runtime.rules.forget()
    assert runtime.ruleset is before
    with pytest.raises(BadRules, match="rules, version 2:1:11: timezone"):
        RulesInForce(runtime.database).get()


def test_without_any_rules_the_database_s_error_is_told(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite")
    with pytest.raises(SQLAlchemyError):
        RulesInForce(database).get()
    database.close()
