"""What one update writes into a Bitrix24 record, and whether the record shows it afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from adapters.bitrix24.client import Command
from adapters.bitrix24.records import Item, new_name, type_of
from connector.adapter_kit import update_plan
from connector.adapter_kit.contract import Pushed
from connector.adapter_kit.update_plan import Failure, is_same

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TRUE: Final = frozenset({"Y", "1", "True"})
_NO_FIELD: Final = "the portal has no such field, and ignores it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(update_plan.Plan):
    """What one update writes, by the mapping's names. `trigger`: the code of the automation trigger that it fires."""

    trigger: str | None = None

    @property
    def fields(self) -> dict[str, tuple[str, Any]]:
        """Name in `crm.item.*` → name in the mapping, value."""
        return {new_name(given): (given, value) for given, value in self.wanted.items()}

    def command(self) -> Command:
        """The call that writes it."""
        fields = {name: value for name, (_, value) in self.fields.items()}
        return (
            "crm.item.update",
            {
                "entityTypeId": type_of(self.update.record.object),
                "id": self.id,
                "fields": fields,
                "useOriginalUfNames": "Y",
            },
        )

    def judged_by(self, written: Any, item: Item | None) -> Pushed:
        """The result by what the write answered and what the record shows after it."""
        if isinstance(written, Failure):
            return self.failed(written)
        return self.shown(None) if item is None else self.settled(self.differences(item))

    def differences(self, item: Item) -> Iterator[str]:
        """What the item shows in place of what is wanted, field by field."""
        shown = {given: item[name] for name, (given, _) in self.fields.items() if name in item}
        return update_plan.differences(self.wanted, shown, _is_same, _NO_FIELD)


def _is_same(shown: Any, wanted: Any) -> bool:
    """Whether a field shows a value, as far as the portal writes one value in several ways."""
    if isinstance(wanted, bool):
        return (str(shown) in _TRUE) is wanted
    if isinstance(wanted, list | tuple):
        return isinstance(shown, list) and sorted(map(str, shown)) == sorted(map(str, wanted))
    if wanted is None or wanted == "":
        return shown in (None, "", 0, "0", [], False)
    is_day = bool(_DATE.fullmatch(str(wanted).strip()))
    return is_same(shown, wanted) or (is_day and str(shown).startswith(str(wanted).strip()))
