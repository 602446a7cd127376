"""Masks secrets in a delivery before it is stored, by the places where they stand; what people said stays as it is.

Texts of errors are no data: there `mask_text` masks a secret wherever it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote_plus, unquote_to_bytes

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.settings import SHORTEST_SECRET

MASK: Final = "***"
_SECRET_HEADERS: Final = ("authorization", "cookie", "secret", "signature", "token", "api-key", "apikey", "password")
"""Parts of the names of headers that carry a proof, of any vendor."""
_BOM: Final = b"\xef\xbb\xbf"
_ESCAPED_ASCII: Final = re.compile(rb"\\u00[0-7]")
_NUMBER: Final = re.compile(r"[0-9.eE+-]+")
_WORD: Final = rb"(?<![^\s\"'=:&?,;/(<\[{|])(?:%s)(?=[\s\"'=:&?,;/)>\]}|]|\.?(?:\s|$))"
"""A secret that is a word of its own: in `hana@customer.example` none of its parts is one."""
_XML: Final = rb"(<(?:[\w.-]+:)?(?:%s)\s*>)[^<]+"
_KEYED: Final = rb"""("(?:%s)"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,{}\[\]"]+)"""


def redact(delivery: Delivery, secret_keys: frozenset[str], secrets: Sequence[str]) -> Delivery:
    """The delivery with masked values of secret keys, secret headers and secret parameters.

    `secret_keys`: leaf names in JSON and XML, whole names in forms and queries, in any case. A header or parameter that
    carries a secret has one by its value too, whatever its name is; so has a word of a body that is nothing but a
    secret of `SHORTEST_SECRET` characters or more. No other text of a body is altered, whatever stands in it. A JSON or
    form body stays one. The raw address is left out: what it says is in `query`. Raises nothing.
    """
    masker = _masker(secret_keys, tuple(secrets))
    return replace(
        delivery,
        query=tuple((name, masker.parameter(name, value)) for name, value in delivery.query),
        headers={name: masker.header(name, value) for name, value in delivery.headers.items()},
        body=masker.body(delivery.body),
        path="",
        query_string="",
    )


def mask_text(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, as written or URL-encoded."""
    for form in _text_forms(secrets):
        text = text.replace(form, MASK)
    return text


def _text_forms(secrets: Iterable[str]) -> tuple[str, ...]:
    plain = {secret for secret in secrets if secret}
    quoted = {write(secret, safe="", errors="replace") for secret in plain for write in (quote, quote_plus)}
    return tuple(sorted(plain | quoted, key=len, reverse=True))


def _byte_forms(secrets: Iterable[str]) -> tuple[bytes, ...]:
    plain = {secret.encode("utf-8", "surrogatepass") for secret in secrets}
    escaped = {json.dumps(secret)[1:-1].encode() for secret in secrets}
    return tuple(sorted(plain | escaped, key=len, reverse=True))


@lru_cache(maxsize=256)  # one for each connection as it is now
def _masker(secret_keys: frozenset[str], secrets: tuple[str, ...]) -> _Masker:
    keys = frozenset(key.casefold() for key in secret_keys)
    long = frozenset(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)
    return _Masker(
        keys=keys,
        secrets=frozenset(filter(None, secrets)),
        long=long,
        text_forms=_text_forms(long),
        byte_forms=_byte_forms(long),
        words=re.compile(_WORD % b"|".join(map(re.escape, _byte_forms(long)))) if long else None,
        key_bytes=tuple(key.encode("utf-8", "surrogatepass") for key in keys),
        is_searchable=all(map(_is_plain, (*keys, *long))) and not any(map(_NUMBER.fullmatch, long)),
    )


def _is_plain(text: str) -> bool:
    """Whether a body can only write it as it is, or by escapes of ASCII characters."""
    return text.isascii() and text.isprintable() and not {'"', "\\"} & set(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Masker:
    """`long`: the secrets that no data have by chance. `text_forms`, `byte_forms`, `words`: how those are written.

    `is_searchable`: a body whose bytes have none of the names and secrets in them has none in its values either.
    """

    keys: frozenset[str]
    secrets: frozenset[str]
    long: frozenset[str]
    text_forms: tuple[str, ...]
    byte_forms: tuple[bytes, ...]
    words: re.Pattern[bytes] | None
    key_bytes: tuple[bytes, ...]
    is_searchable: bool

    def parameter(self, name: str, value: str) -> str:
        return MASK if name.casefold() in self.keys else self._carried(value)

    def header(self, name: str, value: str) -> str:
        return MASK if any(word in name.casefold() for word in _SECRET_HEADERS) else self._carried(value)

    def body(self, body: bytes) -> bytes:
        """The body, which is read only where something in it may be secret: most have nothing."""
        is_json = body.removeprefix(_BOM).lstrip()[:1] in {b"{", b"[", b'"'}
        return self.read_body(body, is_json=is_json) if self._may_hold_secret(body, is_json=is_json) else body

    def read_body(self, body: bytes, *, is_json: bool) -> bytes:
        if not is_json:
            return self._xml(body) if body.removeprefix(_BOM).lstrip()[:1] == b"<" else self._form(body)
        try:
            # The standard library's reader and writer, not orjson: they keep whole numbers of any length as they are.
            parsed = json.loads(body.decode("utf-8-sig"))
            masked = self._json(parsed)
            return body if masked == parsed else json.dumps(masked, separators=(",", ":")).encode()
        except (ValueError, RecursionError):
            return self._broken_json(body)

    def _carried(self, value: str) -> str:
        """A value that is a secret, also behind a scheme (`Bearer …`), or that has a long one in it."""
        if not self.secrets.isdisjoint((value, value.rpartition(" ")[2])):
            return MASK
        for form in self.text_forms:
            value = value.replace(form, MASK)
        return value

    def _may_hold_secret(self, body: bytes, *, is_json: bool) -> bool:
        if not (self.keys or self.long):
            return False
        if not self.is_searchable or (is_json and _ESCAPED_ASCII.search(body)):
            return True
        plain = body.replace(b"\\/", b"/") if is_json else body + unquote_to_bytes(body.replace(b"+", b" "))
        lowered = plain.lower()
        return any(key in lowered for key in self.key_bytes) or any(form in plain for form in self.byte_forms)

    def _json(self, value: Any, *, is_secret: bool = False) -> Any:
        if isinstance(value, dict):
            return {
                self._text(name): self._json(item, is_secret=is_secret or name.casefold() in self.keys)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._json(item, is_secret=is_secret) for item in value]
        if value is None:
            return None
        if is_secret or (not isinstance(value, str) and json.dumps(value) in self.long):
            return MASK
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if self.words is None or not any(secret in text for secret in self.long):
            return text
        return self._bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _bytes(self, body: bytes) -> bytes:
        return self.words.sub(MASK.encode(), body) if self.words else body

    def _form(self, body: bytes) -> bytes:
        pairs = (pair.partition("=") for pair in body.decode("latin-1").split("&"))
        masked = [f"{self._part(name)}{sep}{self._form_value(name, value)}" for name, sep, value in pairs]
        return "&".join(masked).encode("latin-1")

    def _form_value(self, name: str, value: str) -> str:
        return MASK if value and unquote_plus(name).casefold() in self.keys else self._part(value)

    def _part(self, raw: str) -> str:
        plain = unquote_to_bytes(raw.replace("+", " ").encode("latin-1"))
        masked = self._bytes(plain)
        return raw if masked == plain else quote_plus(masked, safe=MASK)

    def _xml(self, body: bytes) -> bytes:
        if self.key_bytes:
            keyed = _XML % b"|".join(map(re.escape, self.key_bytes))
            body = re.sub(keyed, rb"\1" + MASK.encode(), body, flags=re.IGNORECASE)
        return self._bytes(body)

    def _broken_json(self, body: bytes) -> bytes:
        if self.key_bytes:
            keyed = _KEYED % b"|".join(map(re.escape, self.key_bytes))
            body = re.sub(keyed, rb'\1"' + MASK.encode() + b'"', body, flags=re.IGNORECASE)
        return self._bytes(body)
