"""The marshmallow fields for a mapping's tables, lists and statuses: all that is wrong in them is found in one go."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from marshmallow import EXCLUDE, Schema, ValidationError
from marshmallow.fields import Field

from connector.core.mapping import IGNORE, Goal
from connector.mapping.source import Found, Series, Table, Value, Word, shown
from connector.mapping.value_fields import Gathering, Reading, Speller, Text, kind_of, refuse

MOST_COUNTED: Final = 20
_IN_PIPELINE: Final = re.compile(r"[A-Z]+(?:[0-9]+_)?([0-9]+):(.+)")
"""A stage with its pipeline's number before it, as Bitrix24 writes it: `C7:NEW`, `DT1044_12:NEW`."""
T = TypeVar("T")
K = TypeVar("K")


class Section(Reading[dict[str, Any]]):
    """A table of known keys. A field whose metadata say `needed` must be there. `check` looks at the keys together."""

    def __init__(
        self,
        fields: Mapping[str, Field[Any]],
        speller: Speller,
        check: Callable[[Table], None] = lambda _: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.schema = Schema.from_dict(dict(fields))(unknown=EXCLUDE)
        self.speller = speller
        self.check = check

    def read(self, value: Value) -> dict[str, Any]:
        """The loaded values by key, defaults included."""
        if not isinstance(value, Table):
            refuse(value, f"found {kind_of(value)}; allowed: a table of {', '.join(self.schema.fields)}")
        gathering = Gathering()
        for key in value:
            if key not in self.schema.fields:
                offer = self.speller.offer(key, self.schema.fields)
                gathering.found.append(Found(key.line, key.column, f"unknown key {shown(key)}{offer}"))
        for name, field in self.schema.fields.items():
            if field.metadata.get("needed") and name not in value:
                gathering.found.append(Found(value.line, value.column, f"the key {name!r} is missing here"))
        read: dict[str, Any] = {}
        try:
            read = self.schema.load({str(key): part for key, part in value.items()})
        except ValidationError as error:
            gathering.add(error)
        try:
            self.check(value)
        except ValidationError as error:
            gathering.add(error)
        gathering.end()
        return read


class TableOf(Reading[dict[K, T]], Generic[K, T]):
    """A table whose keys sales ops choose."""

    def __init__(self, keys: Reading[K], values: Reading[T], *, most: int = 5000, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keys = keys
        self.values = values
        self.most = most

    def read(self, value: Value) -> dict[K, T]:
        """The values by key."""
        if not isinstance(value, Table):
            refuse(value, f"found {kind_of(value)}; `key: value` lines are expected")
        if len(value) > self.most:
            refuse(value, f"{len(value)} entries stand here; at most {self.most} are allowed")
        gathering = Gathering()
        read: dict[Any, Any] = {}
        for written, part in value.items():
            key, entry = gathering.read(self.keys, written), gathering.read(self.values, part)
            if key is not None and key in read:
                message = f"{shown(written)} stands twice: it means {key}, which has an entry already"
                gathering.found.append(Found(written.line, written.column, message))
            read[key] = entry
        gathering.end()
        return read


class SeriesOf(Reading[tuple[T, ...]], Generic[T]):
    """A list of entries; `unique` is a key whose text may not stand twice (empty: an entry is a word itself)."""

    def __init__(self, values: Reading[T], unique: str = "", *, most: int = 500, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = values
        self.unique = unique
        self.most = most

    def read(self, value: Value) -> tuple[T, ...]:
        """The entries in order."""
        if not isinstance(value, Series):
            refuse(value, f"found {kind_of(value)}; a list is expected, each entry after a dash")
        if len(value) > self.most:
            refuse(value, f"{len(value)} entries stand here; at most {self.most} are allowed")
        gathering = Gathering()
        read = [gathering.read(self.values, part) for part in value]
        first: dict[str, Word] = {}
        for part in value:
            word = part.get(Word(self.unique, 0, 0, is_plain=True)) if isinstance(part, Table) else part
            if isinstance(word, Word) and first.setdefault(word, word) is not word:
                name = f"the {self.unique} {shown(word)}" if self.unique else shown(word)
                message = f"{name} stands twice; it is in line {first[word].line} already"
                gathering.found.append(Found(word.line, word.column, message))
        gathering.end()
        return tuple(entry for entry in read if entry is not None)


class Short(Reading[dict[str, Any]]):
    """A section that may be written as a text: the text is its `from`."""

    def __init__(self, section: Section, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.section = section

    def read(self, value: Value) -> dict[str, Any]:
        """The section's values."""
        if not isinstance(value, Word):
            return self.section.read(value)
        table = Table(value.line, value.column)
        table[Word("from", value.line, value.column, is_plain=True)] = value
        return self.section.read(table)


class StatusWord(Reading[str]):
    """A status by code, label or alias, in any of the languages."""

    def __init__(self, speller: Speller, *, may_ignore: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.speller = speller
        self.may_ignore = may_ignore
        self.allowed = tuple(info.code for info in speller.statuses) + ((IGNORE,) if may_ignore else ())

    def read(self, value: Value) -> str:
        """The status's code, or `ignore`."""
        if not isinstance(value, Word) or not value:
            refuse(value, f"found {kind_of(value)}; a status is expected; allowed: {', '.join(self.allowed)}")
        if value == IGNORE and self.may_ignore:
            return IGNORE
        code, close = self.speller.status(str(value))
        if code is None:
            refuse(value, f"{shown(value)} is no status{self.speller.offer(value, self.allowed, close)}")
        return code


class Goals(Reading[Goal]):
    """A status, or a list of statuses of which the nth record or event of a subject gives the nth."""

    def __init__(self, speller: Speller, *, may_ignore: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.one = StatusWord(speller, may_ignore=may_ignore)
        self.counted = StatusWord(speller)

    def read(self, value: Value) -> Goal:
        """The status's code, `ignore`, or the codes in order."""
        if not isinstance(value, Series):
            return self.one.read(value)
        if not 2 <= len(value) <= MOST_COUNTED:  # noqa: PLR2004 - one status needs no list
            message = (
                f"a list for the 1st, the 2nd and so on has 2 to {MOST_COUNTED} statuses; this one has {len(value)}"
            )
            refuse(value, message)
        gathering = Gathering()
        read = [gathering.read(self.counted, part) for part in value]
        gathering.end()
        return tuple(code for code in read if code is not None)


class Headings(Reading[tuple[str, ...]]):
    """The heading of a column, or a list of headings."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heading = Text()

    def read(self, value: Value) -> tuple[str, ...]:
        """The headings in order."""
        gathering = Gathering()
        read = [gathering.read(self.heading, part) for part in (value if isinstance(value, Series) else (value,))]
        gathering.end()
        return tuple(heading for heading in read if heading is not None)


class Stages(Reading[dict[str, dict[str, Goal]]]):
    """One object's stages, or its pipelines with their stages."""

    def __init__(self, goal: Reading[Goal], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stages = TableOf(Text(), goal)
        self.pipelines = TableOf(Text(), self.stages)

    def read(self, value: Value) -> dict[str, dict[str, Goal]]:
        """Pipeline (`""`: none) → stage → status."""
        if not isinstance(value, Table) or not any(isinstance(part, Table) for part in value.values()):
            return {"": self.stages.read(value)}
        gathering = Gathering()
        pipelines = Table(value.line, value.column)
        for name, part in value.items():
            if isinstance(part, Table):
                pipelines[name] = _without_pipeline(name, part, gathering)
            else:
                message = f"{shown(name)} is a stage beside pipelines; put it below its pipeline"
                gathering.found.append(Found(name.line, name.column, message))
        read = gathering.read(self.pipelines, pipelines)
        gathering.end()
        return read or {}


def _without_pipeline(pipeline: Word, stages: Table, gathering: Gathering) -> Table:
    """The stages of a pipeline by the names that events have: `C7:NEW` below 7 is `NEW`."""
    bare = Table(stages.line, stages.column)
    for name, goal in stages.items():
        word, match = name, _IN_PIPELINE.fullmatch(name) if pipeline.isdecimal() else None
        if match is not None:
            word = Word(match[2], name.line, name.column, is_plain=False)
        if match is not None and match[1] != pipeline:
            message = f"{shown(name)} is a stage of pipeline {match[1]}; it stands below pipeline {pipeline}"
            gathering.found.append(Found(name.line, name.column, message))
            continue
        if word in bare:
            message = f"{shown(name)} is the same stage as {shown(str(word))} of pipeline {pipeline}; write it once"
            gathering.found.append(Found(name.line, name.column, message))
        bare[word] = goal
    return bare
