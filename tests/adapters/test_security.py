"""Security cases: written once, run for every adapter. `<system>/signing.py` says how each system signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ADAPTERS
from connector.adapter_kit.contract import Adapter, Delivery, Reply
from connector.core.errors import BadPayload, BadSignature, UnknownEvent
from connector.core.event import Event
from tests.adapters.support import Signing, signing_of

GARBAGE_TEXT: Final = (
    "",
    " ",
    ",",
    "\0",
    "é",
    "\udcff",
    "٣" * 10,
    "-1",
    "1e9",
    "9" * 400,
    "v1,",
    "v1",
    "x" * 100_000,
    "v1," * 50_000,
    "a " * 50_000,
)
GARBAGE_BODIES: Final = {
    "empty": b"",
    "space": b" \r\n",
    "null": b"null",
    "number": b"1",
    "huge number": b"9" * 5000,
    "text": b'"text"',
    "list": b"[]",
    "empty object": b"{}",
    "truncated": b'{"events":[{"id":"e1"',
    "not UTF-8": b'{"events":["\xff\xfe"]}',
    "UTF-16": '{"events":[]}'.encode("utf-16"),
    "lone surrogate": rb'{"events":["\ud800"]}',
    "NUL": b"\0\0\0",
    "escaped NUL": rb'{"events":[{"id":"\u0000","type":"\u0000"}]}',
    "NaN": b'{"events":NaN}',
    "nested lists": b"[" * 100_000,
    "nested objects": b'{"events":' * 5_000,
    "closed nested lists": b'{"events":' + b"[" * 900 + b"]" * 900 + b"}",
    "wrong types": b'{"events":{"id":1},"event":[],"data":"x","auth":7}',
    "lines of wrong types": b'{"events":[1,"x",null,[],{},true,{"subject":1,"type":[],"at":{},"id":1.5}]}',
    "form": b"a=1&b=2&a=3",
    "form without names": b"&&==&=&",
    "form, bad percent": b"%zz=%f&%ff=%c3%28",
    "form, NUL": b"event=%00&data%5BFIELDS%5D%5BID%5D=%00",
    "form, nested": b"data" + b"[a]" * 20_000 + b"=1",
    "form, wrong types": b"event[]=1&data=2&auth[a][b]=3&auth=1&ts[]=9",
    "form, unclosed": b"data[FIELDS[ID]=1&data]x[=2&[]=3",
    "form, many": b"a=1&" * 20_000,
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    "huge": b'{"events":["' + b"x" * 5_000_000 + b'"]}',
}


HEARING: Final = sorted(system for system in ADAPTERS if not signing_of(system).is_deaf)
DEAF: Final = sorted(set(ADAPTERS) - set(HEARING))


@pytest.fixture(params=HEARING)
def signing(request: pytest.FixtureRequest) -> Signing:
    return signing_of(str(request.param))


def _open(signing: Signing) -> Adapter:
    return signing.build(signing.secrets)


def _verify(signing: Signing, delivery: Delivery, adapter: Adapter | None = None) -> bool:
    """Whether it is accepted; anything but `BadSignature` is an error of the test."""
    try:
        (adapter or _open(signing)).verify(delivery, signing.delivery.received_at)
    except BadSignature:
        return False
    return True


def _signed(signing: Signing, secret: str | None = None, late: int = 0, **changes: Any) -> Delivery:
    at = signing.delivery.received_at - timedelta(seconds=late)
    return signing.sign(replace(signing.delivery, **changes), secret or signing.secrets[0], at)


def test_a_signed_delivery_is_accepted(signing: Signing) -> None:
    assert _verify(signing, _signed(signing))


def test_a_delivery_without_signature_is_refused(signing: Signing) -> None:
    assert not _verify(signing, signing.delivery)


def test_a_delivery_signed_by_another_secret_is_refused(signing: Signing) -> None:
    newest, other = signing.secrets
    assert not _verify(signing, _signed(signing, other), signing.build((newest,)))


def test_the_old_secret_is_accepted_while_it_is_rotated(signing: Signing) -> None:
    assert [_verify(signing, _signed(signing, secret)) for secret in signing.secrets] == [True, True]


def test_an_unconfigured_connection_is_closed(signing: Signing) -> None:
    assert not _verify(signing, _signed(signing), signing.build(()))
    assert not _verify(signing, signing.delivery, signing.build(()))


def test_an_unusable_secret_opens_nothing(signing: Signing) -> None:
    for secret in signing.unusable:
        closed = signing.build((secret,))
        assert not _verify(signing, signing.delivery, closed)
        assert not _verify(signing, _signed(signing), closed)
        assert not _verify(signing, _signed(signing, secret or None), closed)


def test_a_good_secret_works_beside_an_unusable_one(signing: Signing) -> None:
    for secret in signing.unusable:
        assert _verify(signing, _signed(signing), signing.build((secret, signing.secrets[0])))


def test_a_signature_of_another_body_is_refused(signing: Signing) -> None:
    changed = replace(_signed(signing), body=signing.delivery.body + b" ")
    assert _verify(signing, changed) is not signing.covers_body


@pytest.mark.parametrize("late", [300, -300])
def test_a_signature_is_valid_for_five_minutes(signing: Signing, late: int) -> None:
    assert _verify(signing, _signed(signing, late=late))


@pytest.mark.parametrize("late", [301, -301, 10**6])
def test_a_signature_that_says_when_it_was_made_is_refused_after_five_minutes(signing: Signing, late: int) -> None:
    assert _verify(signing, _signed(signing, late=late)) is not signing.is_timed


def test_garbage_in_any_header_is_refused_or_does_not_matter(signing: Signing) -> None:
    signed = _signed(signing)
    for name in signed.headers:
        for garbage in GARBAGE_TEXT:
            delivery = replace(signed, headers={**signed.headers, name: garbage})
            assert _verify(signing, delivery) is (name not in _proof_headers(signing))
            _read(signing, delivery)


def test_a_missing_header_is_refused_or_does_not_matter(signing: Signing) -> None:
    signed = _signed(signing)
    for name in signed.headers:
        delivery = replace(signed, headers={other: signed.headers[other] for other in signed.headers if other != name})
        assert _verify(signing, delivery) is (name not in _proof_headers(signing))
        _read(signing, delivery)


@pytest.mark.parametrize("garbage", GARBAGE_TEXT, ids=lambda text: ascii(text)[:12])
def test_garbage_in_the_query_raises_nothing_else(signing: Signing, garbage: str) -> None:
    for pair in ((garbage, "1"), ("token", garbage), ("event", garbage)):
        delivery = replace(signing.delivery, query=(pair,))
        assert not _verify(signing, delivery)
        _read(signing, delivery)


@pytest.mark.parametrize("name", GARBAGE_BODIES)
def test_a_garbage_body_is_refused_without_signature_and_read_without_other_errors(signing: Signing, name: str) -> None:
    unsigned = replace(signing.delivery, body=GARBAGE_BODIES[name])
    assert not _verify(signing, unsigned)
    _read(signing, unsigned)
    signed = _signed(signing, body=GARBAGE_BODIES[name])
    _verify(signing, signed)
    _read(signing, signed)


@pytest.mark.parametrize("name", GARBAGE_BODIES)
def test_a_system_that_sends_nothing_is_believed_nothing(name: str) -> None:
    for signing in map(signing_of, DEAF):
        for delivery in (signing.delivery, _signed(signing), _signed(signing, body=GARBAGE_BODIES[name])):
            assert not _verify(signing, delivery)
            _read(signing, delivery)


@pytest.mark.parametrize("system", HEARING)
@given(
    body=st.binary() | st.text().map(str.encode),
    headers=st.dictionaries(st.sampled_from(["webhook-id", "webhook-signature", "content-type"]), st.text()),
    query=st.lists(st.tuples(st.text(), st.text()), max_size=3),
)
def test_any_request_is_refused_or_read(
    system: str, body: bytes, headers: dict[str, str], query: list[tuple[str, str]]
) -> None:
    signing = signing_of(system)
    delivery = replace(signing.delivery, body=body, headers=headers, query=tuple(query))
    assert not _verify(signing, delivery)
    _read(signing, delivery)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", ""])
def test_a_probe_is_answered_or_is_none(signing: Signing, method: str) -> None:
    reply = _open(signing).greet(replace(signing.delivery, method=method, body=b""))
    assert reply is None or isinstance(reply, Reply)


def _proof_headers(signing: Signing) -> set[str]:
    return set(_signed(signing).headers) - set(signing.delivery.headers)


def _read(signing: Signing, delivery: Delivery) -> None:
    """All that is done to a delivery, with no other errors than the contract's."""
    adapter = _open(signing)
    adapter.greet(delivery)
    received = _attempt(lambda: adapter.receive(delivery), BadPayload)
    if received is not None:
        assert 1 <= len(received.key) <= 255
        assert isinstance(received.lane, str)
        assert 200 <= received.reply.status < 300
    events = _attempt(lambda: adapter.parse(delivery, {}), BadPayload, UnknownEvent)
    assert all(isinstance(event, Event | BadPayload) for event in events or ())


def _attempt(read: Callable[[], Any], *allowed: type[Exception]) -> Any:
    try:
        return read()
    except allowed:
        return None
