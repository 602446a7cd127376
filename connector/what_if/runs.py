"""What-ifs that the workers compute page by page: stored in Redis, since one that is lost can be asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import orjson
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq.utils import as_text

from connector.core.errors import ConnectorError, NotFound, OperatorError
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import WHAT_IF
from connector.store.database import new_id
from connector.what_if.compare import PAGE, Comparison
from connector.what_if.proposal import WhatIfRequest, read_proposal
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
_DIFFERENCES: Final = ":differences"
_RUNS: Final = "connector:what-ifs"


class NoRedis(OperatorError):
    """Redis is away, in which what-ifs of the workers are kept."""

    reason = "no_redis"


def start(runtime: Runtime, request: WhatIfRequest, *, actor: str) -> dict[str, Any]:
    """Have the workers compute a what-if: as `get` gives it. Raises `NoRedis`, and what `read_proposal` does."""
    run = add(runtime, request, actor=actor)
    runtime.wakeups.enqueue(WHAT_IF, run)
    return get(runtime, run)


def add(runtime: Runtime, request: WhatIfRequest, *, actor: str) -> str:
    """Store a what-if for the workers; its id. Raises `NoRedis`, and what `read_proposal` does."""
    read_proposal(runtime, request)
    now = runtime.clock()
    run = new_id(now)
    row = {"state": WAITING, "asked": request.to_json(), "actor": actor, "asked_at": now.isoformat(), "after": ""}
    with _reached(runtime) as redis, redis.pipeline() as all_or_nothing:
        all_or_nothing.hset(_key(run), mapping=_packed(row | {"done": 0, "total": None, "counts": []}))
        all_or_nothing.expire(_key(run), KEPT_SECONDS)
        all_or_nothing.lpush(_RUNS, run)
        all_or_nothing.ltrim(_RUNS, 0, LISTED - 1)
        all_or_nothing.execute()
    return run


def get(runtime: Runtime, run: str) -> dict[str, Any]:
    """A what-if as it is: state, progress, who asked what and when, and its result. Raises `NotFound`, `NoRedis`."""
    row = _read(runtime, run)
    if not row:
        message = f"there is no what-if {run!r}; they are kept for {KEPT_SECONDS // 86400} days"
        raise NotFound(message)
    counts = _unpacked(row.pop("counts"))
    row.pop("after")
    result = WhatIf.of(counts).to_json() if row["state"] == DONE else None
    return {"id": run, "ended_at": None, "error": None, **row, "result": result}


def listed(runtime: Runtime) -> list[dict[str, Any]]:
    """The newest what-ifs as `get` gives them, newest first. Raises `NoRedis`."""
    with _reached(runtime) as redis:
        ids = [as_text(one) for one in redis.lrange(_RUNS, 0, LISTED - 1)]
        return [get(runtime, run) for run in ids if redis.exists(_key(run))]


def unfinished(runtime: Runtime) -> list[str]:
    """The ids of those that wait or run. Raises `NoRedis`."""
    return [row["id"] for row in listed(runtime) if row["state"] in _GOES_ON]


def differences(runtime: Runtime, run: str, start: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Subjects that differ, of a what-if that is done or runs; the first `MOST_KEPT`. Raises `NotFound`, `NoRedis`."""
    get(runtime, run)
    with _reached(runtime) as redis:
        return [orjson.loads(one) for one in redis.lrange(_rows_key(run), start, start + limit - 1)]


def cancel(runtime: Runtime, run: str) -> bool:
    """End a what-if, after the page that it is at; False: it had ended already. Raises `NotFound`, `NoRedis`."""
    is_on = get(runtime, run)["state"] in _GOES_ON
    if is_on:
        with _reached(runtime) as redis:
            redis.hset(_key(run), "cancelled_at", orjson.dumps(runtime.clock().isoformat()))
    return is_on


def forget(runtime: Runtime, is_meant: Callable[[bytes], bool]) -> None:
    """Forget the what-ifs of which a difference is meant, also where the server writes its log. Raises `NoRedis`."""
    with _reached(runtime) as redis:
        for key in list(redis.scan_iter(_rows_key("*"))):
            if any(is_meant(as_text(row).encode()) for row in redis.lrange(key, 0, -1)):
                redis.delete(key, as_text(key).removesuffix(_DIFFERENCES))
        with suppress(ResponseError):  # one that keeps no log, or is writing it anew
            redis.bgrewriteaof()


def advance(runtime: Runtime, run: str, has_time: Callable[[], bool], *, page: int = PAGE) -> bool:
    """Go on with a what-if, page by page; whether there is more to do. Raises `NoRedis`.

    What is done is stored after each page: whoever comes next goes on from there.
    """
    stored = _read(runtime, run)
    if stored.get("state") not in _GOES_ON:
        return False
    try:
        return _advance(runtime, run, stored, has_time, page)
    except NoRedis:
        raise
    except ConnectorError as error:
        _store(runtime, run, [], state=FAILED, error=str(error), ended_at=runtime.clock().isoformat())
        return False


def _advance(runtime: Runtime, run: str, stored: dict[str, Any], has_time: Callable[[], bool], page: int) -> bool:
    request = WhatIfRequest(**stored["asked"])
    rows: list[Difference] = []
    comparison = Comparison(
        runtime,
        read_proposal(runtime, request),
        since=request.since_date,
        page=page,
        each=rows.append,
        after=stored["after"],
        counts=_unpacked(stored["counts"]),
        now=datetime.fromisoformat(stored["asked_at"]),
    )
    while has_time():
        is_left = comparison.advance()
        progress = {"done": comparison.done, "total": comparison.total, "after": comparison.after}
        ended = {} if is_left else {"ended_at": runtime.clock().isoformat()}
        state = RUNNING if is_left else DONE
        _store(runtime, run, rows, state=state, counts=_packed_counts(comparison.counts), **progress, **ended)
        rows.clear()
        if not is_left or _read(runtime, run).get("state") not in _GOES_ON:
            return False
    return True


def _store(runtime: Runtime, run: str, rows: list[Difference], **values: Any) -> None:
    """Store what a page gave, all or nothing."""
    with _reached(runtime) as redis, redis.pipeline() as all_or_nothing:
        all_or_nothing.hset(_key(run), mapping=_packed(values))
        if rows:
            all_or_nothing.rpush(_rows_key(run), *(orjson.dumps(row.to_json(), default=str) for row in rows))
            all_or_nothing.ltrim(_rows_key(run), 0, MOST_KEPT - 1)
        all_or_nothing.expire(_key(run), KEPT_SECONDS)
        all_or_nothing.expire(_rows_key(run), KEPT_SECONDS)
        all_or_nothing.execute()


def _read(runtime: Runtime, run: str) -> dict[str, Any]:
    """What is kept of a what-if; nothing, if it is not. Who cancels only leaves word: no page overwrites that."""
    with _reached(runtime) as redis:
        row = {as_text(name): orjson.loads(value) for name, value in redis.hgetall(_key(run)).items()}
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


def _key(run: str) -> str:
    return f"connector:what-if:{run}"


def _rows_key(run: str) -> str:
    return f"{_key(run)}{_DIFFERENCES}"


def _packed(values: dict[str, Any]) -> dict[Any, Any]:
    return {name: orjson.dumps(value) for name, value in values.items()}


def _packed_counts(counts: Counts) -> list[list[Any]]:
    return [[*key, count] for key, count in counts.items()]


def _unpacked(packed: list[list[Any]]) -> Counts:
    return Counter({tuple(key): count for *key, count in packed})
