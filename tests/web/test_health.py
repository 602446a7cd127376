"""`/healthz`, `/readyz` and `/metrics`: what is wrong is said, in words that help, and nothing of it fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import SimpleWorker
from sqlalchemy import text

from connector.operations.doctor import balance, examine, is_balanced
from connector.runtime import metrics
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections, deliveries, quarantine
from connector.store.migrations import head
from connector.web.app import create_app
from tests.conftest import NOW, Clock
from tests.flow.senders import Sender, add_connection, drain
from tests.store.test_deliveries import row
from tests.store.test_quarantine import BOUNDS, bad


@pytest.fixture(autouse=True)
def _counted_from_zero() -> Iterator[None]:
    metrics.count_in(None)
    yield
    metrics.count_in(None)


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    return create_app(runtime.config, runtime).test_client()


def ready(client: FlaskClient) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    assert answer.content_type == "application/json"
    body: dict[str, Any] = answer.get_json()
    assert (body["status"] == "ok") is (answer.status_code == 200)
    return answer.status_code, body["checks"]


def families(client: FlaskClient) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for family in found.values():
        series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
        assert len(set(series)) == len(series)
    return found


def waiting(client: FlaskClient, name: str = "connector_queue_length") -> dict[tuple[str, str], float]:
    samples = families(client)[name].samples
    return {(sample.labels["queue"], sample.labels["connection"]): sample.value for sample in samples}


def without_redis(runtime: Runtime) -> None:
    runtime.__dict__["redis"] = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))


def lock_out(runtime: Runtime) -> None:
    """Make the database unreachable, as one that was moved away."""
    runtime.database.close()
    if runtime.config.is_sqlite:
        file = Path(str(runtime.database.url.database))
        file.rename(f"{file}.away")
        file.mkdir()
        return
    elsewhere = runtime.database.url.set(port=1)
    gone = Runtime(read_config({"DATABASE_URL": elsewhere.render_as_string(hide_password=False)}, Path("/nonexistent")))
    runtime.__dict__["database"] = gone.database
    runtime.connections._database = gone.database


def test_the_process_lives(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})
    assert client.head("/healthz").status_code == 200


def test_it_is_ready_with_database_redis_and_a_worker(client: FlaskClient, runtime: Runtime) -> None:
    worker: Any = SimpleWorker(["process"], connection=runtime.redis)
    worker.register_birth()
    first = ("database", "rules", "connections", "redis", "workers")
    names = (*first, "clocks", "secrets", "access", "backlog", "given up", "mail")
    assert ready(client) == (200, dict.fromkeys(names, "ok"))
    worker.register_death()


def test_without_a_worker_it_takes_deliveries_and_says_so(client: FlaskClient, runtime: Runtime) -> None:
    other: Any = SimpleWorker(["notify"], connection=runtime.redis)
    other.register_birth()
    status, checks = ready(client)
    assert (status, checks["workers"]) == (200, "no worker takes deliveries; start `connector worker`")
    other.register_death()


def test_a_worker_that_was_killed_does_not_count_for_ever(client: FlaskClient, runtime: Runtime) -> None:
    worker: Any = SimpleWorker(["process"], connection=runtime.redis)
    worker.register_birth()
    assert ready(client)[1]["workers"] == "ok"
    runtime.redis.delete(worker.key)  # as its time ends when nobody renews it; its name stays in RQ's list
    assert ready(client)[1]["workers"].startswith("no worker")


def test_where_nothing_runs_it_says_so(tmp_path: Path, database_url: str) -> None:
    environ = {"DATABASE_URL": database_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}
    runtime = Runtime(read_config(environ, tmp_path))
    checks = {one.name: one.detail for one in examine(runtime)}
    runtime.close()
    assert checks["redis"] == f"`connector up` is not running here (on {tmp_path / 'data'}); start it, or set REDIS_URL"


def test_without_redis_it_takes_deliveries_and_says_so(client: FlaskClient, runtime: Runtime) -> None:
    without_redis(runtime)
    status, checks = ready(client)
    assert status == 200
    assert checks["redis"] == "redis cannot be reached (ConnectionError); deliveries are stored and wait"
    assert checks["workers"] == "not known while redis is away"


def test_without_its_database_it_is_not_ready(client: FlaskClient, runtime: Runtime) -> None:
    lock_out(runtime)
    status, checks = ready(client)
    assert status == 503
    said = "cannot be opened: unable" if runtime.config.is_sqlite else "cannot be used: connection failed: "
    assert said in checks["database"]
    assert "***" in checks["database"] or runtime.config.is_sqlite
    assert set(checks) == {"database", "redis", "workers"}


def test_a_database_that_is_not_migrated_is_not_ready(client: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'older'"))
    status, checks = ready(client)
    assert status == 503
    assert checks["database"] == f"the database stands at older, wanted {head()}; run `connector migrate`"


def test_a_database_without_tables_is_not_ready(tmp_path: Path, redis_url: str) -> None:
    environ = {"CONNECTOR_DATA_DIR": str(tmp_path), "REDIS_URL": redis_url}
    runtime = Runtime(read_config(environ, tmp_path))
    client = create_app(runtime.config, runtime).test_client()
    assert ready(client)[1]["database"].startswith(f"there is no database at {tmp_path}/connector.sqlite; run")
    (tmp_path / "connector.sqlite").touch()
    status, checks = ready(client)
    assert (status, checks["database"].split(",")[0]) == (503, "the database stands at nothing")
    runtime.close()


def test_a_connection_that_cannot_be_opened_is_named_without_a_secret_and_stops_no_other(
    client: FlaskClient, runtime: Runtime
) -> None:
    add_connection(runtime)
    for change, said in (({"adapter": "fax"}, "fax"), ({"sealed": "not ours"}, "none of the secret keys")):
        with runtime.database.write() as connection:
            connections.change(connection, "shop", **change)
        runtime.connections.forget()
        status, checks = ready(client)
        assert status == 200
        assert said in checks["connections"]
        assert waiting(client) == {}


def test_a_delivery_that_has_waited_long_is_said(client: FlaskClient, runtime: Runtime, clock: Clock) -> None:
    with runtime.database.write() as connection:
        deliveries.store(connection, [row("a")], 0)
    clock.forward(seconds=120)
    assert ready(client)[1]["backlog"] == "ok"
    clock.forward(seconds=1)
    assert ready(client) == (200, ready(client)[1] | {"backlog": "the oldest delivery has waited 121 s"})


def test_the_doctor_checks_the_account_too_and_finds_what_is_missing(client: FlaskClient, runtime: Runtime) -> None:
    add_connection(runtime)
    with runtime.database.write() as connection:
        deliveries.store(connection, [row("a"), row("b")], 0)
    assert [finding.name for finding in examine(runtime) if not finding.is_fine] == ["workers"]
    with runtime.database.write() as connection:
        connection.execute(text("DELETE FROM deliveries WHERE key = 'a'"))
    findings = {finding.name: finding.detail for finding in examine(runtime) if not finding.is_fine}
    assert findings["account"] == "the account of shop does not add up; run `connector account`"
    assert not is_balanced(balance(runtime)["shop"])
    assert "account" not in ready(client)[1]


def test_a_short_secret_of_before_works_on_and_is_said(runtime: Runtime) -> None:
    add_connection(
        runtime, "site", adapter="rudderstack", secrets={"token": ["acme"]}, mapping="adapter: rudderstack\n"
    )
    (finding,) = [one for one in examine(runtime, with_account=False) if one.name == "secrets"]
    assert (finding.is_fine, finding.is_vital) == (False, False)
    assert finding.detail == "shorter than 16 characters: site (token); run `connector connection rotate`"


def test_metrics_show_what_waits_by_connection(client: FlaskClient, runtime: Runtime, clock: Clock) -> None:
    add_connection(runtime)
    add_connection(runtime, "idle")
    unmapped = {"subject": {"id": "L-1"}, "type": "stage", "object": "lead", "at": "2026-03-04T05:26:07Z"}
    Sender(runtime).send(*({**unmapped, "id": f"e{number}", "stage": f"s{number}"} for number in range(3)))
    drain(runtime)
    with runtime.database.write() as connection:
        late = NOW - timedelta(seconds=60)
        deliveries.store(connection, [row("a", at=late), row("b", at=late, next_attempt_at=NOW)], 0)
        quarantine.add(connection, [bad(1), bad(2), bad(3)], BOUNDS)
    clock.forward(seconds=30)
    found = waiting(client)
    assert found[("deliveries", "shop")] == 2
    assert found[("deliveries", "idle")] == 0
    assert found[("quarantine", "shop")] == 3
    assert found[("held", "shop")] == 3
    ages = waiting(client, "connector_queue_oldest_seconds")
    assert (ages[("deliveries", "shop")], ages[("deliveries", "idle")]) == (90, 0)


def test_metrics_show_the_outbox(client: FlaskClient, runtime: Runtime) -> None:
    add_connection(runtime, url="http://127.0.0.1:1/")
    line = {"id": "e1", "subject": {"id": "L-1"}, "type": "stage", "object": "lead", "stage": "talking"}
    Sender(runtime).send({**line, "at": "2026-03-04T05:26:07Z"})
    drain(runtime)
    assert waiting(client)[("outbox_waiting", "shop")] == 1


def test_metrics_are_shown_while_the_database_is_away(client: FlaskClient, runtime: Runtime) -> None:
    add_connection(runtime)
    metrics.count_refused(None, "not_stored")
    lock_out(runtime)
    (sample,) = [one for one in families(client)["connector_deliveries_refused"].samples if one.name.endswith("_total")]
    assert (sample.labels, sample.value) == ({"connection": "", "reason": "not_stored"}, 1.0)
    assert waiting(client) == {}
