"""CSV files as their writers left them: separators, missing quotation marks, and refused rows that come back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connector.core.errors import WrongSetting
from connector.operations.imports.csv_file import MOST_LINES, MOST_SIGNS, Line, reading
from connector.operations.imports.refused_rows import REASON, RefusedRows, as_written, harmless
from tests.hypothesis_profile import examples

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=8).filter(
    lambda cell: not cell.startswith('="')
)


def _read(content: str | bytes, encoding: str = "utf-8") -> tuple[tuple[str, ...], list[Line]]:
    raw = content.encode() if isinstance(content, str) else content
    with reading(io.BytesIO(raw), "a.csv", encoding) as file:
        return file.header, list(file.lines())


def _cells(content: str) -> list[list[str]]:
    return [list(line.cells) for line in _read(content)[1] if line.mistake is None]


def _mistakes(content: str) -> list[str]:
    return [f"row {line.number}: {line.mistake}" for line in _read(content)[1] if line.mistake]


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\n"])
def test_the_line_that_tells_excel_the_separator_is_no_header(first: str) -> None:
    header, lines = _read(first + "id;a,b,c,d\n1;x\n")
    assert header == ("id", "a,b,c,d")
    assert [(line.number, list(line.cells)) for line in lines] == [(2, ["1", "x"])]


def test_a_header_loses_the_blanks_and_marks_around_its_names() -> None:
    assert _read('\ufeff\ufeff id ,"　名前\n"\n')[0] == ("id", "名前")


def test_a_file_with_a_byte_order_mark_is_utf_8_whatever_was_said() -> None:
    assert _read("\ufeffid,名\n1,山\n", "cp932")[1] == [Line(number=2, cells=["1", "山"])]


def test_phones_and_e_mails_may_have_the_same_heading_and_nothing_else_may() -> None:
    assert _read("id,電話,電話,Email,電話\n")[0] == ("id", "電話", "電話 (2)", "Email", "電話 (3)")
    with pytest.raises(WrongSetting, match="several columns named id"):
        _read("id,id,email\n")


def test_numbers_that_a_program_kept_from_excel_are_read() -> None:
    assert _cells('id,phone,x\n="007","=""0901""",=1\n') == [["007", "0901", "=1"]]


def test_separators_in_quoted_names_do_not_count() -> None:
    assert _read('"a,b,c";d\n')[0] == ("a,b,c", "d")


@pytest.mark.parametrize(
    "rest",
    ['2,"Ken","b@x"\n3,Mio,c@x\n', "2,Ken,b@x\n3,Mio,c@x\n", '2,Ken,"b@x"\n3,Mio,c@x\n', '2,"",b@x\n3,Mio,c@x\n'],
)
def test_a_missing_end_quote_is_said_with_its_line_and_swallows_no_row(rest: str) -> None:
    content = 'id,name,email\n1,"Aiko,a@x\n' + rest
    assert _mistakes(content) == ["row 2: has a quotation mark in line 2 of the file that is not closed"]
    assert [cells[0] for cells in _cells(content)] == ["2", "3"]
    assert [cells[2] for cells in _cells(content)] == ["b@x", "c@x"]


def test_a_row_whose_quote_is_not_closed_has_its_cells_in_their_columns() -> None:
    lines = _read('id,name,email\n1,"Aiko,a@x\n2,Ken,b@x\n')[1]
    assert [list(line.cells) for line in lines] == [["1", '"Aiko', "a@x"], ["2", "Ken", "b@x"]]


def test_a_quote_that_is_closed_by_chance_in_a_later_row_swallows_none_either() -> None:
    content = 'id,name,email\n1,"Aiko,a@x\n2,Ken",b@x,\n3,Mio,c@x\n'
    assert _mistakes(content)[0] == "row 2: has a quotation mark in line 2 of the file that is not closed"
    assert _cells(content) == [["3", "Mio", "c@x"]]


def test_a_missing_end_quote_in_the_last_line_is_said() -> None:
    assert _mistakes('id,name\n1,x\n2,"y') == ["row 3: has a quotation mark in line 3 of the file that is not closed"]


def test_a_header_whose_quote_is_not_closed_is_said() -> None:
    with pytest.raises(WrongSetting, match="the header has a quotation mark in line 1 of the file that is not closed"):
        _read('id,"name\n1,x\n2,y\n')


def test_lines_are_those_of_the_file_also_after_cells_of_several() -> None:
    content = 'id,name\n1,"x\ny\nz"\n2,"a\n3,b\n'
    assert _mistakes(content) == ["row 3: has a quotation mark in line 5 of the file that is not closed"]
    assert _cells(content) == [["1", "x\ny\nz"], ["3", "b"]]


def test_quotes_inside_a_cell_are_read_as_they_are_meant() -> None:
    assert _cells('id,name\n1,5" disk\n2,"He said "hi" there"\n3,"a ""b"" c"\n')[0] == ["1", '5" disk']
    assert _cells('id,name\n3,"a ""b"" c"\n') == [["3", 'a "b" c']]


def test_a_cell_without_end_is_given_up_after_some_lines() -> None:
    content = 'id,name\n1,"x\n' + "2,y\n" * (MOST_LINES + 5)
    assert len(_mistakes(content)) == 1
    assert len(_cells(content)) == MOST_LINES + 5


def test_a_row_that_is_too_long_is_refused() -> None:
    for cell in ("y" * (MOST_SIGNS + 1), '"' + "y" * (MOST_SIGNS + 1) + '"'):
        (mistake,) = _mistakes(f"id,name\n1,{cell}\n2,x\n")
        assert "is a quotation mark missing?" in mistake


@settings(max_examples=examples(500), deadline=None)
@given(st.binary(max_size=200) | st.text("\",;\t\r\n'=a1\0sep", max_size=80).map(str.encode))
@example(b"sep=;")
@example(b'a\n"')
@example(b'"')
def test_any_content_gives_rows_or_one_clear_error(content: bytes) -> None:
    try:
        header, lines = _read(content)
    except WrongSetting:
        return
    assert any(header)
    numbers = [line.number for line in lines]
    assert numbers == sorted(set(numbers))
    assert all(line.mistake or len(line.cells) == len(header) for line in lines)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3).filter(any), max_size=6), st.sampled_from(",;\t"))
def test_what_a_program_writes_is_read_as_it_was(rows: list[list[str]], separator: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([["id", "x", "y"], *rows])
    header, lines = _read(text.getvalue())
    assert header == ("id", "x", "y")
    assert [(list(line.cells), line.mistake) for line in lines] == [(row, None) for row in rows]


class _Kept(io.BytesIO):
    """A file whose content stays after it is closed."""

    kept = b""

    def close(self) -> None:
        self.kept = self.getvalue()
        super().close()


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.text("'=+-@\t\n＝a1", max_size=5), min_size=2, max_size=2))
@example(["=cmd|' /C calc'!A0", "'=x"])
def test_refused_rows_are_safe_to_open_and_come_back_as_they_were(row: list[str]) -> None:
    target = _Kept()
    rows = RefusedRows(lambda: target, header=("id", "=name"), encoding="utf-8", separator=",")
    rows.add(2, row, "is wrong")
    rows.close()
    opened = list(csv.reader(io.StringIO(target.kept.decode("utf-8-sig"), newline="")))
    assert [cell for line in opened for cell in line if cell.startswith(tuple("=+-@\t\n＝"))] == []
    header, lines = _read(target.kept)
    assert header == ("id", "=name", REASON)
    assert [list(line.cells) for line in lines] == [[*row, "row 2: is wrong"]]


def test_files_of_others_keep_what_they_have() -> None:
    assert _cells("id,name\n1,'=x\n") == [["1", "'=x"]]
    assert (harmless("=1+1"), harmless("a=1"), harmless("")) == ("'=1+1", "a=1", "")
    assert (as_written("'=1+1"), as_written("''=1"), as_written("'tis"), as_written("=1")) == (
        "=1+1",
        "'=1",
        "'tis",
        "=1",
    )
