"""The one log of several processes: whole lines, each with its part, as text or as JSON."""

from __future__ import annotations

import io
import json

import pytest

from connector.processes.output import LONGEST, Lines, Output
from connector.processes.redis_server import BANNER


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_each_line_carries_its_part() -> None:
    stream = io.StringIO()
    output = Output(stream, "text")
    output.line("web", "one")
    output.line("worker-1", "  two")
    output.line("web", "   ")
    assert stream.getvalue() == "web        | one\nworker-1   |   two\n"


def test_lines_that_nobody_needs_are_left_out() -> None:
    stream = io.StringIO()
    lines = Lines(Output(stream, "text"), "redis", BANNER)
    lines.feed(
        b"7:C 29 Nov 2026 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n7:C 29 Nov 2026 # Valkey version=8.1\n"
    )
    lines.feed(b"7:M 29 Nov 2026 # Warning: Could not create server TCP listening socket\n")
    assert stream.getvalue() == "redis      | 7:M 29 Nov 2026 # Warning: Could not create server TCP listening socket\n"


def test_as_json_an_entry_gets_a_field_and_any_other_line_becomes_an_entry() -> None:
    stream = io.StringIO()
    output = Output(stream, "json")
    for text in ('{"event": "a"}', 'b "quoted"', "{}", "{c"):
        output.line("web", text)
    expected = [{"part": "web", "event": event} for event in ("a", 'b "quoted"', "{}", "{c")]
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == expected


def test_parts_have_colours_on_a_terminal() -> None:
    stream = Terminal()
    output = Output(stream, "text")
    for part in ("web", "redis", "web"):
        output.line(part, "x")
    web, redis, again = (line.split()[0] for line in stream.getvalue().splitlines())
    assert web == again != redis
    assert web.startswith("\x1b[")


@pytest.mark.parametrize("pieces", [[b"one\ntwo\n"], [b"o", b"ne\r\ntw", b"o\n"], [b"one\n", b"two"]])
def test_lines_are_whole_however_they_arrive(pieces: list[bytes]) -> None:
    stream = io.StringIO()
    lines = Lines(Output(stream, "text"), "web")
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    assert stream.getvalue() == "web        | one\nweb        | two\n"


def test_an_endless_line_is_cut_and_bytes_that_are_no_text_are_shown() -> None:
    stream = io.StringIO()
    lines = Lines(Output(stream, "text"), "web")
    lines.feed(b"\xff" * (LONGEST + 1))
    assert stream.getvalue() == f"web        | {'�' * LONGEST}\n"


def test_a_log_handler_can_write_to_it() -> None:
    stream = io.StringIO()
    lines = Lines(Output(stream, "text"), "connector")
    lines.write("ready\n")
    lines.flush()
    assert (stream.getvalue(), lines.isatty()) == ("connector  | ready\n", False)


def test_when_nobody_reads_any_more_it_says_so_and_raises_nothing() -> None:
    stream = io.StringIO()
    output = Output(stream, "text")
    stream.close()
    assert output.is_open
    output.line("web", "one")
    output.line("web", "two")
    assert not output.is_open
