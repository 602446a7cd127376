"""What is said of a wrong mapping file, and that a hostile one is refused at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.errors import NotFound, SalesOpsError
from connector.mapping import BadMapping, check_mapping, load_mapping, parse_mapping
from tests.mapping.whole_mapping import MAPPINGS, WHOLE, mistakes_in
from tests.mapping.wrong_mappings import HOSTILE, WRONG


def test_there_are_200_wrong_mappings_and_more() -> None:
    assert len({text for text, _ in WRONG.values()}) >= 200


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(text: str, expected: list[str]) -> None:
    assert mistakes_in(text) == expected


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "adapter: a\nunmapped: x\nstages: {lead: {A: x}}\nfields: {y1: 'a['}\npush: {lead: {fields: {A: '{'}}}\nx: 1"
    assert [one.line for one in check_mapping(text, "m.yaml")] == [2, 3, 4, 5, 6]


def test_an_error_names_the_file_and_is_for_sales_ops() -> None:
    with pytest.raises(BadMapping) as caught:
        parse_mapping("adapter: a\nadapter: b\nx: 1", "tokyo.yaml")
    assert isinstance(caught.value, SalesOpsError)
    assert caught.value.reason == "bad_mapping"
    assert str(caught.value).splitlines()[0] == "tokyo.yaml:2:1: 'adapter' stands twice; it is in line 1 already"
    assert len(caught.value.mistakes) == 2


def test_a_file_is_loaded_with_its_name_in_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "tokyo.yaml"
    path.write_text("\ufeff" + WHOLE, encoding="utf-8")
    assert load_mapping(path).adapter == "bitrix24"
    path.write_bytes(b"adapter: a\nstages: \xff")
    with pytest.raises(BadMapping, match=r"^tokyo\.yaml:2:9: this is no UTF-8 text; save the file as UTF-8$"):
        load_mapping(path)
    with pytest.raises(NotFound, match="cannot be read: No such file"):
        load_mapping(tmp_path / "osaka.yaml")


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_has_few_and_short_mistakes(make: Callable[[], str]) -> None:
    mistakes = check_mapping(make(), "m.yaml")
    assert 1 <= len(mistakes) <= 500
    assert all(len(str(one)) < 1000 for one in mistakes)


TIMED = """
import json, time
from connector.mapping import check_mapping
from tests.mapping.wrong_mappings import HOSTILE
taken = {}
for name, make in HOSTILE.items():
    text = make()
    start = time.process_time()
    check_mapping(text, "m.yaml")
    taken[name] = time.process_time() - start
print(json.dumps(taken))
"""


def test_a_hostile_file_is_refused_in_under_a_second() -> None:
    """In a process of its own, which no coverage tool slows down."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", TIMED]
    run = subprocess.run(command, capture_output=True, check=True, cwd=MAPPINGS.parent, env=unmeasured, timeout=60)
    taken: dict[str, float] = json.loads(run.stdout)
    assert {name: seconds for name, seconds in taken.items() if seconds >= 1} == {}
    assert taken.keys() == HOSTILE.keys()


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"\xff" * 50_000_000)
    with pytest.raises(BadMapping, match=r"^big\.yaml:1:1: the file is larger than 250 kB; that is no mapping$"):
        load_mapping(path)


SIGNS = st.text(alphabet="abno0129:-#&*!|>'\"%@`{}[],?~. \n\t\\éあ\ud800\x00", max_size=60)


@settings(deadline=None)
@given(st.text(max_size=80) | SIGNS)
def test_any_text_is_right_or_has_mistakes(text: str) -> None:
    for one in check_mapping(text, "m.yaml"):
        assert one.line >= 1
        assert one.column >= 1


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, 12), SIGNS)
def test_any_damage_to_a_file_leaves_it_right_or_gives_mistakes(start: int, length: int, put: str) -> None:
    check_mapping(WHOLE[:start] + put + WHOLE[start + length :], "m.yaml")
