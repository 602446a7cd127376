"""Values are read out of bodies by their paths, and mistakes name the path, what was found and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.contract import Answer
from connector.adapter_kit.payload import (
    MAX_BYTES,
    Part,
    read_answer,
    read_form,
    read_json,
    read_pairs,
    refuse_unstorable,
)
from connector.core.errors import BadPayload, CrmUnavailable

TIME_MESSAGE: Final = "an ISO 8601 time with an offset, such as 2026-03-04T05:26:07+09:00, from 1970 to 2199"


def _mistake(read: Callable[[], Any]) -> str:
    with pytest.raises(BadPayload) as caught:
        read()
    assert str(caught.value).startswith(f"{caught.value.path}: ")
    return str(caught.value)


def test_a_value_is_read_by_its_path() -> None:
    body = read_json('{"events": [{"at": "x"}, {"subject": {"id": 7, "名": null}}]}'.encode())
    assert body["events"].items()[1]["subject"]["id"].integer() == 7
    assert body["events"].items()[1]["subject"]["id"].path == "$.events[1].subject.id"
    assert body["events"].items()[1]["subject"]["名"].exists is False
    assert body["none"].maybe(Part.text) is None
    assert Part("lead").choice(("lead", "unknown")) == "lead"
    assert body["events"].items()[0]["at"].maybe(Part.text) == "x"


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda body: body["a"]["b"]["c"], "$.a.b: is missing; it must be an object"),
        (lambda body: body["list"]["b"], "$.list: is a list; it must be an object"),
        (lambda body: body["a"].items(), "$.a: is an object; it must be a list"),
        (lambda body: body["n"].text(), "$.n: is 7; it must be a text that is not empty"),
        (lambda body: body["empty"].text(), "$.empty: is ''; it must be a text that is not empty"),
        (lambda body: body["t"].text(3), "$.t: is 'text'; it must be at most 3 characters"),
        (lambda body: body["t"].integer(), "$.t: is 'text'; it must be a whole number"),
        (lambda body: body["f"].integer(), "$.f: is 7.5; it must be a whole number"),
        (lambda body: body["true"].integer(), "$.true: is True; it must be a whole number"),
        (lambda body: body["big"].integer(), f"$.big: is {2**63}; it must be a whole number of at most 64 bits"),
        (lambda body: body["t"].choice({"b", "a"}), "$.t: is 'text'; it must be one of a, b"),
        (lambda body: body["list"].choice({"b", "a"}), "$.list: is a list; it must be one of a, b"),
        (lambda body: body["t"].instant(), f"$.t: is 'text'; it must be {TIME_MESSAGE}"),
        (lambda body: body["n"].instant(), f"$.n: is 7; it must be {TIME_MESSAGE}"),
        (lambda body: body["t"].email(), "$.t: is 'text'; it must be an e-mail address"),
        (lambda body: body["t"].phone(), "$.t: is 'text'; it must be a phone number"),
        (lambda body: body["true"].identifier(), "$.true: is True; it must be a text that is not empty"),
        (lambda body: body["long"].email(), f"$.long: is '{'x' * 60}'; it must be at most 320 characters"),
        (lambda body: body["zeros"].phone(), "$.zeros: is '" + "\\x01" * 19 + "\\x…; it must be a phone number"),
    ],
)
def test_a_mistake_names_its_path_what_was_found_and_what_is_allowed(
    read: Callable[[Part], Any], expected: str
) -> None:
    body = Part(
        {
            "a": {"b": None},
            "list": [],
            "n": 7,
            "f": 7.5,
            "true": True,
            "t": "text",
            "empty": "",
            "big": 2**63,
            "long": "x" * 1000,
            "zeros": "\x01" * 60,
        }
    )
    assert _mistake(lambda: read(body)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(5, 5), (-5, -5), ("5", 5), ("-07", -7), ("9223372036854775807", 2**63 - 1)]
)
def test_a_whole_number_may_be_text_as_forms_send_it(value: Any, expected: int) -> None:
    assert Part(value).integer() == expected


@pytest.mark.parametrize("value", ["", " 5", "5.0", "٣", "1_0", "9" * 19, "9" * 5000, None, [], 5.0])
def test_what_is_no_whole_number_is_a_mistake(value: Any) -> None:
    _mistake(Part(value).integer)


@pytest.mark.parametrize(("value", "expected"), [(5, "5"), ("5", "5"), ("L-1", "L-1"), (0, "0")])
def test_an_identifier_is_a_text_or_a_whole_number(value: Any, expected: str) -> None:
    assert Part(value).identifier() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-04T05:26:07.412Z", datetime(2026, 3, 4, 5, 26, 7, 412_000, UTC)),
        ("2026-03-04t05:26:07z", datetime(2026, 3, 4, 5, 26, 7, tzinfo=UTC)),
        ("2026-03-04 14:26:07+09:00", datetime(2026, 3, 4, 5, 26, 7, tzinfo=UTC)),
        ("20260304T142607+0900", datetime(2026, 3, 4, 5, 26, 7, tzinfo=UTC)),
        ("1970-01-01T00:00:00+14:00", datetime(1969, 12, 31, 10, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_any_iso_form_and_becomes_utc(text: str, expected: datetime) -> None:
    assert Part(text).instant() == expected
    assert Part(text).instant().tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-04T05:26:07",
        "2026-03-04",
        "2026-02-29T00:00:00Z",
        "2026-03-04T24:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "1772601967",
        "x" * 100_000,
        "",
    ],
)
def test_an_instant_without_offset_or_outside_the_years_is_a_mistake(text: str) -> None:
    _mistake(Part(text).instant)


def test_emails_are_trimmed_and_casefolded() -> None:
    assert Part(" K.Sato@Example.JP\n").email() == "k.sato@example.jp"
    for wrong in ("", "a", "a@", "@b", "a@b@c", "a b@c", "a@b c"):
        _mistake(Part(wrong).email)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("+81 (90) 1234-5678", "+819012345678"),
        ("０９０−１２３４−５６７８".replace("−", "－"), "09012345678"),
        (" (+84) 90.123.45/67 ", "+84901234567"),
        ("090–1234", "0901234"),
    ],
)
def test_phones_are_digits_with_the_leading_plus(written: str, expected: str) -> None:
    assert Part(written).phone() == expected


@pytest.mark.parametrize("wrong", ["", "+", "abc", "12 ext 5", "12;34", None, 12, "1" * 65])
def test_what_is_no_phone_number_is_a_mistake(wrong: Any) -> None:
    _mistake(Part(wrong).phone)


def test_json_is_read_with_a_byte_order_mark_and_the_last_of_equal_names() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1, "a": 2}').value == {"a": 2}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"NaN",
        b'{"a": Infinity}',
        b"[1e999]",
        b"a=1",
        b'"\xff"',
        rb'"\ud800"',
        '{"a": 1}'.encode("utf-16"),
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b'"' + b"x" * MAX_BYTES + b'"',
        rb'{"a": ["x", "\u0000"]}',
        rb'{"a\u0000": 1}',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_not_sound_json_is_a_mistake(body: bytes) -> None:
    _mistake(lambda: read_json(body))


def test_json_may_be_nested_32_levels() -> None:
    assert read_json(b"[" * 32 + b"1" + b"]" * 32).items()[0].path == "$[0]"


def test_a_whole_number_beyond_64_bits_keeps_all_its_digits_as_a_text() -> None:
    read = read_json(b'{"id": 123456789012345678901234567890, "n": [-9223372036854775809, 9223372036854775807]}').value
    assert read == {"id": "123456789012345678901234567890", "n": ["-9223372036854775809", 2**63 - 1]}
    assert Part(read["id"]).identifier() == "123456789012345678901234567890"
    assert read_answer(b"[18446744073709551615]") == ["18446744073709551615"]


def test_one_bad_value_of_an_answer_hides_no_other_and_is_refused_where_it_stands() -> None:
    answer = (
        rb'{"people": [{"mail": "a@x.example"}, {"mail": "\ud800@x"}, {"n": NaN}, {"n": -1e999}, {"cut": "\xe3\x81"}]}'
    )
    first, *bad = Part(read_answer(b"\xef\xbb\xbf" + answer.replace(rb"\xe3\x81", b"\xe3\x81")))["people"].items()
    assert first["mail"].email() == "a@x.example"
    for part in bad:
        assert "a text of whole characters" in _mistake(partial(refuse_unstorable, part))
        _mistake(part[next(iter(part.object()))].text)
    assert read_answer(b"[1e3, 0.1, 7, null]") == [1000.0, 0.1, 7, None]
    assert read_answer(rb'["\ud83d\ude00"]') == ["\U0001f600"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b'{"a":' * 101 + b"1" + b"}" * 101, b"[1,]"])
def test_an_answer_that_is_not_json_is_one_error(body: bytes) -> None:
    _mistake(lambda: read_answer(body))
    with pytest.raises(CrmUnavailable, match="the answer with status 200 is not JSON"):
        Answer(status=200, headers={}, body=body).json()


@given(
    body=st.binary()
    | st.text(alphabet='[]{}":,0123456789eE.-aNInfity\\ud8\x00\ud800').map(
        lambda text: text.encode("utf-8", "surrogatepass")
    )
)
def test_any_bytes_give_a_value_or_that_one_error(body: bytes) -> None:
    for read in (read_json, read_answer):
        try:
            read(body)
        except BadPayload:
            continue


def test_nul_is_refused_where_it_stands() -> None:
    body = rb'{"a": [1, {"b": "x\u0000"}], "\\u0000": "\\u0000"}'
    assert _mistake(lambda: read_json(body)) == r"$.a[1].b: is 'x\x00'; it must be a text without NUL"
    part = read_json(body, keeps_nul=True)
    for sound in (part["a"].items()[0], Part("x"), Part([1, {"a": "b"}])):
        refuse_unstorable(sound)
    assert _mistake(lambda: refuse_unstorable(part["a"])).startswith("$.a[1].b: ")
    assert read_json(rb'{"\\u0000": "\\u0000"}').value == {r"\u0000": r"\u0000"}


def test_brackets_of_a_form_nest_as_in_php() -> None:
    body = (
        b"event=ONCRMDEALUPDATE&data%5BFIELDS%5D%5BID%5D=4821&auth[domain]=a.example&auth[user_id]=&x=1&x=2"
        b"&document_id[0]=crm&document_id[1]=Deal&tags[]=a&tags[]=%E3%83%86&rows[0][id]=7&rows[1][id]=8&sparse[3]=c"
    )
    assert read_form(body).value == {
        "event": "ONCRMDEALUPDATE",
        "data": {"FIELDS": {"ID": "4821"}},
        "auth": {"domain": "a.example", "user_id": ""},
        "x": "2",
        "document_id": ["crm", "Deal"],
        "tags": ["a", "テ"],
        "rows": [{"id": "7"}, {"id": "8"}],
        "sparse": {"3": "c"},
    }
    assert read_form(body)["data"]["FIELDS"]["ID"].integer() == 4821


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a", {"a": ""}),
        (b"=1", {"": "1"}),
        (b"[a]=1&a[b=2&a]b[=3&[]=4", {"[a]": "1", "a[b": "2", "a]b[": "3", "[]": "4"}),
        (b"a=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]=2&a=1", {"a": "1"}),
        (b"a[b][c]=2&a[b]=1", {"a": {"b": "1"}}),
        (b"a=%zz&b=%", {"a": "%zz", "b": "%"}),
        (b"a=1+1&b=1%2B1", {"a": "1 1", "b": "1+1"}),
    ],
)
def test_odd_forms_are_read_as_they_stand(body: bytes, expected: Any) -> None:
    assert read_form(body).value == expected


@pytest.mark.parametrize(
    "body",
    [
        b"a=\xff",
        b"a=%ff",
        b"%ff=1",
        b"a=%00",
        b"%00=1",
        b"a=1&" * 6_000,
        b"a" + b"[b]" * 32 + b"=1",
        b"a" + b"[" * 100_000 + b"]" * 100_000 + b"=1&a" + b"[]" * 100_000,
        b"a=" + b"x" * MAX_BYTES,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_sound_form_is_a_mistake(body: bytes) -> None:
    assert _mistake(lambda: read_form(body)).startswith("$: ")


def test_pairs_of_a_query_are_read_like_a_form() -> None:
    assert read_pairs([("document_id[]", "crm"), ("document_id[]", "Deal")]).value == {"document_id": ["crm", "Deal"]}


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_read_or_are_a_mistake(body: bytes) -> None:
    assert {_path_of(lambda: read_json(body)), _path_of(lambda: read_form(body))} <= {None, "$"}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\u3042"), inner),
        max_leaves=10,
    )
)
def test_any_json_reads_as_the_standard_library_reads_it(value: Any) -> None:
    assert read_json(json.dumps(value).encode()).value == value


@given(
    st.dictionaries(
        st.text("ab\u3042[] +&=%", min_size=1).filter(lambda name: "[" not in name), st.text("a[]\u3042 +&=%")
    )
)
def test_any_flat_form_reads_back(pairs: dict[str, str]) -> None:
    assert read_form(urlencode(pairs).encode()).value == pairs


@given(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
)
def test_each_reader_gives_its_type_or_a_mistake(value: Any) -> None:
    readers: dict[Callable[[Part], Any], type] = {
        Part.text: str,
        Part.identifier: str,
        Part.integer: int,
        Part.instant: datetime,
        Part.object: dict,
        Part.items: list,
        Part.email: str,
        Part.phone: str,
    }
    for read, kind in readers.items():
        assert _path_of(partial(_check, read, Part(value, "$.x"), kind)) in {None, "$.x"}


def _check(read: Callable[[Part], Any], part: Part, kind: type) -> None:
    assert isinstance(read(part), kind)


def _path_of(read: Callable[[], Any]) -> str | None:
    """The path of the mistake, or None where there is none."""
    try:
        read()
    except BadPayload as error:
        return error.path
    return None
