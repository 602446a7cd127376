"""Drives a push: plan each update, write the plans in batches, read the records back, and judge each by what it shows.

Theory of operation. `plan` says what an update writes; an update that cannot be written, or leaves nothing to write,
has its result at once. The others are put together by kind (the object of their records, unless the system says
otherwise) and given to `write` in batches; what it gives for one record ends that record only, what it raises ends its
batch and, untried, those of the same kind behind it: a system that is down says nothing else to the next one. Where the
system refuses the connection as a whole, nothing more is tried. Where one bad record undoes a whole call, `undone_by`
names the error, and each half is written by itself until the bad record stands alone. What was written is read back,
all records of an object together; a read-back that fails leaves its updates to be tried later, as nobody knows what the
records show. An update is done when its record shows what was wanted.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final, Self, TypeAlias, TypeVar

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.rest import Forbidden, RecordGone, chunks, excerpt
from connector.core.errors import AccessRefused, CrmError, CrmUnavailable

NOT_READ_BACK: Final = "not read back"
_SHOWN: Final = 60
_OUTCOMES: Final[Mapping[type[CrmError], PushOutcome]] = {
    CrmUnavailable: PushOutcome.LATER,
    RecordGone: PushOutcome.GONE,
    AccessRefused: PushOutcome.NO_ACCESS,
    Forbidden: PushOutcome.FORBIDDEN,
}


def is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value: the same text, number (`12500.00`, `12500`) or instant in another offset, or none.

    Nothing and an empty text are the same.
    """
    if isinstance(shown, bool) or isinstance(wanted, bool):
        return str(shown).casefold() == str(wanted).casefold()
    if isinstance(shown, dict | list) or isinstance(wanted, dict | list):
        return bool(shown == wanted)
    left, right = ("" if value is None else str(value).strip() for value in (shown, wanted))
    if left == right:
        return True
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a record should show after an update, field → value by the mapping's names.

    `refusals`: what of it cannot be written, in sentences. `result`: what came of it, as soon as that is known.
    `secrets`: what is masked where a reason quotes values.
    A system has a plan of its own where writing needs to know more, or where values compare in the system's own way.
    """

    LACKS: ClassVar[str | None] = None
    """What is said of fields that the record does not have; None: such fields show nothing."""

    update: Update
    wanted: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    result: Pushed | None = None
    secrets: Sequence[str] = field(default=(), repr=False)

    @property
    def id(self) -> str:
        """The record's id."""
        return self.update.record.id

    @property
    def object(self) -> str:
        """The record's object, such as `lead`."""
        return self.update.record.object

    @property
    def name(self) -> str:
        """The record, `lead:1907`."""
        return f"{self.object}:{self.id}"

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to write."""
        return not self.wanted

    def refused(self, reason: str) -> Self:
        """The plan with one more thing that it cannot write."""
        return replace(self, refusals=(*self.refusals, reason))

    def with_owner(self, people: Mapping[str, Sequence[Any]], who: str) -> Self:
        """The plan with the update's owner, if it has one, out of `people`: e-mail → what is written for who has it.

        One who is not there, or not alone, is refused by the words `who` ("active user of Odoo"). The rest is written
        all the same: a wrong owner must not keep the status away.
        """
        email, name = self.update.owner, self.update.owner_field
        if not email or not name:
            return self
        found = people.get(email.casefold(), ())
        if len(found) == 1:
            return replace(self, wanted={**self.wanted, name: found[0]})
        return self.refused(f"{name}: {'more than one' if found else 'no'} {who} has the e-mail {email}")

    def ended(self, error: CrmError) -> Self:
        """The plan that an error ended."""
        return replace(self, result=result_of(self.update, error, self.refusals))

    def is_same(self, shown: Any, wanted: Any) -> bool:
        """Whether a field shows a value."""
        return is_same(shown, wanted)

    def differences(self, record: Mapping[str, Any]) -> Iterator[str]:
        """What the record shows in place of the wanted values: `<field> shows 'x' in place of 'y'`."""
        for name, value in self.wanted.items():
            if self.LACKS and name not in record:
                yield f"{name} is not shown: {self.LACKS}"
            elif not self.is_same(record.get(name), value):
                yield f"{name} shows {self._quoted(record.get(name))} in place of {self._quoted(value)}"

    def judged(self, record: Mapping[str, Any] | None) -> Pushed:
        """The result by what the record shows after the write; None: it was not found."""
        if record is None:
            return self.pushed(PushOutcome.LATER, "written, but the record was not shown afterwards")
        wrong = frozenset(name for name, value in self.wanted.items() if not self.is_same(record.get(name), value))
        return replace(self.concluded(self.differences(record)), unwritten=wrong)

    def concluded(self, wrong: Iterable[str] = (), remark: str | None = None) -> Pushed:
        """The result of a plan with nothing (more) to write: done, unless something is `wrong` or was refused."""
        reasons = [*wrong, *self.refusals]
        outcome = PushOutcome.REFUSED if reasons else PushOutcome.DONE
        return self.pushed(outcome, "; ".join(reasons) or remark)

    def unread(self, error: CrmError) -> Pushed:
        """The result of a write after which nothing could be read."""
        retry_after = error.retry_after if isinstance(error, CrmUnavailable) else None
        outcome = PushOutcome.NO_ACCESS if isinstance(error, AccessRefused) else PushOutcome.LATER
        return self.pushed(outcome, f"written, but not read back: {error}", retry_after)

    def pushed(self, outcome: PushOutcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)

    def _quoted(self, value: Any) -> str:
        if isinstance(value, str):
            return repr(excerpt(value, self.secrets, _SHOWN))
        return "nothing" if value is None else excerpt(repr(value), self.secrets, _SHOWN)


def result_of(update: Update, error: CrmError, refusals: Sequence[str] = ()) -> Pushed:
    """The result of an update that an error stopped: to be tried later, gone, or refused with what else was refused."""
    outcome = outcome_of(error)
    if outcome is PushOutcome.LATER and isinstance(error, CrmUnavailable):
        return Pushed(key=update.key, outcome=outcome, reason=str(error), retry_after=error.retry_after)
    if outcome in {PushOutcome.GONE, PushOutcome.NO_ACCESS}:
        return Pushed(key=update.key, outcome=outcome, reason=str(error))
    unwritten = frozenset(name for name in (*update.fields, update.owner_field) if name)
    reason = "; ".join((str(error), *refusals))
    return Pushed(key=update.key, outcome=outcome, reason=reason, unwritten=unwritten)


def outcome_of(error: CrmError) -> PushOutcome:
    """What an error makes of an update."""
    return next((outcome for kind, outcome in _OUTCOMES.items() if isinstance(error, kind)), PushOutcome.REFUSED)


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
    closed: AccessRefused | None = None
    for place, update in enumerate(updates):
        try:
            planned = _planned(plan, update, closed)
        except CrmError as error:
            results[place] = result_of(update, error)
            closed = error if isinstance(error, AccessRefused) else closed
            continue
        if planned.is_idle:
            results[place] = planned.concluded()
        else:
            waiting[place] = planned
    for places in _by_kind(waiting, kind):
        batch = [waiting[place] for place in places]
        if closed is None:
            batch = write_batches(batch, write, size=size, undone_by=undone_by)
            closed = _access_refused(batch)
        else:
            batch = [one.ended(closed) for one in batch]
        waiting |= zip(places, batch, strict=True)
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
        except CrmError as error:
            if isinstance(error, AccessRefused) or not isinstance(error, undone_by):
                return [*done, *_ended((batch, *waiting), error)]
            if len(batch) > 1:
                middle = len(batch) // 2
                waiting.extendleft((batch[middle:], batch[:middle]))
                continue
            answers = [error]
        done += [_after(plan, answer) for plan, answer in zip(batch, answers, strict=True)]
        if closed := _access_refused(done):
            return [*done, *_ended(waiting, closed)]
    return done


def each(call: Callable[[P], R]) -> Callable[[Sequence[P]], list[R | CrmError]]:
    """A `write` or `read` for systems that know no batch: what `call` gives for each plan, or the error it raises."""

    def call_each(plans: Sequence[P]) -> list[R | CrmError]:
        answers: list[R | CrmError] = []
        for plan in plans:
            last = answers[-1] if answers else None
            answers.append(last if isinstance(last, AccessRefused) else _attempt(call, plan))
        return answers

    return call_each


def _planned(plan: Callable[[Update], P], update: Update, closed: AccessRefused | None) -> P:
    """What an update writes. Raises `CrmError`, also the one that nothing is tried after."""
    if closed is not None:
        raise closed
    return plan(update)


def _access_refused(plans: Iterable[Plan]) -> AccessRefused | None:
    """What the system refused the connection as a whole with, while it was given these."""
    results = (plan.result for plan in plans if plan.result is not None)
    return next((AccessRefused(one.reason) for one in results if one.outcome is PushOutcome.NO_ACCESS), None)


def _ended(batches: Iterable[Iterable[P]], error: CrmError) -> list[P]:
    return [plan.ended(error) for batch in batches for plan in batch]


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
