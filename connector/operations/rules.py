"""The rules document: the one that comes along, and what an installation had set elsewhere before there was one."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog
from ruamel.yaml import YAML
from sqlalchemy import Connection

from connector.core.errors import WrongSetting
from connector.core.ruleset import Ruleset
from connector.mapping import BadMapping, Mistake, check_mapping
from connector.runtime.parts import Runtime
from connector.runtime.rules import parse_rules
from connector.runtime.settings import Config, FormerSetting
from connector.store import connections as queries
from connector.store import histories
from connector.store import mapping_versions as versions
from connector.store.remaps import RULES

SHIPPED: Final = Path(__file__).parents[2] / "mappings" / "rules.yaml"
_AUTHOR: Final = "connector"
log: Final = structlog.get_logger(__name__)


def first_version(config: Config) -> None:
    """Publish the first version of the rules, once: what is set elsewhere is in it, all else is as in a new workspace.

    Raises `BadRules` for what is set and not allowed.
    """
    runtime = Runtime(config)
    try:
        taken = runtime.database.attempt(lambda connection: _publish_first(connection, config, runtime.clock()))
        if taken:
            log.warning("the rules are a published document from now on, made of the settings that were", of=taken)
    finally:
        runtime.close()


def _publish_first(connection: Connection, config: Config, now: datetime) -> list[str]:
    """Where what was taken over stands. A workspace without any subject is new, and begins on the newest template."""
    if versions.in_force(connection, RULES) is not None:
        return []
    is_new = not histories.count(connection)
    taken = [one for one in config.former if not (is_new and one.key == "template")]
    source = with_settings(SHIPPED.read_text("utf-8"), taken)
    parse_rules(source, "rules")
    places = [one.place for one in taken]
    comment = f"taken over: {', '.join(places)}" if places else "as a workspace begins"
    queries.publish(connection, RULES, source, author=_AUTHOR, comment=comment, now=now)
    return places


def check_mappings(runtime: Runtime, rules: Ruleset) -> None:
    """Raises `BadMapping` for each place where a mapping in force names a status that the rules do not have."""
    with runtime.database.read() as connection:
        published = queries.published(connection)
    mistakes: list[Mistake] = []
    for name, connected in runtime.connections.all().items():
        if name in published and connected.version is not None:
            mistakes += check_mapping(published[name].source, f"mapping of {name}", rules.statuses.values())
    if mistakes:
        raise BadMapping(tuple(mistakes))


def check_holders(runtime: Runtime, rules: Ruleset) -> None:
    """Raises `WrongSetting` where subjects hold a status that the rules do not have."""
    with runtime.database.read() as connection:
        held = histories.held_besides(connection, rules.statuses.keys() | rules.renamed.keys())
    if held:
        who = "; ".join(f"{number} hold {status!r}" for status, number in sorted(held.items()))
        message = f"these rules lack a status that people have: {who}; keep it under `own_statuses`, or move them first"
        raise WrongSetting(message)


def with_settings(source: str, settings: Iterable[FormerSetting]) -> str:
    """A document with other values for some keys; its comments stay."""
    yaml = YAML(typ="rt")
    yaml.width = 4096
    tree = yaml.load(source)
    for one in settings:
        tree[one.key] = one.value
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()
