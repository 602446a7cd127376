"""The HTTP edge of intake: probes, limits, errors of any origin as problem documents, and no secret anywhere."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import inspect, text
from werkzeug.test import TestResponse

from adapters.standard import Standard
from connector.adapter_kit.contract import Delivery, Received, Reply
from connector.intake.quarantine import unseal
from connector.runtime import metrics
from connector.runtime.connections import Connections
from connector.runtime.log import configure_log
from connector.runtime.parts import Runtime
from connector.store import connections, deliveries, quarantine
from connector.store.database import Database
from connector.store.deliveries import DeliveryRow
from connector.web.app import create_app
from tests.conftest import NOW, plain_log
from tests.flow.senders import MAPPING, add_connection, signed
from tests.web.answers import PORTAL_SECRETS, add_connections
from tests.web.malformed import (
    FORM,
    LIMIT,
    MALFORMED,
    OTHER_SECRET,
    PORTAL,
    RESTING,
    ROBOT_TOKEN,
    SECRET,
    SHOP,
    TOKEN,
    line,
    lines,
    robot,
)
from tests.web.malformed import event as form


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    add_connections(runtime)
    return create_app(runtime.config, runtime).test_client()


def post(client: FlaskClient, body: bytes, key: str = "msg_1", **options: Any) -> TestResponse:
    headers = {**signed(body, key, NOW), **options.pop("headers", {})}
    return client.post(f"/webhooks/{SHOP}", data=body, headers=headers, **options)


def problem(answer: TestResponse) -> tuple[int, str]:
    """Status and type; a problem document has all its members."""
    assert answer.content_type == "application/problem+json"
    body = answer.get_json(force=True)
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == answer.status_code
    assert all(body.values())
    return answer.status_code, body["type"].removeprefix("urn:connector:")


def stored(runtime: Runtime) -> list[DeliveryRow]:
    with runtime.database.read() as connection:
        return deliveries.listed(connection)


def test_a_delivery_is_answered_as_its_system_expects_and_its_duplicate_the_same(client: FlaskClient) -> None:
    first = post(client, lines(line()))
    again = post(client, lines(line()))
    assert (first.status_code, first.get_json()) == (202, {"accepted": 1, "refused": []})
    assert (again.status_code, again.data) == (first.status_code, first.data)


def test_the_address_is_kept_as_it_was_sent_for_a_signature_that_covers_it(
    client: FlaskClient, runtime: Runtime
) -> None:
    query = f"a=%7E+b&&token={TOKEN}&%61=%2f"
    assert client.post(f"/webhooks/{SHOP}?{query}", data=b"{}", content_type="application/json").status_code == 401
    with runtime.database.read() as connection:
        (aside,) = quarantine.listed(connection)
    sealed = unseal(runtime.vault, aside.sealed)
    assert (sealed.path, sealed.query_string) == (f"/webhooks/{SHOP}", query)
    assert sealed.query == (("a", "~ b"), ("token", TOKEN), ("a", "/"))


def test_a_server_that_keeps_no_raw_path_has_it_encoded_anew(client: FlaskClient, runtime: Runtime) -> None:
    raw = {"REQUEST_URI": "", "RAW_URI": ""}
    client.post(f"/webhooks/{SHOP}", data=b"{}", content_type="application/json", environ_overrides=raw)
    with runtime.database.read() as connection:
        (aside,) = quarantine.listed(connection)
    assert unseal(runtime.vault, aside.sealed).path == f"/webhooks/{SHOP}"


def test_a_slash_behind_the_address_and_the_methods_of_senders_are_taken(client: FlaskClient, runtime: Runtime) -> None:
    body = lines(line())
    for number, (method, slash) in enumerate([("POST", "/"), ("PUT", ""), ("PATCH", "/")]):
        headers = signed(body, f"msg_{number}", NOW)
        answer = client.open(f"/webhooks/{SHOP}{slash}", method=method, data=body, headers=headers)
        assert answer.status_code == 202
    assert {row.key for row in stored(runtime)} == {"msg_0", "msg_1", "msg_2"}


@pytest.mark.parametrize(
    "given",
    [None, "", "text/plain; charset=utf-8", "text/json", "application/vnd.crm.v2+json", "application/cloudevents+json"],
)
def test_json_is_taken_whatever_its_sender_calls_it(client: FlaskClient, given: str | None) -> None:
    body = lines(line())
    headers = {**signed(body, "msg_1", NOW), "Content-Type": given}
    sent = {name: value for name, value in headers.items() if value is not None}
    assert client.post(f"/webhooks/{SHOP}", data=body, headers=sent).status_code == 202


def test_what_people_wrote_is_stored_as_it_is_though_a_secret_of_before_stands_in_it(
    client: FlaskClient, runtime: Runtime
) -> None:
    add_connection(runtime, "site", adapter="generic", secrets={"secret": ["acme"]}, mapping=MAPPING, proof="token")
    body = b'{"email": "hana@acme.example", "company": "acme", "token": "acme"}'
    headers = {"X-Signature": "acme", "Content-Type": "application/json"}
    assert client.post("/webhooks/site", data=body, headers=headers).status_code == 202
    with runtime.database.read() as connection:
        row = deliveries.get(connection, stored(runtime)[0].id)
    assert row is not None
    assert json.loads(row.body or b"") == {"email": "hana@acme.example", "company": "acme", "token": "***"}
    assert row.headers["x-signature"] == "***"


# Size and shape of the body


@pytest.mark.parametrize("is_terminated", [False, True], ids=["by length", "by the server"])
def test_a_body_of_just_the_limit_is_read_and_one_byte_more_is_not(client: FlaskClient, is_terminated: bool) -> None:  # noqa: FBT001
    environ = {"wsgi.input_terminated": True} if is_terminated else {}
    limit = json.dumps({"events": [line(fields={"text": "x"})]}).encode()
    body = limit + b" " * (LIMIT - len(limit))
    assert post(client, body, environ_overrides=environ).status_code == 202
    assert problem(post(client, body + b" ", environ_overrides=environ)) == (413, "too_large")


def test_a_body_without_length_is_read_to_the_limit_where_the_server_ends_it(client: FlaskClient) -> None:
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    assert post(client, lines(line()), environ_overrides=environ).status_code == 202
    large = io.BytesIO(b"x" * (LIMIT * 3))
    answer = client.post(f"/webhooks/{SHOP}", input_stream=large, environ_overrides=environ)
    assert problem(answer) == (413, "too_large")
    assert large.tell() <= LIMIT + 64 * 1024


def test_a_body_without_length_and_end_is_not_read_at_all(client: FlaskClient) -> None:
    endless = io.BytesIO(b"x" * 100)
    environ = {"CONTENT_LENGTH": "", "wsgi.input": endless}
    answer = client.post(f"/webhooks/{SHOP}", content_type="application/json", environ_overrides=environ)
    assert problem(answer) == (401, "bad_signature")
    assert endless.tell() == 0


def test_a_length_above_the_limit_is_refused_before_a_byte_is_read(client: FlaskClient) -> None:
    body = io.BytesIO(b"x" * 100)
    answer = client.post(f"/webhooks/{SHOP}", input_stream=body, environ_overrides={"CONTENT_LENGTH": str(LIMIT + 1)})
    assert problem(answer) == (413, "too_large")
    assert body.tell() == 0


@pytest.mark.parametrize("is_terminated", [False, True], ids=["noticed by the server", "not noticed by the server"])
def test_a_body_that_ends_early_is_refused(client: FlaskClient, runtime: Runtime, is_terminated: bool) -> None:  # noqa: FBT001
    environ = {"wsgi.input_terminated": True} if is_terminated else {}
    body = form()
    answer = client.post(
        f"/webhooks/{PORTAL}",
        input_stream=io.BytesIO(body),
        content_type=FORM,
        environ_overrides={**environ, "CONTENT_LENGTH": str(len(body) + 5)},
    )
    assert problem(answer) == (400, "truncated")
    assert stored(runtime) == []


class _Drips(io.RawIOBase):
    """Gives a byte at a time, as a slow line does."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._body.read(min(1, size))


def test_a_body_that_comes_in_drips_is_read_whole(client: FlaskClient) -> None:
    body = lines(line())
    environ = {"wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(body)), "wsgi.input": _Drips(body)}
    answer = client.post(f"/webhooks/{SHOP}", headers=signed(body, "msg_1", NOW), environ_overrides=environ)
    assert answer.status_code == 202


def test_content_types_are_compared_without_case_and_parameters(client: FlaskClient) -> None:
    body = lines(line())
    for given in ("Application/JSON", "application/json; charset=utf-8", " application/json ;x"):
        assert post(client, body, headers={"content-type": given}).status_code == 202
    assert post(client, body, headers={"content-encoding": "identity"}).status_code == 202


# Probes, and systems that fail


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting(Standard):
    """A system that probes, and whose adapter has a mistake."""

    def greet(self, delivery: Delivery) -> Reply | None:
        challenge = delivery.parameter("challenge")
        return Reply(status=200, body=challenge.encode(), content_type="text/plain") if challenge else None

    def receive(self, delivery: Delivery) -> Received:
        del delivery
        message = f"a mistake that quotes {SECRET}"
        raise RuntimeError(message)


@pytest.fixture
def probing(runtime: Runtime) -> FlaskClient:
    runtime.__dict__["connections"] = Connections(
        runtime.database, {"standard": Greeting}, runtime.vault, runtime.rules.get
    )
    add_connection(runtime, SHOP)
    return create_app(runtime.config, runtime).test_client()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT"])
def test_a_probe_is_answered_by_the_adapter_whatever_its_method(probing: FlaskClient, method: str) -> None:
    answer = probing.open(f"/webhooks/{SHOP}?challenge=abc", method=method)
    assert (answer.status_code, answer.content_type) == (200, "text/plain")
    assert answer.data == (b"" if method == "HEAD" else b"abc")


def test_what_is_no_probe_gets_405(probing: FlaskClient) -> None:
    answer = probing.get(f"/webhooks/{SHOP}?hello")
    assert problem(answer) == (405, "wrong_method")
    assert answer.headers["Allow"] == "POST, PUT, PATCH"


def test_a_mistake_of_ours_is_500_without_details_and_nothing_is_acknowledged(
    probing: FlaskClient, runtime: Runtime
) -> None:
    log = io.StringIO()
    configure_log(level="debug", form="text", stream=log)
    answer = post(probing, lines(line()))
    assert problem(answer) == (500, "internal")
    assert "mistake" not in answer.text
    assert "a mistake that quotes ***" in log.getvalue()
    assert SECRET not in log.getvalue()
    assert stored(runtime) == []


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    yield
    plain_log()
    logging.getLogger().handlers.clear()
    logging.captureWarnings(capture=False)


# What cannot be stored


def test_an_unusable_connection_is_not_the_senders_fault(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        connections.change(connection, SHOP, sealed="not sealed by us")
    runtime.connections.forget()
    answer = post(client, lines(line()))
    assert problem(answer) == (503, "not_stored")
    assert answer.headers["Retry-After"] == "30"
    assert "secret" not in answer.text


def test_without_its_tables_a_database_acknowledges_nothing(client: FlaskClient, runtime: Runtime) -> None:
    assert post(client, lines(line())).status_code == 202
    with runtime.database.write() as connection:
        connection.execute(text("ALTER TABLE deliveries RENAME TO elsewhere"))
    assert problem(post(client, lines(line()), "msg_2")) == (503, "not_stored")
    with runtime.database.write() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO deliveries"))
    assert post(client, lines(line()), "msg_2").status_code == 202
    assert len(stored(runtime)) == 2


def test_a_bad_signature_that_cannot_be_quarantined_is_to_be_sent_again(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        connection.execute(text("ALTER TABLE quarantine RENAME TO elsewhere"))
    assert problem(post(client, lines(line()), headers={"webhook-signature": "v1,x"})) == (503, "not_stored")


# Metrics


def counted(client: FlaskClient, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a counter by the values of their labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == f"connector_{name}_total"]
    return {tuple(value for _, value in sorted(sample.labels.items())): sample.value for sample in samples}


def test_requests_are_counted_by_connection_and_reason_and_unknown_names_are_no_labels(client: FlaskClient) -> None:
    metrics.count_in(None)
    post(client, lines(line()))
    post(client, lines(line()), headers={"webhook-signature": "v1,x"})
    post(client, b"x" * (LIMIT + 1))
    client.get(f"/webhooks/{SHOP}")
    client.post(f"/webhooks/{RESTING}")
    for number in range(50):
        client.post(f"/webhooks/nobody-{number}")
    assert counted(client, "deliveries_accepted") == {(SHOP,): 1.0}
    assert counted(client, "deliveries_refused") == {
        ("", "not_found"): 50.0,
        (RESTING, "paused"): 1.0,
        (SHOP, "bad_signature"): 1.0,
        (SHOP, "too_large"): 1.0,
        (SHOP, "wrong_method"): 1.0,
    }


# Secrets


SECRETS = (
    SECRET,
    SECRET.removeprefix("whsec_"),
    *(value for values in PORTAL_SECRETS.values() for value in values),
    "f0c5w8m2x7k1n4s9",
)


def contents(database: Database) -> str:
    """Everything that is in the database, as text."""
    with database.read() as connection:
        tables = inspect(connection).get_table_names()
        rows = [tuple(row) for table in tables for row in connection.execute(text(f"SELECT * FROM {table}"))]  # noqa: S608
    return "\n".join(
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for row in rows
        for value in map(_plain, row)
    )


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def test_no_secret_is_in_the_database_the_log_or_an_answer(client: FlaskClient, runtime: Runtime) -> None:
    log = io.StringIO()
    configure_log(level="debug", form="json", stream=log)
    answers = [
        client.open(one.target, method=one.method, headers=one.all_headers(NOW), data=one.content())
        for one in MALFORMED
    ]
    secretive = lines(
        line(
            id="e1", fields={"note": f"the key is {SECRET}", "password": "hunter2-hunter2", "deep": [{"secret": "s3"}]}
        ),
        line(id="e2", type="identify", subject={"email": "a@example.jp"}, fields={SECRET: 1}),
    )
    answers.append(post(client, secretive, headers={"authorization": f"Bearer {SECRET}", "x-api-key": TOKEN}))
    answers.append(post(client, secretive, "msg_2", headers={"webhook-signature": f"v1,{SECRET}", "cookie": SECRET}))
    more = {"auth[access_token]": "abcdef-access", "data[note]": f"see {TOKEN}", "x": TOKEN}
    for body, query in ((form(**more), ""), (robot("crm", "D", "DEAL_1"), f"token={ROBOT_TOKEN}&note={TOKEN}")):
        answers += [
            client.post(f"/webhooks/{PORTAL}?{query}", data=content, headers={"content-type": FORM})
            for content in (body, body + b"%00")
        ]
    assert [answer.status_code for answer in answers[-6:]] == [202, 401, 202, 401, 202, 401]
    whole = {
        "the database": contents(runtime.database),
        "the log": log.getvalue(),
        "the answers": "\n".join(f"{answer.text}{answer.headers}" for answer in answers),
    }
    if runtime.config.is_sqlite:
        file = runtime.database.url.database
        whole |= {ending: Path(f"{file}{ending}").read_bytes().decode("latin-1") for ending in ("", "-wal")}
    found = [(where, secret) for where, all_of_it in whole.items() for secret in SECRETS if secret in all_of_it]
    assert found == []
    assert "hunter2-hunter2" not in whole["the database"]
    assert "abcdef-access" not in whole["the database"]
    assert OTHER_SECRET not in whole["the log"]
