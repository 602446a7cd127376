"""How a system without an adapter of its own proves its deliveries: one of four ways, chosen by settings."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.signatures import check_hmac, check_hmac_base64, check_token, verify_webhook
from connector.core.errors import BadSignature

ALGORITHMS: Final = ("sha256", "sha1")
ENCODINGS: Final = ("hex", "base64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The settings of the proof; `secrets` newest first, `header` in any case, `query` a parameter's name."""

    way: str
    secrets: Sequence[str]
    header: str
    query: str
    algorithm: str
    encoding: str
    prefix: str

    def verify(self, delivery: Delivery, now: datetime) -> None:
        """Raises `BadSignature`; also when the settings cannot be used."""
        if mistakes := self.mistakes():
            raise BadSignature("; ".join(mistakes))
        WAYS[self.way](self, delivery, now)

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each."""
        allowed = {"proof": (self.way, WAYS), "algorithm": (self.algorithm, ALGORITHMS)}
        allowed |= {"encoding": (self.encoding, ENCODINGS)}
        return [
            f"the connection's setting `{name}` is {value!r}; it must be one of {', '.join(words)}"
            for name, (value, words) in allowed.items()
            if value not in words
        ]

    def given(self, delivery: Delivery) -> str | None:
        """What stands in the header, or else in the query."""
        found = delivery.headers.get(self.header.casefold()) if self.header else None
        return found or (delivery.parameter(self.query) if self.query else None)


def _standard(proof: Proof, delivery: Delivery, now: datetime) -> None:
    verify_webhook(delivery.headers, delivery.body, proof.secrets, now)


def _hmac(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    check = check_hmac_base64 if proof.encoding == "base64" else check_hmac
    check(proof.given(delivery), delivery.body, proof.secrets, prefix=proof.prefix, digest=proof.algorithm)


def _basic(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    """The secret is `user:password`."""
    scheme, _, text = delivery.headers.get("authorization", "").partition(" ")
    try:
        given = b64decode(text.strip(), validate=True).decode() if scheme.casefold() == "basic" else ""
    except (binascii.Error, ValueError) as error:
        message = "the header authorization is not Basic with base64 of `user:password`"
        raise BadSignature(message) from error
    check_token(given, [secret for secret in proof.secrets if ":" in secret])


def _token(proof: Proof, delivery: Delivery, _now: datetime) -> None:
    check_token((proof.given(delivery) or "").removeprefix(proof.prefix), proof.secrets)


WAYS: Final[dict[str, Callable[[Proof, Delivery, datetime], None]]] = {
    "standard": _standard,
    "hmac": _hmac,
    "basic": _basic,
    "token": _token,
}
"""The setting `proof` → how a delivery is checked."""
