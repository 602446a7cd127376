"""What one update writes into a Bitrix24 record, and whether the record shows it afterwards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.bitrix24_errors import Failure
from adapters.bitrix24_items import Item, name_of, type_of
from adapters.bitrix24_rest import Command
from connector.adapter import Outcome, Pushed, Update

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"Y", "1", "True"})
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one update writes: name in `crm.item.*` → name in the mapping, value; `refusal`: what it cannot write.

    `trigger`: the code of the automation trigger that it fires.
    """

    update: Update
    wanted: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    refusal: str | None = None
    trigger: str | None = None

    @property
    def name(self) -> str:
        """The record, `lead:1907`."""
        return name_of(self.update.record)

    def command(self) -> Command:
        """The call that writes it."""
        record = self.update.record
        fields = {name: value for name, (_, value) in self.wanted.items()}
        return (
            "crm.item.update",
            {"entityTypeId": type_of(record.object), "id": record.id, "fields": fields, "useOriginalUfNames": "Y"},
        )

    def settled(self) -> Pushed:
        """The result of a plan that has nothing (more) to write."""
        return self.pushed(Outcome.REFUSED, self.refusal) if self.refusal else self.pushed(Outcome.DONE)

    def shown(self, written: Any, item: Item | None) -> Pushed:
        """The result by what the write answered and what the record shows after it."""
        if isinstance(written, Failure):
            return self.pushed(written.outcome, written.reason, written.retry_after)
        if item is None:
            return self.pushed(Outcome.LATER, "written, but the portal did not show the record afterwards")
        wrong = self.differences(item)
        return replace(self, refusal="; ".join([*wrong, *([self.refusal] if self.refusal else [])])).settled()

    def differences(self, item: Item) -> list[str]:
        """What the item shows in place of what is wanted, field by field."""
        return [text for name, (given, value) in self.wanted.items() if (text := _difference(given, name, value, item))]

    def pushed(self, outcome: Outcome, reason: str | None = None, retry_after: float | None = None) -> Pushed:
        """The result in the contract's form."""
        return Pushed(key=self.update.key, outcome=outcome, reason=reason, retry_after=retry_after)


def _difference(given: str, name: str, value: Any, item: Item) -> str | None:
    """What a field shows instead of the wanted value; None: it shows it."""
    if name not in item:
        return f"{given} is not shown: the portal has no such field, and ignores it"
    if _is_same(item[name], value):
        return None
    return f"{given} shows {repr(item[name])[:_SHOWN]}, wanted {repr(value)[:_SHOWN]}"


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as the portal writes one value in several ways."""
    if isinstance(wanted, bool):
        return (str(shown) in _TRUE) is wanted
    if isinstance(wanted, list | tuple):
        return isinstance(shown, list) and sorted(map(str, shown)) == sorted(map(str, wanted))
    if wanted is None or wanted == "":
        return shown in (None, "", 0, "0", [], False)
    left, right = str(shown).strip(), str(wanted).strip()
    return left == right or (bool(_DATE.fullmatch(right)) and left.startswith(right)) or _is_equal(left, right)


def _is_equal(left: str, right: str) -> bool:
    """Whether two texts are the same number (`12500.00`, `12500`) or the same instant in two offsets."""
    try:
        return Decimal(left) == Decimal(right)
    except InvalidOperation:
        pass
    try:
        return datetime.fromisoformat(left) == datetime.fromisoformat(right)
    except ValueError:
        return False
