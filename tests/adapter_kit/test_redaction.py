"""Secrets are masked in a body by their names and by their values; what is no secret keeps its bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import read_form, read_json
from connector.adapter_kit.redaction import _masker, mask_text, redact

KEYS: Final = frozenset({"token", "auth[access_token]", "パス"})
SECRET: Final = 's3cret+/="é'
DELIVERY: Final = Delivery(method="POST", query=(), headers={}, body=b"", received_at=datetime(2026, 3, 4, tzinfo=UTC))


def _body(body: bytes, *secrets: str) -> bytes:
    return redact(replace(DELIVERY, body=body), KEYS, secrets or (SECRET,)).body


def test_values_of_secret_names_are_masked_in_json_at_any_depth() -> None:
    body = b'{"Token":"a","list":[{"token":1,"x":"y"}],"token ":"kept","token":{"a":["b",null,true]},"n":1.50}'
    assert json.loads(_body(body)) == {
        "Token": "***",
        "list": [{"token": "***", "x": "y"}],
        "token ": "kept",
        "token": {"a": ["***", None, "***"]},
        "n": 1.5,
    }


def test_a_body_without_secrets_keeps_its_bytes() -> None:
    for body in (b' {"a": 1.50,\n "b": 12345678901234567890123}', b"a=%7e&b=+&&c", b"<a>\xff</a>", b"", b'{"a":'):
        assert _body(body) == body


def test_a_name_or_secret_is_found_behind_escapes() -> None:
    assert _body(rb'{"\u0074oken":"a","b":"sec\/ret"}', "sec/ret") == b'{"token":"***","b":"***"}'


def test_long_numbers_stay_exact_beside_a_masked_value() -> None:
    assert (
        _body(b'\xef\xbb\xbf{"token":"a","n":12345678901234567890123}')
        == b'{"token":"***","n":12345678901234567890123}'
    )


def test_a_secret_is_masked_wherever_it_stands_in_json() -> None:
    body = json.dumps({"a": f"x{SECRET}y", SECRET: [SECRET], "n": 123456.5, "b": True}).encode()
    assert json.loads(_body(body, SECRET, "23456")) == {"a": "x***y", "***": ["***"], "n": "***", "b": True}


def test_names_of_forms_are_compared_whole_and_decoded() -> None:
    body = b"auth%5Baccess_token%5D=c5&auth[access_token]=&access_token=kept&TOKEN=x=y&%E3%83%91%E3%82%B9=p&a+b=1"
    expected = (
        b"auth%5Baccess_token%5D=***&auth[access_token]=&access_token=kept&TOKEN=***&%E3%83%91%E3%82%B9=***&a+b=1"
    )
    assert _body(body) == expected


def test_a_secret_is_masked_wherever_it_stands_in_a_form() -> None:
    body = urlencode({"a": f"x {SECRET}", SECRET: "1", "b": "2 3"}).encode()
    assert read_form(_body(body)).value == {"a": "x ***", "***": "1", "b": "2 3"}
    assert _body(f"a={SECRET}&b=1".encode()) == b"a=***&b=1"


def test_secrets_are_masked_in_json_that_cannot_be_read() -> None:
    body = b'{"token": "a\\"b", "x": [{"TOKEN" : 12.5}, {"token":tru, "y": "' + json.dumps(SECRET)[1:-1].encode() + b'"'
    assert _body(body) == b'{"token": "***", "x": [{"TOKEN" : "***"}, {"token":"***", "y": "***"'
    assert _body(b'{"token": "cut of') == b'{"token": "***"'
    assert redact(replace(DELIVERY, body=b'{"a":"secret'), frozenset(), ["secret"]).body == b'{"a":"***'


def test_hostile_nesting_is_masked_without_recursion() -> None:
    for depth in (900, 5_000, 200_000):
        body = b'{"token":"a","x":' + b"[" * depth + b"]" * depth + b"}"
        assert b'"token":"a"' not in _body(body)


def test_secret_headers_and_query_values_are_masked() -> None:
    headers = {
        "authorization": "Bearer x",
        "proxy-authorization": "x",
        "cookie": "a=b",
        "x-api-key": "k",
        "webhook-signature": "v1,x",
        "x-hub-signature": "y",
        "x-goog-channel-token": "z",
        "webhook-id": "msg_1",
        "referer": f"https://example.com/?t={quote(SECRET, safe='')}",
    }
    query = (("TOKEN", "a"), ("q", f"1{SECRET}"), (SECRET, "b"))
    redacted = redact(replace(DELIVERY, headers=headers, query=query), KEYS, [SECRET])
    assert redacted.headers == {
        **dict.fromkeys(headers, "***"),
        "webhook-id": "msg_1",
        "referer": "https://example.com/?t=***",
    }
    assert redacted.query == (("TOKEN", "***"), ("q", "1***"), ("***", "b"))


def test_the_longer_of_two_secrets_is_masked_whole() -> None:
    assert _body(b'{"a":"secret-2"}', "secret", "secret-2") == b'{"a":"***"}'


def test_a_secret_too_short_to_search_for_does_not_cut_up_words() -> None:
    assert _body(b'{"lead":"a"}', "", "lea") == b'{"lead":"a"}'


def test_text_is_masked_as_written_and_as_in_a_url() -> None:
    assert mask_text(f"{SECRET} {quote(SECRET, safe='')} a", [SECRET, ""]) == "*** *** a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["token", "a"]), inner),
    max_leaves=20,
)


@given(value=JSON, secret=st.text("abcdef0123", min_size=4))
def test_json_stays_json_and_holds_no_secret(value: Any, secret: str) -> None:
    body = json.dumps({"events": [value, {"token": "x"}], "said": f"-{secret}-"}).encode()
    masked = _body(body, secret)
    assert json.loads(masked)["events" if secret != "events" else "***"][-1] == {"token": "***"}
    assert secret not in _leaves(json.loads(masked))


def _leaves(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_leaves(item)}" for name, item in value.items())
    if isinstance(value, list):
        return " ".join(map(_leaves, value))
    return value if isinstance(value, str) else json.dumps(value)


@given(pairs=st.lists(st.tuples(st.text(), st.text())), secret=st.text("abcdef0123", min_size=4))
def test_a_form_stays_a_form_and_holds_no_secret(pairs: list[tuple[str, str]], secret: str) -> None:
    body = urlencode([*pairs, ("token", "x"), ("said", f"-{secret}-")]).encode()
    masked = _body(body, secret)
    assert b"&said=-***-" in masked
    assert secret.encode() not in masked


@given(
    body=st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    headers=st.dictionaries(st.text(), st.text()),
    query=st.lists(st.tuples(st.text(), st.text())),
    keys=st.frozensets(st.text()),
    secrets=st.lists(st.text()),
)
def test_any_delivery_is_masked_without_an_error(
    body: bytes,
    headers: dict[str, str],
    query: list[tuple[str, str]],
    keys: frozenset[str],
    secrets: list[str],
) -> None:
    redacted = redact(replace(DELIVERY, body=body, headers=headers, query=tuple(query)), keys, secrets)
    assert redacted.received_at == DELIVERY.received_at


@pytest.mark.parametrize("start", [b"{", b"[", b'"'])
@given(rest=st.binary())
def test_any_bytes_that_begin_like_json_are_masked_without_an_error(start: bytes, rest: bytes) -> None:
    _body(start + rest, "secret", "\udcff\udcff")


def test_a_masked_body_is_read_by_the_same_reader() -> None:
    assert read_json(_body(orjson.dumps({"token": "x", "a": "é"}))).value == {"token": "***", "a": "é"}


def test_the_raw_address_is_not_kept() -> None:
    sent = replace(DELIVERY, path="/webhooks/shop", query_string="token=a&q=1", query=(("token", "a"), ("q", "1")))
    redacted = redact(sent, KEYS, [SECRET])
    assert (redacted.path, redacted.query_string, redacted.query) == ("", "", (("token", "***"), ("q", "1")))


ESCAPES = ["\\/", "\\u0074", "\\u00e9", "\\n", "%74", "%", "+", "&", "=", "é", "T", "token", "oken", "se/cret", "cret"]


@given(
    texts=st.lists(st.lists(st.sampled_from(ESCAPES)).map("".join), max_size=4),
    names=st.lists(st.lists(st.sampled_from(ESCAPES)).map("".join), max_size=4),
    secrets=st.lists(st.sampled_from(["se/cret", "t=se/", "geheim é", '"cret"', "12.5"]), max_size=2),
    keys=st.frozensets(st.sampled_from(["token", "Töken"])),
)
def test_a_body_that_is_not_read_holds_nothing_to_mask(
    texts: list[str], names: list[str], secrets: list[str], keys: frozenset[str]
) -> None:
    pairs = list(zip(names, texts, strict=False))
    form = "&".join(f"{name}={text}" for name, text in pairs).encode()
    content = ("{" + ",".join(f'"{name}":"{text}"' for name, text in pairs) + ',"n":1.25e1}').encode()
    masker = _masker(keys, tuple(secrets))
    for body, is_json in ((form, False), (content, True)):
        assert masker.body(body) == masker.read_body(body, is_json=is_json)
