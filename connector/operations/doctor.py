"""Says what is wrong with the running product: the checks behind `/readyz`, `/metrics` and `connector doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from redis.exceptions import RedisError
from rq import Queue
from rq.utils import as_text
from rq.worker_registration import get_keys
from sqlalchemy.exc import SQLAlchemyError

from connector.adapter_kit.settings import SHORTEST_SECRET
from connector.core.errors import ConnectorError
from connector.core.event import Outcome
from connector.intake.group_commit import error_text
from connector.operations.catalogs import stored_drift
from connector.operations.connection_settings import is_too_short
from connector.operations.flow import sweep_doubt
from connector.operations.safety.advice import explained
from connector.operations.safety.trial import Trials
from connector.pipeline.compact import border_of
from connector.runtime.metrics import Queue as WaitingQueue
from connector.runtime.parts import CLOCKS, Runtime
from connector.runtime.redis import redis_url
from connector.runtime.rules import RulesInForce
from connector.store import connections as queries
from connector.store import (
    deliveries,
    histories,
    identities,
    mapping_versions,
    notices,
    outbox,
    quarantine,
    remaps,
    subjects,
)
from connector.store.migrations import head, present
from connector.store.persons import compaction
from connector.store.remaps import RULES

LATE: Final = timedelta(minutes=2)
_REFOLDING: Final = timedelta(hours=1)
"""How long subjects may be folded anew after rules were published."""
_MOST_LEFT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One check. `is_vital`: without it nothing can be accepted; `detail` says what is wrong and what to do."""

    name: str
    is_fine: bool
    detail: str = ""
    is_vital: bool = False


def examine(runtime: Runtime, *, with_account: bool = True, trials: Trials | None = None) -> list[HealthCheck]:
    """All checks, the vital ones first; never raises for what it checks. The account reads every delivery's row.

    `trials`: kept by who asks often, so that not every question is a write (None: tried anew).
    """
    trials = trials or Trials(runtime)
    findings = [_database(runtime, trials)]
    if is_standing := findings[0].is_fine:
        findings += [_rules(runtime), _connections(runtime)]
    findings += _dispatch(runtime, trials)
    findings += [_clocks(runtime)] if is_standing else []
    if is_standing:
        findings += [
            _secrets(runtime),
            _access(runtime),
            _backlog(runtime),
            _given_up(runtime),
            _mail(runtime),
            *(_thorough(runtime) if with_account else []),
        ]
    return findings


def _thorough(runtime: Runtime) -> list[HealthCheck]:
    """What reads whole tables."""
    return [_sweep(runtime), _drift(runtime), _account(runtime), _retention(runtime), _identities(runtime)]


def _database(runtime: Runtime, trials: Trials) -> HealthCheck:
    try:
        standing = present(runtime.database)
    except SQLAlchemyError as error:
        detail = explained(error, runtime.config.database_url)
        return HealthCheck(name="database", is_fine=False, is_vital=True, detail=detail)
    if standing != head():
        detail = f"the database stands at {standing or 'nothing'}, wanted {head()}; run `connector migrate`"
        return HealthCheck(name="database", is_fine=False, is_vital=True, detail=detail)
    refused = trials.database.error()
    detail = "" if refused is None else explained(refused, runtime.config.database_url)
    return HealthCheck(name="database", is_fine=refused is None, is_vital=True, detail=detail)


def _rules(runtime: Runtime) -> HealthCheck:
    """Whether the published rules can be read, and whether anything is set where nobody reads it any more."""
    try:
        with runtime.database.read() as connection:
            version = mapping_versions.number_in_force(connection, RULES)
            run = remaps.newest(connection, RULES)
            left = len(histories.of_former_rules(connection, version, _MOST_LEFT))
        runtime.rules.forget()
        if runtime.ruleset.version < version:
            RulesInForce(runtime.database).get()
    except ConnectorError as error:
        return HealthCheck(name="rules", is_fine=False, is_vital=True, detail=str(error)[:1000])
    detail = ""
    if places := ", ".join(one.place for one in runtime.config.former):
        detail = f"without effect, remove it: {places}; `connector rules` changes the rules in force"
    elif left and run is not None and runtime.clock() - run.started_at > _REFOLDING:
        more = " or more" if left == _MOST_LEFT else ""
        detail = f"{left}{more} subjects are not folded by the rules in force yet; the log says what stops it"
    return HealthCheck(name="rules", is_fine=not detail, detail=detail)


def _connections(runtime: Runtime) -> HealthCheck:
    try:
        runtime.connections.all()
    except Exception as error:  # noqa: BLE001 - whatever a stored connection makes fail is what is looked for
        is_ours = isinstance(error, ConnectorError)
        detail = str(error) if is_ours else f"a connection cannot be read: {error_text(error)}"
        return HealthCheck(name="connections", is_fine=False, is_vital=True, detail=detail[:300])
    broken = runtime.connections.broken()
    return HealthCheck(name="connections", is_fine=not broken, detail="; ".join(broken)[:1000])


def _secrets(runtime: Runtime) -> HealthCheck:
    """Those of connections that were made before short ones were refused."""
    short = [
        f"{name} ({key})"
        for name, one in runtime.connections.all().items()
        for key, setting in one.adapter.SETTINGS.items()
        if setting.is_secret and is_too_short(setting, getattr(one.adapter, key))
    ]
    detail = f"shorter than {SHORTEST_SECRET} characters: {', '.join(short)}; run `connector connection rotate`"
    return HealthCheck(name="secrets", is_fine=not short, detail=detail if short else "")


def _access(runtime: Runtime) -> HealthCheck:
    """The connections that their systems refuse as a whole."""
    with runtime.database.read() as connection:
        refused = queries.list_refusals(connection)
    wrong = [
        f"{one.connection} is refused by its system since {one.since:%Y-%m-%d %H:%MZ} ({one.act}): {one.error}; all "
        f"of it waits: mend it there, or run `connector connection rotate {one.connection}`"
        for one in refused
    ]
    return HealthCheck(name="access", is_fine=not wrong, detail="; ".join(wrong)[:1000])


def _given_up(runtime: Runtime) -> HealthCheck:
    """What waits for a person: nothing tries it again by itself."""
    with runtime.database.read() as connection:
        unsent = sum(number for (_, outcome), number in outbox.count(connection).items() if outcome == outbox.DEAD)
        books = deliveries.account(connection).values()
    unread, held = (sum(book[outcome] for book in books) for outcome in (Outcome.DEAD, Outcome.HELD))
    wrong = [
        (unsent, "updates or notices were given up; `connector outbox list --outcome dead` shows them"),
        (unread, "deliveries were given up; `connector delivery list --outcome dead` shows them"),
        (held, "deliveries are held; `connector mapping held` says for what"),
    ]
    detail = "; ".join(f"{number} {what}" for number, what in wrong if number)
    return HealthCheck(name="given up", is_fine=not detail, detail=detail)


def _dispatch(runtime: Runtime, trials: Trials) -> list[HealthCheck]:
    """Redis, and a worker for deliveries; its key ends by itself some minutes after a worker that was killed."""
    try:
        keys = get_keys(queue=Queue("process", connection=runtime.redis))
        count = runtime.redis.exists(*keys) if keys else 0
    except (RedisError, OSError) as error:
        detail = f"redis cannot be reached ({type(error).__name__}); deliveries are stored and wait"
        if redis_url(runtime.config) is None:
            detail = f"`connector up` is not running here (on {runtime.config.data_dir}); start it, or set REDIS_URL"
        return [
            HealthCheck(name="redis", is_fine=False, detail=detail),
            HealthCheck(name="workers", is_fine=False, detail="not known while redis is away"),
        ]
    workers = HealthCheck(name="workers", is_fine=True)
    if not count:
        detail = "no worker takes deliveries; start `connector worker`"
        workers = HealthCheck(name="workers", is_fine=False, detail=detail)
    refused = trials.redis.error()
    detail = f"redis takes no writes ({refused}); deliveries are stored and wait; give it memory or disk"
    return [HealthCheck(name="redis", is_fine=refused is None, detail=detail if refused else ""), workers]


def _clocks(runtime: Runtime) -> HealthCheck:
    """Machines whose clock is not the database's. Nothing goes wrong by it but what is dated there without us: logs."""
    runtime.clock()
    try:
        found = {as_text(key).removeprefix(CLOCKS): runtime.redis.get(key) for key in runtime.redis.keys(f"{CLOCKS}*")}
    except (RedisError, OSError):
        return HealthCheck(name="clocks", is_fine=True)
    wrong = [
        f"{name} ({abs(seconds)} s {'ahead' if seconds > 0 else 'behind'})"
        for name, value in sorted(found.items())
        if value is not None and (seconds := int(value))
    ]
    detail = f"differ from the database's: {', '.join(wrong)}; have them set by NTP" if wrong else ""
    return HealthCheck(name="clocks", is_fine=not wrong, detail=detail)


def _backlog(runtime: Runtime) -> HealthCheck:
    with runtime.database.read() as connection:
        oldest = deliveries.oldest_pending(connection)
    if oldest is not None and runtime.clock() - oldest[0] > LATE:
        waits, error = int((runtime.clock() - oldest[0]).total_seconds()), oldest[1]
        detail = f"the oldest delivery has waited {waits} s" + (f", last with: {error}" if error else "")
        return HealthCheck(name="backlog", is_fine=False, detail=detail[:500])
    return HealthCheck(name="backlog", is_fine=True)


def _mail(runtime: Runtime) -> HealthCheck:
    with runtime.database.read() as connection:
        waits = notices.backlog(connection)
    detail = ""
    if waits.length and runtime.config.smtp is None:
        detail = f"{waits.length} notices wait; set smtp.host"
    elif waits.failing_since is not None and runtime.clock() - waits.failing_since > LATE:
        detail = f"{waits.failing} notices wait since mailing them failed, last with: {waits.error}"
    return HealthCheck(name="mail", is_fine=not detail, detail=detail)


def _sweep(runtime: Runtime) -> HealthCheck:
    reason = sweep_doubt(runtime)
    return HealthCheck(name="sweep", is_fine=not reason, detail=f"the daily rules wait: {reason}" if reason else "")


def _drift(runtime: Runtime) -> HealthCheck:
    """As the systems were when they were asked last; the daily watch asks them."""
    connections = runtime.connections.all().values()
    wrong = [f"{one.name} ({len(found)})" for one in connections if (found := stored_drift(runtime, one))]
    detail = f"mapping and system differ: {', '.join(wrong)}; run `connector mapping drift`" if wrong else ""
    return HealthCheck(name="drift", is_fine=not wrong, detail=detail)


def _account(runtime: Runtime) -> HealthCheck:
    wrong = [name for name, book in balance(runtime).items() if not is_balanced(book)]
    if wrong:
        detail = f"the account of {', '.join(wrong)} does not add up; run `connector account`"
        return HealthCheck(name="account", is_fine=False, detail=detail)
    return HealthCheck(name="account", is_fine=True)


def _retention(runtime: Runtime) -> HealthCheck:
    """Whether old events were compacted; the night before last is soon enough."""
    days = runtime.config.event_days
    border = border_of(runtime.ruleset, runtime.clock(), days + 2)
    with runtime.database.read() as connection:
        is_late = compaction.is_any_old(connection, border.at)
    detail = f"events of more than {days} days ago are still kept whole; run `connector forget`" if is_late else ""
    return HealthCheck(name="retention", is_fine=not is_late, detail=detail)


def _identities(runtime: Runtime) -> HealthCheck:
    """How many find nobody any more; that is as it should be, and worth a look."""
    with runtime.database.read() as connection:
        count = identities.count_shared(connection)
    detail = f"too many subjects have {count} of them to find anybody; see `connector subject duplicates`"
    return HealthCheck(name="identities", is_fine=True, detail=detail if count else "")


def balance(runtime: Runtime) -> dict[str, dict[str, int]]:
    """Per connection: deliveries accepted, and what became of them."""
    with runtime.database.read() as connection:
        return deliveries.account(connection)


def is_balanced(book: dict[str, int]) -> bool:
    """Whether what was accepted is all accounted for."""
    return book["accepted"] == sum(count for outcome, count in book.items() if outcome != "accepted")


def gauges(runtime: Runtime) -> Iterator[WaitingQueue]:
    """What waits now, for `/metrics`."""
    now = runtime.clock()
    with runtime.database.read() as connection:
        backlog = deliveries.backlog(connection)
        quarantined = quarantine.count(connection)
        waiting = outbox.count(connection)
        mails = notices.backlog(connection)
        held = subjects.held(connection)
        refused = queries.list_refusals(connection)
    for name in sorted({*backlog, *quarantined, *runtime.connections.all()}):
        length, oldest = backlog.get(name, (0, now))
        age = max((now - oldest).total_seconds(), 0.0)
        yield WaitingQueue(name="deliveries", connection=name, length=length, oldest_seconds=age)
        length = quarantined.get(name, 0)
        yield WaitingQueue(name="quarantine", connection=name, length=length, oldest_seconds=0.0)
    for (name, outcome), count in waiting.items():
        if outcome in {outbox.WAITING, outbox.DEAD}:
            since = mails.oldest if (name, outcome) == (outbox.NOTICE, outbox.WAITING) else None
            age = max((now - (since or now)).total_seconds(), 0.0)
            yield WaitingQueue(name=f"outbox_{outcome}", connection=name, length=count, oldest_seconds=age)
    for one in refused:
        seconds = max((now - one.since).total_seconds(), 0.0)
        yield WaitingQueue(name=f"refused_{one.act}", connection=one.connection, length=1, oldest_seconds=seconds)
    by_name: Counter[str] = Counter()
    for row in held:
        by_name[row.connection] += row.count
    for name, count in sorted(by_name.items()):
        yield WaitingQueue(name="held", connection=name, length=count, oldest_seconds=0.0)
