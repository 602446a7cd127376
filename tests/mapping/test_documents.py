"""The shipped mappings, and what people and editors read about the keys, are right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connector.mapping import check_mapping
from connector.mapping.json_schema import document, with_key_table
from tests.mapping.whole_mapping import MAPPINGS, SHIPPED, mistakes_in
from tests.mapping.wrong_mappings import SMALLEST


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_mappings_are_right(path: Path) -> None:
    assert check_mapping(path.read_text(), path.name) == ()


def test_the_readme_s_table_is_the_schema_s() -> None:
    readme = (MAPPINGS / "README.md").read_text()
    assert with_key_table(readme) == readme


def test_the_schema_for_editors_is_the_schema_s() -> None:
    assert (MAPPINGS / "schema.json").read_text() == document()


def test_the_pages_for_people_and_editors_are_printed() -> None:
    readme = (MAPPINGS / "README.md").read_text()
    for page, given_text, expected in (("keys", readme, readme), ("schema", "", document())):
        command = [sys.executable, "-m", "connector.mapping.json_schema", page]
        run = subprocess.run(command, input=given_text, capture_output=True, text=True, check=True, timeout=60)
        assert run.stdout == expected


def test_the_shipped_mappings_name_the_schema_for_editors() -> None:
    firsts = {path.read_text().partition("\n")[0] for path in SHIPPED}
    assert firsts == {"# yaml-language-server: $schema=schema.json"}


def test_the_readme_s_examples_are_right() -> None:
    blocks = (MAPPINGS / "README.md").read_text().split("```yaml\n")[1:]
    examples = [block.split("```")[0] for block in blocks]
    assert [mistakes_in(SMALLEST + example) for example in examples] == [[]] * 8
