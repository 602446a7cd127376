"""The RudderStack adapter: the Segment spec with a header in place of a signature."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Final

import pytest

from adapters.rudderstack import RudderStack
from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import Event
from tests.adapters.rudderstack.signing import SIGNING
from tests.adapters.support import Case, FakeApi

TOKEN: Final = SIGNING.secrets[0]
OPEN: Final = RudderStack(token=(TOKEN,))


def _is_accepted(delivery: Delivery, adapter: RudderStack = OPEN) -> bool:
    try:
        adapter.verify(delivery, SIGNING.delivery.received_at)
    except BadSignature:
        return False
    return True


def test_the_token_may_come_in_any_way_that_a_destination_can_send_it() -> None:
    sent = SIGNING.delivery
    basic = f"Basic {b64encode(f'connector:{TOKEN}'.encode()).decode()}"
    assert _is_accepted(replace(sent, headers={"authorization": TOKEN}))
    assert _is_accepted(replace(sent, headers={"authorization": basic}))
    assert _is_accepted(replace(sent, query=(("token", TOKEN),)))
    own = RudderStack(token=(TOKEN,), header="X-Connector")
    assert _is_accepted(replace(sent, headers={"x-connector": TOKEN}), own)
    assert not _is_accepted(replace(sent, headers={"authorization": TOKEN}), own)


def test_a_session_is_told_apart_from_those_that_other_visitors_began_at_the_same_time() -> None:
    (event,) = OPEN.parse(SIGNING.delivery, {})
    assert isinstance(event, Event)
    assert event.session == "4c7e1b90-3d58-4f2a-86c1-a5b0e9d27f34:1772601880123"


def test_traits_of_an_identify_are_those_of_its_context() -> None:
    tie, profile, _ = (
        Case(system="rudderstack", name="identify")
        .adapter()
        .parse(Case(system="rudderstack", name="identify").delivery(), {})
    )
    assert isinstance(tie, Event)
    assert isinstance(profile, Event)
    assert ("email", "s.yamada@example.co.jp") in {(one.kind, one.value) for one in tie.identities}
    assert profile.data["lastName"] == "山田"


def test_a_delivery_is_known_by_its_message_and_says_how_many_it_took() -> None:
    assert OPEN.receive(SIGNING.delivery).key == "m-1"
    assert OPEN.receive(SIGNING.delivery).lane == "visitor:4c7e1b90-3d58-4f2a-86c1-a5b0e9d27f34"
    assert OPEN.receive(SIGNING.delivery).reply.body == b'{"accepted":1}'
    with pytest.raises(BadPayload):
        OPEN.receive(replace(SIGNING.delivery, body=b"[]"))


def test_rudderstack_is_told_nothing_and_cannot_be_asked() -> None:
    assert not OPEN.takes_updates
    assert list(OPEN.changes(SIGNING.delivery.received_at, FakeApi(answers=[]))) == []
