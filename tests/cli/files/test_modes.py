"""What holds people's data and secrets is its owner's alone, whatever it was before and however it was made."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet

from tests.cli.conftest import Cli
from tests.flow.product import running


def modes(folder: Path) -> dict[str, str]:
    """Of the folder and all that is in it."""
    return {str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777) for path in (folder, *folder.rglob("*"))}


def test_a_migration_makes_folder_and_database_for_their_owner_alone(empty_cli: Cli) -> None:
    before = os.umask(0o022)
    try:
        result = empty_cli("migrate")
    finally:
        os.umask(before)
    assert result.stderr == ""
    found = modes(empty_cli.folder / "data")
    assert found.pop(".") == oct(0o700)
    assert set(found.values()) == {oct(0o600)}


def test_every_command_closes_what_was_open_and_says_so(empty_cli: Cli) -> None:
    empty_cli("migrate")
    data = empty_cli.folder / "data"
    (data / "redis" / "appendonlydir").mkdir(parents=True)
    (data / "redis" / "appendonlydir" / "appendonly.aof").write_text("what waits")
    (data / "secret.key").write_text(Fernet.generate_key().decode())
    (data / "connector.sqlite-wal").touch()
    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    said = empty_cli("account").stderr
    assert f"{data} was open to other users of this machine (0755), and is closed now (0700)" in said
    for name in ("connector.sqlite", "secret.key", "redis/appendonlydir/appendonly.aof"):
        assert f"{data / name} was open to other users of this machine (0644), and is closed now (0600)" in said
    assert {mode for name, mode in modes(data).items() if Path(data, name).is_file()} == {oct(0o600)}
    assert empty_cli("account").stderr == ""


def test_a_folder_of_all_users_is_left_as_it_is(empty_cli: Cli) -> None:
    data = empty_cli.folder / "data"
    data.mkdir()
    data.chmod(0o777 | stat.S_ISVTX)
    empty_cli("migrate")
    assert data.stat().st_mode & 0o777 == 0o777


def test_what_runs_writes_for_its_owner_alone(tmp_path: Path) -> None:
    with running(tmp_path, {"CONNECTOR_WORKERS": "1", "CONNECTOR_WEB_PROCESSES": "1"}):
        found = modes(tmp_path / "data")
    assert {"connector.sqlite-wal", "redis/url", "secret.key"} <= set(found)
    assert {mode[-2:] for mode in found.values()} == {"00"}


def test_a_web_server_of_its_own_closes_them_too(empty_cli: Cli) -> None:
    empty_cli("migrate")
    database = empty_cli.folder / "data" / "connector.sqlite"
    database.chmod(0o644)
    words = [sys.executable, "-c", "import wsgi"]
    environ = {**os.environ, **empty_cli.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(words, env=environ, cwd=empty_cli.folder, capture_output=True, text=True, check=True)
    assert "was open to other users" in done.stderr
    assert database.stat().st_mode & 0o777 == 0o600
