"""Multi-fields (e-mails and phones) of an emulated Bitrix24 record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connector.emulators.bitrix24.php import as_array


@dataclass(slots=True, kw_only=True)
class Multi:
    """One value of a multi-field; `type_id` is EMAIL or PHONE."""

    id: int
    type_id: str
    value: str
    value_type: str = "WORK"


def write_multis(old_values: list[Multi], written: Any, next_id: Iterator[int]) -> list[Multi]:
    """The values after a write of `fm`: `n0` adds, an id changes, an empty value deletes, no `typeId` does nothing."""
    kept = {str(it.id): it for it in old_values}
    for key, row in as_array(written).items():
        entry = as_array(row)
        type_id, value = str(entry.get("typeId") or ""), str(entry.get("value") or "")
        if not type_id:
            continue
        old = kept.pop(str(entry.get("id") or key), None)
        if value:
            number = old.id if old else next(next_id)
            value_type = str(entry.get("valueType") or "WORK")
            kept[str(number)] = Multi(id=number, type_id=type_id, value=value, value_type=value_type)
    return sorted(kept.values(), key=lambda it: it.id)
