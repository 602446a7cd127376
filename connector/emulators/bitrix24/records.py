"""One record of an emulated Bitrix24 portal: what is stored, what a write may put there, how both families show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from connector.emulators.bitrix24.fields import FIELDS, OLD_KEYS, Entity, custom_item_name, item_name
from connector.emulators.bitrix24.php import as_array

_NUMBERS: Final = frozenset(
    {"integer", "user", "crm_company", "crm_contact", "crm_lead", "crm_category", "crm_quote", "location"}
)
_EMPTY_TEXT: Final = frozenset({"BIRTHDATE", "DATE_CLOSED", "BEGINDATE", "CLOSEDATE"})


@dataclass(slots=True, kw_only=True)
class Record:
    """A lead, deal or contact; `values` by `crm.item.*` name, custom fields by original name; times are aware UTC."""

    entity: Entity
    id: int
    values: dict[str, Any] = field(default_factory=dict)
    multis: list[Multi] = field(default_factory=list)

    def get(self, name: str) -> Any:
        """The stored value, or the field's default."""
        known = FIELDS[self.entity].get(name)
        return self.values.get(name, known.default if known else None)

    def first(self, type_id: str, value_type: str | None = None) -> str:
        """The first value of a multi-field, or empty text."""
        return next(
            (
                multi.value
                for multi in self.multis
                if multi.type_id == type_id and value_type in {None, multi.value_type}
            ),
            "",
        )


@dataclass(slots=True, kw_only=True)
class Multi:
    """One value of a multi-field; `type_id` is EMAIL or PHONE."""

    id: int
    type_id: str
    value: str
    value_type: str = "WORK"


def write_multis(old_values: list[Multi], written: Any, next_id: Iterator[int]) -> list[Multi]:
    """The values after a write of `fm`: `n0` adds, an id changes, an empty value deletes, no `typeId` does nothing."""
    by_id = {str(multi.id): multi for multi in old_values}
    for key, row in as_array(written).items():
        entry = as_array(row)
        type_id, value = str(entry.get("typeId") or ""), str(entry.get("value") or "")
        if not type_id:
            continue
        old = by_id.pop(str(entry.get("id") or key), None)
        if value:
            number = old.id if old else next(next_id)
            value_type = str(entry.get("valueType") or "WORK")
            by_id[str(number)] = Multi(id=number, type_id=type_id, value=value, value_type=value_type)
    return sorted(by_id.values(), key=lambda multi: multi.id)


def read_value(type_name: str, name: str, value: Any, zone: tzinfo) -> Any:
    """A value as a write gives it, as it is stored; raises `Refused` when the type does not allow it."""
    if value in (None, ""):
        return 0 if type_name == "user" else None
    reader = _READERS.get(type_name) or _read_text
    try:
        return reader(value, zone)
    except (TypeError, ValueError) as error:
        raise bad_value(name=name) from error


def read_values(entity: Entity, values: Mapping[str, Any], customs: Mapping[str, str], zone: tzinfo) -> dict[str, Any]:
    """The values that a write may set, as they are stored; unknown and read-only names are left out without a word."""
    read: dict[str, Any] = {}
    for name, value in values.items():
        known = FIELDS[entity].get(name)
        if custom := customs.get(name):
            read[name] = read_value(custom, name, value, zone)
        elif known and known.is_list:
            read[name] = _read_members(name, value, zone)
        elif known and not known.is_read_only and name != "fm":
            read[name] = read_value(known.type, name, value, zone)
    return read


def _read_members(name: str, value: Any, zone: tzinfo) -> tuple[Any, ...]:
    if not isinstance(value, dict | list | tuple):
        text = f"Expected iterable value for multiple field, but got {type(value).__name__} instead"
        raise Refused(code="100", text=text)
    members = value.values() if isinstance(value, dict) else value
    return tuple(read_value("integer", name, member, zone) for member in members)


class Refused(Exception):
    """An error body of the portal: `code` may be empty, `status` is the HTTP status outside a batch."""

    def __init__(self, *, code: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code, self.text, self.status = code, text, status


def bad_value(*, name: str) -> Refused:
    """The error for a value that a field does not take."""
    return Refused(code="CRM_FIELD_ERROR_VALUE_NOT_VALID", text=f'Invalid value for field "{name}"')


def _read_text(value: Any, _zone: tzinfo) -> str:
    if isinstance(value, dict | list):
        raise TypeError(value)
    return str(value)


def _read_number(value: Any, _zone: tzinfo) -> int:
    return int(value)


def _read_double(value: Any, _zone: tzinfo) -> float:
    return float(value)


def _read_boolean(value: Any, _zone: tzinfo) -> str:
    return {"Y": "Y", "1": "Y", "True": "Y", "N": "N", "0": "N", "False": "N"}.get(str(value), "N")


def _read_time(value: Any, zone: tzinfo) -> datetime:
    read = datetime.fromisoformat(str(value))
    return (read if read.tzinfo else read.replace(tzinfo=zone)).astimezone(UTC)


_READERS: Final[Mapping[str, Callable[[Any, tzinfo], Any]]] = {
    **dict.fromkeys(_NUMBERS, _read_number),
    "double": _read_double,
    "boolean": _read_boolean,
    "date": _read_time,
    "datetime": _read_time,
}


def show(value: Any, zone: tzinfo) -> Any:
    """A stored value as JSON: times in the portal's offset and whole seconds, whole amounts without a fraction."""
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return list(value) if isinstance(value, tuple) else value


def as_item(
    record: Record, semantics: str, customs: Mapping[str, str], zone: tzinfo, *, is_original: bool
) -> dict[str, Any]:
    """The record as `crm.item.get` shows it. `is_original`: custom fields keep their own names."""
    row = as_row(record, semantics, customs, is_original=is_original)
    return {name: show(value, zone) for name, value in row.items()}


def as_row(record: Record, semantics: str, customs: Mapping[str, str], *, is_original: bool) -> dict[str, Any]:
    """The same with times as aware UTC, for filters."""
    computed = _computed(record, semantics)
    row = {name: computed[name] if name in computed else record.get(name) for name in FIELDS[record.entity]}
    for name in customs:
        row[name if is_original else custom_item_name(name)] = record.get(name)
    return {**row, "entityTypeId": int(record.entity)}


def _computed(record: Record, semantics: str) -> dict[str, Any]:
    emails, phones = record.first("EMAIL"), record.first("PHONE")
    return {
        "id": record.id,
        "stageSemanticId": semantics,
        "closed": "N" if semantics == "P" else "Y",
        "hasEmail": "Y" if emails else "N",
        "hasPhone": "Y" if phones else "N",
        "email": emails,
        "phone": phones,
        **{f"email{kind.title()}": record.first("EMAIL", kind) for kind in ("HOME", "WORK", "MAILING")},
        **{f"phone{kind.title()}": record.first("PHONE", kind) for kind in ("MOBILE", "WORK", "MAILING")},
        "fm": [
            {"id": multi.id, "valueType": multi.value_type, "value": multi.value, "typeId": multi.type_id}
            for multi in record.multis
        ],
    }


def as_old(record: Record, semantics: str, customs: Mapping[str, str], zone: tzinfo) -> dict[str, Any]:
    """The record as `crm.lead.get`, `crm.deal.get` and `crm.contact.get` show it: upper-case keys, numbers as text."""
    item = as_item(record, semantics, customs, zone, is_original=True)
    shown = {key: _old_value(key, item.get(item_name(key))) for key in OLD_KEYS[record.entity]}
    shown.update({name: item[name] for name in customs})
    for type_id in ("PHONE", "EMAIL"):
        values = [
            {"ID": str(multi.id), "VALUE_TYPE": multi.value_type, "VALUE": multi.value, "TYPE_ID": type_id}
            for multi in record.multis
            if multi.type_id == type_id
        ]
        if values:
            shown[type_id] = values
    return shown


def _old_value(key: str, value: Any) -> Any:
    if key in {"OPPORTUNITY", "TAX_VALUE"}:
        return f"{value:.2f}"
    if value is None:
        return "" if key in _EMPTY_TEXT else None
    if value == 0 and key in {"COMPANY_ID", "CONTACT_ID", "LEAD_ID"}:
        return None
    return str(value) if isinstance(value, int | float) else value
