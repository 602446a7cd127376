"""The rules in force: reads a published document, with every mistake at its place, and notices another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from connector.core.rules import BASIC_2, TEMPLATES
from connector.core.ruleset import IdentityRules, Ruleset, Settings
from connector.mapping import BadMapping, Mistake
from connector.mapping.source import DECIMAL, INTEGER, Series, Table, Unreadable, Value, Word, read
from connector.runtime.rule_settings import NOT_A_KEY, WrongRuleSettings, read_settings
from connector.store import mapping_versions as versions
from connector.store.database import Database
from connector.store.remaps import RULES

FRESH_SECONDS: Final = 1.0
_WORDS: Final[Mapping[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}
log: Final = structlog.get_logger(__name__)


class BadRules(BadMapping):
    """The rules document has mistakes; `mistakes` are all of them in the order of the file."""

    reason = "bad_rules"


def parse_rules(text: str, file: str, version: int = 0) -> Ruleset:
    """The rules that a document's text stands for. `file` is its name in mistakes. Raises `BadRules`."""
    try:
        table, found = read(text, "rules document")
    except Unreadable as error:
        raise BadRules((Mistake(file, error.found.line, error.found.column, error.found.message),)) from error
    mistakes = [Mistake(file, one.line, one.column, one.message) for one in found]
    raw = plain(table)
    template = TEMPLATES.get(str(raw.get("template")), BASIC_2)
    settings = Settings()
    try:
        settings = read_settings(raw, template, mail_default=False)
    except WrongRuleSettings as error:
        mistakes += [_at(file, table, path, text) for path, text in error.found]
    if mistakes:
        raise BadRules(tuple(sorted(mistakes)))
    return Ruleset(template, settings, version)


def plain(value: Value) -> Any:
    """What stands in a document as plain values: texts, numbers, true and false, nothing, lists and mappings."""
    if isinstance(value, Table):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Series):
        return [plain(inner) for inner in value]
    if not value.is_plain:
        return str(value)
    if value in _WORDS:
        return _WORDS[value]
    if INTEGER.fullmatch(value):
        return int(value)
    return float(value) if DECIMAL.fullmatch(value) else str(value)


def _at(file: str, table: Table, path: tuple[str, ...], message: str) -> Mistake:
    """A mistake at the last part of its path that the document has: the key where that is wrong, else the value."""
    place: Value = table
    for depth, name in enumerate(path, 1):
        if isinstance(place, Table):
            key, value = next(((key, value) for key, value in place.items() if key == name), (None, place))
            is_key = NOT_A_KEY in message and depth == len(path)
            place = key if key is not None and (is_key or _is_empty(value)) else value
        elif isinstance(place, Series):
            place = place[int(name)]
    return Mistake(file, place.line, place.column, message)


def _is_empty(value: Value) -> bool:
    """Whether nothing is written there; the reader's place of that is the next line."""
    return isinstance(value, Word) and value == "" and value.is_plain


def _identity_of(text: str) -> IdentityRules | None:
    """What a document took for nobody; None: it cannot be read any more."""
    try:
        return parse_rules(text, "").settings.identity
    except BadRules:
        return None


class RulesInForce:
    """The rules of the workspace; what it gives is at most a second old, and publishing needs no restart.

    While nothing was published they are those of a new workspace. While the database does not answer, or holds a
    document that this version of the connector cannot read, they are as they were.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._loading = threading.Lock()
        self._loaded: Ruleset | None = None
        self._until = 0.0
        self._forgotten = 0

    def get(self) -> Ruleset:
        """The rules as they are now. Raises `BadRules` and what the database raises, if there were none before."""
        loaded = self._loaded
        if loaded is None or self._monotonic() >= self._until:
            with self._loading:
                loaded = self._loaded
                if loaded is None or self._monotonic() >= self._until:
                    loaded = self._load()
        return loaded

    def forget(self) -> None:
        """Read again at the next look-up, also where they are being read at this moment."""
        self._forgotten += 1
        self._until = 0.0

    @staticmethod
    def _read(connection: Connection, version: int) -> Ruleset:
        found, before = (versions.get(connection, RULES, number) for number in (version, version - 1))
        read = parse_rules(found.source if found else "", f"rules, version {version}", version)
        former = _identity_of(before.source) if before is not None else IdentityRules()
        is_of_others = former is not None and former != read.settings.identity
        return Ruleset(read.template, read.settings, version, is_of_others=is_of_others)

    def _load(self) -> Ruleset:
        forgotten, known = self._forgotten, self._loaded
        try:
            with self._database.read() as connection:
                version = versions.number_in_force(connection, RULES)
                if known is not None and known.version == version:
                    loaded = known
                elif version:
                    loaded = self._read(connection, version)
                else:
                    loaded = Ruleset(BASIC_2, Settings())
        except (SQLAlchemyError, BadRules) as error:
            if known is None:
                raise
            log.warning("the rules cannot be read; they are used as they were", error=type(error).__name__)
            loaded = known
        self._loaded = loaded
        self._until = self._monotonic() + FRESH_SECONDS if forgotten == self._forgotten else 0.0
        return loaded
