"""Finds which column of a file says what; what a person names counts first, then the mapping's `columns`.

Then come the names that the system and the mapping's fields use, then the usual headings.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from connector.adapter_kit.contract import EMPTIED_STAGE, columns_of
from connector.adapter_kit.records import readable_identities
from connector.core.errors import WrongSetting
from connector.core.mapping import FieldRule
from connector.mapping.expressions import Expression
from connector.mapping.field_types import FieldType, Typed
from connector.mapping.schema import COLUMNS as WHATS
from connector.operations.connection_settings import nearest, refuse
from connector.operations.imports.columns import WHO, Columns, Laid, Steps, put
from connector.operations.imports.headings import folded, rank
from connector.operations.imports.refused_rows import REASON
from connector.runtime.connections import Connected

_PATH: Final = re.compile(r"([A-Za-z_]\w*)((?:\[\d{1,2}\]|\.[A-Za-z_]\w*)+)", re.ASCII)
_STEP: Final = re.compile(r"\[(\d+)\]|\.(\w+)", re.ASCII)
_ID: Final = re.compile(r"(?=.*\d)[\w-]+", re.ASCII)
_DATES: Final = frozenset({FieldType.DATE, FieldType.DATETIME})
_PROBE: Final = "1"
"""What is laid down to see whether an expression reads that place."""


def find_columns(
    header: Sequence[str], one: Connected, given: Mapping[str, Sequence[str]], zone: tzinfo, record_object: str
) -> Columns:
    """The columns of a file whose rows are `record_object`s; `given`: what a person named. Raises `WrongSetting`."""
    names = [name if name != REASON else "" for name in header]
    finder = _Finder(names, one, given, record_object)
    places = {what: found for what in WHATS if (found := finder.places(what))}
    if one.rules.owner is None:
        places.pop("owner", None)
    fields: dict[str, tuple[int, ...]] = {}
    readers, dated, laid = dict[str, Expression](), set[int](), [*finder.laid]
    for rule in one.rules.fields:
        fed = finder.fed(rule, places.get(rule.name, ()))
        laid += fed
        found = fed[0].places if fed else finder.read_by(rule)
        if not found:
            continue
        fields[rule.name] = found
        dated |= set(found) if _typed(rule).type in _DATES else set()
        if rule.name in WHO and not finder.is_settled(rule.name):
            readers[rule.name] = _typed(rule).source
    used = {place for found in (*places.values(), *fields.values()) for place in found}
    return Columns(
        names=names,
        places=places,
        fields=fields,
        dated=frozenset(dated),
        readers=readers,
        laid=laid,
        zone=zone,
        unread=[name for place, name in enumerate(names) if name and place not in used],
    )


def check_who(columns: Columns, rows: Iterable[Sequence[str]], file: str) -> None:
    """Raises `WrongSetting`, with what to give, where no column says who a row is about; `rows`: some of them."""
    if {"id", *WHO} & {*columns.places, *columns.readers}:
        return
    named = [name for name in columns.names if name]
    guesses = list(_guesses(columns.names, [row for row in rows if len(row) == len(columns.names)]))
    ways = guesses or [f"--column {what}=HEADING" for what in ("id", *WHO)]
    message = (
        f"no column of {file} says who a row is about, and nothing is imported. Its columns: {', '.join(named)}. "
        f"Give the one that does by {' or '.join(ways)}"
    )
    raise WrongSetting(message)


def _guesses(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Options for the columns whose cells look like ids, e-mails or phone numbers."""
    for place, name in enumerate(names):
        texts = [row[place].strip() for row in rows if row[place].strip()]
        kinds = [what for what, kind in WHO.items() if len(list(readable_identities(kind, texts))) * 2 > len(texts)]
        is_id = len(set(texts)) == len(rows) and all(_ID.fullmatch(text) for text in texts)
        for what in kinds or (["id"] if is_id else []) if name and texts else ():
            yield f"--column {what}={shlex.quote(name)}"


class _Finder:
    """Looks for columns in a header; of `laid` the columns that paths or the mapping's own names stand for."""

    def __init__(
        self, names: Sequence[str], one: Connected, given: Mapping[str, Sequence[str]], record_object: str
    ) -> None:
        self._names, self._one = names, one
        self._folded = [folded(name) for name in names]
        self._object = record_object
        known = {what: self._existing(wanted) for what, wanted in one.rules.columns.items()}
        self._said = {what: places for what, places in known.items() if places or not one.rules.columns[what]}
        self._said |= self._given(given)
        self.laid = [Laid(places=(place,), path=path) for place, name in enumerate(names) if (path := _path(name))]
        self.laid += [Laid(places=(place,), path=path) for place, path in self._wanted()]

    def is_settled(self, what: str) -> bool:
        """Whether it is said which column has it."""
        return what in self._said or what in columns_of(self._one.adapter)

    def places(self, what: str) -> tuple[int, ...]:
        """The columns that say `what`."""
        if what in self._said:
            return self._said[what]
        return self._by_system(what) or self._usual(what)

    def read_by(self, rule: FieldRule) -> tuple[int, ...]:
        """The columns that a rule of the mapping reads by their names."""
        source = _typed(rule).source
        return tuple(place for place, name in enumerate(self._names) if name and self._is_read(source, place))

    def fed(self, rule: FieldRule, places: tuple[int, ...]) -> list[Laid]:
        """What brings columns to a rule of the mapping that does not know their names, where it can be brought there.

        `places`: the columns that are found for it as one of `WHATS`.
        """
        name, source = rule.name, _typed(rule).source
        if name not in self._said and self.read_by(rule):
            return []
        found = self._said.get(name) if name in self._said else places or self._usual(name)
        path = source.steps or source.names[:1]
        if not found or not path or not _is_changed(source, path):
            return []
        others = () if source.steps else tuple((other,) for other in source.names[1:])
        return [Laid(places=found, path=path, others=others)]

    def _given(self, given: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
        """The columns that a person named. Raises `WrongSetting` with all mistakes."""
        mistakes, found = [], {}
        allowed = (*WHATS, *(rule.name for rule in self._one.rules.fields if rule.name not in WHATS))
        for what, wanted in given.items():
            if what not in allowed:
                mistakes.append(
                    f"{what}: is nothing that a column says{nearest(what, allowed)} Allowed: {', '.join(allowed)}"
                )
                continue
            named = [name for name in self._names if name]
            mistakes += [
                f"{what}: the file has no column {name!r}{nearest(name, named)} It has: {', '.join(named)}"
                for name in wanted
                if not self._existing([name])
            ]
            found[what] = self._existing(wanted)
        refuse(mistakes, "of the import")
        return found

    def _existing(self, wanted: Iterable[str]) -> tuple[int, ...]:
        """The columns of these names, in their order; a name that no column has exactly does whatever its capitals."""
        found = []
        for name in wanted:
            if name in self._names:
                found.append(self._names.index(name))
            elif (plain := folded(name)) and plain in self._folded:
                found.append(self._folded.index(plain))
        return tuple(dict.fromkeys(found))

    def _by_system(self, what: str) -> tuple[int, ...]:
        """The columns by the names that the system or the mapping's owner uses for it."""
        shown = {name: "stage" if word == EMPTIED_STAGE else word for name, word in self._one.adapter.ECHOES.items()}
        names = [name for name, word in shown.items() if word == what]
        if what == "owner" and self._one.rules.owner is not None and self._one.rules.owner.source:
            names.append(self._one.rules.owner.source)
        names += [name for word, name in columns_of(self._one.adapter).items() if word == what]
        return self._existing(reversed(names))

    def _usual(self, what: str) -> tuple[int, ...]:
        """The columns with one of the usual headings, the surest first; of e-mail and phone in the file's order."""
        ranks = {
            place: -1 if what == "id" and text == folded(f"{self._object} id") else rank(what, self._names[place])
            for place, text in enumerate(self._folded)
            if text
        }
        found = {place: place if what in WHO else order for place, order in ranks.items() if order is not None}
        return tuple(sorted(found, key=lambda place: found[place]))[: None if what in WHO else 1]

    def _wanted(self) -> Iterator[tuple[int, Steps]]:
        """The names and paths that the mapping's fields read, and that a column has in other capitals only."""
        for rule in self._one.rules.fields:
            source = _typed(rule).source
            wanted: dict[str, Steps] = {name: (name,) for name in source.names}
            if source.steps is not None and len(source.steps) > 1:
                wanted = {source.text: source.steps}
            for name, steps in wanted.items():
                place = next(iter(self._existing([name])), None)
                if place is not None and self._names[place] != name:
                    yield place, steps

    def _is_read(self, source: Expression, place: int) -> bool:
        data: dict[str, Any] = {self._names[place]: _PROBE}
        for laid in self.laid:
            if laid.places == (place,):
                put(data, laid.path, _PROBE)
        if source.run(data) != source.run({}):
            return True
        return len(source.names) > 1 and not data.keys().isdisjoint(source.names)


def _typed(rule: FieldRule) -> Typed:
    """How a rule of a mapping file reads."""
    if not isinstance(rule.read, Typed):
        raise TypeError(rule.read)
    return rule.read


def _is_changed(source: Expression, path: Steps) -> bool:
    """Whether an expression gives another value where something stands at the path."""
    data: dict[str, Any] = {}
    put(data, path, _PROBE)
    return bool(source.run(data) != source.run({}))


def _path(name: str) -> Steps | None:
    """The steps of a column's name that is a path, such as `EMAIL[0].VALUE`."""
    match = _PATH.fullmatch(name)
    if match is None:
        return None
    return (match[1], *(int(number) if number else word for number, word in _STEP.findall(match[2])))
