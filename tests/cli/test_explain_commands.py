"""`connector subject why`, `why-not` and `run`: told in four languages, as data; a run is a decision like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from connector.core.event import Kind
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.subjects import EventRow
from tests.cli.conftest import Cli, ago, opened
from tests.conftest import put_in_force
from tests.flow.senders import Sender, add_connection, drain

WHO = {"id": "L-1", "email": "aiko@example.jp", "visitor": "v-77"}
BASE = {"subject": WHO, "kind": "lead", "type": "action", "action": "site_access"}
STAGE = {"subject": WHO, "kind": "lead", "type": "stage", "object": "lead"}
LINES: list[dict[str, Any]] = [
    {
        "subject": WHO,
        "kind": "lead",
        "id": "e0",
        "at": ago(days=4, hours=1),
        "type": "owner",
        "owner": "kim@example.jp",
    },
    {**BASE, "id": "e1", "at": ago(days=4)},
    {**STAGE, "id": "e2", "at": ago(days=2), "stage": "meeting"},
]
RULES: dict[str, Any] = {
    "mail_enabled": True,
    "key_pages": [{"match": "prefix", "url": "https://shop.jp/price"}],
    "rules": {"quasi_explicit.cool": {"enabled": False}},
}


@pytest.fixture(autouse=True)
def _no_wakes(redis_url: str) -> Iterator[None]:
    yield
    with Redis.from_url(redis_url) as redis:
        redis.flushall()


def _fill(cli: Cli, *lines: dict[str, Any]) -> None:
    server = opened(cli)
    put_in_force(server, **RULES)
    add_connection(server)
    assert Sender(server).send(*lines).status_code == 202
    drain(server)
    server.close()


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """The command line where one lead came once, and then had an appointment."""
    _fill(cli, *LINES)
    return cli


def _stored(server: Runtime, who: str) -> list[EventRow]:
    with server.database.read() as connection:
        found = subjects.find(connection, [("visitor", who)], "")
        return subjects.events_of(connection, "".join(found))


def test_why_shows_each_decision_at_local_time_and_what_was_passed_over(filled: Cli) -> None:
    text = filled("subject", "why", "v-77").stdout
    assert "Appointment acquired, Asia/Tokyo" in text
    assert "It acted for the first time in 90 days" in text
    assert "passing over Quasi-explicit, Explicit and Appointment prospect." in text
    assert "Passed over Quasi-explicit, Explicit and Appointment prospect, so not run: quasi_explicit.react (" in text
    assert "quasi_explicit.cool" not in text


@pytest.mark.parametrize(
    ("language", "said"),
    [("ja", "潜在からアポ獲得に移行"), ("vi", "chuyển từ Tiềm ẩn sang Đã có cuộc hẹn"), ("zh", "从潜在变为已获预约")],
)
def test_why_speaks_the_language_asked_for(filled: Cli, language: str, said: str) -> None:
    assert said in filled("subject", "why", "v-77", "--lang", language).stdout


def test_why_as_json_says_what_running_a_rule_that_was_passed_over_would_do(filled: Cli) -> None:
    found = filled.json("subject", "why", "aiko@example.jp", "--lang", "ja")
    jump = next(one for one in found["decisions"] if one["rule"] == "jump")
    assert (found["label"], found["zone"]) == ("アポ獲得", "Asia/Tokyo")
    assert jump["local"].endswith("+09:00")
    rules = {one["rule"]: one for one in jump["passed_over"]["rules"]}
    assert rules["explicit.warn"] == {
        "rule": "explicit.warn",
        "asks": "顕在化のまま25日の経過、アクションのない25日の経過",
        "writes": "person",
        "tag": None,
    }
    assert [one["passed_over"] for one in found["decisions"] if not one["skipped"]] == [None, None]


def test_a_subject_without_decisions_says_so(cli: Cli) -> None:
    _fill(cli, {**STAGE, "id": "e1", "at": ago(days=1), "stage": "strange"})
    assert "Nothing was decided yet." in cli("subject", "why", "v-77").stdout
    found = cli.json("subject", "why-not", "v-77", "latent")
    assert [one["rule"] for one in found["routes"]] == ["not_set.act"]


def test_why_not_names_the_nearest_rule_and_the_stages_of_its_own_connection_first(any_cli: Cli) -> None:
    _fill(any_cli, *LINES[:2])
    server = opened(any_cli)
    add_connection(server, "aaa")
    server.close()
    text = any_cli("subject", "why-not", "v-77", "準顕在").stdout.splitlines()
    assert text[0].startswith(
        "latent.warm would move it from Latent to Quasi-explicit. Missing: a second day with a visit"
    )
    assert text[0].endswith(", Asia/Tokyo.")
    found = any_cli.json("subject", "why-not", "v-77", "order")
    assert [(one["connection"], one["has_record"]) for one in found["openings"]] == [("shop", True), ("aaa", False)]
    assert found["sentences"][0] == "No rule leads to Order: only a person, a CRM's stage or a trigger sets it."
    any_cli("connection", "pause", "shop")
    assert len(any_cli.json("subject", "why-not", "v-77", "order")["openings"]) == 1


def test_why_not_as_json_gives_days_and_what_is_missing(filled: Cli) -> None:
    filled("subject", "set-status", "v-77", "latent")
    found = filled.json("subject", "why-not", "v-77", "quasi_explicit")
    (route,) = found["routes"]
    (missing,) = route["missing"]
    assert (found["status"], found["to"], route["rule"], route["deed"], route["lacks"]) == (
        "latent",
        "quasi_explicit",
        "latent.warm",
        "visit",
        1,
    )
    assert (missing["what"], missing["window"], missing["need"], len(missing["counted"])) == (
        "entries",
        "visit_days",
        2,
        1,
    )
    assert route["days"]["last"] == missing["by"]
    filled("subject", "set-status", "v-77", "quasi_explicit")
    closed = filled.json("subject", "why-not", "v-77", "latent")
    assert closed["closed"] == [{"rule": "quasi_explicit.cool", "reason": "rule_off"}]
    longer = filled.json("subject", "why-not", "v-77", "appointment_prospect")
    assert [one["what"] for one in longer["routes"][0]["missing"]] == ["tag", "entries"]


def test_why_not_shows_the_rules_after_the_first(filled: Cli) -> None:
    filled("subject", "set-status", "v-77", "pending")
    (route,) = filled.json("subject", "why-not", "v-77", "quasi_explicit")["routes"]
    assert (route["rule"], route["days"]["last"], [one["rule"] for one in route["then"]]) == (
        "pending.resume",
        None,
        ["latent.warm"],
    )
    assert route["then"][0]["asks"][0]["counted"] == []


def test_why_not_the_status_that_it_has(filled: Cli) -> None:
    assert "It is Appointment acquired already, since" in filled("subject", "why-not", "v-77", "アポ").stdout
    assert filled.json("subject", "why-not", "v-77", "アポ")["openings"] == []


def test_a_rule_that_was_passed_over_is_run_and_the_history_says_by_whom(filled: Cli, server: Runtime) -> None:
    found = filled.json("subject", "run", "v-77", "explicit.warn")
    assert (found["ran"]["rule"], found["ran"]["notify"], found["ran"]["mail"]) == (
        "run:explicit.warn",
        ["kim@example.jp"],
        "asked",
    )
    by = found["ran"]["facts"]["by"]
    assert found["status"] == "appointment_acquisition"
    assert f"{by} ran the rule explicit.warn on purpose: stayed Appointment acquired, mail to kim@example.jp." in (
        filled("subject", "why", "v-77").stdout
    )
    newest = _stored(server, "v-77")[0]
    assert (newest.connection, newest.kind, newest.event["data"]) == ("console", Kind.RUN, {"by": by})


def test_a_run_survives_a_late_event_and_moves_out_of_its_own_status(filled: Cli, server: Runtime) -> None:
    filled("subject", "set-status", "v-77", "latent")
    text = filled("subject", "run", "v-77", "latent.warm").stdout
    assert "on purpose: moved from Latent to Quasi-explicit." in text
    assert "Quasi-explicit since" in text
    Sender(server).send({**BASE, "id": "late", "at": ago(days=9)}, key="late")
    drain(server)
    found = filled.json("subject", "show", "v-77")
    assert (found["status"], found["decisions"][-1]["rule"]) == ("quasi_explicit", "run:latent.warm")


def test_a_run_that_does_nothing_says_why(filled: Cli) -> None:
    text = filled("subject", "run", "v-77", "latent.warm").stdout
    assert "but it is Appointment acquired, and that rule only moves subjects out of another status." in text


def test_a_rule_that_is_none_or_switched_off_is_not_run(filled: Cli) -> None:
    assert "there is no rule 'latent.warn'" in filled.error("subject", "run", "v-77", "latent.warn")
    assert "did you mean latent.warm?" in filled.error("subject", "run", "v-77", "latent.warn")
    assert "there is no rule 'zzz'" in filled.error("subject", "run", "v-77", "zzz")
    assert "quasi_explicit.cool is switched off" in filled.error("subject", "run", "v-77", "quasi_explicit.cool")
    assert filled.json("subject", "show", "v-77")["decisions"][-1]["rule"] == "any.appointment"


def test_a_status_or_subject_that_is_none_is_named(filled: Cli) -> None:
    assert "did you mean" in filled.error("subject", "why-not", "v-77", "explicitt")
    assert "there is no subject" in filled.error("subject", "why", "nobody")
    assert "there is no subject" in filled.error("subject", "run", "nobody", "latent.warm")
