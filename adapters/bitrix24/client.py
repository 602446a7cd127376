"""Calls Bitrix24's REST by an incoming webhook: a method, `batch` with a result per command, pages, error words.

https://apidocs.bitrix24.com/settings/how-to-call-rest-api/index.html and
https://apidocs.bitrix24.com/error-codes.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from adapters.bitrix24.address import at_origin, new_origin
from adapters.bitrix24.oauth import Access
from connector.adapter_kit.contract import Answer, Api
from connector.adapter_kit.rest import Forbidden, RecordGone, as_object, chunks
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

ERRORS: Final[Mapping[str, tuple[type[CrmError], str]]] = {
    "query_limit_exceeded": (CrmUnavailable, ""),
    "operation_time_limit": (CrmUnavailable, ""),
    "internal_server_error": (CrmUnavailable, ""),
    "error_unexpected_answer": (CrmUnavailable, ""),
    "method_confirm_waiting": (CrmUnavailable, "an administrator of the portal has to confirm the call"),
    "not_found": (RecordGone, ""),
    "not found": (RecordGone, ""),
    "target is not found": (RecordGone, ""),
    "overload_limit": (AccessRefused, "the portal's REST was switched off by hand: ask Bitrix24's support"),
    "invalid_credentials": (AccessRefused, "make a new incoming webhook and set webhook_url"),
    "expired_token": (AccessRefused, "make a new incoming webhook and set webhook_url"),
    "no_auth_found": (AccessRefused, "check webhook_url, or let an administrator authorise the application again"),
    "invalid_token": (
        AccessRefused,
        "let an administrator authorise the application again, and set refresh_token",
    ),
    "insufficient_scope": (AccessRefused, "the webhook or the application needs the scopes crm and user_basic"),
    "authorization_error": (AccessRefused, "the webhook's employee was dismissed: make one for another employee"),
    "access_denied": (Forbidden, "the webhook's employee lacks the right, or the plan has no REST"),
    "payment_required": (AccessRefused, "the portal's plan or trial has ended"),
    "error_method_not_found": (CrmRefused, "check webhook_url: https://<portal>/rest/<user id>/<secret>/"),
    "portal_deleted": (AccessRefused, "the portal was closed"),
}
"""Error code, or text where the code is empty, in lower case → what it means and what to do; others are refusals."""
PAGE: Final = 50
"""Rows per page of every list method, and commands per `batch` at most."""
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RESET_SECONDS: Final = (10.0, 600.0)
"""A blocked method rests at least so long (the vendor's SDK) and at most so long (ten buckets of a minute)."""
Command: TypeAlias = tuple[str, Mapping[str, Any]]
"""A method and its parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """One portal, called through `api`; `url` is the incoming webhook's, `size` the most commands in a batch.

    `access`: the application's; `url` is then that of the portal's REST.
    """

    api: Api
    url: str
    size: int = PAGE
    access: Access | None = None

    def call(self, method: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reply's body, with `result`. Raises `CrmUnavailable` and `CrmRefused`."""
        reply = self._post(method, parameters).json()
        if not isinstance(reply, dict) or ("result" not in reply and "error" not in reply):
            message = f"{method}: the answer is neither a result nor an error of Bitrix24"
            raise CrmUnavailable(message)
        if "result" not in reply:
            error = self._failure(method, reply, None)
            # What is not found by a call of its own is its method or address, not a record.
            raise CrmRefused(str(error)) if isinstance(error, RecordGone) else error
        return reply

    def batch(self, commands: Sequence[Command], *, most: int = PAGE) -> list[Any]:
        """The result of each command, or its error, in order; `most` commands go into one request.

        Raises `CrmUnavailable` and `CrmRefused` when a whole request fails.
        """
        return [result for chunk in chunks(commands, max(1, min(self.size, most))) for result in self._batch(chunk)]

    def pages(self, method: str, parameters: Mapping[str, Any], by: str) -> Iterator[list[Mapping[str, Any]]]:
        """The rows of a list method in pages by growing id (field `by`), without counting. Raises as `call` does."""
        last = 0
        while True:
            wanted = {**parameters["filter"], f">{by}": last}
            reply = self.call(method, {**parameters, "filter": wanted, "order": {by: "ASC"}, "start": -1})
            rows = as_object(reply["result"]).get("items") or []
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            if int(rows[-1][by]) <= last:
                message = f"{method}: the portal gives the same page again and again"
                raise CrmUnavailable(message)
            last = int(rows[-1][by])

    def _batch(self, commands: Sequence[Command]) -> list[Any]:
        # Keys that are no numbers: PHP would encode 0, 1, 2, … as a list, and a list with a gap as an object.
        lines = {f"c{place}": f"{method}?{query(values)}" for place, (method, values) in enumerate(commands)}
        reply = self.call("batch", {"halt": 0, "cmd": lines})
        results, errors, times = (
            as_object(as_object(reply["result"]).get(part)) for part in ("result", "result_error", "result_time")
        )
        now = as_object(reply.get("time")).get("finish")
        found: list[Any] = []
        for key, (method, _) in zip(lines, commands, strict=True):
            self._remember_reset(method, as_object(times.get(key)).get("operating_reset_at"))
            if key in errors or key not in results:
                found.append(self._failure(method, as_object(errors.get(key)), now))
            else:
                found.append(results[key])
        return found

    def _post(self, method: str, body: Mapping[str, Any]) -> Answer:
        if self.access is None:
            return self._send(method, body)
        return self.access.tokens().send(lambda token: self._send(method, {**body, "auth": token}), _is_expired)

    def _send(self, method: str, body: Mapping[str, Any]) -> Answer:
        origin = self.api.memo.get(f"origin of {self.url}")
        answer = self.api.call("POST", at_origin(self.url, origin) + method, json=dict(body))
        location = next((value for name, value in answer.headers.items() if name.casefold() == "location"), "")
        if answer.status not in _REDIRECTS or not (origin := new_origin(self.url, location)):
            return answer
        # A renamed cloud portal: the POST is repeated as it is, which redirecting HTTP clients do not do.
        self.api.memo[f"origin of {self.url}"] = origin
        return self.api.call("POST", at_origin(self.url, origin) + method, json=dict(body))

    def _failure(self, method: str, answer: Mapping[str, Any], now: Any) -> CrmError:
        if not answer:
            return CrmUnavailable(f"{method}: the portal left the command out of its answer")
        code, text = str(answer.get("error", "")).strip(), str(answer.get("error_description", "")).strip()
        known = ERRORS.get(code.casefold()) or ERRORS.get(text.rstrip(".").casefold())
        error, advice = known or (CrmRefused, "")
        reason = f"{method}: " + ": ".join(part for part in (code, text, advice) if part)
        is_blocked = code.casefold() == "operation_time_limit"
        return CrmUnavailable(reason, self._reset_in(method, now)) if is_blocked else error(reason)

    def _remember_reset(self, method: str, reset: Any) -> None:
        if isinstance(reset, int | float):
            self.api.memo[f"reset of {method}"] = reset

    def _reset_in(self, method: str, now: Any) -> float:
        """Seconds until the method's oldest minute drops out: from its last good reply, by the portal's own clock."""
        reset, (least, most) = self.api.memo.get(f"reset of {method}"), _RESET_SECONDS
        known = isinstance(reset, int | float) and isinstance(now, int | float)
        return min(max(reset - now, least), most) if known else least


def query(parameters: Mapping[str, Any]) -> str:
    """The parameters as PHP's `http_build_query` writes them; an empty list or None is an empty text: it clears."""
    return urlencode([pair for name, value in parameters.items() for pair in _pairs(name, value)])


def _pairs(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _pairs(f"{name}[{key}]", part)
    elif isinstance(value, bool):
        yield name, str(int(value))
    else:
        yield name, "" if value is None or isinstance(value, Mapping) else str(value)


def _is_expired(answer: Answer) -> bool:
    return answer.status != _OK and b'"expired_token"' in answer.body
