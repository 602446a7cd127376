"""What could be other than now: draft mappings, rule settings with their key pages, a newer template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector.core.errors import WrongSetting
from connector.core.mapping import MappingRules
from connector.core.rules import BASIC_1, BASIC_2, Settings, Template

UPGRADES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    (BASIC_1.name, BASIC_2.name): {"in_progress": "pending"},
}
"""From which template one can go to which, and what its statuses become that are not in the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be other than now: mappings by connection, rule settings, a template.

    `renamed`: what statuses become that the template does not have, where not as `UPGRADES` says.
    """

    mappings: Mapping[str, MappingRules] = field(default_factory=dict)
    settings: Settings | None = None
    template: Template | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


def new_names(present: Template, proposal: Proposal) -> Mapping[str, str]:
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


def with_new_names(raw: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A stored step (its JSON) that leads to the statuses that those it named have become."""
    if raw.get("to") in names:
        return {**raw, "to": names[raw["to"]]}
    if "counting" in raw:
        *counter, statuses, of = raw["counting"]
        return {**raw, "counting": [*counter, [names.get(one, one) for one in statuses], of]}
    return raw
