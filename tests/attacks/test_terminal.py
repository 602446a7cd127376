"""Foreign text on a terminal stays in its line: no command to the terminal, no sound, no line that looks like ours."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from connector.cli import Commands, commands
from connector.cli.terminal import print_json, print_pairs, print_rows, redraw, say, say_lines
from connector.core.errors import BadPayload, CrmRefused, printable
from connector.runtime.parts import Runtime
from connector.store import deliveries, quarantine
from tests.cli.conftest import Cli, ago
from tests.flow.senders import Sender, add_connection, drain
from tests.store.test_quarantine import BOUNDS, bad

ROOT: Final = Path(__file__).parents[2]
FORGED: Final = "all is well: trust me"
EVIL: Final = f"\x1b]0;owned\x07\x1b[2J\x9b31m\r\n{FORGED}\u2028\u202egnp.exe\x00"
SIGNS: Final = "\x1b\x07\x9b\r\u2028\u202e\x00"


def test_printable_leaves_nothing_that_a_terminal_obeys() -> None:
    shown = printable(EVIL + "名前 é")
    assert shown.isprintable()
    assert shown.endswith("名前 é")


@pytest.mark.parametrize("folder", ["connector/cli", "connector/operations", "connector/processes"])
def test_commands_print_through_the_terminal_s_functions_alone(folder: str) -> None:
    allowed = {"terminal.py": 5, "__init__.py": 3}
    for path in sorted((ROOT / folder).rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if _prints(node)]
        assert len(calls) <= allowed.get(path.name, 0), path


def _prints(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"echo", "secho", "print", "echo_via_pager"}


def _is_clean(output: str) -> bool:
    return not set(SIGNS) & set(output) and not any(line.startswith(FORGED) for line in output.splitlines())


def test_each_way_to_print_cleans_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    say(EVIL, err=True)
    say_lines(EVIL.replace("\n", " "))
    print_pairs([("name", EVIL), ("list", [EVIL]), ("table", {EVIL: EVIL})])
    print_rows([{"a": EVIL}], is_json=False, columns={"a": "a"}, empty="")
    print_json({"a": EVIL, EVIL: 1})
    shown = capsys.readouterr()
    assert _is_clean(shown.out + shown.err)
    document = shown.out.splitlines()[-1]
    assert json.loads(document) == {"a": EVIL, EVIL: 1}


def test_progress_shows_no_foreign_command(capsys: pytest.CaptureFixture[str]) -> None:
    class Stream:
        text = ""

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            return None

    stream: Any = Stream()
    redraw(EVIL, stream)
    assert _is_clean(stream.text.removeprefix("\r").removeprefix("\x1b[K"))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [CrmRefused(EVIL), BadPayload(EVIL)])
def test_an_error_that_quotes_a_system_stays_in_its_line(error: Exception) -> None:
    class Failing(Commands):
        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            del ctx, cmd_name
            raise error

    result = CliRunner().invoke(Failing(), ["x"], color=True)
    assert result.exit_code == 2
    assert _is_clean(result.output)
    assert result.output.count("\n") == 1


COMMANDS: Final = (
    *("account", "doctor", "delivery list", "delivery quarantine", "mapping held", "mapping held --show"),
    *("mapping show shop", "mapping versions shop", "subject list", "outbox list", "connection list"),
    *("connection show shop", "reconcile shop", "mapping drift shop", "forecast --days 3"),
)


def test_commands_over_what_a_hostile_system_sent_show_it_in_its_place(cli: Cli, server: Runtime) -> None:
    add_connection(server, url="http://127.0.0.1:1/")
    person = {"email": "kim@example.com", "id": "L-1"}
    profile = {"name": EVIL, "company": EVIL}
    events = [
        {"id": "e1", "type": "stage", "object": "lead", "stage": EVIL, "at": ago(days=2), "subject": person},
        {"id": "e2", "type": "action", "action": EVIL, "at": ago(days=1), "subject": person, "profile": profile},
        {"id": "e3", "type": "stage", "object": "lead", "stage": "talking", "at": ago(days=1), "subject": person},
    ]
    Sender(server).send(*events)
    drain(server)
    with server.database.write() as connection:
        quarantine.add(connection, [replace(bad(1), error=EVIL)], BOUNDS)
        rows = deliveries.listed(connection)
    shown = [f"delivery show {row.id}" for row in rows]
    seen = 0
    for command in (*COMMANDS, *shown, "subject show kim@example.com"):
        for form in ("", " --json"):
            result = cli.runner.invoke(commands, f"{command}{form}".split(), env=cli.environ, color=True)
            assert result.exit_code in {0, 1}, (command, result.output)
            assert _is_clean(result.output), command
            seen += "gnp.exe" in result.output
    assert seen > 4
