"""The retry rule: pauses that double, by chance or not, what a system asks for, and when to give up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from connector.runtime import retry
from connector.runtime.retry import RetryPolicy

POLICY = RetryPolicy(first=timedelta(seconds=10), most=timedelta(seconds=60))
USES = [value for value in vars(retry).values() if isinstance(value, RetryPolicy)]


def _seconds(policy: RetryPolicy, attempts: int, retry_after: float | None = None) -> float:
    return policy.pause(attempts, retry_after).total_seconds()


def test_a_pause_doubles_after_each_attempt_up_to_the_longest() -> None:
    assert [_seconds(POLICY, attempts) for attempts in (0, 1, 2, 3, 4, 10_000)] == [10, 10, 20, 40, 60, 60]


def test_where_attempts_are_not_counted_it_waits_as_long_again_as_it_has_been_failing() -> None:
    pauses = [POLICY.pause_since(timedelta(seconds=failing)).total_seconds() for failing in (0, 10, 35, 3600)]
    assert pauses == [10, 10, 35, 60]


def test_with_jitter_a_pause_is_between_half_and_all_of_it() -> None:
    policy = replace(POLICY, has_jitter=True)
    pauses = {_seconds(policy, 2) for _ in range(50)}
    assert len(pauses) > 1
    assert 10 <= min(pauses) <= max(pauses) <= 20


@pytest.mark.parametrize(("is_least", "expected"), [(False, [5, 3600]), (True, [10, 3600])])
def test_what_the_system_asks_for_is_waited_or_can_only_lengthen_the_pause(
    is_least: bool,  # noqa: FBT001 - pytest gives it by name
    expected: list[float],
) -> None:
    policy = replace(POLICY, is_least=is_least, has_jitter=True)
    assert [_seconds(policy, 1, asked) for asked in (5.0, 3600.0)] == expected
    assert all(5 <= _seconds(policy, 1, asked) <= 10 for asked in (None, 0.0))


def test_it_is_over_after_so_many_attempts_or_so_long() -> None:
    policy = replace(POLICY, attempts=3, span=timedelta(hours=1))
    assert [policy.is_over(attempts=attempts) for attempts in (2, 3)] == [False, True]
    assert [policy.is_over(failing=timedelta(minutes=minutes)) for minutes in (59, 60)] == [False, True]
    assert not POLICY.is_over(attempts=10_000, failing=timedelta(days=10_000))


@pytest.mark.parametrize("policy", USES)
def test_every_use_waits_a_moment_at_least_and_a_day_at_most(policy: RetryPolicy) -> None:
    assert timedelta(0) < policy.first <= policy.most <= timedelta(days=1)
