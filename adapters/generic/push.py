"""One request per update as a connection's settings describe it, and the record read back field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.contract import Api, Pushed, Update
from connector.adapter_kit.rest import NOT_READ_BACK, check_taken, check_target, differences, filled, found, send_each
from connector.core.errors import CrmRefused

FIELDS: Final = "{fields}"
_PLACE: Final = re.compile(r"\{([a-z]+(?:\.[^{}]+)?)\}")
_LEFT_OUT: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How updates are sent. `template`: JSON with places such as `{fields.stage}`; `owners`: e-mail → their id."""

    url: str
    method: str
    headers: Mapping[str, str]
    template: str
    read_url: str
    read: str
    owners: Mapping[str, str]
    has_directory: bool
    secrets: Sequence[str]

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each; without `url` nothing is sent, which is none."""
        mistakes: list[str] = []
        try:
            if self.url:
                check_target(self.url, self.method)
            self._template()
            found("read", self.read, {})
        except CrmRefused as error:
            mistakes.append(str(error))
        return mistakes

    def push(self, updates: Sequence[Update], api: Api) -> list[Pushed]:
        """The result of each update, in order."""
        return send_each(updates, lambda update: self._send(update, api))

    def _send(self, update: Update, api: Api) -> str | None:
        check_target(self.url, self.method)
        values, unknown = self._values(update)
        if values or not unknown:
            content = json.dumps(self._body(update, values), ensure_ascii=False, default=str).encode()
            headers = {"Content-Type": "application/json", "Idempotency-Key": update.key, **self.headers}
            answer = api.call(self.method.upper(), filled(self.url, update), data=content, headers=headers)
            check_taken(answer, self.secrets)
        remark = self._read_back(update, values, api) if values else None
        if unknown:
            raise CrmRefused(unknown)
        return remark

    def _values(self, update: Update) -> tuple[dict[str, Any], str | None]:
        """The fields with their owner's field, and why the owner cannot be written."""
        values = dict(update.fields)
        if update.owner is None or update.owner_field is None:
            return values, None
        owner = self.owners.get(update.owner) if self.has_directory else update.owner
        if owner is None:
            known = ", ".join(sorted(self.owners))
            return values, f"{update.owner_field}: {update.owner} is not in the setting `owner_ids` ({known})"
        return {**values, update.owner_field: owner}, None

    def _body(self, update: Update, values: Mapping[str, Any]) -> Any:
        places: dict[str, Any] = {
            "record.object": update.record.object,
            "record.id": update.record.id,
            "status": update.status,
            "label": update.label,
            "since": update.since.isoformat(),
            "owner": update.owner if update.owner_field else None,
            "key": update.key,
            "fields": dict(values),
            **{f"fields.{name}": value for name, value in values.items()},
        }
        body = _put(self._template(), places)
        return {} if body is _LEFT_OUT else body

    def _template(self) -> Any:
        try:
            return json.loads(self.template) if self.template != FIELDS else FIELDS
        except ValueError as error:
            message = f"the connection's setting `template` is not JSON: {error}"
            raise CrmRefused(message) from error

    def _read_back(self, update: Update, values: Mapping[str, Any], api: Api) -> str | None:
        if not self.read_url:
            return NOT_READ_BACK
        answer = api.call("GET", filled(self.read_url, update), headers=dict(self.headers))
        check_taken(answer, self.secrets)
        shown = found("read", self.read, answer.json())
        if not isinstance(shown, dict):
            message = f"written, but the connection's setting `read` ({self.read!r}) finds no record where it is read"
            raise CrmRefused(message)
        if wrong := differences(values, shown, self.secrets):
            raise CrmRefused("; ".join(wrong))
        return None


def _put(template: Any, places: Mapping[str, Any]) -> Any:
    """The template with its places filled in; a key whose only place has no value is left out."""
    if isinstance(template, dict):
        made = {name: _put(value, places) for name, value in template.items()}
        return {name: value for name, value in made.items() if value is not _LEFT_OUT}
    if isinstance(template, list):
        return [value for part in template if (value := _put(part, places)) is not _LEFT_OUT]
    if not isinstance(template, str):
        return template
    if whole := _PLACE.fullmatch(template):
        value = places.get(whole[1])
        return _LEFT_OUT if value is None else value
    return _PLACE.sub(lambda place: str(places.get(place[1], "")), template)
