"""What cannot be authenticated or read is kept sealed, bounded, and taken once the secret is right."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from connector.adapter_kit.contract import Delivery
from connector.core.errors import BadPayload, BadSignature
from connector.intake.group_commit import Writer
from connector.intake.quarantine import KEEP_SEALED_BYTES, seal, unseal
from connector.intake.receive import Intake
from connector.operations.doctor import balance, is_balanced
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections, deliveries, quarantine
from connector.store.database import new_id
from connector.store.quarantine import Bounds, QuarantinedDelivery
from tests.conftest import NOW, Clock
from tests.intake.workspace import delivery, quarantined, receive, stored
from tests.web.answers import add_connections
from tests.web.malformed import OTHER_SECRET, PORTAL, ROBOT_TOKEN, SECRET, SHOP, robot
from tests.web.malformed import event as form


def test_a_delivery_with_a_bad_signature_is_sealed_and_nothing_else(shop: Runtime, intake: Intake) -> None:
    wrong = delivery(secret=OTHER_SECRET)
    with pytest.raises(BadSignature):
        receive(intake, wrong)
    assert stored(shop) == []
    (kept,) = quarantined(shop)
    assert (kept.reason, kept.error, kept.size) == ("bad_signature", "no signature matches", len(wrong.body))
    assert b"site_access" not in kept.sealed.encode()
    assert unseal(shop.vault, kept.sealed) == wrong
    assert balance(shop) == {}


def test_a_signed_delivery_that_cannot_be_read_is_quarantined(shop: Runtime, intake: Intake) -> None:
    with pytest.raises(BadPayload):
        receive(intake, delivery(body=b"hello"))
    assert [one.reason for one in quarantined(shop)] == ["bad_payload"]


def test_a_corrected_secret_takes_what_was_quarantined(shop: Runtime, intake: Intake, clock: Clock) -> None:
    for number in range(70):
        with pytest.raises(BadSignature):
            receive(intake, replace(delivery(f"msg_{number}", secret=OTHER_SECRET)))
    with pytest.raises(BadPayload):
        receive(intake, delivery(body=b"hello"))
    with pytest.raises(BadSignature):
        receive(intake, delivery("msg_x", secret="whsec_" + "A" * 40))
    clock.forward(days=2)
    assert intake.verify_again(SHOP, shop.database, clock()) == 0
    sealed = shop.vault.encrypt(orjson.dumps({"secret": [OTHER_SECRET, SECRET]}).decode())
    with shop.database.write() as connection:
        connections.change(connection, SHOP, sealed=sealed)
    assert intake.verify_again(SHOP, shop.database, clock()) == 70
    assert sorted(one.reason for one in quarantined(shop)) == ["bad_payload", "bad_signature"]
    taken = stored(shop)
    assert {one.key for one in taken} == {f"msg_{number}" for number in range(70)}
    assert {(one.received_at, one.next_attempt_at) for one in taken} == {(NOW, clock())}
    assert intake.verify_again(SHOP, shop.database, clock()) == 0
    assert is_balanced(balance(shop)[SHOP])


def _bad(sealed: str) -> QuarantinedDelivery:
    common: dict[str, Any] = {"connection": SHOP, "received_at": NOW, "reason": "bad_signature", "error": "x"}
    return QuarantinedDelivery(id=new_id(NOW), size=1, sealed=sealed, is_plausible=True, weight=len(sealed), **common)


def test_what_no_key_opens_stays_in_the_quarantine(shop: Runtime, intake: Intake, tmp_path: Path) -> None:
    foreign = Runtime(read_config({"CONNECTOR_DATA_DIR": str(tmp_path / "other")}, tmp_path)).vault
    with shop.database.write() as connection:
        quarantine.add(connection, [_bad(seal(foreign, delivery()))], Bounds(most=10, most_bytes=1_000_000))
    assert intake.verify_again(SHOP, shop.database, NOW) == 0
    assert len(quarantined(shop)) == 1


def test_what_a_version_before_had_sealed_is_verified_again(shop: Runtime, intake: Intake) -> None:
    sent = delivery()
    values = {"method": "POST", "query": [["a", "1"]], "headers": dict(sent.headers)}
    values |= {"body": b64encode(sent.body).decode(), "received_at": NOW.isoformat()}
    sealed = shop.vault.encrypt(orjson.dumps(values).decode())
    assert unseal(shop.vault, sealed) == replace(sent, query=(("a", "1"),))
    with shop.database.write() as connection:
        quarantine.add(connection, [_bad(sealed)], Bounds(most=10, most_bytes=1_000_000))
    assert intake.verify_again(SHOP, shop.database, NOW) == 1


@pytest.mark.parametrize("place", ["body", "headers", "query", "query_string"])
def test_a_large_delivery_is_quarantined_without_its_content(shop: Runtime, intake: Intake, place: str) -> None:
    large = "x" * (KEEP_SEALED_BYTES + 1)
    wrong = delivery(secret=OTHER_SECRET)
    if place == "body":
        wrong = replace(wrong, body=large.encode())
    elif place == "query":
        wrong = replace(wrong, query=(("a", large),))
    elif place == "query_string":
        wrong = replace(wrong, query_string=large)
    else:
        wrong = replace(wrong, headers={**wrong.headers, "x-large": large})
    with pytest.raises(BadSignature):
        receive(intake, wrong)
    (kept,) = quarantined(shop)
    assert (kept.sealed, kept.size) == ("", len(wrong.body))
    assert intake.verify_again(SHOP, shop.database, NOW) == 0


def test_the_quarantine_is_bounded_in_number(shop: Runtime, clock: Clock) -> None:
    writer = Writer(shop.database, Bounds(most=3, most_bytes=1_000_000), lambda _: None)
    intake = Intake(connections=shop.connections, vault=shop.vault, writer=writer, lanes=1)
    for number in range(8):
        with pytest.raises(BadSignature):
            receive(intake, replace(delivery(f"msg_{number}", secret=OTHER_SECRET), received_at=clock()))
        clock.forward(seconds=1)
    kept = [unseal(shop.vault, one.sealed).headers["webhook-id"] for one in quarantined(shop)]
    assert kept == ["msg_5", "msg_6", "msg_7"]


def test_an_error_that_quotes_a_token_is_masked(runtime: Runtime, intake: Intake) -> None:
    add_connections(runtime)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = form(**{"auth[application_token]": f"{ROBOT_TOKEN}\0"})
    quoting = Delivery(method="POST", query=(), headers=headers, body=body, received_at=NOW)
    with pytest.raises(BadSignature) as caught:
        receive(intake, quoting, PORTAL)
    assert ROBOT_TOKEN not in str(caught.value)
    assert "***" in quarantined(runtime)[0].error


def test_what_no_database_takes_is_made_storable(runtime: Runtime, intake: Intake) -> None:
    add_connections(runtime)
    headers = {"content-type": "application/x-www-form-urlencoded", "x-odd": "a\0b\udcff"}
    query = (("token", ROBOT_TOKEN), ("a\0", "\udcff"))
    odd = Delivery(
        method="POST", query=query, headers=headers, body=robot("crm", "CCrmDocumentLead", "LEAD_1"), received_at=NOW
    )
    assert receive(intake, odd, PORTAL).status == 202
    with runtime.database.read() as connection:
        found = deliveries.get(connection, stored(runtime)[0].id)
    assert found is not None
    assert found.headers["x-odd"] == "a\ufffdb?"
    assert found.query == [["token", "***"], ["a\ufffd", "?"]]
    refused = replace(odd, query=query[1:])
    with pytest.raises(BadSignature):
        receive(intake, refused, PORTAL)
    assert unseal(runtime.vault, quarantined(runtime)[0].sealed) == refused
