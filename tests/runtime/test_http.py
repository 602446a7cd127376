"""The Api given to adapters: answers, translated errors, clean messages, kept connections."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest
import requests
import responses
from responses import matchers

from connector.core.errors import CrmRefused, CrmUnavailable
from connector.runtime.http import LARGEST_BODY, HttpApi, new_session
from connector.runtime.retry import RetryPolicy
from connector.runtime.throttle import CircuitBreaker, RateLimiter

TEN_SECONDS = RetryPolicy(first=timedelta(seconds=10), most=timedelta(seconds=600), is_least=True)
SECRET = "k3yk3yk3yk3y"
URL = f"https://portal.example/rest/1/{SECRET}/crm.item.update"


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Memory:
    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        self.kept[name] = value

    def get(self, name: str) -> str | None:
        return self.kept.get(name)


def api_of(**changes: Any) -> HttpApi:
    clock = Clock()
    given: dict[str, Any] = {
        "session": None,
        "limiter": RateLimiter("tokyo", (100, 1), redis=None, clock=clock, sleep=clock.sleep),
        "breaker": CircuitBreaker("tokyo", redis=None, clock=clock, threshold=3, retry=TEN_SECONDS),
        "user_agent": "connector/0.1",
        "clock": clock,
        "memo": {},
        "stored": Memory(),
        "secrets": (SECRET,),
    }
    return HttpApi("tokyo", **(given | changes))


def failure(api: HttpApi, method: str = "POST", url: str = URL, **content: Any) -> CrmUnavailable:
    with pytest.raises(CrmUnavailable) as caught:
        api.call(method, url, **content)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    return caught.value


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.mark.parametrize("status", [200, 201, 206, 302, 400, 401, 403, 404, 408, 422, 499])
def test_an_answer_below_500_but_429_is_returned_as_it_is(web: responses.RequestsMock, status: int) -> None:
    web.post(URL, body=b'{"a": 1}', status=status, headers={"Location": "https://elsewhere.example/", "X-A": "b"})
    answer = api_of().call("POST", URL, json={"id": 1})
    assert (answer.status, answer.json(), answer.headers["x-a"]) == (status, {"a": 1}, "b")
    assert len(web.calls) == 1


def test_json_forms_parameters_and_headers_reach_the_system(web: responses.RequestsMock) -> None:
    agent = matchers.header_matcher({"User-Agent": "connector/0.1", "X-Key": "1"})
    web.put(URL, match=[agent, matchers.json_params_matcher({"a": [1]}), matchers.query_param_matcher({"q": "x y"})])
    web.post(URL, match=[matchers.urlencoded_params_matcher({"a": "b"})])
    web.patch(URL, match=[matchers.header_matcher({"Content-Type": "text/xml"})])
    api = api_of()
    statuses = [
        api.call("PUT", URL, json={"a": [1]}, params={"q": "x y"}, headers={"X-Key": "1"}).status,
        api.call("POST", URL, data={"a": "b"}).status,
        api.call("PATCH", URL, data=b"<a/>", headers={"Content-Type": "text/xml"}).status,
    ]
    assert statuses == [200, 200, 200]


def test_the_memo_is_the_dictionary_that_was_given() -> None:
    memo: dict[str, Any] = {}
    assert api_of(memo=memo).memo is memo


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_429_and_5xx_mean_later(web: responses.RequestsMock, status: int) -> None:
    web.post(URL, status=status)
    error = failure(api_of())
    assert (str(error), error.retry_after) == (f"POST portal.example: answered {status}", None)


def test_the_system_s_own_words_enter_the_message_without_the_secret(web: responses.RequestsMock) -> None:
    web.post(URL, status=503, json={"error": "QUERY_LIMIT_EXCEEDED", "echo": f"/rest/1/{SECRET}/"})
    assert str(failure(api_of())) == (
        'POST portal.example: answered 503: {"error": "QUERY_LIMIT_EXCEEDED", "echo": "/rest/1/***/"}'
    )


@pytest.mark.parametrize(
    ("secret", "body"),
    [
        (f"https://portal.example/rest/1/{SECRET}/", f"no such hook: {SECRET}"),
        (f"1/{SECRET}", f'{{"hook": "1\\/{SECRET}"}}'),
        (f"a b+{SECRET}", f"key=a%20b%2B{SECRET}"),
        (f'"{SECRET}\n', f'{{"key": "\\"{SECRET}\\n"}}'),
    ],
)
def test_a_secret_is_masked_however_it_is_written(web: responses.RequestsMock, secret: str, body: str) -> None:
    web.post(URL, status=500, body=body)
    message = str(failure(api_of(secrets=("", secret))))
    assert "***" in message


def test_the_system_s_words_are_cut_after_masking_and_hold_no_control_characters(web: responses.RequestsMock) -> None:
    web.post(URL, status=500, body=("a" * 195 + SECRET + "\r\n\x1b[31m" * 9999).encode() + b"\xff")
    message = str(failure(api_of()))
    assert message == "POST portal.example: answered 500: " + "a" * 195 + "*** ["
    web.get(URL, status=500, body="bad\r\n\x1b[31mgateway")
    assert str(failure(api_of(secrets=()), "GET")).endswith("500: bad [31mgateway")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("99999", 3600.0),
        ("Sun, 22 Nov 2026 10:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Sun, 22 Nov 2026 10:01:00 -0000", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date_and_bounded(
    web: responses.RequestsMock, given: str, expected: float | None
) -> None:
    web.post(URL, status=429, headers={"Retry-After": given, "Date": "Sun, 22 Nov 2026 10:00:00 GMT"})
    assert failure(api_of()).retry_after == expected


def test_a_retry_date_without_the_answer_s_own_date_is_not_guessed(web: responses.RequestsMock) -> None:
    web.post(URL, status=429, headers={"Retry-After": "Sun, 22 Nov 2026 10:01:00 GMT"})
    assert failure(api_of()).retry_after is None


@pytest.mark.parametrize(
    ("problem", "word"),
    [
        (requests.ConnectTimeout(f"url: /rest/1/{SECRET}"), "ConnectTimeout"),
        (requests.ReadTimeout(SECRET), "ReadTimeout"),
        (requests.ConnectionError(SECRET), "ConnectionError"),
        (requests.exceptions.SSLError(SECRET), "SSLError"),
        (requests.exceptions.ChunkedEncodingError(SECRET), "ChunkedEncodingError"),
    ],
)
def test_no_answer_means_later(web: responses.RequestsMock, problem: Exception, word: str) -> None:
    web.post(URL, body=problem)
    assert str(failure(api_of())) == f"POST portal.example: no answer ({word})"


@pytest.mark.parametrize(
    ("url", "headers", "place"),
    [
        (f"portal.example/rest/1/{SECRET}/", {}, "POST None: the request cannot be sent (MissingSchema)"),
        (f"ftp://portal.example/{SECRET}/", {}, "POST portal.example: the request cannot be sent (InvalidSchema)"),
        (f"https://[portal/{SECRET}", {}, "POST: the request cannot be sent (ValueError)"),
        (URL, {"X-Key": f"{SECRET}\n"}, "POST portal.example: the request cannot be sent (InvalidHeader)"),
    ],
)
def test_a_request_that_cannot_be_sent_is_refused_without_its_secrets(
    url: str, headers: dict[str, str], place: str
) -> None:
    with pytest.raises(CrmRefused) as caught:
        api_of().call("POST", url, headers=headers)
    assert str(caught.value) == f"{place}; check the connection's address and credentials"
    assert caught.value.__context__ is None


def test_an_answer_of_more_than_10_mb_is_refused(web: responses.RequestsMock) -> None:
    web.get(URL, body=b"a" * LARGEST_BODY)
    web.post(URL, body=b"a" * (LARGEST_BODY + 1))
    api = api_of()
    assert len(api.call("GET", URL).body) == LARGEST_BODY
    with pytest.raises(CrmRefused, match=r"^POST portal\.example: the answer is larger than 10 MB$"):
        api.call("POST", URL)


def test_an_answer_that_trickles_is_given_up(web: responses.RequestsMock) -> None:
    web.post(URL, body=b"a" * 200_000)
    ticks = count(0.0, 50.0)
    error = failure(api_of(clock=lambda: next(ticks)))
    assert str(error) == "POST portal.example: the answer was not complete after 60 s"


def test_after_failures_in_a_row_the_system_is_left_alone_without_a_request(web: responses.RequestsMock) -> None:
    web.post(URL, status=500)
    clock = Clock()
    api = api_of(breaker=CircuitBreaker("tokyo", redis=None, clock=clock, threshold=3, retry=TEN_SECONDS))
    for _ in range(3):
        failure(api)
    error = failure(api)
    assert (str(error), error.retry_after) == ("tokyo: left alone for 10 s after repeated failures", 10.0)
    assert len(web.calls) == 3
    clock.now += 10
    web.replace("POST", URL, json={})
    assert [api.call("POST", URL).status for _ in range(2)] == [200, 200]


def test_a_refusal_is_no_failure_and_missing_rights_forget_none(web: responses.RequestsMock) -> None:
    web.post(URL, status=500)
    web.put(URL, status=401)
    web.get(URL, status=400)
    api = api_of()
    failure(api)
    failure(api)
    api.call("GET", URL)
    failure(api)
    failure(api)
    api.call("PUT", URL)
    failure(api)
    assert "left alone" in str(failure(api, "GET"))


def test_a_call_waits_for_the_rate_limit(web: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
    web.get(URL)
    clock = Clock()
    monkeypatch.setattr("time.time", clock)
    limiter = RateLimiter("tokyo", (2, 1), redis=None, clock=clock, sleep=clock.sleep)
    api = api_of(limiter=limiter)
    start = clock.now
    for _ in range(5):
        api.call("GET", URL)
    assert clock.now - start == pytest.approx(2.0, abs=0.05)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.connections.add(self.client_address)  # type: ignore[attr-defined]
        self.send_response(302)
        self.send_header("Location", "/again")
        self.send_header("Set-Cookie", "a=b; Path=/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}" if "Cookie" not in self.headers else b"[]")

    def log_message(self, *_: Any) -> None:
        pass


def test_connections_are_kept_redirects_not_followed_and_cookies_not_sent() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.connections = set()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with new_session() as session:
            api = api_of(session=session)
            answers = [api.call("GET", f"http://127.0.0.1:{server.server_port}/") for _ in range(3)]
        server.shutdown()
    assert [(answer.status, answer.body) for answer in answers] == [(302, b"{}")] * 3
    assert len(server.connections) == 1  # type: ignore[attr-defined]
