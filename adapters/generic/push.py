"""One request per update as a connection's settings describe it, and the record read back field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.adapter_kit.contract import Api, Pushed, Update
from connector.adapter_kit.payload import read_json
from connector.adapter_kit.push_in_batches import Plan as KitPlan
from connector.adapter_kit.push_in_batches import each, push_in_batches
from connector.adapter_kit.rest import address_of, check_answer, check_target, search
from connector.core.errors import BadPayload, CrmRefused

FIELDS: Final = "{fields}"
_PLACE: Final = re.compile(r"\{([a-z]+(?:\.[^{}]+)?)\}")
_LEFT_OUT: Final = object()


class Plan(KitPlan):
    """What one update writes. One without fields is sent too: the template may have its status, or its owner."""

    __slots__ = ()

    @property
    def is_idle(self) -> bool:
        """Whether all that it had was refused."""
        return not self.wanted and bool(self.refusals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where and how updates are sent. `template`: JSON with places such as `{fields.stage}`.

    `owners`: e-mail → their id; None: they are written by their e-mails.
    """

    api: Api
    url: str
    method: str
    headers: Mapping[str, str]
    template: str
    read_url: str
    read: str
    owners: Mapping[str, str] | None
    secrets: Sequence[str]

    def mistakes(self) -> list[str]:
        """What is wrong with the settings, a sentence each; without `url` nothing is sent, which is none."""
        try:
            if self.url:
                check_target(self.url, self.method)
            self._template()
            search("read", self.read, {})
        except CrmRefused as error:
            return [str(error)]
        return []

    def push(self, updates: Sequence[Update]) -> list[Pushed]:
        """The result of each update, in order."""
        return push_in_batches(updates, self._plan, each(self._write), each(self._read) if self.read_url else None)

    def _plan(self, update: Update) -> Plan:
        check_target(self.url, self.method)
        owner = update.owner or ""
        if self.owners is None:
            people, who = {owner.casefold(): [owner]}, ""
        else:
            people = {email: [known] for email, known in self.owners.items()}
            who = f"entry of the setting `owner_ids` ({', '.join(sorted(people))})"
        return Plan(update=update, wanted=update.fields, secrets=self.secrets).with_owner(people, who)

    def _write(self, plan: Plan) -> None:
        content = json.dumps(self._body(plan), ensure_ascii=False, default=str).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": plan.update.key, **self.headers}
        url = address_of(self.url, plan.update)
        check_answer(self.api.call(self.method.upper(), url, data=content, headers=headers), self.secrets)

    def _body(self, plan: Plan) -> Any:
        update = plan.update
        places: dict[str, Any] = {
            "record.object": plan.object,
            "record.id": plan.id,
            "status": update.status,
            "label": update.label,
            "since": update.since.isoformat(),
            "owner": update.owner if update.owner_field else None,
            "key": update.key,
            "fields": dict(plan.wanted),
            **{f"fields.{name}": value for name, value in plan.wanted.items()},
        }
        body = _fill(self._template(), places)
        return {} if body is _LEFT_OUT else body

    def _template(self) -> Any:
        try:
            return read_json(self.template.encode()).value if self.template != FIELDS else FIELDS
        except BadPayload as error:
            message = f"the connection's setting `template` is not JSON: {error}"
            raise CrmRefused(message) from error

    def _read(self, plan: Plan) -> Mapping[str, Any]:
        answer = self.api.call("GET", address_of(self.read_url, plan.update), headers=dict(self.headers))
        check_answer(answer, self.secrets)
        record = search("read", self.read, answer.json())
        if isinstance(record, dict):
            return record
        message = f"written, but the connection's setting `read` ({self.read!r}) finds no record where it is read"
        raise CrmRefused(message)


def _fill(template: Any, places: Mapping[str, Any]) -> Any:
    """The template with its places filled in; a key whose only place has no value is left out."""
    if isinstance(template, dict):
        filled = {name: _fill(value, places) for name, value in template.items()}
        return {name: value for name, value in filled.items() if value is not _LEFT_OUT}
    if isinstance(template, list):
        return [value for part in template if (value := _fill(part, places)) is not _LEFT_OUT]
    if not isinstance(template, str):
        return template
    if whole := _PLACE.fullmatch(template):
        value = places.get(whole[1])
        return _LEFT_OUT if value is None else value
    return _PLACE.sub(lambda place: str(places.get(place[1], "")), template)
