"""The REST interface of an emulated Bitrix24 portal as a Flask application: addresses, errors, limits and faults."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias

from flask import Flask, Response, request

from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.batch import run_batch
from connector.emulators.bitrix24.items import Call, Found
from connector.emulators.bitrix24.methods import error_body, invoke
from connector.emulators.bitrix24.php import as_array, parse_pairs, parse_query
from connector.emulators.bitrix24.records import Refused
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Bucket, Faults, Tally, dice
from connector.emulators.engine.gate import halve

_PAGE: Final = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
Caller: TypeAlias = tuple[int, Application | None]
_UPDATES: Final = frozenset({"crm.item.update", "crm.automation.trigger"})


class Rest:
    """Answers REST requests. `secrets`: webhook secret → the user it belongs to; it may be changed while it runs.

    `application`: the one that is installed; its requests carry an access token in place of user and secret.
    `limits_operation`: answers name the operating time that is left, as those of a portal on premises do not.
    """

    def __init__(
        self,
        portal: Portal,
        *,
        secrets: Mapping[str, int],
        faults: Faults,
        tally: Tally,
        application: Application | None = None,
    ) -> None:
        self.portal, self.faults, self.tally = portal, faults, tally
        self.secrets, self.application = dict(secrets), application
        self.limits_operation = True
        self._bucket = Bucket(portal.now)

    def issue(self) -> Response:
        """The answer of the OAuth server to the current request."""
        self.tally.add("oauth.requests")
        if self.application is None or self.faults.has_bad_credentials:
            return _json({"error": "invalid_client", "error_description": "Client not found"}, 401)
        status, body = self.application.issue(_parameters())
        return _json(body, status)

    def answer(self, method: str, user: str | None = None, secret: str = "") -> Response:
        """The answer to the current request, faults included."""
        number = self.tally.add("rest.requests")
        drawn = dice(self.faults.seed, "rest", number)
        shares = ("query_limit", "server_error", "lost_answer", "slow")
        hit = {name for name in shares if drawn.random() < getattr(self.faults, name)}
        if self.faults.moved_to:
            return Response("<html>Moved</html>", 302, {"Location": self.faults.moved_to + request.full_path})
        if "server_error" in hit:
            self.tally.add("rest.faults.server_error")
            return Response(_PAGE, 502)
        try:
            response = self._work(user, secret, method.removesuffix("/").removesuffix(".json"), hit)
        except Refused as error:
            self.tally.add(f"rest.errors.{error.code or error.text}")
            response = _json(error_body(error), error.status)
        return self._send(response, hit)

    def _work(self, user: str | None, secret: str, method: str, hit: set[str]) -> Response:
        params = _parameters()
        caller = self._caller(user, secret, params)
        if "query_limit" in hit or (self.faults.is_rate_limited and not self._bucket.admit()):
            raise Refused(code="QUERY_LIMIT_EXCEEDED", text="Too many requests", status=503)
        started = self._time()
        if method.lower() == "batch":
            self.tally.add("rest.calls.batch")
            result = run_batch(params, partial(self._run, caller), lambda: self._time(has_operating=True))
            return _json({"result": result, "time": started})
        found = self._run(caller, method, params)
        counts = {"next": found.next, "total": found.total}
        body = {"result": found.result, **{name: value for name, value in counts.items() if value is not None}}
        return _json({**body, "time": self._time(has_operating=True)})

    def _caller(self, user: str | None, secret: str, params: Mapping[str, Any]) -> Caller:
        """User, and the application whose token it is; raises `Refused`."""
        if user is not None:
            if self.faults.has_bad_credentials or str(self.secrets.get(secret)) != user:
                raise Refused(code="INVALID_CREDENTIALS", text="Invalid request credentials", status=401)
            return int(user), None
        if self.application is None or not params.get("auth"):
            raise Refused(code="NO_AUTH_FOUND", text="Wrong authorization data", status=401)
        if self.faults.has_bad_credentials:
            raise Refused(code="invalid_token", text="Unable to get application by token", status=401)
        self.application.check(str(params["auth"]))
        return self.application.user, self.application

    def _run(self, caller: Caller, method: str, params: Mapping[str, Any]) -> Found:
        (user, application), name = caller, method.lower()
        calls = self.tally.add(f"rest.calls.{name}")
        if name in self.faults.blocked:
            raise Refused(code="OPERATION_TIME_LIMIT", text="Method is blocked due to operation time limit", status=429)
        is_lying = name in _UPDATES and dice(self.faults.seed, name, calls).random() < self.faults.lying
        if is_lying:
            self.tally.add("rest.faults.lying")
        return invoke(
            method, Call(portal=self.portal, params=params, user=user, is_lying=is_lying, application=application)
        )

    def _send(self, response: Response, hit: set[str]) -> Response:
        if "slow" in hit:
            self.tally.add("rest.faults.slow")
            time.sleep(self.faults.slow_seconds)
        if "lost_answer" in hit:
            self.tally.add("rest.faults.lost_answer")
            return Response(_PAGE, 502)
        return response

    def _time(self, *, has_operating: bool = False) -> dict[str, Any]:
        now = self.portal.now()
        start, shown = now.timestamp(), now.astimezone(self.portal.zone).isoformat(timespec="seconds")
        reset = int((now + timedelta(minutes=10)).timestamp())
        return {
            "start": start,
            "finish": start + 0.01,
            "duration": 0.01,
            "processing": 0.008,
            "date_start": shown,
            "date_finish": shown,
            **({"operating_reset_at": reset, "operating": 0} if has_operating and self.limits_operation else {}),
        }


def _parameters() -> dict[str, Any]:
    """Query and body together; a JSON body that cannot be read is no parameters at all, as with the real one."""
    params = dict(parse_pairs(request.args.items(multi=True)))
    if request.is_json:
        return params | as_array(request.get_json(silent=True))
    return params | parse_query(request.get_data(as_text=True))


def _json(body: Mapping[str, Any], status: int = 200) -> Response:
    text = json.dumps(body).replace("/", "\\/").replace("&", "\\u0026")
    return Response(text, status, content_type="application/json; charset=utf-8")


def create_app(rest: Rest) -> Flask:
    """`/rest/<user>/<secret>/<method>` for webhooks, `/rest/<method>` for applications, and the OAuth server."""
    app = Flask(__name__)
    app.after_request(partial(halve, rest.faults))
    app.add_url_rule("/oauth/token/", view_func=rest.issue, methods=["GET", "POST"], endpoint="oauth")
    app.add_url_rule("/rest/<method>", view_func=rest.answer, methods=["GET", "POST"], endpoint="application")
    app.add_url_rule(
        "/rest/<user>/<secret>/<path:method>", view_func=rest.answer, methods=["GET", "POST"], endpoint="rest"
    )
    app.register_error_handler(404, _method_not_found)
    return app


def _method_not_found(_error: Exception) -> Response:
    return _json(error_body(Refused(code="ERROR_METHOD_NOT_FOUND", text="Method not found!")), 404)
