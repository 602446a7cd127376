"""What-if and forecast as people ask for them: at once, or of the workers, with progress and a way to cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from connector.core.errors import WrongSetting
from connector.runtime.parts import Runtime
from connector.runtime.wakeups import WHAT_IF
from connector.what_if import runs
from connector.what_if.compare import what_if
from connector.what_if.forecast import Expected, Forecast, forecast
from connector.what_if.proposal import Asked, proposal_of
from connector.what_if.report import Difference, WhatIf

LONGEST: Final = 3660
Progress = Callable[[int, int], None]


def run(
    runtime: Runtime,
    of: Asked,
    *,
    progress: Progress = lambda _done, _all: None,
    is_cancelled: Callable[[], bool] = lambda: False,
    each: Callable[[Difference], None] = lambda _difference: None,
) -> WhatIf:
    """The what-if, computed here. Raises `Cancelled`, and what `proposal_of` does."""
    return what_if(
        runtime,
        proposal_of(runtime, of),
        since=of.since_date,
        progress=progress,
        is_cancelled=is_cancelled,
        each=each,
    )


def start(runtime: Runtime, of: Asked, *, actor: str) -> dict[str, Any]:
    """Have the workers compute a what-if: as `show` gives it. Raises `NoRedis`, and what `proposal_of` does."""
    found = runs.ask(runtime, of, actor=actor)
    runtime.wakeups.enqueue(WHAT_IF, found)
    return runs.get(runtime, found)


def show(runtime: Runtime, of: str) -> dict[str, Any]:
    """A what-if of the workers: state, subjects done, total, result at the end. Raises `NotFound`, `NoRedis`."""
    return runs.get(runtime, of)


def listed(runtime: Runtime) -> list[dict[str, Any]]:
    """The newest what-ifs of the workers, newest first. Raises `NoRedis`."""
    return runs.listed(runtime)


def differences(runtime: Runtime, of: str, start_at: int = 0, limit: int = 100) -> list[dict[str, Any]]:
    """Subjects that differ and why, as far as they are kept. Raises `NotFound`, `NoRedis`."""
    return runs.differences(runtime, of, start_at, limit)


def cancel(runtime: Runtime, of: str) -> bool:
    """End a what-if of the workers; False: it had ended already. Raises `NotFound`, `NoRedis`."""
    return runs.cancel(runtime, of)


def run_forecast(
    runtime: Runtime,
    days: int,
    *,
    progress: Progress = lambda _done, _all: None,
    each: Callable[[Expected], None] = lambda _expected: None,
) -> Forecast:
    """What the daily rules will decide within `days` days from today. Raises `WrongSetting`."""
    if not 0 <= days <= LONGEST:
        message = f"--days: found {days}; allowed: 0 (today alone) to {LONGEST}"
        raise WrongSetting(message)
    return forecast(runtime, days, progress=progress, each=each)
