"""`connector rules`: the document is checked, compared, asked about, published and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.operations.rules import SHIPPED
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.cli.conftest import Cli
from tests.flow.senders import Sender, add_connection, drain

FILE = "rules.yaml"


@pytest.fixture
def begun(cli: Cli) -> Cli:
    """A workspace as `connector migrate` makes it, with a lead who came twice."""
    cli("migrate")
    server = Runtime(read_config(cli.environ, cli.folder))
    add_connection(server)
    visit = {"type": "action", "action": "site_access", "subject": {"id": "A"}, "kind": "lead"}
    Sender(server).send(*({**visit, "id": day, "at": f"2026-01-0{day}T10:00:00+09:00"} for day in "12"))
    drain(server)
    server.close()
    return cli


def test_the_document_in_force_is_shown_and_exported(begun: Cli) -> None:
    shown = begun("rules", "show").stdout
    assert shown.startswith("# rules, version 1, by connector at ")
    assert shown.endswith(SHIPPED.read_text())
    assert begun("rules", "export").stdout.endswith(SHIPPED.read_text())
    found = begun.json("rules", "show")
    assert (found["connection"], found["version"], found["source"]) == ("rules", 1, SHIPPED.read_text())
    assert begun.json("rules", "export") == {"version": 1, "source": SHIPPED.read_text()}


def test_a_change_is_compared_asked_about_published_and_taken_back(begun: Cli) -> None:
    text = begun("rules", "export").stdout
    Path(FILE).write_text(text.replace("rules: {}", "rules: {latent.warm: {enabled: false}}"))
    assert begun("rules", "check", FILE).stdout == "rules.yaml is right: rules of basic-2.0.\n"
    change = "  rules / latent.warm / enabled: true → false\n"
    assert begun("rules", "diff", FILE).stdout == f"From version 1 to rules.yaml:\n{change}"
    asked = begun("rules", "what-if", FILE).stdout
    assert "0 of 1 subjects would move (0.0%); 1 differ." in asked
    *_, sums = begun.lines("rules", "what-if", FILE)
    assert sums["differing"] == 1
    assert "Draft 2 of rules is saved, based on version 1." in begun("rules", "draft", FILE, "--comment", "no").stdout
    assert begun.lines("rules", "what-if")[-1] == sums
    assert begun.lines("rules", "what-if", "--version", "2")[-1] == sums
    done = begun("rules", "publish", "--draft", "2").stdout
    assert done.startswith(f"Version 2 of rules is in force.\n{change}Moved: 0 of 1 subjects.\n")
    assert "Folded anew: 1 subjects; nobody is mailed for it." in done
    back = begun.json("rules", "rollback", "1")
    assert (back["version"], back["subjects"], back["is_finished"]) == (3, 1, True)
    assert [row["version"] for row in begun.lines("rules", "versions")] == [3, 2, 1]
    assert "in force" in begun("rules", "versions").stdout


def test_every_mistake_of_a_file_is_named_with_its_place(begun: Cli) -> None:
    Path(FILE).write_text("timezone: Asia/Tokio\nregion: japan\n")
    wrong = begun.error("rules", "check", FILE, code=1)
    assert [line.split(": ")[0] for line in wrong.splitlines()] == ["rules.yaml:1:11", "rules.yaml:2:9"]
    (first, _) = begun("rules", "check", FILE, "--json", code=1).stdout.splitlines()
    assert {key: json.loads(first)[key] for key in ("file", "line", "column")} == {
        "file": FILE,
        "line": 1,
        "column": 11,
    }
    assert begun.error("rules", "publish", FILE).startswith("Error: rules.yaml:1:11: timezone: found 'Asia/Tokio'")
    Path(FILE).write_text("timezone: UTC\n")
    assert begun("rules", "check", FILE, "--json").stdout == ""


def test_a_downgrade_is_refused(begun: Cli) -> None:
    Path(FILE).write_text("template: basic-1.0\n")
    assert "a workspace cannot go from basic-2.0 to basic-1.0" in begun.error("rules", "publish", FILE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("publish",), "give a FILE or --draft VERSION, one of the two"),
        (("what-if", FILE, "--version", "1"), "give a FILE or --version VERSION, one of the two"),
        (("what-if",), "'rules' has no draft"),
        (("rollback", "7"), "'rules' has no version 7; `connector rules versions` lists them"),
        (("publish", "none.yaml"), "cannot be read"),
    ],
)
def test_a_wrong_use_is_explained(begun: Cli, words: tuple[str, ...], message: str) -> None:
    Path(FILE).write_text("timezone: UTC\n")
    assert message in begun.error("rules", *words)


def test_what_is_set_where_nobody_reads_it_any_more_is_named(begun: Cli) -> None:
    checks = {row["name"]: row for row in map(json.loads, begun("doctor", "--json", code=1).stdout.splitlines())}
    assert checks["rules"]["is_fine"]
    text = begun("doctor", code=1, CONNECTOR_TIMEZONE="UTC", CONNECTOR_TEMPLATE="basic-1.0").stdout
    assert "without effect, remove it: CONNECTOR_TEMPLATE (environment), CONNECTOR_TIMEZONE (environment)" in text


def test_the_rules_have_a_name_that_no_connection_takes(begun: Cli) -> None:
    wrong = begun.error("connection", "add", "rules", "--adapter", "standard")
    assert "'rules' is the name of the rules of the whole workspace; choose another" in wrong
    assert "'*' is no connection" in begun.error("mapping", "show", "*")
