"""Drives a push: plan each update, write the plans in batches, read the records back, and judge each by what it shows.

Theory of operation. `plan` says what an update writes; an update that cannot be written, or leaves nothing to write,
has its result at once. The others are put together by kind (the object of their records, unless the system says
otherwise) and given to `write` in batches; what it gives for one record ends that record only, what it raises ends its
batch and, untried, those of the same kind behind it: an expired token or a system that is down says nothing else to the
next one. Where one bad record undoes a whole call, `undone_by` names the error, and each half is written by itself
until the bad record stands alone. What was written is read back, all records of an object together; a read-back that
fails leaves its updates to be tried later, as nobody knows what the records show. An update is done when its record
shows what was wanted.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from connector.adapter_kit.contract import Pushed, Update
from connector.adapter_kit.rest import chunks
from connector.adapter_kit.update_plan import NOT_READ_BACK, Plan, result_of
from connector.core.errors import CrmError

P = TypeVar("P", bound=Plan)
R = TypeVar("R")
Written: TypeAlias = Sequence[P | CrmError | None]
"""For each plan of a batch: None when it was written, what went wrong, or the plan as it is now."""
Shown: TypeAlias = Sequence[Mapping[str, Any] | CrmError | None]
"""For each plan its record by the mapping's names, None when it was not found, or why it cannot be read."""


def object_of(plan: Plan) -> Hashable:
    """The usual kind: most systems write the records of one object in one call."""
    return plan.object


def push_in_batches(
    updates: Sequence[Update],
    plan: Callable[[Update], P],
    write: Callable[[Sequence[P]], Written[P]],
    read: Callable[[Sequence[P]], Shown] | None,
    *,
    size: int = 1,
    kind: Callable[[P], Hashable] = object_of,
    undone_by: tuple[type[CrmError], ...] = (),
) -> list[Pushed]:
    """The result of each update, in order; a `CrmError` of one of the three functions is a result, too.

    `size`: plans per call of `write`; `kind`: only plans for which it gives the same go into one call. Without `read` a
    write that is taken counts as done, with the remark that it was not read back.
    """
    results: dict[int, Pushed] = {}
    waiting: dict[int, P] = {}
    for place, update in enumerate(updates):
        try:
            planned = plan(update)
        except CrmError as error:
            results[place] = result_of(update, error)
            continue
        if planned.is_idle:
            results[place] = planned.concluded()
        else:
            waiting[place] = planned
    for places in _by_kind(waiting, kind):
        batch = [waiting[place] for place in places]
        waiting |= zip(places, write_batches(batch, write, size=size, undone_by=undone_by), strict=True)
    for places in _by_kind(waiting, object_of):
        results |= zip(places, _results([waiting[place] for place in places], read), strict=True)
    return [results[place] for place in range(len(updates))]


def write_batches(
    plans: Sequence[P],
    write: Callable[[Sequence[P]], Written[P]],
    *,
    size: int,
    undone_by: tuple[type[CrmError], ...] = (),
) -> list[P]:
    """Plans of one kind after they were written, in order; those that could not be have their result."""
    waiting = deque(chunks(plans, size))
    done: list[P] = []
    while waiting:
        batch = waiting.popleft()
        answers: Written[P]
        try:
            answers = write(batch)
        except undone_by as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                waiting.extendleft((batch[middle:], batch[:middle]))
                continue
            answers = [error]
        except CrmError as error:
            return [*done, *(plan.ended(error) for left in (batch, *waiting) for plan in left)]
        done += [_after(plan, answer) for plan, answer in zip(batch, answers, strict=True)]
    return done


def each(call: Callable[[P], R]) -> Callable[[Sequence[P]], list[R | CrmError]]:
    """A `write` or `read` for systems that know no batch: what `call` gives for each plan, or the error it raises."""

    def call_each(plans: Sequence[P]) -> list[R | CrmError]:
        return [_attempt(call, plan) for plan in plans]

    return call_each


def _attempt(call: Callable[[P], R], plan: P) -> R | CrmError:
    try:
        return call(plan)
    except CrmError as error:
        return error


def _after(plan: P, answer: P | CrmError | None) -> P:
    if answer is None:
        return plan
    return plan.ended(answer) if isinstance(answer, CrmError) else answer


def _by_kind(plans: Mapping[int, P], kind: Callable[[P], Hashable]) -> Iterable[list[int]]:
    """The places of plans of the same kind."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, plan in plans.items():
        places[kind(plan)].append(place)
    return places.values()


def _results(plans: Sequence[P], read: Callable[[Sequence[P]], Shown] | None) -> list[Pushed]:
    """The results of plans after their write: those that it ended, and the others by what their records show."""
    judged = iter(_judged([plan for plan in plans if plan.result is None and plan.wanted], read))
    return [plan.result or (next(judged) if plan.wanted else plan.concluded()) for plan in plans]


def _judged(plans: Sequence[P], read: Callable[[Sequence[P]], Shown] | None) -> list[Pushed]:
    if read is None:
        return [plan.concluded(remark=NOT_READ_BACK) for plan in plans]
    try:
        records = read(plans) if plans else ()
    except CrmError as error:
        return [plan.unread(error) for plan in plans]
    return [
        result_of(plan.update, record, plan.refusals) if isinstance(record, CrmError) else plan.judged(record)
        for plan, record in zip(plans, records, strict=True)
    ]
