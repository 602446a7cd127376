"""More than 100 malformed requests, each with its answer: in the application, and through a real server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from flask.testing import FlaskClient

from connector.operations.doctor import balance, is_balanced
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import quarantine
from connector.web.app import create_app
from tests.conftest import NOW, Clock
from tests.server import exchange, serving, written
from tests.web.answers import PAGE, add_connections, answer_page, told
from tests.web.malformed import MALFORMED, PORTAL, RESTING, ROBOT_TOKEN, SECRET, SHOP, TOKEN, Malformed

THREADS: Final = 4


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path, redis_url: str) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("malformed")
    (folder / "connector.sqlite").write_bytes(_sqlite_template.read_bytes())
    runtime = Runtime(read_config({"CONNECTOR_DATA_DIR": str(folder), "REDIS_URL": redis_url}, folder), Clock())
    add_connections(runtime)
    yield create_app(runtime.config, runtime).test_client()
    runtime.close()


def test_there_are_more_than_a_hundred_and_each_has_its_own_name() -> None:
    assert len({one.name for one in MALFORMED}) == len(MALFORMED) > 100


@pytest.mark.parametrize("one", MALFORMED, ids=lambda one: one.name)
def test_a_malformed_request_gets_its_answer(client: FlaskClient, one: Malformed) -> None:
    answer = told(client, one, NOW)
    assert (answer.status, answer.reason) == (one.status, one.reason)
    if one.method == "HEAD":
        return
    if one.status == 202:
        assert answer.refused
        return
    assert answer.content_type == "application/problem+json"
    assert answer.detail
    assert not any(secret in answer.detail for secret in (SECRET, TOKEN, ROBOT_TOKEN))


def test_405_says_what_is_allowed_and_503_when_to_come_again(client: FlaskClient) -> None:
    assert client.get(f"/webhooks/{SHOP}").headers["Allow"] == "POST, PUT, PATCH"
    assert client.post("/readyz").headers["Allow"] == "GET, HEAD, OPTIONS"
    assert client.post(f"/webhooks/{RESTING}").headers["Retry-After"] == "30"


def test_on_any_database_they_get_the_same_answers_and_the_account_balances(runtime: Runtime) -> None:
    add_connections(runtime)
    client = create_app(runtime.config, runtime).test_client()
    for one in MALFORMED:
        answer = told(client, one, NOW)
        assert (one.name, answer.status, answer.reason) == (one.name, one.status, one.reason)
    accepted = sum(one.status == 202 for one in MALFORMED)
    book = balance(runtime)
    assert {name: page["accepted"] for name, page in book.items()} == {SHOP: accepted}
    assert is_balanced(book[SHOP])
    with runtime.database.read() as connection:
        quarantined = quarantine.count(connection)
    of = {
        name: [one for one in MALFORMED if one.status in {400, 401} and one.connection == name]
        for name in (SHOP, PORTAL)
    }
    assert quarantined == {name: len(kept) for name, kept in of.items()}


def test_the_page_of_answers_is_up_to_date(client: FlaskClient) -> None:
    assert PAGE.read_text("utf-8") == answer_page(client, NOW), "run `python -m tests.web.answers`"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, _sqlite_template: Path, redis_url: str) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "connector.sqlite").write_bytes(_sqlite_template.read_bytes())
    environ = {"CONNECTOR_DATA_DIR": str(folder), "REDIS_URL": redis_url}
    runtime = Runtime(read_config(environ, folder))
    add_connections(runtime)
    runtime.close()
    with serving(folder, environ, threads=THREADS) as found:
        yield found


def test_through_a_real_server_they_get_the_same_answers(port: int) -> None:
    for one in MALFORMED:
        now = datetime.now(UTC)
        status, head, body = exchange(port, written(one.method, one.target, one.all_headers(now), one.content()))
        assert (one.name, status) == (one.name, one.status)
        if one.reason and one.method != "HEAD":
            assert b"content-type: application/problem+json" in head
            assert (one.name, json.loads(body)["type"]) == (one.name, f"urn:connector:{one.reason}")


GOOD: Final = Malformed(name="good", status=202)


def _good(**headers: str) -> tuple[bytes, bytes]:
    """Head and body of a good request, without Content-Length."""
    given = {**GOOD.all_headers(datetime.now(UTC)), "host": "localhost", "connection": "close", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items())
    return f"POST {GOOD.target} HTTP/1.1\r\n{head}".encode(), GOOD.content()


def _chunks(body: bytes, size: int = 20) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def test_a_body_in_chunks_is_read(port: int) -> None:
    head, body = _good(transfer_encoding="chunked")
    assert exchange(port, head + b"\r\n", _chunks(body) + b"0\r\n\r\n")[0] == 202


def test_a_body_in_chunks_above_the_limit_is_refused(port: int) -> None:
    head, _ = _good(transfer_encoding="chunked")
    assert exchange(port, head + b"\r\n", _chunks(b"x" * 1_100_000, 50_000))[0] == 413


def test_a_body_that_ends_early_is_not_taken_for_a_whole_one(port: int) -> None:
    head, body = _good()
    status, _, answer = exchange(port, head + b"content-length: %d\r\n\r\n" % (len(body) + 1), body, is_ended=True)
    assert (status, json.loads(answer)["type"]) == (400, "urn:connector:truncated")


def test_a_form_that_ends_early_is_refused_although_its_token_is_right(port: int) -> None:
    one = Malformed(name="form", status=400, connection=PORTAL)
    whole = written("POST", one.target, one.all_headers(NOW), one.content() + b"&more=1")
    status, _, answer = exchange(port, whole[:-7], is_ended=True)
    assert (status, json.loads(answer)["type"]) == (400, "urn:connector:truncated")


def test_chunks_that_end_early_do_not_pass_the_signature(port: int) -> None:
    head, body = _good(transfer_encoding="chunked")
    assert exchange(port, head + b"\r\n", _chunks(body)[:-30], is_ended=True)[0] == 401
    assert exchange(port, head + b"\r\n", b"zz\r\n" + body)[0] == 401


@pytest.mark.parametrize(
    ("name", "raw", "status"),
    [
        ("two lengths", b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd", 400),
        ("a negative length", b"content-length: -3\r\n\r\nabc", 400),
        ("a length in words", b"content-length: three\r\n\r\nabc", 400),
        ("a length of 30 digits", b"content-length: 999999999999999999999999999999\r\n\r\nabc", 400),
        ("a length above the limit and no body", b"content-length: 99999999999\r\n\r\n", 413),
        ("a space in a header's name", b"we bhook: 1\r\n\r\n", 400),
        ("a header without a name", b": 1\r\n\r\n", 400),
        ("NUL in a header", b"x-a: a\0b\r\n\r\n", 400),
        ("300 headers", b"".join(b"x-%d: 1\r\n" % number for number in range(300)) + b"\r\n", 431),
        ("a header that is not UTF-8", b"webhook-id: \xff\xfe\r\ncontent-type: application/json\r\n\r\n", 401),
        ("no end of the head", b"x-a: 1\r\n", 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_head_is_answered_by_the_server_itself(port: int, name: str, raw: bytes, status: int) -> None:
    head = b"POST /webhooks/shop HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    assert exchange(port, head + raw, is_ended=name == "no end of the head")[0] == status


def test_a_head_of_two_megabytes_is_refused_however_much_of_the_answer_arrives(port: int) -> None:
    head = b"POST /webhooks/shop HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    assert exchange(port, head + b"x-a: " + b"a" * 2_000_000 + b"\r\n\r\n")[0] in {0, 431}


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"hello\r\n\r\n",
        b"POST\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nconnection: close\r\n\r\n",
    ],
    ids=["TLS", "a word", "half a request line", "a path that is not UTF-8"],
)
def test_what_is_no_http_is_answered_by_the_server_itself(port: int, raw: bytes) -> None:
    assert exchange(port, raw)[0] == 400


def test_a_request_in_small_pieces_is_taken(port: int) -> None:
    head, body = _good()
    whole = head + b"content-length: %d\r\n\r\n" % len(body) + body
    assert exchange(port, *(whole[start : start + 7] for start in range(0, len(whole), 7)))[0] == 202


def test_senders_that_stop_in_mid_body_take_a_thread_each_and_leave_the_others_alone(port: int) -> None:
    head, body = _good()
    raw = head + b"content-length: %d\r\n\r\n" % len(body)
    with ExitStack() as stack:
        for _ in range(THREADS - 1):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            line.sendall(raw + body[:20])
        assert [exchange(port, raw, body)[0] for _ in range(5)] == [202] * 5
    assert exchange(port, raw, body)[0] == 202


def test_after_all_of_this_the_server_still_serves(port: int) -> None:
    assert exchange(port, written("GET", "/readyz", {}, b""))[0] == 200
    head, body = _good()
    assert exchange(port, head + b"content-length: %d\r\n\r\n" % len(body), body)[0] == 202
