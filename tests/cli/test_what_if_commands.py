"""`connector what-if` and `connector forecast`, as people and programs use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from connector.cli.what_if import progress_bar
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from tests.cli.conftest import Cli, Terminal, ago, opened
from tests.conftest import put_in_force
from tests.flow.senders import MAPPING, Sender, add_connection, drain

DRAFT = MAPPING.replace("meeting: appointment_acquisition", "meeting: visited, strange: ignore").replace(
    ", bad: not", ""
)
LEADS = ("meeting", "won", "strange", "talking")


def _line(number: int, stage: str) -> dict[str, Any]:
    person = {"id": f"L-{number}", "email": f"p{number}@example.jp"}
    event = {"id": f"e{number}", "type": "stage", "object": "lead", "stage": stage, "at": ago(days=1)}
    return {**event, "subject": person, "kind": "lead"}


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """Four leads, one of whom is held."""
    server = opened(cli)
    add_connection(server)
    assert Sender(server).send(*(_line(number, stage) for number, stage in enumerate(LEADS))).status_code == 202
    drain(server)
    server.close()
    (cli.folder / "draft.yaml").write_text(DRAFT.replace("_targeted}", "}"))
    return cli


@pytest.fixture(autouse=True)
def _no_wakes(redis_url: str) -> Iterator[None]:
    yield
    with Redis.from_url(redis_url) as redis:
        redis.flushall()


def test_a_draft_is_shown_with_its_matrix_and_each_subject(filled: Cli) -> None:
    text = filled("what-if", "draft.yaml", "--connection", "shop").stdout
    for expected in (
        "1 of 4 subjects would move (25.0%); 1 differ.",
        "appointment_acquisition  visited  1",
        "mails now          0",
        "pushes now         1 (shop: 1)",
        "events released    1",
        "p0@example.jp: appointment_acquisition → visited (jump of 2",
        "in place of any.appointment of 2",
        "and 1 before)",
    ):
        assert expected in text


def test_programs_get_the_differences_and_then_the_sums(filled: Cli) -> None:
    *differences, sums = filled.lines("what-if", "draft.yaml", "--connection", "shop")
    assert [(one["from"], one["to"]) for one in differences] == [("appointment_acquisition", "visited")]
    assert sums["moved"] == [{"from": "appointment_acquisition", "to": "visited", "subjects": 1}]
    assert (sums["subjects"], sums["share"], sums["released"]) == (4, 0.25, 1)
    (sums,) = filled.lines("what-if", "draft.yaml", "--connection", "shop", "--since", "2099-01-01")
    assert sums["differing"] == 0


def test_what_is_held_and_not_to_be_taken_is_named(filled: Cli) -> None:
    Path("draft.yaml").write_text("adapter: standard\npush: {lead: {status: {order: {s: 1}}}}\n")
    text = filled("what-if", "draft.yaml", "--connection", "shop").stdout
    assert "events newly held  3 (shop / stage: lead / meeting: 1; " in text
    assert "not to be taken    3 (shop / lead / no push value for the status not_set: 3)" in text
    assert "→ not_set (nothing, in place of " in text


def test_only_the_first_differences_are_shown_to_people(filled: Cli) -> None:
    server = opened(filled)
    Sender(server).send(*(_line(number, "won") for number in range(10, 31)), key="msg_more")
    drain(server)
    server.close()
    Path("draft.yaml").write_text("adapter: standard\n")
    text = filled("what-if", "draft.yaml", "--connection", "shop").stdout
    assert text.count(" → not_set (nothing, in place of ") == 20
    assert "and 4 more; --json has them all" in text


def test_settings_are_those_of_now_but_for_those_that_are_given(filled: Cli) -> None:
    Path("settings.yaml").write_text("rules: {any.appointment: {enabled: false}}\n")
    text = filled("what-if", "--settings", "settings.yaml").stdout
    assert "0 of 4 subjects would move (0.0%); 1 differ." in text
    assert "appointment_acquisition → appointment_acquisition (nothing, in place of any.appointment of 2" in text
    Path("settings.yaml").write_text("")
    assert filled.lines("what-if", "--settings", "settings.yaml", "--template", "basic-2.0")[-1]["differing"] == 0


def test_a_terminal_shows_how_far_it_is() -> None:
    terminal = Terminal()
    with progress_bar("What-if", terminal) as progress:
        progress(3, 4)
    assert "What-if" in terminal.getvalue()
    assert "75%" in terminal.getvalue()


WRONG = (
    ((), "a what-if needs something that would be other than now"),
    (("draft.yaml",), "a draft of a mapping and --connection belong together"),
    (("missing.yaml", "--connection", "shop"), "the mapping file missing.yaml cannot be read"),
    (("--settings", "missing.yaml"), "the settings file missing.yaml cannot be read"),
    (("--template", "basic-1.0"), "a workspace cannot go from basic-2.0 to basic-1.0"),
    (("draft.yaml", "--connection", "shp"), "there is no connection 'shp'"),
)


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[row[1][:30] for row in WRONG])
def test_a_wrong_use_is_explained(filled: Cli, words: tuple[str, ...], message: str) -> None:
    assert message in filled.error("what-if", *words)


def test_settings_that_are_no_mapping_are_refused(filled: Cli) -> None:
    Path("settings.yaml").write_text("- key_pages\n")
    assert "settings: found" in filled.error("what-if", "--settings", "settings.yaml")


def test_the_forecast_is_a_table_for_people_and_lines_for_programs(filled: Cli) -> None:
    text = filled("forecast", "--days", "30").stdout
    assert "Nobody moves by time alone up to " in text
    assert "2 notices go to nobody: mail_off." in text
    *each, sums = filled.lines("forecast", "--days", "30")
    assert {one["rule"] for one in each} == {"appointment_prospect.remind"}
    assert (sums["subjects"], sums["mails"]) == (1, 0)
    runtime = Runtime(read_config(filled.environ, filled.folder))
    put_in_force(runtime, mail_enabled=True, administrators=["boss@example.jp"])
    runtime.close()
    moved = filled("forecast", "--days", "30")
    assert "boss@example.jp  1" in moved.stdout
    assert "1 subjects, 2 mails up to" in moved.stdout
