"""One log out of the output of several processes: whole lines, each with the name of the part that wrote it."""

from __future__ import annotations

import json
import re
from typing import Final, TextIO

LONGEST: Final = 65_536
_WIDTH: Final = 10
_COLOURS: Final = ("\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[33m")
_PLAIN: Final = "\x1b[0m"


class Output:
    """Writes lines to a stream: as text with the part's name in front, or as JSON with a field `part`."""

    def __init__(self, stream: TextIO, form: str) -> None:
        self._stream: TextIO | None = stream
        self._is_json = form == "json"
        self._is_coloured = stream.isatty() and not self._is_json
        self._colours: dict[str, str] = {}

    @property
    def is_open(self) -> bool:
        """False once nobody reads any more."""
        return self._stream is not None

    def line(self, part: str, text: str) -> None:
        """Write one line of a part; empty ones are left out."""
        if self._stream is None or not text.strip():
            return
        try:
            self._stream.write((_as_json if self._is_json else self._as_text)(part, text) + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None

    def _as_text(self, part: str, text: str) -> str:
        if not self._is_coloured:
            return f"{part:<{_WIDTH}} | {text}"
        colour = self._colours.setdefault(part, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"{colour}{part:<{_WIDTH}} |{_PLAIN} {text}"


def _as_json(part: str, text: str) -> str:
    """A line that is a JSON object already gets the field; any other becomes one."""
    start = json.dumps({"part": part})[:-1]
    is_entry = text.startswith("{") and text.endswith("}") and text != "{}"
    return f"{start}, {text[1:]}" if is_entry else f'{start}, "event": {json.dumps(text)}}}'


class Lines:
    """Cuts what one part writes into lines; an endless one is cut at `LONGEST` bytes. `hidden`: lines nobody needs."""

    def __init__(self, output: Output, part: str, hidden: re.Pattern[str] | None = None) -> None:
        self._output = output
        self._part = part
        self._hidden = hidden
        self._rest = b""

    def write(self, text: str, /) -> None:
        """Take text, as a log handler gives it."""
        self.feed(text.encode("utf-8", "backslashreplace"))

    def feed(self, data: bytes) -> None:
        """Take bytes; what is not a whole line yet waits."""
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > LONGEST:
            lines, rest = [*lines, rest[:LONGEST]], b""
        self._rest = rest
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip("\r")
            if self._hidden is None or not self._hidden.search(text):
                self._output.line(self._part, text)

    def flush(self) -> None:
        """Nothing: whole lines are written as they come."""

    def end(self) -> None:
        """Write what waits: the part has ended."""
        self.feed(b"\n")

    def isatty(self) -> bool:
        """Its lines are not coloured by themselves."""
        return False
