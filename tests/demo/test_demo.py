"""The demonstration as its user starts it: everything in processes, half a year of leads, all right at the end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_demo_ends_by_itself_with_every_lead_in_its_place_and_the_account_balanced(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "COV_"))}
    command = [sys.executable, "-m", "connector.cli", "demo", "--once", "--leads", "13"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 of 13 leads are where the fold puts them; the account balances" in done.stdout
    assert "WRONG" not in done.stdout
