"""The `Api` given to adapters: one connection's HTTP calls, with time-outs, rate limit, breaker and clean errors."""

from __future__ import annotations

import json as json_library
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter

from connector.adapter_kit.contract import Answer
from connector.adapter_kit.rest import in_one_line
from connector.core.errors import CrmRefused, CrmUnavailable
from connector.runtime.throttle import CircuitBreaker, RateLimiter

THREADS: Final = 16
LARGEST_BODY: Final = 10_000_000
LONGEST_RETRY_AFTER: Final = 3600.0
_CHUNK: Final = 65_536
_EXCERPT: Final = 200
_EXCERPT_READ: Final = 16_384
_TELLING: Final = 8
"""A part of a secret address of this many characters is masked by itself: some systems repeat only the code in it."""


def new_session() -> requests.Session:
    """A session that keeps connections for `THREADS` threads, retries nothing, keeps no cookie and no environment."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = HTTPAdapter(pool_connections=THREADS, pool_maxsize=THREADS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class StoredValues(Protocol):
    """The lasting memory of a connection: see `Api`."""

    def set(self, name: str, value: str) -> None:
        """Store a value."""
        ...

    def get(self, name: str) -> str | None:
        """The stored value."""
        ...


class HttpApi:
    """The `Api` of one connection; safe to be used by `THREADS` threads at once.

    `timeouts`: seconds for connecting and for each read; `longest`: seconds for reading a whole answer, by the
    monotonic `clock`. `secrets`: what is masked wherever the system's words enter a message. A message names the HTTP
    method and the host, never the address, which holds the secret in some systems.
    """

    def __init__(
        self,
        connection: str,
        *,
        session: requests.Session | None,
        limiter: RateLimiter,
        breaker: CircuitBreaker,
        user_agent: str,
        clock: Callable[[], float],
        memo: dict[str, Any],
        stored: StoredValues,
        secrets: Sequence[str] = (),
        timeouts: tuple[float, float] = (3.05, 30.0),
        longest: float = 60.0,
    ) -> None:
        self._connection = connection
        self._session = session or new_session()
        self._limiter = limiter
        self._breaker = breaker
        self._user_agent = user_agent
        self._clock = clock
        self._memo = memo
        self._stored = stored
        self._plain = set(secrets)
        self._secrets = _forms(self._plain)
        self._timeouts = timeouts
        self._longest = longest

    @property
    def memo(self) -> dict[str, Any]:
        """The connection's cache, as it was given."""
        return self._memo

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request. Raises `CrmUnavailable` (try later) and `CrmRefused` (no URL, answer too large)."""
        rest = self._breaker.admit()
        if rest > 0:
            message = f"{self._connection}: left alone for {rest:.0f} s after repeated failures"
            raise CrmUnavailable(message, rest)
        self._limiter.wait()
        try:
            answer = self._send(method, url, json=json, data=data, params=params, headers=headers)
        except CrmUnavailable as error:
            self._breaker.failed(error.retry_after)
            raise
        if answer.status not in {401, 403}:
            self._breaker.succeeded()
        return answer

    def set_secret(self, name: str, value: str) -> None:
        """As `Api.set_secret`; the value is masked in messages from now on."""
        self._mask(value)
        self._stored.set(name, value)

    def get_secret(self, name: str) -> str | None:
        """As `Api.get_secret`; the value is masked in messages from now on."""
        value = self._stored.get(name)
        if value is not None:
            self._mask(value)
        return value

    def _mask(self, value: str) -> None:
        if value not in self._plain:
            self._plain = {*self._plain, value}
            self._secrets = _forms(self._plain)

    def _send(self, method: str, url: str, *, headers: Mapping[str, str] | None, **content: Any) -> Answer:
        place, wrong = method, ""
        try:
            place = f"{method} {urlsplit(url).hostname}"
            with self._session.request(
                method,
                url,
                headers={"User-Agent": self._user_agent, **(headers or {})},
                timeout=self._timeouts,
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                return self._read(response, place)
        except (ValueError, requests.RequestException) as error:
            wrong = type(error).__name__
            is_unsendable = isinstance(error, ValueError)
        # Raised outside of the handler: the libraries' errors quote the address, which must not stay in the context.
        if is_unsendable:
            message = f"{place}: the request cannot be sent ({wrong}); check the connection's address and credentials"
            raise CrmRefused(message)
        message = f"{place}: no answer ({wrong})"
        raise CrmUnavailable(message)

    def _read(self, response: requests.Response, place: str) -> Answer:
        is_error = response.status_code == requests.codes.too_many_requests or response.status_code >= 500  # noqa: PLR2004 - every server error
        body = self._body(response, place, _EXCERPT_READ if is_error else None)
        if is_error:
            message = f"{place}: answered {response.status_code}: {self._excerpt(body)}".removesuffix(": ")
            raise CrmUnavailable(message, _retry_after(response.headers))
        return Answer(status=response.status_code, headers=response.headers, body=body)

    def _body(self, response: requests.Response, place: str, enough: int | None) -> bytes:
        body, end = bytearray(), self._clock() + self._longest
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if enough is not None and len(body) >= enough:
                break
            if len(body) > LARGEST_BODY:
                message = f"{place}: the answer is larger than {LARGEST_BODY // 1_000_000} MB"
                raise CrmRefused(message)
            if self._clock() > end:
                message = f"{place}: the answer was not complete after {self._longest:.0f} s"
                raise CrmUnavailable(message)
        return bytes(body)

    def _excerpt(self, body: bytes) -> str:
        text = body.decode(errors="replace")
        if self._secrets is not None:
            text = self._secrets.sub("***", text)
        return in_one_line(text, _EXCERPT)


def _forms(secrets: Collection[str]) -> re.Pattern[str] | None:
    """A pattern of the secrets and of the telling parts of those that are addresses, as JSON and URLs write them."""
    plain = {part for secret in secrets for part in re.split(r"[/?&=]", secret) if len(part) >= _TELLING} | set(secrets)
    written = {
        form
        for secret in plain
        for form in (
            secret,
            quote(secret, safe=""),
            json_library.dumps(secret)[1:-1],
            json_library.dumps(secret)[1:-1].replace("/", "\\/"),
        )
        if form
    }
    return re.compile("|".join(re.escape(form) for form in sorted(written, key=len, reverse=True))) if written else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """From seconds, or an HTTP date beside the answer's own `Date` (RFC 9110, 10.2.3); None: absent or unreadable."""
    given = headers.get("Retry-After", "").strip()
    try:
        seconds = float(given) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", given) else _until(given, headers)
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _until(given: str, headers: Mapping[str, str]) -> float:
    until, now = parsedate_to_datetime(given), parsedate_to_datetime(headers.get("Date", ""))
    return (until - now).total_seconds()
