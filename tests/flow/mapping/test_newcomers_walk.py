"""The newcomer's walk of docs/mapping.md: every command is run by a shell against the running product."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.conftest import wait_for
from tests.flow.product import running

PAGE = Path("docs/mapping.md")
END = "the command has ended"
LOOKS = ("connector mapping held", "connector subject show")
"""Commands that may be run again until the workers have come to it."""


class Shell:
    """One shell, in which functions and variables stay from block to block."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"],  # noqa: S607 - the shell of whoever reads the page
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, commands: str) -> str:
        """What the commands print."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commands}\necho; echo '{END}'\n")
        self._process.stdin.flush()
        lines = iter(self._process.stdout.readline, "")
        return "".join(_until(lines))


def _until(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line == f"{END}\n":
            return
        yield line


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Commands with what they print, as far as the page shows it."""
    found = re.findall(r"```(sh|text)\n(.*?)```", page, re.DOTALL)
    for (kind, text), (following, shown) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "sh":
            yield text, shown if following == "text" else ""


def shows(printed: str, page: str) -> bool:
    """Whether the lines of the page were printed in order; `…` stands for anything, spaces for more of them."""
    rest = iter(printed.splitlines())
    return all(any(_pattern(line).fullmatch(one.strip()) for one in rest) for line in page.splitlines() if line != "…")


def _pattern(line: str) -> re.Pattern[str]:
    words = [r"\s+".join(map(re.escape, part.split())) for part in line.strip().split("…")]
    return re.compile(r".*".join(words), re.DOTALL)


def test_every_command_of_the_walk_prints_what_the_page_shows(tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    with running(tmp_path, {"CONNECTOR_LOG_LEVEL": "warning"}) as product:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "COV_"))}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        environ = {**kept, "PATH": path, "CONNECTOR_DATA_DIR": str(tmp_path / "data"), "LC_ALL": "C.UTF-8"}
        with Shell(tmp_path, environ) as shell:
            for commands, shown in blocks(page):
                _walk(shell, commands.replace("http://127.0.0.1:8080", product.url), shown)


def _walk(shell: Shell, commands: str, shown: str) -> None:
    printed = ""

    def is_shown() -> bool:
        nonlocal printed
        printed = shell.run(commands)
        return shows(printed, shown) or not commands.startswith(LOOKS)

    wait_for(is_shown, commands, 30)
    assert shows(printed, shown), f"{commands}\nprinted:\n{printed}\nthe page shows:\n{shown}"


def test_a_line_of_the_page_stands_for_what_is_printed() -> None:
    assert shows("a   b c\nmore\nend", "a b…\nend\n")
    assert not shows("a b\n", "a b\nend\n")
    assert not shows("end\na b\n", "a b\nend\n")
