"""The forecast says what the sweeps of the days to come then do, when nothing else happens; and writes nothing."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from dataclasses import asdict
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from connector.core.errors import WrongSetting
from connector.operations.flow import sweep
from connector.runtime.parts import Runtime
from connector.store import batches, subjects
from connector.store.tables import decisions, metadata
from connector.what_if.forecast import PAGE, Expected, Forecast, forecast
from connector.what_if.report import Cancelled
from tests.conftest import NOW, Clock
from tests.flow.conftest import KEY_PAGE
from tests.flow.pipeline.test_order import CONNECTIONS, draw_lines, marked
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import mails
from tests.hypothesis_profile import examples

TOKYO = ZoneInfo("Asia/Tokyo")
_number = itertools.count()


def _happen(runtime: Runtime, chance: random.Random) -> None:
    for name in CONNECTIONS:
        if runtime.connections.get(name) is None:
            add_connection(runtime, name)
    lines = marked(draw_lines(chance, 1) + draw_lines(chance, 2), f"x{next(_number):06}")
    for name in CONNECTIONS:
        own = [{key: value for key, value in one.items() if key != "connection"} for one in lines]
        theirs = [one for one, line in zip(own, lines, strict=True) if line["connection"] == name]
        assert Sender(runtime, name).send(*theirs, key=f"msg_{next(_number)}").status_code == 202
    drain(runtime)


def _content(runtime: Runtime) -> list[list[str]]:
    with runtime.database.read() as connection:
        return [sorted(map(repr, connection.execute(select(table)).all())) for table in metadata.sorted_tables]


def _run(runtime: Runtime, days: int, page: int = PAGE) -> tuple[Forecast, list[Expected]]:
    before, found = _content(runtime), list[Expected]()
    result = forecast(runtime, days, page=page, each=found.append)
    assert _content(runtime) == before
    return result, found


def _decided(runtime: Runtime, since: datetime) -> Counter[tuple[str, str, str, str, str]]:
    with runtime.database.read() as connection:
        rows = connection.execute(select(decisions).where(decisions.c.recorded_at >= since)).mappings().all()
    days = (row["at"].astimezone(TOKYO).date().isoformat() for row in rows)
    return Counter(
        (row["subject"], day, row["rule"], row["before"], row["after"]) for row, day in zip(rows, days, strict=True)
    )


@settings(
    max_examples=examples(8),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(seed=st.integers(0, 2**32), days=st.sampled_from((0, 1, 5, 31)), is_swept=st.booleans())
def _as_said(selling: Runtime, clock: Clock, seed: int, *, days: int, is_swept: bool) -> None:
    _happen(selling, random.Random(seed))
    if is_swept:
        sweep(selling)
    said, each = _run(selling, days)
    asked = Counter(mails(selling))
    clock.forward(minutes=1)
    start = clock.now
    for day in range(days + 1):
        sweep(selling)
        clock.forward(days=day < days)
    expected = Counter(
        (one.subject, one.day.isoformat(), one.decision.rule, one.decision.before, one.decision.after) for one in each
    )
    assert _decided(selling, start) == expected
    mailed = Counter(mails(selling)) - asked
    assert mailed == Counter((to, one.decision.rule) for one in each for to in one.mails)
    assert said.subjects == len({one.subject for one in each})
    assert sum(said.moves.values()) == sum(one.decision.before != one.decision.after for one in each)
    assert sum(said.notices.values()) == mailed.total()


def test_the_sweeps_to_come_do_what_the_forecast_foresaw(selling: Runtime, clock: Clock) -> None:
    _as_said(selling, clock)


@pytest.fixture
def cooling(selling: Runtime) -> Runtime:
    """Two of Kim's leads that cool down on the same day, and one without a person in charge that does a day later."""
    add_connection(selling)
    lines = []
    for number, last in enumerate((10, 10, 11)):
        subject = {"id": f"L-{number}", "email": f"p{number}@example.jp"}
        visit = {"type": "action", "action": "site_access", "page": KEY_PAGE, "kind": "lead", "subject": subject}
        lines += [
            visit | {"id": f"v{number}-{day}", "at": f"2026-03-{day:02}T10:00:00+09:00"} for day in (last - 2, last)
        ]
        if number < 2:
            owner = {"type": "owner", "owner": "kim@example.jp", "subject": subject}
            lines.append(owner | {"id": f"o{number}", "at": "2026-03-01T10:00:00+09:00"})
    Sender(selling).send(*lines)
    drain(selling)
    sweep(selling)
    return selling


def test_a_list_is_one_mail_however_many_are_on_it(cooling: Runtime) -> None:
    found, _ = _run(cooling, 10)
    assert found.until == date(2026, 4, 11)
    moves = {key: count for key, count in found.moves.items() if key[1] == "explicit.cool"}
    assert moves == {
        ("2026-04-09", "explicit.cool", "explicit", "quasi_explicit"): 2,
        ("2026-04-10", "explicit.cool", "explicit", "quasi_explicit"): 1,
    }
    days = [f"2026-04-0{day}" for day in range(4, 9)]
    assert found.notices == {(day, "explicit.warn", "list", "kim@example.jp"): 2 for day in days}
    assert found.mails == len(days)
    assert set(found.unsent) == {(f"2026-04-0{day}", "explicit.warn", "no_recipient") for day in range(5, 10)}
    assert found.to_json()["notices"][0] == {
        "day": "2026-04-04",
        "rule": "explicit.warn",
        "notice": "list",
        "to": "kim@example.jp",
        "subjects": 2,
    }


def test_of_missed_dates_nothing_is_mailed(cooling: Runtime, clock: Clock) -> None:
    clock.now = datetime(2026, 4, 6, 3, tzinfo=UTC)
    found, each = _run(cooling, 0)
    assert found.notices == {("2026-04-06", "explicit.warn", "list", "kim@example.jp"): 2}
    missed = [one for one in each if one.is_missed]
    assert {one.day for one in missed} == {date(2026, 4, 4), date(2026, 4, 5)}
    assert all(one.to_json()["notify"] == [] for one in missed)


def test_it_goes_page_by_page_and_can_be_ended(cooling: Runtime) -> None:
    whole = _run(cooling, 10)
    assert _run(cooling, 10, page=1)[0] == whole[0]
    seen: list[tuple[int, int]] = []
    with pytest.raises(Cancelled, match="ended after 1 of 3 subjects"):
        forecast(
            cooling,
            10,
            page=1,
            progress=lambda done, total: seen.append((done, total)),
            is_cancelled=lambda: True,
        )
    assert seen == [(1, 3)]


def test_who_has_no_state_is_passed_over(cooling: Runtime) -> None:
    with cooling.database.write() as connection:
        row = subjects.listed(connection)[0]
        batches.save_subjects(connection, [asdict(row) | {"state": None}])
    assert _run(cooling, 10)[0].subjects == 2


@pytest.mark.parametrize("days", [-1, 3661])
def test_days_beyond_reason_are_refused(runtime: Runtime, days: int) -> None:
    with pytest.raises(WrongSetting, match=f"found {days}; allowed: 0 .today alone. to 3660"):
        forecast(runtime, days)
    assert forecast(runtime, 0).to_json()["until"] == NOW.astimezone(TOKYO).date().isoformat()
