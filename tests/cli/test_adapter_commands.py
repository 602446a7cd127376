"""`connector adapter new` in a copy of the repository: its files pass the checks, and a test names the rest."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.new_adapter import FILES, lay_out
from connector.core.errors import WrongSetting
from tests.cli.conftest import Cli

ROOT = Path(__file__).parents[2]
NEEDED = ("adapters", "connector", "docs", "mappings", "tests", "CHANGELOG.md", "pyproject.toml")
NAME = "customerrelationship"
"""As long as one may be."""
LISTS = ["adapters/__init__.py", "connector/emulators/systems.py", "docs/adapters/README.md", "CHANGELOG.md"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "flow", "core"))
            if name == "connector":
                shutil.copytree(ROOT / name / "core", folder / name / "core")
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def _run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    environ = {**kept, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=checkout, env=environ, capture_output=True, text=True, check=False
    )


def test_what_is_laid_out_passes_the_checks_and_names_what_is_still_to_be_done(checkout: Path) -> None:
    said = _run(checkout, "connector.cli", "adapter", "new", NAME)
    made = [path.replace("skeleton", NAME) for path in FILES.values()]
    assert said.stdout.splitlines()[:-1] == [*made, *LISTS], said.stderr
    sources = [path for path in (*made, *LISTS) if path.endswith(".py")]
    assert _run(checkout, "ruff", "check", "--no-cache", *sources).stdout == "All checks passed!\n"
    assert _run(checkout, "ruff", "format", "--no-cache", "--check", *sources).returncode == 0
    folders = ("test_the_list.py", "test_payload_pairs.py", NAME)
    tests = [f"tests/adapters/{of}" for of in folders]
    found = _run(checkout, "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", NAME)
    failed = [line for line in found.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1, found.stdout + found.stderr
    assert f"test_nothing_of_its_skeleton_is_still_to_be_done[{NAME}]" in failed[0]
    for place in (
        f"adapters/{NAME}/__init__.py:",
        f"emulators/{NAME}/crm.py:",
        f"docs/adapters/{NAME}.md:",
        f"{NAME}.yaml:",
        "CRMS",
    ):
        assert place in found.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Acme", "cannot be an adapter's name"),
        ("my_crm", "cannot be an adapter's name"),
        ("standard", "adapters/standard/__init__.py, tests/adapters/standard/signing.py"),
    ],
)
def test_a_name_that_is_wrong_or_taken_changes_nothing(name: str, said: str) -> None:
    with pytest.raises(WrongSetting, match=said):
        lay_out(ROOT, name)


def test_outside_of_a_checkout_nothing_is_written(empty_cli: Cli) -> None:
    assert "is no checkout of the connector" in empty_cli.error("adapter", "new", NAME)
    assert list(empty_cli.folder.iterdir()) == []


def test_a_list_in_another_form_is_left_to_people(checkout: Path) -> None:
    (checkout / "adapters" / "__init__.py").write_text("from adapters.standard import Standard\n")
    with pytest.raises(WrongSetting, match="put the class in by hand"):
        lay_out(checkout, NAME)
    assert not (checkout / "adapters" / NAME).exists()
