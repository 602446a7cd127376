"""The Segment adapter: signed messages, alone and in batches."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import Final

import pytest

from adapters.segment import Segment
from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, BadSignature, UnknownEvent
from connector.core.event import Event
from tests.adapters.segment.signing import SIGNING
from tests.adapters.support import FakeApi

SECRET: Final = SIGNING.secrets[0]
NOW: Final = SIGNING.delivery.received_at
FIRST: Final = SIGNING.delivery.body
SECOND: Final = FIRST.replace(b"node-next-1", b"node-next-2")
TOKEN: Final = "in-the-address"
OPEN: Final = Segment(secret=(SECRET,), url_token=(TOKEN,))


def _batch(body: bytes, *, signed: bytes = FIRST, token: str | None = TOKEN) -> Delivery:
    signature = hmac.new(SECRET.encode(), signed, "sha1").hexdigest()
    query = (("token", token),) if token else ()
    return replace(SIGNING.delivery, body=body, query=query, headers={"x-signature": signature})


def _is_accepted(delivery: Delivery, adapter: Segment = OPEN) -> bool:
    try:
        adapter.verify(delivery, NOW)
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize(
    "body",
    [
        b"[" + FIRST + b"," + SECOND + b"]",
        b" [\n\t" + FIRST + b" , " + SECOND + b" ]\r\n",
        b"[" + FIRST + b"]",
    ],
)
def test_a_batch_is_accepted_by_its_first_message_and_the_token_in_the_address(body: bytes) -> None:
    assert _is_accepted(_batch(body))
    assert not _is_accepted(_batch(body, token=None))
    assert not _is_accepted(_batch(body, token="another"))
    assert not _is_accepted(_batch(body, signed=body))
    assert not _is_accepted(_batch(body), Segment(secret=(SECRET,)))
    assert not _is_accepted(_batch(body), Segment(url_token=(TOKEN,)))


def test_numbers_are_signed_as_they_were_written() -> None:
    first = FIRST.replace(b'"type"', b'"properties":{"amount":1.0,"big":1e21,"name":"\\u00e9"},"type"')
    assert _is_accepted(_batch(b"[" + first + b"]", signed=first))


@pytest.mark.parametrize("body", [b"[", b"[]", b"[\xff]", b"[" * 100_000, b"[" + b"9" * 5000 + b"]"])
def test_a_batch_whose_first_message_cannot_be_read_is_refused(body: bytes) -> None:
    assert not _is_accepted(_batch(body))


def test_a_delivery_is_known_by_its_message_and_says_how_many_it_took() -> None:
    batch = _batch(b"[" + FIRST + b"," + SECOND + b"]")
    assert OPEN.receive(SIGNING.delivery).key == "node-next-1"
    assert OPEN.receive(batch).key.startswith("batch:")
    assert OPEN.receive(batch).lane == "visitor:8b1f3d5e-0c72-4a96-bb41-6d2e90f7a853"
    assert OPEN.receive(batch).reply.body == b'{"accepted":2}'
    with pytest.raises(BadPayload):
        OPEN.receive(replace(batch, body=b"[]"))


def test_a_message_is_the_same_event_alone_and_in_any_batch() -> None:
    alone = OPEN.parse(SIGNING.delivery, {})
    assert OPEN.parse(_batch(b"[" + SECOND + b"," + FIRST + b"]"), {})[1:] == alone
    assert isinstance(alone[0], Event)
    assert (alone[0].key, alone[0].name) == ("node-next-1", "Signed In")


def test_a_request_to_delete_a_user_is_held_for_a_person() -> None:
    with pytest.raises(UnknownEvent, match="'delete'"):
        OPEN.parse(replace(SIGNING.delivery, body=b'{"type":"delete","userId":"u_1"}'), {})


def test_segment_is_told_nothing_and_cannot_be_asked() -> None:
    api = FakeApi(answers=[])
    assert not OPEN.takes_updates
    assert list(OPEN.changes(NOW, api)) == []
    assert OPEN.greet(SIGNING.delivery) is None
