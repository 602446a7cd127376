"""`connector simulate`, through the command: its output, and every kind of mistake in its input."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from connector.core.rules import BASIC_2, TEMPLATES
from connector.core.ruleset import Settings
from connector.what_if.simulate import WrongUntil, simulate, simulate_command
from connector.what_if.simulate_input import WrongLines, keys_by_type
from tests.core import oracle
from tests.core.histories import chances, draw_lines, draw_settings, last_day, ruleset_of, templates
from tests.hypothesis_profile import examples

VISIT = '{"at": "2026-03-02T09:00:00+09:00", "subject": "ann", "type": "action", "action": "site_access"}'
MOVED: dict[str, Any] = {
    "subject": "ann",
    "at": "2026-03-02T00:00:00+00:00",
    "rule": "not_set.act",
    "from": "not_set",
    "to": "latent",
    "notify": [],
    "skipped": [],
    "reason": None,
}
ENDED: dict[str, Any] = {
    "subject": "ann",
    "kind": "unknown",
    "status": "latent",
    "since": "2026-03-02T00:00:00+00:00",
    "tags": [],
    "last_action": "2026-03-02T00:00:00+00:00",
    "due": "2026-05-31",
}


def _run(content: str | bytes, *options: str) -> Result:
    given = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return CliRunner().invoke(simulate_command, ["-", *options], input=given)


def _rows(result: Result) -> list[dict[str, Any]]:
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def _mistakes(result: Result) -> list[str]:
    """The mistakes of a run that must have ended with exit code 2 and nothing on standard output."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stderr.splitlines()


def _line(**keys: Any) -> str:
    return json.dumps({"at": "2026-03-02T09:00:00+09:00", "subject": "ann", **keys})


def _written(path: Path, content: Any) -> str:
    if isinstance(content, str):
        path.write_text(content, "utf-8")
    else:
        with path.open("w", encoding="utf-8") as stream:
            YAML().dump(content, stream)
    return str(path)


def test_decisions_come_first_and_then_one_line_per_subject() -> None:
    assert _rows(_run(VISIT, "--json")) == [MOVED, ENDED]


def test_a_file_may_be_named(tmp_path: Path) -> None:
    result = CliRunner().invoke(simulate_command, [_written(tmp_path / "events.jsonl", VISIT), "--json"])
    assert _rows(result) == [MOVED, ENDED]


def test_without_json_people_read_it() -> None:
    lines = [
        VISIT,
        _line(type="tag", add="vip"),
        _line(type="owner", owner="mori@e.example"),
        _line(type="jump", to="アポ", by="person", at="2026-03-03T09:00:00+09:00"),
        _line(type="jump", to="アポ", by="person", at="2026-03-03T10:00:00+09:00"),
        _line(type="identify", subject="a\u202eb"),
    ]
    result = _run("\n".join(lines))
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "ann",
            "  2026-03-02T00:00:00+00:00  not_set.act: Not set → Latent",
            (
                "  2026-03-03T00:00:00+00:00  jump: Latent → Appointment acquired; "
                "skips Quasi-explicit, Explicit, Appointment prospect"
            ),
            "  2026-03-03T00:00:00+00:00  any.appointment: stays Appointment acquired; writes to mori@e.example",
            "  2026-03-03T01:00:00+00:00  jump: stays Appointment acquired; already there",
            "  = unknown, Appointment acquired since 2026-03-03T00:00:00+00:00, tags vip; nothing due",
            "'a\\u202eb'",
            "  = lead, Not set since 2026-03-02T00:00:00+00:00; nothing due",
        ],
    )


def test_no_lines_give_no_output() -> None:
    assert _rows(_run("", "--json")) == []
    assert _rows(_run("\n \n", "--json", "--until", "2026-01-01")) == []


def test_blank_lines_a_byte_order_mark_and_carriage_returns_are_passed_over() -> None:
    assert _rows(_run(b"\xef\xbb\xbf" + VISIT.encode() + b"\r\n\r\n", "--json")) == [MOVED, ENDED]


def test_a_subject_that_never_acted_counts_from_its_creation() -> None:
    (end,) = _rows(_run(_line(type="identify", kind="lead"), "--json"))
    assert end == ENDED | {"kind": "lead", "status": "not_set", "due": None}


def test_kind_counts_on_the_earliest_line_alone() -> None:
    later = _line(type="tag", add="vip", kind="lead", at="2026-03-03T09:00:00+09:00")
    assert _rows(_run(f"{later}\n{VISIT}", "--json"))[-1]["kind"] == "unknown"


def test_ties_go_by_type_and_then_by_id_in_natural_order() -> None:
    lines = [
        _line(type="action", action="login", id="0"),
        _line(type="trigger", to="visited", trigger="t", id="1"),
        _line(type="jump", to="latent", by="crm", id="9"),
        _line(type="jump", to="explicit", by="crm", id="10"),
        _line(type="owner", owner="mori@e.example", id="z"),
    ]
    rows = _rows(_run("\n".join(lines), "--json"))
    assert [(row["rule"], row["to"]) for row in rows[:-1]] == [
        ("jump", "latent"),
        ("jump", "explicit"),
        ("trigger:t", "visited"),
    ]


def test_ties_go_by_sequence_before_id_and_what_has_none_comes_first() -> None:
    huge = 2**64
    lines = [
        _line(type="jump", to="visited", by="crm", id="1", sequence=huge + 1),
        _line(type="jump", to="latent", by="crm", id="9"),
        _line(type="jump", to="project", by="crm", id="0", sequence=huge + 2),
        _line(type="jump", to="explicit", by="crm", id="8", sequence=0),
        _line(type="jump", to="explicit", by="crm", id="8", sequence=0),
    ]
    rows = _rows(_run("\n".join(lines), "--json"))
    assert [row["to"] for row in rows[:-1]] == ["latent", "explicit", "visited", "project"]


@pytest.mark.parametrize(("lead", "kind"), [("9", "lead"), ("10", "unknown")])
def test_the_kind_of_a_subject_is_that_of_its_first_line_in_this_order(lead: str, kind: str) -> None:
    lines = [
        _line(type="action", action="login", id=of, **({"kind": "lead"} if of == lead else {})) for of in ("10", "9")
    ]
    assert _rows(_run("\n".join(lines), "--json"))[-1]["kind"] == kind


def test_a_repeated_key_counts_as_json_has_it_and_null_is_as_absent_for_what_is_optional() -> None:
    twice = VISIT.replace('"subject"', '"subject": "bob", "subject"')
    empty = VISIT.replace("}", ', "page": null, "session": null, "id": null, "kind": null}')
    assert _rows(_run(twice, "--json")) == _rows(_run(empty, "--json")) == [MOVED, ENDED]


@pytest.mark.parametrize("word", ["Lost order", "loss", "失注", "LOST-ORDER", "Mất đơn hàng", "丢单"])
def test_a_status_may_be_typed_by_code_label_or_alias(word: str) -> None:
    rows = _rows(_run(_line(type="jump", to=word, by="person"), "--json"))
    assert [row["to"] for row in rows[:-1]] == ["lost_order"]


def test_the_daily_rules_run_for_all_subjects_to_the_date_of_the_last_line_of_the_file() -> None:
    prospect = _line(type="jump", to="appointment_prospect", by="person")
    later = _line(type="identify", subject="bob", at="2026-03-06T00:00:00+09:00")
    rows = _rows(_run(f"{prospect}\n{later}", "--json"))
    assert [row["at"] for row in rows if row.get("rule") == "appointment_prospect.remind"] == [
        "2026-03-04T15:00:00+00:00",
        "2026-03-05T15:00:00+00:00",
    ]


def test_settings_and_template_are_read(tmp_path: Path) -> None:
    path = _written(tmp_path / "settings.yaml", {"timezone": "America/New_York", "mail_enabled": False})
    lines = [VISIT, VISIT, VISIT.replace("site_access", "form_submission")]
    rows = _rows(_run("\n".join(lines), "--json", "--template", "basic-1.0", "--settings", path))
    assert [(row["rule"], row["reason"]) for row in rows[:-1]] == [
        ("v1.not_set.act", None),
        ("v1.latent.surge", "mail_off"),
    ]
    assert rows[-1]["due"] == "2026-03-26"


def test_an_empty_settings_file_changes_nothing(tmp_path: Path) -> None:
    path = _written(tmp_path / "settings.yaml", "# nothing yet\n")
    assert _rows(_run(VISIT, "--json", "--settings", path)) == [MOVED, ENDED]


@settings(max_examples=examples(60), deadline=None)
@given(chance=chances, template=templates)
def test_the_command_prints_what_the_oracle_says_of_several_subjects_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, template: str
) -> None:
    raw = draw_settings(chance, template)
    lines = [line for name in ("b", "", "aé") for line in draw_lines(chance, template, name)]
    chance.shuffle(lines)
    until = last_day(lines, ruleset_of(raw, template)) + timedelta(days=chance.choice((0, 40)))
    path = _written(tmp_path_factory.mktemp("settings") / "settings.yaml", raw)

    result = _run(
        "\n".join(json.dumps(line) for line in lines),
        *("--json", "--template", template, "--settings", path, "--until", until.isoformat()),
    )

    assert _rows(result) == oracle.simulate(lines, raw, template, until)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        (_line(), "line 1: type: missing; allowed: one of action, jump, trigger, identify, tag, owner"),
        (
            _line(type="jmp"),
            (
                "line 1: type: found 'jmp'; allowed: one of action, jump, trigger, identify, tag, owner; "
                "did you mean jump?"
            ),
        ),
        (_line(type=None), "line 1: type: found null; allowed: one of action, jump, trigger, identify, tag, owner"),
        (_line(type=""), "line 1: type: found ''; allowed: one of action, jump, trigger, identify, tag, owner"),
        (_line(type=[]), "line 1: type: found []; allowed: one of action, jump, trigger, identify, tag, owner"),
        (_line(type="identify", subject=7), "line 1: subject: found 7; allowed: text"),
        (_line(type="identify", id=7), "line 1: id: found 7; allowed: text"),
        (
            _line(type="identify", kind="Lead"),
            ("line 1: kind: found 'Lead'; allowed: one of lead, unknown; did you mean lead?"),
        ),
        (
            _line(type="identify", page="x"),
            "line 1: found the key 'page'; allowed: at, subject, type, sequence, id, kind",
        ),
        (
            _line(type="action", action="login", sesion="x"),
            (
                "line 1: found the key 'sesion'; allowed: "
                "at, subject, type, sequence, id, kind, action, page, session; did you mean session?"
            ),
        ),
        (
            _line(type="action", action="login", page={"a": [[[1]]]}),
            ("line 1: page: found {'a': [[...]]}; allowed: text"),
        ),
        (_line(type="identify", sequence=-1), "line 1: sequence: found -1; allowed: a whole number from 0"),
        (_line(type="identify", sequence=1.0), "line 1: sequence: found 1.0; allowed: a whole number from 0"),
        (_line(type="identify", sequence=True), "line 1: sequence: found true; allowed: a whole number from 0"),
        (
            _line(type="action", action="login", session=True),
            "line 1: session: found true; allowed: text that is not empty",
        ),
        (
            _line(type="action", action="login", session=""),
            "line 1: session: found ''; allowed: text that is not empty",
        ),
        (_line(type="jump", to="latent"), "line 1: by: missing; allowed: one of person, crm"),
        (_line(type="jump", to="latent", by="robot"), "line 1: by: found 'robot'; allowed: one of person, crm"),
        (_line(type="trigger", to="latent", trigger=""), "line 1: trigger: found ''; allowed: text that is not empty"),
        (_line(type="trigger", to="latent", trigger="t", reopen=1), "line 1: reopen: found 1; allowed: true or false"),
        (_line(type="tag"), "line 1: add, remove: found both or neither; allowed: one of the two"),
        (
            _line(type="tag", add="a", remove="b"),
            ("line 1: add, remove: found both or neither; allowed: one of the two"),
        ),
        (_line(type="owner"), "line 1: owner: missing; allowed: an e-mail address, or null"),
        (_line(type="owner", owner="mori"), "line 1: owner: found 'mori'; allowed: an e-mail address, or null"),
        ("{", "line 1: found '{'; allowed: one JSON object in UTF-8 (unexpected end of data)"),
        ("[1]", "line 1: found [1]; allowed: one JSON object"),
        ("null", "line 1: found null; allowed: one JSON object"),
    ],
)
def test_a_wrong_line_is_named_with_key_what_was_found_and_what_is_allowed(line: str, mistake: str) -> None:
    assert _mistakes(_run(line, "--json")) == [mistake]


@pytest.mark.parametrize(
    "at",
    [
        "2026-03-02",
        "2026-03-02T09:00:00",
        "2026-03-02x09:00:00+09:00",
        "2026-02-30T09:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "yesterday",
        "",
        1772409600,
        None,
        True,
        ["2026-03-02T09:00:00Z"],
    ],
)
def test_a_time_without_offset_or_out_of_bounds_is_a_mistake(at: Any) -> None:
    (mistake,) = _mistakes(_run(_line(type="identify", at=at)))
    assert mistake.startswith("line 1: at: found ")
    assert mistake.endswith("; allowed: date and time with offset in ISO 8601, from 1900 to 2999")


def test_a_status_that_the_template_lacks_is_a_mistake() -> None:
    lines = [_line(type="jump", to="quasi_explicit", by="crm"), _line(type="trigger", to="explict", trigger="t")]
    v1 = ", ".join(info.code for info in TEMPLATES["basic-1.0"].statuses)
    assert _mistakes(_run("\n".join(lines * 2), "--template", "basic-1.0")) == [
        *(
            f"line {number}: to: found '{word}'; allowed: one of {v1}; did you mean explicit?"
            for number, word in enumerate(("quasi_explicit", "explict") * 2, start=1)
        )
    ]
    assert _mistakes(_run(_line(type="jump", to="in_progress", by="crm")))[0].startswith("line 1: to: found 'in_prog")


def test_every_mistake_of_settings_lines_and_date_is_named_at_once(tmp_path: Path) -> None:
    path = _written(tmp_path / "settings.yaml", {"timezone": "Asia/Tokio", "rules": {"latent.wram": {}}})
    lines = [VISIT, "nonsense", _line(subject=1, type="jump", by=2)]
    mistakes = _mistakes(_run("\n".join(lines), "--settings", path, "--until", "2026-02-30", "--json"))
    assert [mistake.partition(";")[0].partition(" found")[0] for mistake in mistakes] == [
        "rules.latent.wram: not a key here",
        "timezone:",
        "line 2:",
        "line 3: subject:",
        "line 3: by:",
        "line 3: to: missing",
        "--until:",
    ]


@pytest.mark.parametrize("until", ["tomorrow", "2026-3-2", "20260302", "2026-W10-1", "9999-12-31", "0001-01-01", ""])
def test_until_must_be_a_date(until: str) -> None:
    assert _mistakes(_run(VISIT, "--until", until)) == [
        f"--until: found '{until}'; allowed: a date as YYYY-MM-DD, from 1900 to 2999"
    ]


def test_until_must_not_be_before_the_local_date_of_the_last_line(tmp_path: Path) -> None:
    late = _line(type="identify", at="2026-03-02T15:00:00Z")
    assert _mistakes(_run(late, "--until", "2026-03-02")) == [
        "--until: found 2026-03-02; allowed: 2026-03-03 (the date of the last line) or later"
    ]
    path = _written(tmp_path / "settings.yaml", {"timezone": "America/New_York"})
    assert len(_rows(_run(late, "--until", "2026-03-02", "--settings", path, "--json"))) == 1


@pytest.mark.parametrize(
    "content",
    ["a: [", "{a: 1, a: 2}", "\x00", "!!bool x", "!!int x", "!!timestamp x", "[" * 3000, "- 1", "5", "timezone: 5"],
)
def test_a_settings_file_that_cannot_be_read_is_a_mistake(tmp_path: Path, content: str) -> None:
    mistakes = _mistakes(_run(VISIT, "--settings", _written(tmp_path / "settings.yaml", content)))
    assert [mistake.partition(":")[0] for mistake in mistakes] in (["settings"], ["timezone"])
    assert "allowed: " in mistakes[0]


@pytest.mark.parametrize(
    "options",
    [["-", "--template", "basic-3.0"], ["no-such-file.jsonl"], ["."], ["-", "--settings", "no-such.yaml"], []],
)
def test_a_wrong_option_is_a_usage_error(options: Sequence[str]) -> None:
    result = CliRunner().invoke(simulate_command, options, input=VISIT)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: " in result.stderr


@settings(max_examples=examples(150), deadline=None)
@given(lines=st.lists(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(("at", "subject", "type", "to", "by", "action", "owner", "add", "id", "kind")) | st.text(),
        inner | st.sampled_from(("action", "jump", "login", "latent", "2026-03-02T00:00:00Z")),
        max_size=8,
    ),
    max_leaves=12,
).map(json.dumps), max_size=6))  # fmt: skip
def test_no_json_whatever_ends_in_a_traceback(lines: list[str]) -> None:
    result = _run("\n".join(lines), "--json")
    assert result.exit_code in {0, 2}
    assert (result.exit_code == 2) == bool(result.stderr)


@settings(max_examples=examples(100), deadline=None)
@given(content=st.binary(max_size=200))
@pytest.mark.parametrize("is_settings", [False, True])
def test_no_bytes_whatever_end_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, *, is_settings: bool
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "settings.yaml"
    path.write_bytes(content)
    result = _run(VISIT, "--settings", str(path)) if is_settings else _run(content, "--json")
    assert result.exit_code in {0, 2}
    assert (result.exit_code == 2) == bool(result.stderr)


def test_deep_nesting_long_numbers_and_lone_surrogates_are_mistakes_and_nothing_worse() -> None:
    lines = ["[" * 200_000, _line(type="identify", subject=10**60), '{"subject": "\\ud800"}', '{"at": NaN}']
    assert [mistake[:14] for mistake in _mistakes(_run("\n".join(lines)))] == [
        "line 1: found ",
        "line 2: subjec",
        "line 3: found ",
        "line 4: found ",
    ]


def test_as_a_function_it_takes_lines_and_raises_all_mistakes() -> None:
    quiet = Settings()
    assert simulate([VISIT.encode()], quiet, BASIC_2) == [MOVED, ENDED]
    assert simulate([VISIT.encode()], quiet, BASIC_2, date(2026, 5, 31))[-1]["status"] == "not_set"
    with pytest.raises(WrongUntil):
        simulate([VISIT.encode()], quiet, BASIC_2, date(2026, 3, 1))
    with pytest.raises(WrongLines) as wrong:
        simulate([b"1", b"2"], quiet, BASIC_2)
    assert wrong.value.mistakes == (
        "line 1: found 1; allowed: one JSON object",
        "line 2: found 2; allowed: one JSON object",
    )


def test_the_example_has_every_type_of_line_is_that_of_the_page_and_can_be_run(tmp_path: Path) -> None:
    printed = CliRunner().invoke(simulate_command, ["--example"]).stdout
    assert f"```json\n{printed}```" in Path("docs/simulate.md").read_text("utf-8")
    types = {json.loads(line)["type"] for line in printed.splitlines()}
    keys = keys_by_type(BASIC_2)
    assert types == set(keys) - {""}
    page = Path("docs/simulate.md").read_text("utf-8")
    assert [name for of in keys.values() for name in of if f"`{name}`" not in page] == []
    (tmp_path / "events.jsonl").write_text(printed, "utf-8")
    done = CliRunner().invoke(simulate_command, [str(tmp_path / "events.jsonl")])
    assert done.exit_code == 0
    assert "lead, Visited since 2026-03-16" in done.stdout
