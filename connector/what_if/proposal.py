"""What a what-if is asked about, as plain texts that can wait in a queue; and the proposal that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from connector.core.errors import NotFound, WrongSetting
from connector.core.rules import TEMPLATES, Settings, Template
from connector.core.status import StatusInfo
from connector.i18n.statuses import find_status
from connector.mapping import parse_mapping
from connector.runtime.parts import Runtime
from connector.runtime.rule_settings import read_settings
from connector.what_if.proposals import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`mappings`: sources by connection. `settings`: keys of the rule settings with other values than now.

    `template`: a template's name; `in_progress`: what that status of ver.1.0 becomes. `since`: YYYY-MM-DD.
    """

    mappings: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    template: str | None = None
    in_progress: str | None = None
    since: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values; `Asked(**…)` is its inverse."""
        return asdict(self)

    @property
    def since_date(self) -> date | None:
        """The first local date whose events are translated anew."""
        return date.fromisoformat(self.since) if self.since else None


def proposal_of(runtime: Runtime, asked: Asked) -> Proposal:
    """The proposal. Raises `BadMapping`, `NotFound`, `UnknownStatus` and `WrongSetting`."""
    if not asked.mappings and asked.settings is None and asked.template is None:
        message = "a what-if needs something that would be other than now: a mapping, settings, or a template"
        raise WrongSetting(message)
    present = runtime.ruleset
    template = _template(asked.template) if asked.template is not None else present.template
    settings = _settings(runtime, asked.settings, template) if asked.settings is not None else present.settings
    statuses = (*template.statuses, *settings.own_statuses)
    renamed = {"in_progress": find_status(asked.in_progress, statuses)} if asked.in_progress is not None else {}
    return Proposal(
        mappings={name: _mapping(runtime, name, source, statuses) for name, source in asked.mappings.items()},
        settings=None if asked.settings is None else settings,
        template=None if asked.template is None else template,
        renamed=renamed,
    )


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        message = f"{name!r} is no template; allowed: {', '.join(TEMPLATES)}"
        raise WrongSetting(message)
    return TEMPLATES[name]


def _settings(runtime: Runtime, changed: Mapping[str, Any], template: Template) -> Settings:
    """The workspace's settings with other values for some keys."""
    raw = {**runtime.config.workspace, **changed} if isinstance(changed, Mapping) else changed
    return read_settings(raw, template, mail_default=False)


def _mapping(runtime: Runtime, name: str, source: str, statuses: tuple[StatusInfo, ...]) -> Any:
    connected = runtime.connections.get(name) or runtime.connections.look_again(name)
    if connected is None:
        message = f"there is no connection {name!r}; `connector connection list` shows them"
        raise NotFound(message)
    rules = parse_mapping(source, name, statuses)
    if rules.adapter != connected.adapter.NAME:
        message = f"the mapping is for the adapter {rules.adapter}; that of {name} is {connected.adapter.NAME}"
        raise WrongSetting(message)
    return rules
