"""Signatures and tokens are accepted with a good secret only, at the right time, over the right bytes."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.signatures import (
    DIGESTS,
    ENCODINGS,
    PLACES,
    check_basic,
    check_hmac,
    check_sender,
    check_time,
    check_token,
    compute_hmac,
    entry_after,
    find_token,
    places_in,
    sign_webhook,
    signed_content,
    verify_webhook,
    webhook_key,
)
from connector.core.errors import BadSignature

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OWN: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OLD: Final = "whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM="
PUBLISHED: Final = {"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330"}
RIGHT: Final = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
FOREIGN: Final = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
BODY: Final = b'{"test": 2432232314}'
SENT: Final = datetime.fromtimestamp(1614265330, UTC)
JAPANESE: Final = (
    '{"type":"lead.status_changed","timestamp":"2026-03-04T05:26:07.412Z","data":{"lead_id":"L-20931",'
    '"status":"顕在化","previous_status":"準顕在","owner_email":"k.sato@example.jp"}}'
).encode()


def _is_valid(headers: dict[str, str], body: bytes = BODY, *secrets: str, now: datetime = SENT) -> bool:
    try:
        verify_webhook(headers, body, secrets or (SECRET,), now)
    except BadSignature:
        return False
    return True


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (RIGHT, True),
        (f"v1,{FOREIGN} v2,{FOREIGN} {RIGHT}", True),
        (f"{RIGHT} v1,{FOREIGN}", True),
        (f" {RIGHT} ", True),
        (f"v1 {RIGHT}", True),
        (RIGHT.replace("1OE=", "1OA="), False),
        (RIGHT.removeprefix("v1,"), False),
        (RIGHT.replace("v1,", "v2,"), False),
        (RIGHT.replace("v1,", "v1a,"), False),
        (RIGHT.replace("v1,", "v1,,"), False),
        (RIGHT.upper(), False),
        ("", False),
        ("v1,", False),
        (" ".join([f"v1,{FOREIGN}"] * 31 + [RIGHT]), True),
        (" ".join([f"v1,{FOREIGN}"] * 32 + [RIGHT]), False),
        ("v1," * 1_000_000, False),
        ("v1,é\udcff", False),
    ],
)
def test_the_published_vector_and_its_variants(signature: str, expected: Any) -> None:
    assert _is_valid({**PUBLISHED, "webhook-signature": signature}) is expected


@pytest.mark.parametrize(
    ("timestamp", "signature", "secrets", "expected"),
    [
        ("1772601970", "v1,4rY0TembXyjIqBP+yCjQ25WKnQ4NfFyr8hTMIlJuqUo=", (OWN,), True),
        ("1772602275", "v1,QHrHEYy2iVZzn2p6BOQIf4ZFdsyGQ96lbM+QT8L/JAM=", (OWN,), True),
        (
            "1772601970",
            "v1,wECxStNtJlGHPB8eXlf6k/3qyrk5h880tpdnuBpm6Uw= v1,4rY0TembXyjIqBP+yCjQ25WKnQ4NfFyr8hTMIlJuqUo=",
            (OWN,),
            True,
        ),
        (
            "1772601970",
            "v1,wECxStNtJlGHPB8eXlf6k/3qyrk5h880tpdnuBpm6Uw= v1,4rY0TembXyjIqBP+yCjQ25WKnQ4NfFyr8hTMIlJuqUo=",
            (OLD,),
            True,
        ),
        ("1772601970", "v1,wECxStNtJlGHPB8eXlf6k/3qyrk5h880tpdnuBpm6Uw=", (OWN, OLD), True),
        ("1772601970", "v1,wECxStNtJlGHPB8eXlf6k/3qyrk5h880tpdnuBpm6Uw=", (OWN,), False),
        ("1772601970", "4rY0TembXyjIqBP+yCjQ25WKnQ4NfFyr8hTMIlJuqUo=", (OWN,), False),
        ("2026-03-04T05:26:10Z", "v1,Z09+jjQYNxlhyGszJa2q5jK60FQat9LKoJbraeZipMw=", (OWN,), False),
    ],
)
def test_a_body_in_utf_8_its_retry_and_rotated_secrets(
    timestamp: str, signature: str, secrets: tuple[str, ...], expected: Any
) -> None:
    headers = {"id": "msg_2Z8kQ4vT1nYx6Wc0RbLs9Dfe", "timestamp": timestamp, "signature": signature}
    now = datetime.fromtimestamp(1772602100, UTC)
    for prefix in ("webhook", "svix"):
        named = {f"{prefix}-{name}": value for name, value in headers.items()}
        assert _is_valid(named, JAPANESE, *secrets, now=now) is expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, True), (300, True), (300.9, True), (301, False), (-300, True), (-301, False)]
)
def test_a_timestamp_is_valid_for_300_whole_seconds_both_ways(seconds: float, expected: Any) -> None:
    headers = {**PUBLISHED, "webhook-signature": RIGHT}
    assert _is_valid(headers, now=SENT + timedelta(seconds=seconds)) is expected


@pytest.mark.parametrize(
    "timestamp",
    ["", " ", "-1", "1614265330.0", " 1614265330", "+1614265330", "1e9", "٣" * 10, "9" * 13, "1_6", "\udcff"],
)
def test_a_timestamp_is_digits_only(timestamp: str) -> None:
    headers = {**PUBLISHED, **sign_webhook("msg_1", BODY, [SECRET], SENT), "webhook-timestamp": timestamp}
    with pytest.raises(BadSignature, match="not whole unix seconds"):
        verify_webhook(headers, BODY, [SECRET], SENT)


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_is_needed(missing: str) -> None:
    headers = {**PUBLISHED, "webhook-signature": RIGHT}
    assert _is_valid(headers)
    assert not _is_valid({**headers, missing: ""})
    del headers[missing]
    assert not _is_valid(headers)


def test_headers_of_the_two_names_are_not_mixed() -> None:
    headers = {**PUBLISHED, "svix-signature": RIGHT}
    assert not _is_valid(headers)


@pytest.mark.parametrize(
    "secrets", [(), ("",), ("whsec_",), ("whsec_AAECAwQ=",), ("whsec_%%%",), ("é" * 40,), ("\udcff",)]
)
def test_without_a_usable_secret_nothing_is_valid(secrets: tuple[str, ...]) -> None:
    headers = {**PUBLISHED, "webhook-signature": RIGHT}
    with pytest.raises(BadSignature, match="no usable signing secret"):
        verify_webhook(headers, BODY, secrets, SENT)


@pytest.mark.parametrize("written", [OWN, OWN.removeprefix("whsec_"), OWN.rstrip("="), f" {OWN}\n", OWN + "=="])
def test_a_secret_is_read_with_or_without_prefix_padding_and_space(written: str) -> None:
    assert webhook_key(written) == bytes(range(32))


@pytest.mark.parametrize("length", [23, 24, 64, 100])
def test_a_key_has_24_bytes_or_more(length: int) -> None:
    secret = "whsec_" + b64encode(bytes(length)).decode()
    assert (webhook_key(secret) is not None) is (length >= 24)


def test_what_we_sign_is_valid_by_each_secret() -> None:
    headers = sign_webhook("msg_1", JAPANESE, [OWN, "unusable", OLD], SENT + timedelta(milliseconds=900))
    assert headers["webhook-timestamp"] == "1614265330"
    assert [_is_valid(headers, JAPANESE, secret) for secret in (OWN, OLD, SECRET)] == [True, True, False]


def test_signing_without_a_usable_secret_gives_no_signature() -> None:
    assert sign_webhook("msg_1", b"", ["", "whsec_AA"], SENT)["webhook-signature"] == ""


@given(
    headers=st.dictionaries(
        st.sampled_from([*PUBLISHED, "webhook-signature", "svix-id", "svix-signature"]), st.text(st.characters())
    ),
    body=st.binary(),
    secrets=st.lists(st.text(st.characters())),
)
def test_any_bytes_raise_bad_signature_only(headers: dict[str, str], body: bytes, secrets: list[str]) -> None:
    assert not _is_valid(headers, body, *secrets)
    assert not _is_valid({**PUBLISHED, **headers}, body, *secrets, OWN)


@given(body=st.binary(), message_id=st.text(st.characters(), min_size=1))
def test_what_is_signed_is_verified_whatever_it_is(body: bytes, message_id: str) -> None:
    headers = sign_webhook(message_id, body, [OWN], SENT)
    assert _is_valid(headers, body, OLD, OWN)
    assert not _is_valid(headers, body + b"\0", OLD, OWN)


def test_an_hmac_in_hex_is_checked_with_its_prefix_in_any_case() -> None:
    # The example of Jira's documentation.
    digest = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    secret, body = "It's a Secret to Everybody", b"Hello World!"
    check_hmac(f"sha256={digest}", body, [secret], prefix="sha256=")
    check_hmac(f"SHA256={digest.upper()}", body, ["new", secret], prefix="sha256=")
    check_hmac(digest, body, [secret])
    check_hmac(hmac.new(secret.encode(), body, "sha1").hexdigest(), body, [secret], digest="sha1")
    for given_signature in (
        None,
        "",
        digest,
        f"sha1={digest}",
        f"sha256={digest}0",
        f"sha256={digest[:-1]}",
        "é\udcff",
    ):
        with pytest.raises(BadSignature):
            check_hmac(given_signature, body, [secret], prefix="sha256=")


@pytest.mark.parametrize("secrets", [[], [""]])
def test_an_hmac_or_token_without_a_secret_is_refused(secrets: list[str]) -> None:
    with pytest.raises(BadSignature, match="no signature secret is configured"):
        check_hmac(hmac.new(b"", b"", hashlib.sha256).hexdigest(), b"", secrets)
    for given_token in (None, "", "x"):
        with pytest.raises(BadSignature, match="no token secret is configured"):
            check_token(given_token, secrets)


def test_a_token_is_compared_with_every_secret() -> None:
    check_token("old-é\udcff", ["new", "", "old-é\udcff"])
    with pytest.raises(BadSignature, match="the token does not match"):
        check_token("other", ["new", "old"])
    with pytest.raises(BadSignature, match="the token is missing"):
        check_token("", ["new", "old"])
    with pytest.raises(BadSignature, match="the token is missing"):
        check_token(None, ["new"])


# Standard Webhooks by a public key

# The key pair of RFC 8032, section 7.1, test 1; the signature over the published vector was computed twice, by
# `cryptography` and by the code of the RFC.
PRIVATE: Final = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
)
PUBLIC: Final = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
ASYMMETRIC: Final = "v1a,fldxM4gAKugP6nnt1hdz3sgGfZ6d99nzrMFnZOELIxbzEHoVmAb2ADpkJK7zgPePmPsle0zV9jSeGlHFG2NVAw=="


@pytest.mark.parametrize(
    ("signature", "secrets", "expected"),
    [
        (ASYMMETRIC, (PUBLIC,), True),
        (f"v1,{FOREIGN} v1a,{FOREIGN} {ASYMMETRIC}", (OWN, PUBLIC), True),
        (f"{RIGHT} {ASYMMETRIC}", (SECRET,), True),
        (f"{RIGHT} {ASYMMETRIC}", (OWN, PUBLIC), True),
        (ASYMMETRIC, (PUBLIC.rstrip("="), ""), True),
        (ASYMMETRIC, (f" {PUBLIC}\n",), True),
        (ASYMMETRIC, (SECRET,), False),
        (ASYMMETRIC.replace("v1a,", "v1,"), (PUBLIC,), False),
        (RIGHT, (PUBLIC,), False),
        (ASYMMETRIC.replace("fldx", "gldx"), (PUBLIC,), False),
        (ASYMMETRIC[:-4], (PUBLIC,), False),
        ("v1a,", (PUBLIC,), False),
        ("v1a,é\udcff", (PUBLIC,), False),
        (ASYMMETRIC, (PUBLIC.removeprefix("whpk_"),), False),
        (ASYMMETRIC, ("whpk_" + b64encode(bytes(31)).decode(),), False),
        (ASYMMETRIC, ("whpk_%%%",), False),
    ],
)
def test_a_signature_is_checked_by_the_sender_s_public_key(
    signature: str, secrets: tuple[str, ...], expected: Any
) -> None:
    assert _is_valid({**PUBLISHED, "webhook-signature": signature}, BODY, *secrets) is expected


def test_a_public_key_is_never_taken_for_the_key_of_an_hmac() -> None:
    for key in (PUBLIC.encode(), bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")):
        content = b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + BODY
        forged = b64encode(hmac.new(key, content, "sha256").digest()).decode()
        for version in ("v1", "v1a"):
            assert not _is_valid({**PUBLISHED, "webhook-signature": f"{version},{forged}"}, BODY, PUBLIC)


@given(body=st.binary(), message_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_what_the_sender_s_key_signs_is_verified_whatever_it_is(body: bytes, message_id: str) -> None:
    signature = PRIVATE.sign(message_id.encode() + b".1614265330." + body)
    headers = {**PUBLISHED, "webhook-id": message_id, "webhook-signature": f"v1a,{b64encode(signature).decode()}"}
    assert _is_valid(headers, body, PUBLIC)
    assert not _is_valid(headers, body + b"\0", PUBLIC)


# HMACs of any form


def test_the_example_of_github_s_documentation() -> None:
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    check_hmac(f"sha256={digest}", b"Hello, World!", ["It's a Secret to Everybody"], prefix="sha256=")


def test_the_example_of_slack_s_documentation() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url="
        b"https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    content = signed_content("v0:{timestamp}:{body}", {"timestamp": b"1531420618", "body": body})
    given_signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    check_hmac(given_signature, content, ["8f742231b10e8888abcd99yyyzzz85a5"], prefix="v0=")


def test_an_hmac_in_base64_is_compared_as_it_is() -> None:
    for digest in DIGESTS:
        mac = compute_hmac(b"key", b"body", digest, "base64").decode()
        check_hmac(f"mac={mac}", b"body", ["new", "key"], prefix="mac=", digest=digest, encoding="base64")
        with pytest.raises(BadSignature, match="the signature does not match"):
            check_hmac(mac.swapcase(), b"body", ["key"], digest=digest, encoding="base64")


def test_one_of_several_signatures_in_a_header_is_enough() -> None:
    mac = compute_hmac(b"key", b"body").decode()
    check_hmac(f"t=1614265330,v1={'0' * 64}, v1={mac}", b"body", ["key"], prefix="v1=")
    check_hmac(f"{'0' * 64},{mac}", b"body", ["key"])
    for header in (f"v0={mac}", f"v1 = {mac}", ",".join(["v1=0"] * 32 + [f"v1={mac}"])):
        with pytest.raises(BadSignature):
            check_hmac(header, b"body", ["key"], prefix="v1=")


def test_an_entry_is_found_by_its_prefix() -> None:
    assert entry_after("t=", "v1=x, t=12,t=13") == "12"
    assert (entry_after("t=", "v1=x"), entry_after("", " 12 ")) == ("", "12")


def test_a_template_says_what_is_signed() -> None:
    values = {name: name.upper().encode() for name in PLACES}
    assert signed_content("{method} {path}?{query}\n{id}.{timestamp}.{body}{é}", values) == (
        "METHOD PATH?QUERY\nID.TIMESTAMP.BODY{é}".encode()
    )
    assert places_in("{timestamp}.{body}.{x}") == {"timestamp", "body", "x"}


@pytest.mark.parametrize(
    ("stamp", "per_second", "tolerance", "match"),
    [
        ("1614265030", 1, 300, None),
        ("1614265029", 1, 300, "301 seconds old; 300 are allowed"),
        ("1614265340", 1, 9, "10 seconds ahead; 9 are allowed"),
        ("1614265630000", 1000, 300, None),
        ("1614265630001", 1000, 300, "300 seconds ahead"),
        ("1614265330.5", 1000, 300, "not whole milliseconds"),
    ],
)
def test_a_time_is_checked_in_the_sender_s_unit(stamp: str, per_second: int, tolerance: int, match: str | None) -> None:
    with nullcontext() if match is None else pytest.raises(BadSignature, match=match):
        check_time("x-time", stamp, SENT, per_second=per_second, tolerance=tolerance)


@given(
    header=st.text(st.characters())
    | st.lists(st.sampled_from(["v1=", "t=", ",", " ", "=", "sha256=", "0"])).map("".join),
    secret=st.text(st.characters()),
    prefix=st.sampled_from(["", "v1=", "sha256="]),
    encoding=st.sampled_from(ENCODINGS),
)
def test_any_header_of_signatures_tokens_and_times_raises_bad_signature_only(
    header: str, secret: str, prefix: str, encoding: str
) -> None:
    sent = replace(DELIVERY, headers={"x": header})
    checks: list[Callable[[], None]] = [
        lambda: check_hmac(header, b"body", [secret], prefix=prefix, encoding=encoding),
        lambda: check_time("x", entry_after("t=", header), SENT),
        lambda: check_basic(header, [f"u:{secret}!"]),
        lambda: check_sender(sent, "x", [f"{secret}!{header}"]),
    ]
    for check in checks:
        with pytest.raises(BadSignature):
            check()


# Tokens and basic authentication

DELIVERY: Final = Delivery(method="POST", query=(), headers={}, body=b"", received_at=SENT)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"x-token": "s3cret"}, ()),
        ({"x-token": "Bearer s3cret"}, ()),
        ({"x-token": "Basic " + b64encode(b"segment:s3cret").decode()}, ()),
        ({"x-token": "Basic s3cret"}, ()),
        ({}, (("token", "s3cret"),)),
    ],
)
def test_a_token_is_read_from_its_header_or_the_address(
    headers: dict[str, str], query: tuple[tuple[str, str], ...]
) -> None:
    sent = replace(DELIVERY, headers=headers, query=query)
    check_sender(sent, " X-Token ", ("new", "s3cret"))
    for tokens in ((), ("",), ("other",)):
        with pytest.raises(BadSignature):
            check_sender(sent, "x-token", tokens)


@pytest.mark.parametrize("given", ["", "Bearer ", "Basic é", "Basic " + b64encode(b"\xff:x").decode(), "s3cre"])
def test_any_other_header_is_refused(given: str) -> None:
    with pytest.raises(BadSignature):
        check_sender(replace(DELIVERY, headers={"x-token": given}), "x-token", ("s3cret",))


def test_a_token_is_found_in_a_header_or_else_in_the_address() -> None:
    sent = replace(DELIVERY, headers={"x-token": "a"}, query=(("token", "b"),))
    assert (find_token(sent, "X-Token", "token"), find_token(sent, "x", "token")) == ("a", "b")
    assert (find_token(sent), find_token(sent, "", "x")) == (None, None)


def test_basic_authentication_is_compared_as_a_whole() -> None:
    check_basic("basic " + b64encode(b"user:pass:word").decode(), ["user", "user:pass:word"])
    for given_header, match in (
        (None, "not Basic with base64"),
        ("Basic %%%", "not Basic with base64"),
        ("Bearer " + b64encode(b"user:pass").decode(), "not Basic with base64"),
        ("Basic " + b64encode(b"user:other").decode(), "does not match"),
    ):
        with pytest.raises(BadSignature, match=match):
            check_basic(given_header, ["user:pass"])
    with pytest.raises(BadSignature, match="no token secret is configured"):
        check_basic("Basic " + b64encode(b"user").decode(), ["user"])
