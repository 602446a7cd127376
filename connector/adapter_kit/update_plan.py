"""What one update writes, what of it cannot be written, and what came of it by what its record shows afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any, Final, Self, TypeVar

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

T = TypeVar("T")
_SHOWN: Final = 60


class RecordGone(CrmRefused):
    """The system has the record no more."""

    reason = "record_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An error of a call or of one record in it. `code`: the system's, `reason`: for people, `retry_after`: seconds."""

    outcome: PushOutcome
    reason: str
    retry_after: float | None = None
    code: str = ""

    def error(self) -> CrmUnavailable | CrmRefused:
        """The same as an error to be raised."""
        if self.outcome is PushOutcome.LATER:
            return CrmUnavailable(self.reason, self.retry_after)
        return CrmRefused(self.reason)


def is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value: the same text, number (`12500.00`, `12500`) or instant in another offset, or none.

    Nothing and an empty text are the same.
    """
    if isinstance(shown, bool) or isinstance(wanted, bool):
        return str(shown).casefold() == str(wanted).casefold()
    left, right = ("" if one is None else str(one).strip() for one in (shown, wanted))
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


def differences(
    wanted: Mapping[str, Any],
    shown: Mapping[str, Any],
    is_same: Callable[[Any, Any], bool] = is_same,
    lacks: str | None = None,
) -> Iterator[str]:
    """What a record shows in place of the wanted values: `<field> shows 'x' in place of 'y'`.

    `lacks` is said of fields that the record does not have; None: they show nothing.
    """
    for name, value in wanted.items():
        if lacks and name not in shown:
            yield f"{name} is not shown: {lacks}"
        elif not is_same(shown.get(name), value):
            yield shows(name, shown.get(name), value)


def shows(name: str, shown: Any, wanted: Any) -> str:
    """That a field shows something else, for people: `<field> shows 'x' in place of 'y'`."""
    return f"{name} shows {_word(shown)} in place of {_word(wanted)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes, field → value. `refusals`: what of it cannot be written; `result`: what came of it.

    A system's own plan is made of it where more is to be known.
    """

    update: Update
    wanted: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    result: Pushed | None = None

    @property
    def id(self) -> str:
        """The record's id."""
        return self.update.record.id

    @property
    def name(self) -> str:
        """The record, `lead:1907`."""
        return f"{self.update.record.object}:{self.id}"

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

    def shown(
        self,
        record: Mapping[str, Any] | None,
        is_same: Callable[[Any, Any], bool] = is_same,
        lacks: str | None = None,
    ) -> Pushed:
        """The result by what the record shows after the write; None: it is not shown. The rest as of `differences`."""
        if record is None:
            return self.pushed(PushOutcome.LATER, "written, but the record was not shown afterwards")
        return self.settled(differences(self.wanted, record, is_same, lacks))

    def settled(self, wrong: Iterable[str] = ()) -> Pushed:
        """The result of a plan with nothing (more) to write: done, unless something is `wrong` or refused."""
        reasons = [*wrong, *self.refusals]
        return self.pushed(PushOutcome.REFUSED, "; ".join(reasons)) if reasons else self.pushed(PushOutcome.DONE)

    def failed(self, error: CrmError | Failure) -> Pushed:
        """The result of a write that failed."""
        if isinstance(error, Failure):
            return self.pushed(error.outcome, error.reason, error.retry_after)
        return failed(self.update, error)

    def unread(self, error: CrmError) -> Pushed:
        """The result of a write after which nothing could be read."""
        retry_after = error.retry_after if isinstance(error, CrmUnavailable) else None
        return self.pushed(PushOutcome.LATER, f"written, but not read back: {error}", retry_after)

    def pushed(self, outcome: PushOutcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def failed(update: Update, error: CrmError) -> Pushed:
    """The result of an update that an error stopped: to be tried later, gone, or refused."""
    if isinstance(error, CrmUnavailable):
        return Pushed(key=update.key, outcome=PushOutcome.LATER, reason=str(error), retry_after=error.retry_after)
    outcome = PushOutcome.GONE if isinstance(error, RecordGone) else PushOutcome.REFUSED
    return Pushed(key=update.key, outcome=outcome, reason=str(error))


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most that size."""
    waiting = iter(values)
    while chunk := list(islice(waiting, size)):
        yield chunk


def _word(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:_SHOWN]
