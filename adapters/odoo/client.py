"""Calls methods of Odoo's models, by JSON-2 (Odoo 19 and later) or JSON-RPC, and says in one way what went wrong.

https://github.com/odoo/documentation/blob/master/content/developer/reference/external_api.rst and external_rpc_api.rst
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.contract import Api
from connector.adapter_kit.rest import Forbidden, RecordGone, body_of, refused
from connector.core.errors import AccessRefused, CrmError, CrmRefused, CrmUnavailable

PROTOCOLS: Final = ("json2", "jsonrpc")
_KEY: Final = "the API key is wrong or expired (keys live three months at most): make a new one in Odoo"
ADVICE: Final[Mapping[str, str]] = {
    "Unauthorized": _KEY,
    "AccessDenied": _KEY,
    "SessionExpiredException": _KEY,
    "AccessError": "give the user of the API key the right, or hand the record to somebody whose records it sees",
}
"""What to do about an exception, by the last part of its name."""
_REFUSALS: Final[Mapping[str, type[CrmRefused]]] = {
    "Unauthorized": AccessRefused,
    "AccessDenied": AccessRefused,
    "SessionExpiredException": AccessRefused,
    "AccessError": Forbidden,
}
PASSING: Final = frozenset({"LockError", "SerializationFailure", "DeadlockDetected", "LockNotAvailable"})
_OK: Final = 200
_NOT_FOUND: Final = 404
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One database of an Odoo server. `language`: of stage names; `login` is needed by JSON-RPC only."""

    api: Api
    url: str
    key: str
    database: str = ""
    login: str = ""
    protocol: str = PROTOCOLS[0]
    language: str = "en_US"

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **arguments: Any) -> Any:
        """What the method returns; archived records count. Raises `RecordGone`, `CrmRefused` and `CrmUnavailable`."""
        arguments["context"] = {"lang": self.language, "active_test": False}
        if self.protocol == "jsonrpc":
            return self._execute(model, method, ids, arguments)
        headers = {"Authorization": f"bearer {self.key}"}
        if self.database:
            headers["X-Odoo-Database"] = self.database
        body = arguments if ids is None else {"ids": list(ids), **arguments}
        answer = self.api.call("POST", f"{self._base()}/json/2/{model}/{method}", json=body, headers=headers)
        if answer.status == _OK:
            return answer.json()
        error = body_of(answer)
        if "name" not in error:
            advice = "check `url`, and before Odoo 19 set `protocol` to jsonrpc"
            message = f"{self._base()} answered {answer.status} to JSON-2: {advice}"
            raise refused(answer.status, message)
        raise self._error(error, f"{model}.{method}")

    def _execute(self, model: str, method: str, ids: Sequence[int] | None, arguments: dict[str, Any]) -> Any:
        args: list[Any] = [] if ids is None else [list(ids)]
        if "vals" in arguments:  # its name differs between versions
            args.append(arguments.pop("vals"))
        return self._rpc("object", "execute_kw", [self.database, self._uid(), self.key, model, method, args, arguments])

    def _uid(self) -> int:
        name = f"uid of {self.login}"
        if name not in self.api.memo:
            uid = self._rpc("common", "authenticate", [self.database, self.login, self.key, {}])
            if not uid:
                message = f"Odoo knows no user {self.login!r} with this key in the database {self.database!r}: {_KEY}"
                raise AccessRefused(message)
            self.api.memo[name] = uid
        found: int = self.api.memo[name]
        return found

    def _rpc(self, service: str, method: str, args: Sequence[Any]) -> Any:
        params = {"service": service, "method": method, "args": args}
        body = {"jsonrpc": "2.0", "method": "call", "params": params, "id": 1}
        answer = self.api.call("POST", f"{self._base()}/jsonrpc", json=body)
        reply = body_of(answer)
        error = reply.get("error")
        if not isinstance(error, dict):
            if answer.status == _OK and "error" not in reply:
                return reply.get("result")
            message = f"{self._base()} answered {answer.status} to JSON-RPC: check `url`"
            raise refused(answer.status, message)
        data = error.get("data")
        if error.get("code") == _NOT_FOUND or not isinstance(data, dict):
            data = {"name": "odoo.exceptions.NotFound", "message": error.get("message")}
        raise self._error(data, f"{args[3]}.{args[4]}" if service == "object" else method)

    def _error(self, error: Mapping[str, Any], what: str) -> CrmError:
        """The error by the name of Odoo's exception; its traceback (`debug`) stays where it is."""
        module, _, name = str(error.get("name")).rpartition(".")
        message = " ".join(str(error.get("message") or "").replace(self.key or "\0", "***").split())[:_SHOWN]
        text = ": ".join(part for part in (what, name, message, ADVICE.get(name, "")) if part)
        if name == "MissingError":
            return RecordGone(text)
        is_ours = module in {"odoo.exceptions", "builtins", "odoo.http"} or module.startswith("werkzeug")
        if name in PASSING or not is_ours:
            return CrmUnavailable(text)
        return _REFUSALS.get(name, CrmRefused)(text)

    def _base(self) -> str:
        return self.url.rstrip("/")
