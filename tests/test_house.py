"""The shape of the tree: small folders, a docstring in each module, the same file names in each adapter."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

HOUSE: Final = Path(__file__).parents[1]
PRODUCT: Final = ("connector", "adapters")
MOST_MODULES: Final = 16
MOST_LINES: Final = 350
MOST_TEST_LINES: Final = 500
MOST_SENTENCES: Final = 2
BY_SYSTEM: Final = ("adapters", "connector/emulators", "tests/adapters", "tests/emulators")
"""Folders with one folder for each external system, however many there are."""
FULLER: Final[Mapping[str, int]] = {}
"""Folders that still hold more modules than they should; each number may only shrink."""
LONGER: Final[Mapping[str, str]] = {
    "connector/store/tables.py": "every table of the database in one place",
    "tests/mapping/wrong_mappings_by_key.py": "a table of mistakes with what is said to each",
}
"""Modules that may be longer than others, with the reason."""
ADAPTER_MODULES: Final = frozenset({"__init__", "settings", "webhook", "records", "client", "read", "push", "connect"})
MORE_ADAPTER_MODULES: Final[Mapping[str, str]] = {
    "bitrix24/address": "still to be folded into another",
    "bitrix24/application": "still to be folded into another",
    "bitrix24/errors": "still to be folded into another",
    "bitrix24/oauth": "still to be folded into another",
    "bitrix24/offline": "still to be folded into another",
    "bitrix24/plan": "still to be folded into another",
    "bitrix24/trigger": "still to be folded into another",
    "generic/paths": "still to be folded into another",
    "generic/proof": "still to be folded into another",
    "hubspot/directory": "still to be folded into another",
    "hubspot/events": "still to be folded into another",
    "hubspot/plan": "still to be folded into another",
    "hubspot/signature": "still to be folded into another",
    "kintone/plan": "still to be folded into another",
    "odoo/plan": "still to be folded into another",
    "salesforce/related": "still to be folded into another",
    "salesforce/soap": "still to be folded into another",
    "salesforce/soql": "still to be folded into another",
    "tracker/token": "still to be folded into another",
    "zoho/blueprint": "still to be folded into another",
}
"""What an adapter has besides, with the reason."""


def _modules(*roots: str) -> list[Path]:
    """The Python modules below these folders, but for database migrations, which Alembic names."""
    found = [path for root in roots for path in sorted((HOUSE / root).rglob("*.py"))]
    return [path for path in found if "versions" not in path.parts]


def _name(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def _sentences(text: str) -> list[str]:
    """The sentences before the first blank line."""
    summary = text.partition("\n\n")[0]
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z`\"])", " ".join(summary.split())) if part]


def _folders() -> Iterator[tuple[str, int]]:
    sizes: dict[str, int] = {}
    for path in _modules(*PRODUCT, "tests"):
        if path.name != "__init__.py":
            sizes[_name(path.parent)] = sizes.get(_name(path.parent), 0) + 1
    yield from sizes.items()


def test_a_folder_has_at_most_sixteen_modules() -> None:
    assert {name: size for name, size in _folders() if size > FULLER.get(name, MOST_MODULES)} == {}


@pytest.mark.parametrize("root", PRODUCT)
def test_every_module_says_first_in_one_or_two_sentences_what_it_is_for(root: str) -> None:
    docstrings = {_name(path): ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "" for path in _modules(root)}
    wrong = [name for name, text in docstrings.items() if not 1 <= len(_sentences(text)) <= MOST_SENTENCES]
    assert wrong == []


def test_every_test_module_says_what_it_tests() -> None:
    modules = [path for path in _modules("tests") if path.name != "__init__.py"]
    assert [_name(path) for path in modules if not ast.get_docstring(ast.parse(path.read_text("utf-8")))] == []


def test_no_module_is_too_long_to_be_one_thought() -> None:
    lines = {_name(path): len(path.read_text("utf-8").splitlines()) for path in _modules(*PRODUCT, "tests")}
    most = {name: MOST_TEST_LINES if name.startswith("tests/") else MOST_LINES for name in lines}
    assert {name: count for name, count in lines.items() if count > most[name] and name not in LONGER} == {}


def test_nothing_lies_flat_beside_the_packages() -> None:
    assert [path.name for path in (HOUSE / "connector").glob("*.py")] == ["__init__.py"]
    assert [path.name for path in (HOUSE / "adapters").glob("*.py")] == ["__init__.py"]


def test_adapters_call_their_modules_alike() -> None:
    found = {path.relative_to(HOUSE / "adapters").with_suffix("") for path in _modules("adapters")}
    more = {path.as_posix() for path in found if len(path.parts) > 1 and path.name not in ADAPTER_MODULES}
    assert more <= set(MORE_ADAPTER_MODULES)


def test_each_system_has_its_folders() -> None:
    systems = {path.parent.name for path in (HOUSE / "adapters").glob("*/__init__.py")}
    emulated = {path.parent.name for path in (HOUSE / "connector/emulators").glob("*/__init__.py")} - {"engine"}
    tested = {path.parent.name for path in (HOUSE / "tests/adapters").glob("*/signing.py")}
    assert tested == systems
    assert systems - emulated == {"standard"}
