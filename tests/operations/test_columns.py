"""Columns of any file: each row says something or is refused, and what is said to be read is read."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.standard import Standard
from connector.core.errors import WrongSetting
from connector.core.ruleset import Settings
from connector.mapping import parse_mapping
from connector.operations.imports.columns import BadRow, Columns
from connector.operations.imports.csv_file import reading
from connector.operations.imports.find_columns import check_who, find_columns
from connector.operations.imports.refused_rows import REASON
from connector.runtime.connections import Connected
from tests.hypothesis_profile import examples

MAPPING = """
adapter: standard
fields:
  email: {from: "EMAIL[0].VALUE", type: email}
  phone: {from: TEL, type: phone}
  company: '"会社名"'
  name: '"First" || "Full name"'
  custom.born: {from: born.on, type: date}
owner: {from: OWNER}
"""
RULES = parse_mapping(MAPPING, "m.yaml")
NAMES = st.sampled_from(
    [
        *(
            "ID",
            "email",
            "ＴＥＬ",
            "Điện thoại",
            "EMAIL[0].VALUE",
            "email[0].value",
            "EMAIL[0]",
            "EMAIL",
            "born.on",
            "born",
        ),
        *(
            "会社名",
            "Company",
            "お名前",
            "first",
            "Stage",
            "担当",
            "OWNER",
            "created",
            "更新日",
            "x",
            "",
            "a[1][2]",
            REASON,
        ),
    ]
)
CELLS = st.sampled_from(
    ["", "1", "1.0", "1.0E+3", "a@x.example", "+81 90-1111-2222", "2026-03-04", "13/04/2026", "例", "'=x"]
)


def _connected() -> Connected:
    return Connected(name="shop", adapter=Standard(), is_paused=False, rules=RULES, version=1, secrets=())


def _columns(header: list[str]) -> Columns:
    return find_columns(header, _connected(), {}, Settings().zone, "lead")


def _check(content: bytes) -> None:
    """Every row is read, or refused with a reason."""
    with reading(io.BytesIO(content), "a.csv", "utf-8") as file:
        found = _columns(list(file.header))
        lines = list(file.lines())
        check_who(found, [line.cells for line in lines], "a.csv")
    read = {place for places in (*found.places.values(), *found.fields.values()) for place in places}
    assert {found.names[place] for place in read}.isdisjoint(found.unread)
    for line in lines:
        if line.mistake is not None:
            assert line.mistake
            continue
        try:
            data = found.data(line.cells)
            identities, left_out = found.identities(line.cells, data)
            said = [found.cell(line.cells, what) for what in ("id", "stage", "pipeline", "owner")]
            times = [found.time(line.cells, what) for what in ("at", "made")]
        except BadRow:
            continue
        assert all(isinstance(text, str) for text in [*said, *left_out])
        assert all(identity.value for identity in identities)
        assert all(time is None or time.utcoffset() is not None for time in times)


@settings(max_examples=examples(400), deadline=None)
@given(
    st.lists(NAMES | st.text(max_size=6), min_size=1, max_size=6, unique=True),
    st.lists(st.lists(CELLS | st.text(max_size=6), min_size=6, max_size=6), max_size=3),
)
@example(["EMAIL", "EMAIL[0].VALUE"], [["1", "a@x.example", "", "", "", ""]])
def test_any_table_gives_rows_that_say_something_or_a_reason(header: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *(row[: len(header)] for row in rows)])
    try:
        _check(text.getvalue().encode(errors="surrogateescape"))
    except WrongSetting:
        return


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=120).map(lambda rest: b"id,email,Created\n" + rest))
def test_any_rows_below_a_header_are_read_or_refused(content: bytes) -> None:
    _check(content)


def test_expressions_of_several_names_are_read_by_each_of_them() -> None:
    names = _columns(["First", "full name", "id"]).by_name()
    assert names == {"id": "id", "name": "First, full name"}


def test_a_heading_fills_the_first_name_of_an_expression() -> None:
    found = _columns(["id", "お名前"])
    assert found.data(["1", "花"]) == {"id": "1", "お名前": "花", "First": "花"}
    assert found.data(["1", ""]) == {"id": "1", "お名前": "", "First": "", "Full name": ""}
