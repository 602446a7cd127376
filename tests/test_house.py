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
LONGER: Final[Mapping[str, str]] = {
    "connector/store/tables.py": "every table of the database in one place",
    "tests/mapping/wrong_mappings_by_key.py": "a table of mistakes with what is said to each",
}
"""Modules that may be longer than others, with the reason."""
ADAPTER_MODULES: Final = frozenset({"__init__", "settings", "webhook", "records", "client", "read", "push", "connect"})
MORE_ADAPTER_MODULES: Final[Mapping[str, str]] = {
    "bitrix24/address": "which addresses may be called with the secret in them, and where a renamed portal went",
    "bitrix24/oauth": "the tokens of an application, which rotate",
    "generic/paths": "the expressions that do by settings what other adapters do by code",
    "generic/times": "the forms in which systems write times, which other adapters know of theirs",
    "salesforce/soap": "messages in XML, read without ever letting a document type in",
}
"""What an adapter has besides, with the reason."""
EMULATOR_MODULES: Final = frozenset(
    {"__init__", "crm", "site", "state", "rest", "webhooks", "records", "catalog", "directory"}
)
MORE_EMULATOR_MODULES: Final[Mapping[str, str]] = {
    "bitrix24/application": "a local application with tokens, handlers and an offline queue",
    "bitrix24/batch": "the method `batch`, whose commands refer to earlier results",
    "bitrix24/events": "the methods about the application itself",
    "bitrix24/fields": "the fields of leads, deals and contacts, by both of their names",
    "bitrix24/items": "the methods `crm.item.*`",
    "bitrix24/listing": "filters, order and pages of every list method",
    "bitrix24/methods": "the other methods, and the table of all",
    "bitrix24/php": "forms and JSON as PHP reads and writes them",
    "bownow/tokens": "two tokens of each client, which run out and are renewed",
}
"""What an emulator has besides, with the reason."""
TEST_MODULES: Final = frozenset({"__init__", "conftest", "fake", "signing"})
MORE_TEST_MODULES: Final[Mapping[str, str]] = {
    "bitrix24/harness": "a portal with an application, and as many processes as a test asks for",
}
"""What the tests of an adapter have besides `test_<system>*`, with the reason."""


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
    assert {name: size for name, size in _folders() if size > MOST_MODULES} == {}


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
    assert {name for name, count in lines.items() if count > most[name]} == set(LONGER)


def test_nothing_lies_flat_beside_the_packages() -> None:
    assert [path.name for path in (HOUSE / "connector").glob("*.py")] == ["__init__.py"]
    assert [path.name for path in (HOUSE / "adapters").glob("*.py")] == ["__init__.py"]


def _names_in(root: str) -> set[str]:
    """`<folder>/<module>` of everything below the folders of `root`."""
    found = {path.relative_to(HOUSE / root).with_suffix("") for path in _modules(root)}
    return {path.as_posix() for path in found if len(path.parts) > 1}


def _others(names: set[str], allowed: frozenset[str]) -> set[str]:
    return {name for name in names if name.rpartition("/")[2] not in allowed}


def test_adapters_call_their_modules_alike() -> None:
    assert _others(_names_in("adapters"), ADAPTER_MODULES) == set(MORE_ADAPTER_MODULES)


def test_emulators_call_their_modules_alike() -> None:
    names = {name for name in _names_in("connector/emulators") if not name.startswith("engine/")}
    assert _others(names, EMULATOR_MODULES) == set(MORE_EMULATOR_MODULES)


def test_tests_of_adapters_call_their_modules_alike() -> None:
    own = {name for name in _names_in("tests/adapters") if re.fullmatch(r"(\w+)/test_\1(_[a-z_]+)?", name)}
    assert _others(_names_in("tests/adapters") - own, TEST_MODULES) == set(MORE_TEST_MODULES)


def test_each_system_has_its_folders() -> None:
    systems = {path.parent.name for path in (HOUSE / "adapters").glob("*/__init__.py")}
    emulated = {path.parent.name for path in (HOUSE / "connector/emulators").glob("*/__init__.py")} - {"engine"}
    tested = {path.parent.name for path in (HOUSE / "tests/adapters").glob("*/signing.py")}
    assert tested == systems
    assert systems - emulated == {"standard"}
