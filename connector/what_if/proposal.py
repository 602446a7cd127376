"""What could be other than now: draft mappings, rule settings, a newer template; as asked for, and as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from connector.core.errors import NotFound, WrongSetting
from connector.core.mapping import MappingRules
from connector.core.rules import BASIC_2, TEMPLATES, Template
from connector.core.ruleset import Ruleset, Settings
from connector.core.status import StatusInfo
from connector.i18n.statuses import find_status
from connector.mapping import parse_mapping_for
from connector.mapping.region import in_region
from connector.mapping.source import read
from connector.runtime.parts import Runtime
from connector.runtime.rule_settings import read_settings
from connector.runtime.rules import parse_rules, plain
from connector.store import histories
from connector.store import mapping_versions as versions
from connector.store.remaps import RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIfRequest:
    """What a what-if is asked about, as plain texts that can wait in a queue.

    `mappings`: sources by connection. `rules`: the source of a whole rules document; without it `settings` are keys of
    the one in force with other values than now, `template` is a template's name, and `in_progress` what that status of
    ver.1.0 becomes. `since`: YYYY-MM-DD.
    """

    mappings: Mapping[str, str] = field(default_factory=dict)
    rules: str | None = None
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
    """What would be other than now: mappings by connection, the rules (None: as they are)."""

    mappings: Mapping[str, MappingRules] = field(default_factory=dict)
    rules: Ruleset | None = None

    def counter_of_compacted(self, present: Settings, since: datetime | None) -> Callable[[Connection, str, str], int]:
        """Counts, of the subjects after an id up to another, the events that are too old for the proposal to read.

        Those are events since `since` of the connections with another mapping; of all, for pages, with other key pages.
        """
        has_new_pages = self.rules is not None and self.rules.settings.key_pages != present.key_pages
        names = None if has_new_pages else frozenset(self.mappings)
        return partial(histories.count_compacted, names=names, since=since)


def read_proposal(runtime: Runtime, request: WhatIfRequest) -> Proposal:
    """The proposal that a request stands for.

    Raises `BadMapping`, `BadRules`, `NotFound`, `UnknownStatus` and `WrongSetting`.
    """
    changes = (request.settings, request.template, request.in_progress)
    if not request.mappings and request.rules is None and changes == (None, None, None):
        message = "a what-if needs something that would be other than now: a mapping, settings, or a template"
        raise WrongSetting(message)
    rules = None
    if request.rules is not None:
        rules = parse_rules(request.rules, "rules")
    elif changes != (None, None, None):
        rules = _changed_rules(runtime, request)
    present = runtime.ruleset
    if rules is not None:
        check_upgrade(present.template, rules.template)
    statuses, region = tuple((rules or present).statuses.values()), (rules or present).settings.region
    return Proposal(
        mappings={
            name: in_region(_mapping(runtime, name, source, statuses), region)
            for name, source in request.mappings.items()
        },
        rules=rules,
    )


def check_upgrade(present: Template, to: Template) -> None:
    """Raises `WrongSetting` where one cannot go from a template to another."""
    if present.name not in {to.name, to.follows}:
        ways = ", ".join(f"from {one.follows} to {one.name}" for one in TEMPLATES.values() if one.follows)
        message = f"a workspace cannot go from {present.name} to {to.name}; allowed: {ways}"
        raise WrongSetting(message)


def _changed_rules(runtime: Runtime, request: WhatIfRequest) -> Ruleset:
    """The rules in force with other values for some keys."""
    with runtime.database.read() as connection:
        found = versions.in_force(connection, RULES)
    raw: Any = plain(read(found.source)[0]) if found else {}
    if isinstance(request.settings, Mapping):
        raw |= request.settings
    elif request.settings is not None:
        raw = request.settings
    template = TEMPLATES.get(raw.get("template", BASIC_2.name), BASIC_2) if isinstance(raw, Mapping) else BASIC_2
    if request.template is not None:
        template = _template(request.template)
        raw = {**_without_other_rules(raw, template), "template": template.name}
    settings = read_settings(raw, template, mail_default=False)
    if request.in_progress is not None:
        code = find_status(request.in_progress, (*template.statuses, *settings.own_statuses))
        settings = replace(settings, in_progress=code)
    return Ruleset(template, settings)


def _without_other_rules(raw: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """Settings without those about rules that a template does not have."""
    known = {rule.id for rule in template.rules}
    return {
        key: {rule: one for rule, one in value.items() if rule in known}
        if key in {"rules", "notice_repeat"} and isinstance(value, Mapping)
        else value
        for key, value in raw.items()
    }


def _template(name: str) -> Template:
    if name not in TEMPLATES:
        message = f"{name!r} is no template; allowed: {', '.join(TEMPLATES)}"
        raise WrongSetting(message)
    return TEMPLATES[name]


def _mapping(runtime: Runtime, name: str, source: str, statuses: tuple[StatusInfo, ...]) -> MappingRules:
    connected = runtime.connections.get(name) or runtime.connections.look_again(name)
    if connected is None:
        message = f"there is no connection {name!r}; `connector connection list` shows them"
        raise NotFound(message)
    rules = parse_mapping_for(connected.adapter.NAME, source, name, statuses)
    return replace(rules, takes_stand_ins=connected.rules.takes_stand_ins)
