"""What-ifs of the workers: page by page, to be watched and cancelled, gone on with by whoever comes next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from connector.core.errors import NotFound
from connector.processes import jobs
from connector.processes.jobs import Jobs
from connector.processes.worker import SteadyWorker
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.runtime.wakeups import WHAT_IF, queue_of
from connector.what_if import runs
from connector.what_if.compare import what_if
from connector.what_if.proposal import WhatIfRequest, read_proposal
from connector.what_if.runs import NoRedis
from tests.flow.senders import MAPPING, Sender, add_connection, drain

DRAFT = WhatIfRequest(mappings={"shop": MAPPING.replace("meeting: appointment_acquisition", "meeting: visited")})
SUBJECTS = 5


@pytest.fixture
def shop(runtime: Runtime) -> Iterator[Runtime]:
    """Five leads that met; jobs run over the same runtime."""
    jobs.install(Jobs(runtime))
    add_connection(runtime)
    lines = [
        {
            "id": f"e{number}",
            "at": "2026-03-12T10:00:00+09:00",
            "subject": {"id": f"L-{number}", "email": f"p{number}@example.jp"},
            "type": "stage",
            "object": "lead",
            "stage": "meeting",
        }
        for number in range(SUBJECTS)
    ]
    Sender(runtime).send(*lines)
    drain(runtime)
    runtime.redis.flushall()
    yield runtime
    runtime.redis.flushall()


def _pages(count: int) -> Iterator[bool]:
    yield from [True] * count
    while True:
        yield False


def _work(runtime: Runtime) -> None:
    worker = SteadyWorker([queue_of(runtime.redis, "maintenance")], connection=runtime.redis)
    worker.work(burst=True, logging_level="WARNING")


@pytest.mark.usefixtures("_no_jobs_left")
def test_the_workers_compute_it_and_keep_result_and_differences(shop: Runtime) -> None:
    asked = runs.start(shop, DRAFT, actor="kim")
    assert (asked["state"], asked["done"], asked["total"], asked["result"]) == ("waiting", 0, None, None)
    _work(shop)
    done = runs.get(shop, asked["id"])
    assert (done["state"], done["done"], done["total"], done["actor"]) == ("done", SUBJECTS, SUBJECTS, "kim")
    assert done["result"] == what_if(shop, read_proposal(shop, DRAFT)).to_json()
    assert done["result"]["moved"] == [{"from": "appointment_acquisition", "to": "visited", "subjects": SUBJECTS}]
    differences = runs.differences(shop, asked["id"], 1, 3)
    assert [one["to"] for one in differences] == ["visited"] * 3
    assert [one["id"] for one in runs.listed(shop)] == [asked["id"]]
    assert runs.cancel(shop, asked["id"]) is False


def test_whoever_comes_next_goes_on_from_the_last_page(shop: Runtime) -> None:
    of = runs.add(shop, DRAFT, actor="kim")
    for done in (2, 4):
        pages = _pages(2)
        assert runs.advance(shop, of, lambda pages=pages: next(pages), page=1) is True  # type: ignore[misc]
        found = runs.get(shop, of)
        assert (found["state"], found["done"], found["result"]) == ("running", done, None)
    assert runs.unfinished(shop) == [of]
    assert runs.advance(shop, of, lambda: True, page=1) is False
    found = runs.get(shop, of)
    assert (found["state"], found["done"]) == ("done", SUBJECTS)
    assert found["result"] == what_if(shop, read_proposal(shop, DRAFT)).to_json()
    assert len({one["subject"] for one in runs.differences(shop, of)}) == SUBJECTS
    assert runs.unfinished(shop) == []


def test_one_that_was_cancelled_ends_after_its_page_and_stays_so(shop: Runtime) -> None:
    of = runs.add(shop, DRAFT, actor="kim")

    def cancel_in_the_second() -> bool:
        if runs.get(shop, of)["done"] == 1:
            assert runs.cancel(shop, of) is True
        return True

    assert runs.advance(shop, of, cancel_in_the_second, page=1) is False
    found = runs.get(shop, of)
    assert (found["state"], found["done"], found["result"]) == ("cancelled", 2, None)
    assert found["ended_at"] is not None
    assert runs.advance(shop, of, lambda: True, page=1) is False
    assert runs.get(shop, of)["done"] == 2
    assert runs.cancel(shop, of) is False


def test_one_whose_connection_is_gone_fails_and_says_why(shop: Runtime) -> None:
    of = runs.add(shop, DRAFT, actor="kim")
    shop.redis.hset(f"connector:what-if:{of}", "asked", '{"mappings": {"gone": "adapter: standard"}}')
    assert runs.advance(shop, of, lambda: True, page=1) is False
    found = runs.get(shop, of)
    assert (found["state"], found["error"]) == (
        "failed",
        "there is no connection 'gone'; `connector connection list` shows them",
    )


def test_one_that_a_dead_worker_left_is_woken_again(shop: Runtime) -> None:
    of = runs.add(shop, DRAFT, actor="kim")
    jobs.requeue()
    (job,) = queue_of(shop.redis, "maintenance").jobs
    assert (job.func_name, job.args) == (WHAT_IF.function, [of])


def test_a_job_that_has_no_time_left_comes_again(shop: Runtime) -> None:
    of = runs.add(shop, DRAFT, actor="kim")
    Jobs(shop, what_if_budget=-1.0).what_if(of)
    assert runs.get(shop, of)["done"] == 0
    assert queue_of(shop.redis, "maintenance").count == 1


def test_one_whose_redis_goes_away_waits_for_it_to_come_back(shop: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    of = runs.add(shop, DRAFT, actor="kim")

    def lose_redis() -> bool:
        monkeypatch.setattr(shop, "redis", Redis.from_url("redis://127.0.0.1:1/0"))
        return True

    with pytest.raises(NoRedis):
        runs.advance(shop, of, lose_redis, page=1)
    monkeypatch.undo()
    assert runs.get(shop, of)["state"] == "waiting"


def test_what_nobody_asked_is_not_there(shop: Runtime) -> None:
    with pytest.raises(NotFound, match=r"there is no what-if 'X'; they are kept for 7 days"):
        runs.get(shop, "X")
    assert runs.advance(shop, "X", lambda: True, page=1) is False


def test_without_redis_the_error_names_it(sqlite_url: str, tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": sqlite_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CONNECTOR_DATA_DIR": str(tmp_path / "data"),
    }
    runtime = Runtime(read_config(environ, tmp_path))
    for ask in (lambda: runs.listed(runtime), lambda: runs.advance(runtime, "X", lambda: True, page=1)):
        with pytest.raises(NoRedis, match=r"Redis is away .*; `connector what-if` needs none"):
            ask()
    runtime.close()


@pytest.fixture
def _no_jobs_left(redis_url: str) -> Iterator[None]:
    """RQ's worker leaves its jobs behind."""
    yield
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
