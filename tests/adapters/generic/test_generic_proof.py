"""How the settings of a connection say that a system proves its deliveries."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.generic import Generic
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.signatures import sign_webhook
from connector.core.errors import BadSignature
from tests.adapters.generic.signing import SIGNING
from tests.adapters.generic.test_generic import RECEIVED, WHSEC, deliver


def _proved(way: str, secret: str) -> tuple[Generic, Delivery]:
    """A delivery proved one way, and the adapter that takes it."""
    delivery = SIGNING.delivery
    body = delivery.body
    headers: dict[str, str] = {}
    settings: dict[str, Any] = {"proof": way}
    if way == "standard":
        headers = sign_webhook("msg_1", body, [secret], RECEIVED)
    elif way == "hmac":
        headers = {"x-signature": hmac.new(secret.encode(), body, "sha256").hexdigest()}
    elif way == "basic":
        headers = {"authorization": f"Basic {b64encode(secret.encode()).decode()}"}
    else:
        headers, settings = {"authorization": f"Bearer {secret}"}, {"proof": way, "prefix": "Bearer "}
        settings["proof_header"] = "Authorization"
    return Generic(**settings, secret=(secret,)), replace(delivery, headers={**delivery.headers, **headers})


@pytest.mark.parametrize(
    ("way", "secret"), [("standard", WHSEC), ("hmac", "key"), ("basic", "hook:pass"), ("token", "tok-5e6f")]
)
def test_each_proof_opens_with_its_secret_and_with_no_other(way: str, secret: str) -> None:
    adapter, delivery = _proved(way, secret)
    adapter.verify(delivery, RECEIVED)
    others: tuple[tuple[str, ...], ...] = ((), ("",), ("other:secret",), (WHSEC[:-4] + "HA8=",))
    for closed in (replace(adapter, secret=other) for other in others):
        with pytest.raises(BadSignature):
            closed.verify(delivery, RECEIVED)
    with pytest.raises(BadSignature):
        adapter.verify(replace(delivery, headers={}), RECEIVED)


def test_a_token_may_stand_in_the_address() -> None:
    adapter = Generic(proof="token", proof_header="", proof_query="t", secret=("tok-5e6f",))
    adapter.verify(replace(SIGNING.delivery, query=(("t", "tok-5e6f"),)), RECEIVED)
    for query in ((), (("t", "tok"),), (("u", "tok-5e6f"),)):
        with pytest.raises(BadSignature):
            adapter.verify(replace(SIGNING.delivery, query=query), RECEIVED)
    with pytest.raises(BadSignature):
        replace(adapter, proof_query="").verify(SIGNING.delivery, RECEIVED)


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic //8=", "Bearer aG9vazpwYXNz", "Basic aG9vaw=="])
def test_a_header_that_is_no_basic_authentication_is_refused(header: str) -> None:
    with pytest.raises(BadSignature):
        Generic(proof="basic", secret=("hook:pass", "hook")).verify(deliver(b"{}", authorization=header), RECEIVED)


def test_a_hex_signature_of_sha1_may_be_in_capitals_and_one_in_base64_may_not() -> None:
    body = SIGNING.delivery.body
    mac = hmac.new(b"key", body, "sha1")
    adapter = Generic(proof="hmac", algorithm="sha1", prefix="sha1=", secret=("key",))
    adapter.verify(deliver(body, x_signature=f"SHA1={mac.hexdigest().upper()}"), RECEIVED)
    coded = b64encode(mac.digest()).decode()
    with pytest.raises(BadSignature):
        replace(adapter, encoding="base64").verify(deliver(body, x_signature=f"sha1={coded.swapcase()}"), RECEIVED)


UNIX = str(int(RECEIVED.timestamp()))
SCHEMES: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "the body, as GitHub": ({"proof_header": "X-Hub-Signature-256", "prefix": "sha256="}, {}, "{body}"),
    "the body in base64, as Shopify": ({"proof_header": "X-Hmac", "encoding": "base64"}, {}, "{body}"),
    "time and body, as Slack": (
        {"signed": "v0:{timestamp}:{body}", "prefix": "v0=", "timestamp_header": "X-Time"},
        {"x-time": UNIX},
        f"v0:{UNIX}:{{body}}",
    ),
    "entries of one header, as Stripe": (
        {
            "proof_header": "X-Time",
            "signed": "{timestamp}.{body}",
            "prefix": "v1=",
            "timestamp_header": "X-Time",
            "timestamp_prefix": "t=",
        },
        {"x-time": f"t={UNIX},v0=abc,v1="},
        f"{UNIX}.{{body}}",
    ),
    "a time in ISO 8601, as Zendesk": (
        {"signed": "{timestamp}{body}", "encoding": "base64", "timestamp_header": "X-Time"},
        {"x-time": "2026-03-04T14:26:10+09:00"},
        "2026-03-04T14:26:10+09:00{body}",
    ),
    "id, milliseconds and body on lines": (
        {
            "signed": r"{id}\n{timestamp}\n{body}",
            "algorithm": "sha512",
            "timestamp_header": "X-Time",
            "id_header": "X-Id",
        },
        {"x-time": f"{UNIX}250", "x-id": "m-1"},
        f"m-1\n{UNIX}250\n{{body}}",
    ),
    "method and address": ({"signed": "{method} {path}?{query} {body}"}, {}, "POST /webhooks/crm?a=%7e+ {body}"),
}


def _signed(scheme: str, at: datetime = RECEIVED) -> tuple[Generic, Delivery]:
    """A delivery with an HMAC over what a scheme says, its times moved to `at`, and the adapter that takes it."""
    settings, headers, content = SCHEMES[scheme]
    stamp = str(int(at.timestamp()))
    content, headers = content.replace(UNIX, stamp), {name: text.replace(UNIX, stamp) for name, text in headers.items()}
    sent = replace(SIGNING.delivery, path="/webhooks/crm", query_string="a=%7e+")
    body = sent.body.decode()
    digest = settings.get("algorithm", "sha256")
    mac = hmac.new(b"key", content.replace("{body}", body).encode(), digest)
    written = b64encode(mac.digest()).decode() if settings.get("encoding") == "base64" else mac.hexdigest()
    name = settings.get("proof_header", "X-Signature").lower()
    headers = {**headers, name: headers.get(name, settings.get("prefix", "")) + written}
    return Generic(proof="hmac", secret=("new", "key"), **settings), replace(sent, headers=headers)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_hmac_of_any_form_is_checked_by_settings(scheme: str) -> None:
    adapter, delivery = _signed(scheme)
    adapter.verify(delivery, RECEIVED)
    for changed in (
        replace(delivery, body=delivery.body + b" "),
        *(replace(delivery, headers={**delivery.headers, name: "x"}) for name in delivery.headers),
        *(replace(delivery, headers=_without(delivery.headers, name)) for name in delivery.headers),
    ):
        with pytest.raises(BadSignature):
            adapter.verify(changed, RECEIVED)


def _without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: text for other, text in headers.items() if other != name}


@pytest.mark.parametrize(
    "scheme", [name for name, (settings, _, _) in SCHEMES.items() if "timestamp_header" in settings]
)
def test_a_signature_with_a_time_is_good_for_as_long_as_the_settings_say(scheme: str) -> None:
    adapter, delivery = _signed(scheme)
    for seconds, tolerance in ((299, 300), (-299, 300), (3599, 3600)):
        replace(adapter, tolerance=tolerance).verify(delivery, RECEIVED + timedelta(seconds=seconds))
    for seconds, tolerance in ((302, 300), (-302, 300), (12, 10)):
        with pytest.raises(BadSignature, match=rf"{tolerance} are allowed"):
            replace(adapter, tolerance=tolerance).verify(delivery, RECEIVED + timedelta(seconds=seconds))


def test_a_public_key_proves_standard_webhooks() -> None:
    # The key pair of RFC 8032, section 7.1, test 1.
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    content = f"m-1.{UNIX}.".encode() + SIGNING.delivery.body
    signature = b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(content)).decode()
    headers = {"webhook-id": "m-1", "webhook-timestamp": UNIX, "webhook-signature": f"v1a,{signature}"}
    adapter = Generic(secret=("whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",))
    adapter.verify(replace(SIGNING.delivery, headers=headers), RECEIVED)
    with pytest.raises(BadSignature):
        adapter.verify(replace(SIGNING.delivery, headers=headers, body=b"{}"), RECEIVED)


@given(header=st.text(st.characters()), stamp=st.text(st.characters()))
def test_any_header_of_an_hmac_is_refused_and_raises_nothing_else(header: str, stamp: str) -> None:
    forms: list[dict[str, Any]] = [{}, {"timestamp_prefix": "t="}, {"signed": "{id}.{timestamp}.{body}"}]
    for settings in forms:
        adapter = Generic(proof="hmac", secret=("key",), timestamp_header="X-Time", id_header="X-Id", **settings)
        with pytest.raises(BadSignature):
            adapter.verify(deliver(b"{}", x_signature=header, x_time=stamp, x_id=stamp), RECEIVED)


WRONG: list[dict[str, Any]] = [
    {"proof": "none"},
    {"algorithm": "md5"},
    {"encoding": "octal"},
    {"signed": "{timestamp}"},
    {"signed": "{body}{nonce}"},
    {"signed": "{timestamp}{body}"},
    {"signed": "{id}{body}", "proof": "hmac"},
    {"tolerance": 0},
    {"tolerance": 86_401},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_proof_that_is_set_wrongly_opens_nothing(wrong: dict[str, Any]) -> None:
    adapter, delivery = _proved("hmac", "key")
    with pytest.raises(BadSignature, match=f"the connection's setting `{next(iter(wrong))}` "):
        replace(adapter, **wrong).verify(delivery, RECEIVED)
