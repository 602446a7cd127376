"""What could be other than now: draft mappings, rule settings, a newer template; as asked for, and as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Final

from connector.core.errors import NotFound, WrongSetting
from connector.core.mapping import MappingRules
from connector.core.rules import BASIC_1, BASIC_2, TEMPLATES, Template
from connector.core.ruleset import Settings
from connector.core.status import StatusInfo
from connector.i18n.statuses import find_status
from connector.mapping import parse_mapping_for
from connector.runtime.parts import Runtime
from connector.runtime.rule_settings import read_settings

UPGRADES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    (BASIC_1.name, BASIC_2.name): {"in_progress": "pending"},
}
"""From which template one can go to which, and what its statuses become that are not in the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfRequest:
    """What a what-if is asked about, as plain texts that can wait in a queue.

    `mappings`: sources by connection. `settings`: keys of the rule settings with other values than now. `template`: a
    template's name; `in_progress`: what that status of ver.1.0 becomes. `since`: YYYY-MM-DD.
    """

    mappings: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    template: str | None = None
    in_progress: str | None = None
    since: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `WhatIfRequest(**…)` is its inverse."""
        return asdict(self)

    @property
    def since_date(self) -> date | None:
        """The first local date whose events are translated anew."""
        return date.fromisoformat(self.since) if self.since else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be other than now: mappings by connection, rule settings, a template.

    `renamed`: what statuses become that the template does not have, where not as `UPGRADES` says.
    """

    mappings: Mapping[str, MappingRules] = field(default_factory=dict)
    settings: Settings | None = None
    template: Template | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


def read_proposal(runtime: Runtime, request: WhatIfRequest) -> Proposal:
    """The proposal that a request stands for. Raises `BadMapping`, `NotFound`, `UnknownStatus` and `WrongSetting`."""
    if not request.mappings and request.settings is None and request.template is None:
        message = "a what-if needs something that would be other than now: a mapping, settings, or a template"
        raise WrongSetting(message)
    present = runtime.ruleset
    template = _template(request.template) if request.template is not None else present.template
    settings = _settings(runtime, request.settings, template) if request.settings is not None else present.settings
    statuses = (*template.statuses, *settings.own_statuses)
    renamed = {"in_progress": find_status(request.in_progress, statuses)} if request.in_progress is not None else {}
    return Proposal(
        mappings={name: _mapping(runtime, name, source, statuses) for name, source in request.mappings.items()},
        settings=None if request.settings is None else settings,
        template=None if request.template is None else template,
        renamed=renamed,
    )


def renamed_statuses(present: Template, proposal: Proposal) -> Mapping[str, str]:
    """What statuses become under the proposed template. Raises `WrongSetting` where one cannot go there."""
    to = proposal.template
    if to is None or to.name == present.name:
        return proposal.renamed
    known = UPGRADES.get((present.name, to.name))
    if known is None:
        ways = ", ".join(f"from {before} to {after}" for before, after in UPGRADES)
        message = f"a workspace cannot go from {present.name} to {to.name}; allowed: {ways}"
        raise WrongSetting(message)
    return {**known, **proposal.renamed}


def with_renamed_statuses(raw: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A stored step (its JSON) that leads to the statuses that those it named have become."""
    if raw.get("to") in names:
        return {**raw, "to": names[raw["to"]]}
    if "counting" in raw:
        *counter, statuses, of = raw["counting"]
        return {**raw, "counting": [*counter, [names.get(status, status) for status in statuses], of]}
    return raw


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        message = f"{name!r} is no template; allowed: {', '.join(TEMPLATES)}"
        raise WrongSetting(message)
    return TEMPLATES[name]


def _settings(runtime: Runtime, changed: Mapping[str, Any], template: Template) -> Settings:
    """The workspace's settings with other values for some keys."""
    raw = {**runtime.config.workspace, **changed} if isinstance(changed, Mapping) else changed
    return read_settings(raw, template, mail_default=False)


def _mapping(runtime: Runtime, name: str, source: str, statuses: tuple[StatusInfo, ...]) -> MappingRules:
    connected = runtime.connections.get(name) or runtime.connections.look_again(name)
    if connected is None:
        message = f"there is no connection {name!r}; `connector connection list` shows them"
        raise NotFound(message)
    return parse_mapping_for(connected.adapter.NAME, source, name, statuses)
