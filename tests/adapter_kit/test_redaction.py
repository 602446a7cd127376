"""Secrets are masked by the places where they stand; what people said is never altered."""

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
SECRET: Final = 's3cret+/="é-and-so-on'
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
    secret = "sec/ret-and-more-of-it"
    assert _body(rb'{"\u0074oken":"a","b":"sec\/ret-and-more-of-it"}', secret) == b'{"token":"***","b":"***"}'


def test_long_numbers_stay_exact_beside_a_masked_value() -> None:
    assert (
        _body(b'\xef\xbb\xbf{"token":"a","n":12345678901234567890123}')
        == b'{"token":"***","n":12345678901234567890123}'
    )


@pytest.mark.parametrize("secret", ["acme", "4711", "1", "true", "67890123456", "customer.example", "a@customer.exam"])
def test_data_is_never_altered_whatever_a_secret_looks_like(secret: str) -> None:
    """A token `acme` made `hana@***.example` of an address."""
    said = {
        "mail": "hana@acme.example",
        "acme": ["acme", 4711],
        "of": "aiko@customer.example",
        "n": 167890123456.5,
        "b": True,
    }
    body = json.dumps(said).encode()
    assert _body(body, secret) == body
    form = urlencode({"mail": "hana@acme.example", "acme": "acme", "of": "aiko@customer.example"}).encode()
    assert _body(form, secret) == form


def test_a_long_secret_that_is_a_word_of_its_own_is_one_whatever_its_place_is_called() -> None:
    said = {"key": SECRET, "list": [f"it is {SECRET}."], "n": 1234567890123456, SECRET: f"https://x/?t={SECRET}&u=1"}
    masked = {"key": "***", "list": ["it is ***."], "n": "***", "***": "https://x/?t=***&u=1"}
    assert json.loads(_body(json.dumps(said).encode(), SECRET, "1234567890123456")) == masked
    assert _body(json.dumps({"a": f"x{SECRET}y"}).encode()) == json.dumps({"a": f"x{SECRET}y"}).encode()


def test_names_of_forms_are_compared_whole_and_decoded() -> None:
    body = b"auth%5Baccess_token%5D=c5&auth[access_token]=&access_token=kept&TOKEN=x=y&%E3%83%91%E3%82%B9=p&a+b=1"
    expected = (
        b"auth%5Baccess_token%5D=***&auth[access_token]=&access_token=kept&TOKEN=***&%E3%83%91%E3%82%B9=***&a+b=1"
    )
    assert _body(body) == expected


def test_a_long_secret_that_is_a_word_of_a_form_is_masked() -> None:
    body = urlencode({"a": f"x {SECRET}", "b": SECRET, SECRET: "1", "c": "2 3", "d": f"x{SECRET}"}).encode()
    assert read_form(_body(body)).value == {"a": "x ***", "b": "***", "***": "1", "c": "2 3", "d": f"x{SECRET}"}


def test_secrets_are_masked_in_json_that_cannot_be_read() -> None:
    body = b'{"token": "a\\"b", "x": [{"TOKEN" : 12.5}, {"token":tru, "y": "z"'
    assert _body(body) == b'{"token": "***", "x": [{"TOKEN" : "***"}, {"token":"***", "y": "z"'
    assert _body(b'{"token": "cut of') == b'{"token": "***"'
    long = b'{"a":"a-secret-of-some-length'
    assert redact(replace(DELIVERY, body=long), frozenset(), ["a-secret-of-some-length"]).body == b'{"a":"***'


def test_secret_elements_are_masked_in_xml() -> None:
    body = b"<s:Envelope><n:Token>a</n:Token><token >b</token><tokens>c</tokens><text>token acme</text></s:Envelope>"
    masked = (
        b"<s:Envelope><n:Token>***</n:Token><token >***</token><tokens>c</tokens><text>token acme</text></s:Envelope>"
    )
    assert _body(body, "acme") == masked
    assert redact(replace(DELIVERY, body=body), frozenset(), [SECRET]).body == body


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
    query = (("TOKEN", "a"), ("q", f"1{SECRET}"), ("k", SECRET))
    redacted = redact(replace(DELIVERY, headers=headers, query=query), KEYS, [SECRET])
    assert redacted.headers == {
        **dict.fromkeys(headers, "***"),
        "webhook-id": "msg_1",
        "referer": "https://example.com/?t=***",
    }
    assert redacted.query == (("TOKEN", "***"), ("q", "1***"), ("k", "***"))


def test_a_header_or_parameter_of_any_name_that_carries_a_secret_is_masked_and_one_that_has_it_by_chance_is_not() -> (
    None
):
    headers = {
        "x-acme": "Bearer acme",
        "x-hook": "acme",
        "user-agent": "acme-crm/1.0",
        "content-type": "application/json",
    }
    redacted = redact(
        replace(DELIVERY, headers=headers, query=(("k", "acme"), ("of", "acme.example"))), KEYS, ["acme", ""]
    )
    assert redacted.headers == {**headers, "x-acme": "***", "x-hook": "***"}
    assert redacted.query == (("k", "***"), ("of", "acme.example"))


def test_text_is_masked_as_written_and_as_in_a_url() -> None:
    assert mask_text(f"{SECRET} {quote(SECRET, safe='')} a", [SECRET, ""]) == "*** *** a"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["token", "a"]), inner),
    max_leaves=20,
)


@given(value=JSON, secret=st.text("abcdef0123", min_size=1, max_size=15))
def test_json_says_the_same_but_for_what_its_places_keep_secret(value: Any, secret: str) -> None:
    said = {"events": [value, {"token": "x"}], "said": f"-{secret}-"}
    masked = _body(json.dumps(said).encode(), secret)
    assert json.loads(masked) == _without(json.loads(json.dumps(said)))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(item) if name == "token" else _without(item) for name, item in value.items()}
    return [_without(item) for item in value] if isinstance(value, list) else value


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _hidden(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return None if value is None else "***"


@given(pairs=st.lists(st.tuples(st.text(), st.text())), secret=st.text("abcdef0123", min_size=1, max_size=15))
def test_a_form_says_the_same_but_for_what_its_places_keep_secret(pairs: list[tuple[str, str]], secret: str) -> None:
    kept = [(name, value) for name, value in pairs if name.casefold() not in KEYS and value != secret]
    masked = _body(urlencode([*kept, ("token", "x"), ("said", f"-{secret}-")]).encode(), secret)
    assert (
        masked
        == urlencode([*kept, ("token", "***"), ("said", f"-{secret}-")])
        .replace("token=%2A%2A%2A", "token=***")
        .encode()
    )


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
    _body(start + rest, "secret-of-some-length", "\udcff" * 20)


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
    secrets=st.lists(
        st.sampled_from(["se/cret" * 3, "t=se/" * 4, "geheim é" * 2, '"cret"' * 3, "12.5" * 4]), max_size=2
    ),
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
