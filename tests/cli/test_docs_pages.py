"""The pages of the documentation are what the tables make of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.docs_pages import PAGES, condition, rules_page
from connector.core.rules import BASIC_1, BASIC_2

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_the_committed_page_is_what_the_tables_make(page: str) -> None:
    assert (DOCS / f"{page}.md").read_text("utf-8") == PAGES[page]()


def test_a_page_is_printed_by_its_name() -> None:
    command = [sys.executable, "-m", "connector.cli.docs_pages", "settings"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == PAGES["settings"]()


def test_every_status_and_rule_of_both_templates_has_its_row() -> None:
    rows = [line.split("`")[1] for line in rules_page().splitlines() if line.startswith("| `")]
    assert rows == [
        *(info.code for info in BASIC_2.statuses),
        *(rule.id for rule in BASIC_2.rules),
        *(info.code for info in BASIC_1.statuses),
        *(rule.id for rule in BASIC_1.rules),
    ]


def test_a_condition_reads_like_the_table_of_the_template() -> None:
    conditions = {rule.id: condition(rule) for rule in (*BASIC_2.rules, *BASIC_1.rules)}
    assert {rule: conditions[rule] for rule in ("latent.react", "visited.key_page", "pending.remind")} == {
        "latent.react": "the tag `reactive`, and at least 2 sessions with a key-page view within 30 days",
        "visited.key_page": "at least 1 key-page view, and at most once per subject and day",
        "pending.remind": "80 days passed in the status, fewer than 82",
    }
