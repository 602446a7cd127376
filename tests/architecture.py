"""Writes the generated part of docs/architecture.md: the rows of packages, and what each is for (`make docs`)."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "architecture.md"
_BEGIN: Final = re.compile(r"<!-- flow: [^>]*-->\n")
_END: Final = "<!-- /flow -->"
FLOW: Final = (
    ("sender", "web", "webhook"),
    ("web", "intake", "request"),
    ("intake", "store", "delivery"),
    ("store", "pipeline", "claimed deliveries"),
    ("pipeline", "core", "load, decide, save"),
    ("pipeline", "store", "events, states, outbox"),
    ("store", "outbound", "updates, notices"),
    ("outbound", "system", "push, read back"),
    ("outbound", "people", "mail"),
)
"""What goes from where to where."""


def rows() -> list[list[str]]:
    """The packages of `connector`, row by row from the top; imports go down only."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [row.split(" | ") for row in layers]


def generated() -> str:
    """The picture of the flow, and the table of packages."""
    arrows = "\n".join(f"  {source} -->|{what}| {target}" for source, target, what in FLOW)
    packages = [name for row in rows() for name in row]
    inside = [name for name in packages if any(name in arrow[:2] for arrow in FLOW)]
    boxes = "\n".join(f"  {name}[connector/{name}]" for name in inside)
    table = "\n".join(
        f"| {number} | `{name}` | {_purpose(name)} |" for number, row in enumerate(rows(), 1) for name in row
    )
    return (
        "```mermaid\nflowchart LR\n"
        "  sender([a system's webhook])\n  system([the system's API])\n  people([people])\n"
        f"{boxes}\n{arrows}\n```\n\n"
        "Imports go down only, and never sideways within a row. `adapters/` know the kit and the core; `runtime`,\n"
        "`operations`, the emulators and the command line alone know them. `connector/emulators` know the adapters,\n"
        "the kit and the core; of the product only the demonstration knows them.\n\n"
        f"| row | package | what it is for |\n|---|---|---|\n{table}\n"
    )


def _purpose(package: str) -> str:
    found = ast.get_docstring(ast.parse((ROOT / "connector" / package / "__init__.py").read_text("utf-8"))) or ""
    return found.split("\n\n")[0].replace("\n", " ")


def page() -> str:
    """The page with its generated part made anew."""
    text = PAGE.read_text("utf-8")
    begin = _BEGIN.search(text)
    assert begin
    return f"{text[: begin.end()]}{generated()}{text[text.index(_END) :]}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
