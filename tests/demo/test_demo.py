"""The demonstration as its user starts it: everything in processes, half a year of leads, all right at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def _demo(folder: Path, *options: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "COV_"))}
    command = [sys.executable, "-m", "connector.cli", "demo", "--once", *options]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    return done.stdout


def test_the_demo_ends_by_itself_with_every_lead_in_its_place_and_the_account_balanced(tmp_path: Path) -> None:
    output = _demo(tmp_path, "--leads", "13")
    assert "13 of 13 leads are where the fold puts them; the account balances" in output


def test_after_a_day_with_several_systems_one_of_which_fails_every_record_shows_its_status(tmp_path: Path) -> None:
    output = _demo(tmp_path, "--day", "--webhooks", "240")
    assert "fails" in output
    assert "26 of 26 records show the status that the fold gives; the account balances" in output
