"""What-ifs that the workers compute page by page: kept in Redis, since one that is lost can be asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import orjson
from redis import Redis
from redis.exceptions import RedisError
from rq.utils import as_text

from connector.core.errors import ConnectorError, NotFound, OperatorError
from connector.runtime.parts import Runtime
from connector.store.database import new_id
from connector.what_if.compare import Comparison
from connector.what_if.proposal import Asked, proposal_of
from connector.what_if.report import Counts, Difference, WhatIf

KEPT_SECONDS: Final = 7 * 24 * 3600
MOST_KEPT: Final = 10_000
"""Of more differences than that only the first are kept; all are counted."""
LISTED: Final = 50
WAITING: Final = "waiting"
RUNNING: Final = "running"
DONE: Final = "done"
CANCELLED: Final = "cancelled"
FAILED: Final = "failed"
_GOES_ON: Final = frozenset({WAITING, RUNNING})
_RUNS: Final = "connector:what-ifs"


class NoRedis(OperatorError):
    """Redis is away, in which what-ifs of the workers are kept."""

    reason = "no_redis"


def ask(runtime: Runtime, asked: Asked, *, actor: str) -> str:
    """Note a what-if for the workers; its id. Raises `NoRedis`, and what `proposal_of` does."""
    proposal_of(runtime, asked)
    now = runtime.clock()
    of = new_id(now)
    row = {"state": WAITING, "asked": asked.to_json(), "actor": actor, "asked_at": now.isoformat(), "after": ""}
    with _reached(runtime) as redis, redis.pipeline() as all_or_nothing:
        all_or_nothing.hset(_key(of), mapping=_packed(row | {"done": 0, "total": None, "counts": []}))
        all_or_nothing.expire(_key(of), KEPT_SECONDS)
        all_or_nothing.lpush(_RUNS, of)
        all_or_nothing.ltrim(_RUNS, 0, LISTED - 1)
        all_or_nothing.execute()
    return of


def get(runtime: Runtime, of: str) -> dict[str, Any]:
    """A what-if as it is: state, progress, who asked what and when, and its result. Raises `NotFound`, `NoRedis`."""
    row = _read(runtime, of)
    if not row:
        message = f"there is no what-if {of!r}; they are kept for {KEPT_SECONDS // 86400} days"
        raise NotFound(message)
    counts = _unpacked(row.pop("counts"))
    row.pop("after")
    result = WhatIf.of(counts).to_json() if row["state"] == DONE else None
    return {"id": of, "ended_at": None, "error": None, **row, "result": result}


def listed(runtime: Runtime) -> list[dict[str, Any]]:
    """The newest what-ifs as `get` gives them, newest first. Raises `NoRedis`."""
    with _reached(runtime) as redis:
        ids = [as_text(one) for one in redis.lrange(_RUNS, 0, LISTED - 1)]
        return [get(runtime, of) for of in ids if redis.exists(_key(of))]


def unfinished(runtime: Runtime) -> list[str]:
    """The ids of those that wait or run. Raises `NoRedis`."""
    return [row["id"] for row in listed(runtime) if row["state"] in _GOES_ON]


def differences(runtime: Runtime, of: str, start: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Subjects that differ, of a what-if that is done or runs; the first `MOST_KEPT`. Raises `NotFound`, `NoRedis`."""
    get(runtime, of)
    with _reached(runtime) as redis:
        return [orjson.loads(one) for one in redis.lrange(_rows_key(of), start, start + limit - 1)]


def cancel(runtime: Runtime, of: str) -> bool:
    """End a what-if, after the page that it is at; False: it had ended already. Raises `NotFound`, `NoRedis`."""
    is_on = get(runtime, of)["state"] in _GOES_ON
    if is_on:
        with _reached(runtime) as redis:
            redis.hset(_key(of), "cancelled_at", orjson.dumps(runtime.clock().isoformat()))
    return is_on


def advance(runtime: Runtime, of: str, has_time: Callable[[], bool]) -> bool:
    """Go on with a what-if, page by page; whether there is more to do. Raises `NoRedis`.

    What is done is kept after each page: whoever comes next goes on from there.
    """
    found = _read(runtime, of)
    if found.get("state") not in _GOES_ON:
        return False
    try:
        return _advance(runtime, of, found, has_time)
    except NoRedis:
        raise
    except ConnectorError as error:
        _keep(runtime, of, [], state=FAILED, error=str(error), ended_at=runtime.clock().isoformat())
        return False


def _advance(runtime: Runtime, of: str, found: dict[str, Any], has_time: Callable[[], bool]) -> bool:
    asked = Asked(**found["asked"])
    rows: list[Difference] = []
    comparison = Comparison(
        runtime,
        proposal_of(runtime, asked),
        since=asked.since_date,
        each=rows.append,
        after=found["after"],
        counts=_unpacked(found["counts"]),
        now=datetime.fromisoformat(found["asked_at"]),
    )
    while has_time():
        is_left = comparison.advance()
        progress = {"done": comparison.done, "total": comparison.total, "after": comparison.after}
        ended = {} if is_left else {"ended_at": runtime.clock().isoformat()}
        state = RUNNING if is_left else DONE
        _keep(runtime, of, rows, state=state, counts=_packed_counts(comparison.counts), **progress, **ended)
        rows.clear()
        if not is_left or _read(runtime, of).get("state") not in _GOES_ON:
            return False
    return True


def _keep(runtime: Runtime, of: str, rows: list[Difference], **values: Any) -> None:
    """Keep what a page gave, all or nothing."""
    with _reached(runtime) as redis, redis.pipeline() as all_or_nothing:
        all_or_nothing.hset(_key(of), mapping=_packed(values))
        if rows:
            all_or_nothing.rpush(_rows_key(of), *(orjson.dumps(row.to_json(), default=str) for row in rows))
            all_or_nothing.ltrim(_rows_key(of), 0, MOST_KEPT - 1)
        all_or_nothing.expire(_key(of), KEPT_SECONDS)
        all_or_nothing.expire(_rows_key(of), KEPT_SECONDS)
        all_or_nothing.execute()


def _read(runtime: Runtime, of: str) -> dict[str, Any]:
    """What is kept of a what-if; nothing, if it is not. Who cancels only leaves word: no page overwrites that."""
    with _reached(runtime) as redis:
        row = {as_text(name): orjson.loads(value) for name, value in redis.hgetall(_key(of)).items()}
    cancelled_at = row.pop("cancelled_at", None)
    if cancelled_at is not None and row["state"] in _GOES_ON:
        row |= {"state": CANCELLED, "ended_at": cancelled_at}
    return row


@contextmanager
def _reached(runtime: Runtime) -> Iterator[Redis]:
    try:
        yield runtime.redis
    except (RedisError, OSError) as error:
        message = f"Redis is away ({type(error).__name__}); `connector what-if` needs none"
        raise NoRedis(message) from error


def _key(of: str) -> str:
    return f"connector:what-if:{of}"


def _rows_key(of: str) -> str:
    return f"connector:what-if:{of}:differences"


def _packed(values: dict[str, Any]) -> dict[Any, Any]:
    return {name: orjson.dumps(value) for name, value in values.items()}


def _packed_counts(counts: Counts) -> list[list[Any]]:
    return [[*key, count] for key, count in counts.items()]


def _unpacked(packed: list[list[Any]]) -> Counts:
    return Counter({tuple(key): count for *key, count in packed})
