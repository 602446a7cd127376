"""Signatures and tokens are accepted with a good secret only, at the right time, over the right bytes."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapter_kit.signatures import check_hmac, check_token, sign_webhook, verify_webhook, webhook_key
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
