"""docs/architecture.md holds: its picture is that of the contracts, and every place that it names is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

import pytest

from tests.architecture import PAGE, ROOT, page

TEXT: Final = PAGE.read_text("utf-8")
PATHS: Final = sorted(
    {
        path
        for path in re.findall(r"`([a-z_0-9]+/[a-z_0-9/.]*[a-z_0-9/])`", TEXT)
        if "<" not in path and not path.startswith("docs/")
    }
)
SYMBOLS: Final = sorted(set(re.findall(r"`([A-Z][A-Za-z_]+)` in `(connector/[a-z_/]+)\.py`", TEXT)))


def test_the_picture_and_the_table_of_packages_are_up_to_date() -> None:
    assert page() == TEXT


@pytest.mark.parametrize("path", PATHS)
def test_every_place_is_there(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "connector" / path).exists()


@pytest.mark.parametrize(("name", "module"), SYMBOLS)
def test_every_seam_is_where_the_page_says(name: str, module: str) -> None:
    assert hasattr(importlib.import_module(module.replace("/", ".").removesuffix(".__init__")), name)


def test_the_walk_names_functions_that_are_there() -> None:
    walk = re.findall(r"^\| `([a-z_/]+\.py)` `([A-Za-z_.]+)` \|", TEXT, re.MULTILINE)
    assert len(walk) >= 8
    for path, name in walk:
        found: object = importlib.import_module(f"connector.{Path(path).with_suffix('')}".replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)
