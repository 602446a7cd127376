"""Every rule of both templates against its cases in tests/rules, by the engine and by the oracle."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connector.core.engine import fold_all
from connector.core.rules import TEMPLATES
from tests.core import oracle
from tests.core.histories import last_day, printed, ruleset_of, steps_of

FOLDER = Path(__file__).parents[1] / "rules"
KEY_PAGES = [{"match": "exact", "url": "https://e.example/pricing"}]
RULES = {rule.id: template.name for template in TEMPLATES.values() for rule in template.rules}
FILES = {path.stem: YAML(typ="safe").load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yaml"))}
CASES = [
    pytest.param(file, case, id=f"{name}: {case['case']}") for name, file in FILES.items() for case in file["cases"]
]
UNKNOWNS_ONLY = {"latent.expire", "v1.latent.expire"}


def test_every_rule_of_both_templates_has_its_file_and_no_other_file_is_there() -> None:
    assert {name: file["template"] for name, file in FILES.items()} == RULES
    assert {name: file["rule"] for name, file in FILES.items()} == {rule: rule for rule in RULES}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_fires_and_does_not_fire_and_has_its_boundary_in_two_zones_for_both_kinds(rule: str) -> None:
    cases = FILES[rule]["cases"]
    fires = {case["kind"] for case in cases if case["shows"] == "fires" and case["decides"]}
    silent = {case["kind"] for case in cases if case["shows"] == "does_not_fire" and not case["decides"]}
    decided = {(case["zone"], bool(case["decides"])) for case in cases if case["shows"] == "boundary"}
    days = {
        (case["zone"], tuple(row["at"] for row in case["decides"])) for case in cases if case["shows"] == "boundary"
    }

    assert fires == ({"unknown"} if rule in UNKNOWNS_ONLY else {"lead", "unknown"})
    assert silent >= ({"lead", "unknown"} if rule in UNKNOWNS_ONLY else {"unknown"})
    assert {zone for zone, has_decisions in decided if has_decisions} == {"Asia/Tokyo", "America/New_York"}
    assert len({decisions for zone, decisions in days if zone == "Asia/Tokyo"}) > 1
    assert len({decisions for zone, decisions in days if zone == "America/New_York"}) > 1


@pytest.mark.parametrize(("file", "case"), CASES)
def test_the_engine_and_the_oracle_decide_a_case_as_its_file_says(file: dict[str, Any], case: dict[str, Any]) -> None:
    raw = {"timezone": case["zone"], "key_pages": KEY_PAGES, **case.get("settings", {})}
    lines = [
        {"subject": "s", "kind": case["kind"], "id": f"{number:06d}", **line}
        for number, line in enumerate(case["lines"], start=1)
    ]
    ruleset = ruleset_of(raw, file["template"])
    until = case.get("until") or last_day(lines, ruleset)
    expected = [{**row, "at": datetime.fromisoformat(row["at"])} for row in case["decides"]]

    by_engine = printed(fold_all(steps_of(lines), ruleset, until.toordinal()), ruleset)
    by_oracle = oracle.simulate(lines, raw, file["template"], until)

    assert _decided_by(file["rule"], by_engine) == expected
    assert _decided_by(file["rule"], by_oracle) == expected


def _decided_by(rule: str, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"at": datetime.fromisoformat(row["at"])} | {key: row[key] for key in ("from", "to", "notify", "reason")}
        for row in output[:-1]
        if row["rule"] == rule
    ]
