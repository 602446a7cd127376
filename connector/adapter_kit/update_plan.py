"""What one update writes, what of it cannot be written, and what came of it by what its record shows afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final, Self

from connector.adapter_kit.contract import Pushed, PushOutcome, Update
from connector.adapter_kit.rest import RecordGone, excerpt
from connector.core.errors import CrmError, CrmUnavailable

NOT_READ_BACK: Final = "not read back"
_SHOWN: Final = 60


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
        return self.concluded(self.differences(record))

    def concluded(self, wrong: Iterable[str] = (), remark: str | None = None) -> Pushed:
        """The result of a plan with nothing (more) to write: done, unless something is `wrong` or was refused."""
        reasons = [*wrong, *self.refusals]
        outcome = PushOutcome.REFUSED if reasons else PushOutcome.DONE
        return self.pushed(outcome, "; ".join(reasons) or remark)

    def unread(self, error: CrmError) -> Pushed:
        """The result of a write after which nothing could be read."""
        retry_after = error.retry_after if isinstance(error, CrmUnavailable) else None
        return self.pushed(PushOutcome.LATER, f"written, but not read back: {error}", retry_after)

    def pushed(self, outcome: PushOutcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)

    def _quoted(self, value: Any) -> str:
        if isinstance(value, str):
            return repr(excerpt(value, self.secrets, _SHOWN))
        return "nothing" if value is None else excerpt(repr(value), self.secrets, _SHOWN)


def result_of(update: Update, error: CrmError, refusals: Sequence[str] = ()) -> Pushed:
    """The result of an update that an error stopped: to be tried later, gone, or refused with what else was refused."""
    if isinstance(error, CrmUnavailable):
        return Pushed(key=update.key, outcome=PushOutcome.LATER, reason=str(error), retry_after=error.retry_after)
    if isinstance(error, RecordGone):
        return Pushed(key=update.key, outcome=PushOutcome.GONE, reason=str(error))
    return Pushed(key=update.key, outcome=PushOutcome.REFUSED, reason="; ".join((str(error), *refusals)))
