"""What the COCOAR adapter makes of inflows, and that they count in both sets of target actions."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.cocoar import Cocoar
from connector.adapter_kit.contract import Adapter, Catalog, Delivery, Reply
from connector.adapter_kit.tracking import inflow
from connector.core.errors import BadPayload, BadSignature
from connector.core.event import ALL, BIT, VISITS, Event, Kind
from connector.core.mapping import translate
from connector.core.status import STATUSES
from connector.mapping import parse_mapping
from tests.adapters.support import FakeApi

NOW = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
LATER = datetime(2026, 3, 26, 8, 17, 5, tzinfo=UTC)
COCOAR = Cocoar(secret=("k1",))
VISITOR = "9f3c1a2b5d6e7f80"
SCAN = {"id": "scan-1", "visitor_id": VISITOR, "content_id": "poster", "time": "2026-03-26T17:16:02+09:00"}


def posted(body: Any, **headers: str) -> Delivery:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery(method="POST", query=(), headers=headers, body=content, received_at=NOW)


def read(body: Any, adapter: Cocoar = COCOAR) -> list[Event]:
    events = adapter.parse(posted(body), {})
    assert all(isinstance(event, Event) for event in events), events
    return [event for event in events if isinstance(event, Event)]


def identities(event: Event) -> list[str]:
    return [f"{one.kind}:{one.value}" for one in event.identities]


def test_it_keeps_the_contract_of_a_system_that_only_tells() -> None:
    assert isinstance(COCOAR, Adapter)
    assert not COCOAR.takes_updates
    api = FakeApi(answers=[])
    assert (COCOAR.catalog(api), list(COCOAR.changes(NOW, api))) == (Catalog(), [])
    assert COCOAR.greet(posted({})) is None
    assert COCOAR.receive(posted(SCAN)).reply == Reply(status=202, body=b'{"accepted": 1}')


def test_an_inflow_counts_in_both_sets_of_target_actions() -> None:
    source = (Path(__file__).parents[3] / "mappings" / "cocoar.yaml").read_text()
    (step,) = translate(read(SCAN)[0], parse_mapping(source, "cocoar.yaml", STATUSES))
    bit = BIT[step.action or ""]
    assert (step.kind, step.action) == (Kind.ACTION, "cocoar_inflow")
    assert (bool(bit & ALL), bool(bit & VISITS)) == (True, True)


def test_the_address_of_a_page_tells_trackers_the_same() -> None:
    marked = ("utm_source=cocoar", "utm_medium=cocoar", "mtm_source=cocoar", "cocoar=poster")
    assert {inflow(f"https://www.example.com/?{mark}") for mark in marked} == {"cocoar_inflow"}


# Proof


@pytest.mark.parametrize("prefix", ["", "sha256="])
def test_an_hmac_of_the_body_is_a_proof_where_that_is_set(prefix: str) -> None:
    by_hmac = replace(COCOAR, proof="hmac", signature_prefix=prefix, secret=("k2", "k1"))
    good = posted(SCAN)
    signature = prefix + hmac.new(b"k1", good.body, hashlib.sha256).hexdigest()
    by_hmac.verify(replace(good, headers={"x-cocoar-signature": signature}), NOW)
    for bad in (good, posted({}, **{"x-cocoar-signature": signature}), posted(SCAN, **{"x-cocoar-token": "k1"})):
        with pytest.raises(BadSignature):
            by_hmac.verify(bad, NOW)


def test_a_token_may_stand_in_another_header_as_bearer() -> None:
    other = replace(COCOAR, token_header="Authorization")
    other.verify(posted(SCAN, authorization="Bearer k1"), NOW)
    with pytest.raises(BadSignature):
        other.verify(posted(SCAN, authorization="Bearer k2"), NOW)


def test_a_proof_that_nobody_knows_opens_nothing() -> None:
    with pytest.raises(BadSignature, match="proof is 'none'; it must be token or hmac"):
        replace(COCOAR, proof="none").verify(posted(SCAN, **{"x-cocoar-token": "k1"}), NOW)


@pytest.mark.parametrize(
    ("adapter", "is_good", "header"),
    [
        (COCOAR, True, "X-Cocoar-Token (token)"),
        (replace(COCOAR, proof="hmac"), True, "X-Cocoar-Signature (hmac)"),
        (replace(COCOAR, secret=()), False, "X-Cocoar-Token (token)"),
        (replace(COCOAR, proof="x"), False, "X-Cocoar-Token (x)"),
    ],
)
def test_inspection_says_what_is_to_be_set_up(adapter: Cocoar, is_good: bool, header: str) -> None:  # noqa: FBT001
    (found,) = adapter.inspect("https://connector.example/webhooks/ar", FakeApi(answers=[]))
    assert (found.is_good, found.text.rpartition("the header ")[2]) == (is_good, header)


# Bodies


def test_an_unknown_visitors_inflow_is_an_action() -> None:
    (event,) = read({**SCAN, "url": "https://www.example.com/ar"})
    assert (event.key, event.kind, event.name) == ("scan-1", Kind.ACTION, "cocoar_inflow")
    assert event.at == datetime(2026, 3, 26, 8, 16, 2, tzinfo=UTC)
    assert (identities(event), event.is_lead, event.page) == (
        [f"visitor:{VISITOR}"],
        False,
        "https://www.example.com/ar",
    )
    assert event.data["content_id"] == "poster"


def test_an_email_makes_the_visitor_known() -> None:
    identify, action = read({**SCAN, "email": " Aiko@Customer.example "})
    assert (identify.key, identify.kind) == ("scan-1:identify", Kind.IDENTIFY)
    assert identities(action) == identities(identify) == [f"visitor:{VISITOR}", "email:aiko@customer.example"]
    assert (identify.is_lead, action.is_lead) == (True, True)
    assert identities(read({"email": "a@b.jp"})[0]) == ["email:a@b.jp"]


def test_a_form_says_the_same_as_json() -> None:
    assert read(urlencode({**SCAN, "email": "", "url": ""}).encode())[0].key == "scan-1"
    assert COCOAR.receive(posted(urlencode(SCAN).encode())).lane == f"visitor:{VISITOR}"


def test_many_inflows_come_as_a_list_and_a_bad_one_stops_no_other() -> None:
    for body in ({"events": [SCAN, {"id": 2}, "x"]}, [SCAN, {"id": 2}, "x"]):
        good, nobody, wrong = COCOAR.parse(posted(body), {})
        assert isinstance(good, Event)
        assert isinstance(nobody, BadPayload)
        assert isinstance(wrong, BadPayload)
        assert nobody.path.endswith("[1].visitor_id")
        assert "or email an e-mail address" in str(nobody)
        assert COCOAR.receive(posted(body)).reply.body == b'{"accepted": 3}'


def test_an_id_that_is_everybodys_names_nobody() -> None:
    (bad,) = COCOAR.parse(posted({**SCAN, "visitor_id": "undefined"}), {})
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.visitor_id"
    assert identities(read({**SCAN, "visitor_id": "null", "email": "a@b.jp"})[0]) == ["email:a@b.jp"]


def test_other_keys_are_settings() -> None:
    other = replace(
        COCOAR,
        list_key="scans",
        visitor_key="uid",
        email_key="mail",
        content_key="marker",
        time_key="at",
        id_key="scan",
        page_key="page",
    )
    events = read({"scans": [{"uid": 7, "mail": "a@b.jp", "marker": 12, "at": 1774512962}]}, other)
    tie, action = [event.key for event in events]
    assert action.startswith("visitor:7:12@2026-03-26T08:16:02+00:00:")
    assert tie == f"{action}:identify"


@pytest.mark.parametrize(
    "time",
    ["2026-03-26 17:16:02", "2026/03/26 17:16:02", "1774512962", 1774512962, 1774512962000, "2026-03-26T08:16:02Z"],
)
def test_a_time_may_be_written_in_many_ways(time: Any) -> None:
    assert read({**SCAN, "time": time})[0].at == datetime(2026, 3, 26, 8, 16, 2, tzinfo=UTC)


def test_without_a_time_the_receipt_counts() -> None:
    assert read({"visitor_id": VISITOR})[0].key.startswith(f"visitor:{VISITOR}:-@2026-03-26T08:16:05+00:00:")


def test_two_inflows_of_one_second_are_two_and_one_that_comes_again_is_one() -> None:
    scan = {"visitor_id": VISITOR, "content_id": "poster", "time": 1774512962}
    pages = [{**scan, "url": f"https://www.example.com/{page}"} for page in ("a", "b", "a")]
    assert len({read(one)[0].key for one in pages}) == 2


@pytest.mark.parametrize("time", ["yesterday", "9" * 30, "9" * 19, "0", [1], "9999-12-31T23:59:59", -5, 1.5])
def test_what_is_no_time_is_told_with_its_path(time: Any) -> None:
    (bad,) = COCOAR.parse(posted({**SCAN, "time": time}), {})
    assert isinstance(bad, BadPayload)
    assert bad.path == "$.time"


def test_a_zone_that_is_none_is_said() -> None:
    (bad,) = replace(COCOAR, zone="Mars/Base").parse(posted({**SCAN, "time": "2026-03-26 17:16:02"}), {})
    assert "setting zone ('Mars/Base')" in str(bad)


def test_a_repetition_is_known_by_id_or_time_and_without_both_each_delivery_is_its_own() -> None:
    own: list[Any] = [SCAN, {"visitor_id": 1, "time": 1774512962}, [SCAN, SCAN]]
    bare: list[Any] = [{"visitor_id": 1, "time": ""}, [SCAN, {"visitor_id": 1}], ["x"]]
    for body in own:
        one = posted(body)
        assert COCOAR.receive(one).key == COCOAR.receive(replace(one, received_at=LATER)).key
    for body in bare:
        one = posted(body)
        assert COCOAR.receive(one).key != COCOAR.receive(replace(one, received_at=LATER)).key


@pytest.mark.parametrize(("body", "lane"), [([], ""), ({}, ""), ([3], ""), ({"visitor_id": 7}, "visitor:7")])
def test_the_lane_is_the_visitor(body: Any, lane: str) -> None:
    assert COCOAR.receive(posted(body)).lane == lane


@given(st.binary(max_size=200))
def test_whatever_the_bytes_only_the_contracts_errors_are_raised(body: bytes) -> None:
    for method in (COCOAR.receive, lambda one: COCOAR.parse(one, {})):
        try:
            method(posted(body))
        except BadPayload:
            continue
