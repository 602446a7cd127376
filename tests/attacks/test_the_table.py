"""The threat model in `docs/security.md` names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_threat_has_its_test() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[^`]+)`", row[5])
        assert named or "the same" in row[5], row
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_attack_stands_in_the_table() -> None:
    text = (ROOT / "docs/security.md").read_text("utf-8")
    ours = {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}
    assert {name for name in ours if name not in text} == set()
