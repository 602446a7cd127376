"""The marshmallow fields for single values of a mapping: each reads one kind of word, or says what is wrong with it."""

from __future__ import annotations

import difflib
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Generic, NoReturn, TypeVar

from marshmallow import ValidationError
from marshmallow.fields import Field
from phonenumbers import SUPPORTED_REGIONS

from connector.core.status import StatusInfo
from connector.i18n.statuses import StatusFinder
from connector.mapping.date_order import PATTERNS, order_of
from connector.mapping.expressions import BadExpression
from connector.mapping.source import DECIMAL, INTEGER, Found, Series, Table, Value, Word, shown, surprise

LONGEST: Final = 200
LONGEST_EXPRESSION: Final = 2000
MOST_SPELLED: Final = 50
T = TypeVar("T")


def refuse(value: Value, message: str) -> NoReturn:
    """Raises the `ValidationError` that says what is wrong with a value, at its place."""
    raise ValidationError([Found(value.line, value.column, message)])


def kind_of(value: Value) -> str:
    """What stands there, in words."""
    if isinstance(value, Word):
        return f"the text {shown(value)}" if value else "nothing"
    return "`key: value` (a text with braces must be in quotes)" if isinstance(value, Table) else "a list"


class Speller:
    """Says what to write in place of a word that is not allowed; gives up after `MOST_SPELLED` wrong words."""

    def __init__(self, statuses: Iterable[StatusInfo]) -> None:
        self._finder: Final = StatusFinder(statuses)
        self.statuses: Final = self._finder.statuses
        self._left = MOST_SPELLED

    def offer(self, word: str, allowed: Collection[str], close: str | None = None) -> str:
        """What to write instead: the nearest word, then all of them."""
        if close is None and self._left:
            self._left -= 1
            close = next(iter(difflib.get_close_matches(word[:LONGEST].lower(), allowed, n=1)), None)
        words = ", ".join(allowed)
        return f"; did you mean {close}? Allowed: {words}" if close else f"; allowed: {words}"

    def status(self, word: str) -> tuple[str | None, str | None]:
        """The code of a code, label or alias, and the nearest code where it is none."""
        code = self._finder.code_of(word)
        if code is not None or not self._left or len(word) > LONGEST:
            return code, None
        self._left -= 1
        return None, self._finder.nearest_to(word)


class Reading(Field[T], Generic[T]):
    """A field that reads a `Value`; `read` raises `ValidationError` with all that it found wrong."""

    @abstractmethod
    def read(self, value: Value) -> T:
        """What the value stands for."""

    def _deserialize(self, value: Value, attr: str | None, data: Any, **_: Any) -> T:  # noqa: ARG002 - the library's form
        return self.read(value)


class Text(Reading[str]):
    """A text, not empty; one that some programs read as something else must be in quotes."""

    def __init__(self, *, longest: int = LONGEST, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest

    def read(self, value: Value) -> str:
        """The text itself."""
        if not isinstance(value, Word) or not value:
            refuse(value, f"found {kind_of(value)}; a text is expected")
        if len(value) > self.longest:
            refuse(value, f"the text is longer than {self.longest} characters")
        if (meaning := surprise(value)) is not None:
            refuse(value, f"{value} without quotes is read {meaning} by some programs; write {str(value)!r}")
        return str(value)


class Shaped(Text):
    """A text of a certain shape; `what` names it with an example."""

    def __init__(self, shape: str, what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = re.compile(shape)
        self.what = what

    def read(self, value: Value) -> str:
        """The text, when it has the shape."""
        text = super().read(value)
        if not self.shape.fullmatch(text):
            refuse(value, f"{shown(text)} is no {self.what}")
        return text


class Country(Text):
    """A country by its two letters (ISO 3166-1), as the library of phone numbers knows them."""

    def read(self, value: Value) -> str:
        """The two letters."""
        text = super().read(value)
        if text not in SUPPORTED_REGIONS:
            hint = f"; did you mean {text.upper()}?" if text.upper() in SUPPORTED_REGIONS else ""
            refuse(value, f"{shown(text)} is no country{hint}; two letters are expected, such as JP, VN or US")
        return text


class DateFormat(Text):
    """How dates are written, as people say it: `DD/MM/YYYY`."""

    def read(self, value: Value) -> str:
        """The format as it is written."""
        text = super().read(value)
        if order_of(text) is None:
            refuse(value, f"{shown(text)} is no format of dates; allowed: {', '.join(PATTERNS.values())}")
        return text


class Choice(Reading[T], Generic[T]):
    """One of a few words, each of which stands for a value."""

    def __init__(self, words: Mapping[str, T], speller: Speller, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words = words
        self.speller = speller

    def read(self, value: Value) -> T:
        """The value that the word stands for."""
        if not isinstance(value, Word) or value not in self.words:
            found = shown(value) if isinstance(value, Word) and value else kind_of(value)
            refuse(value, f"{found} is not allowed{self.speller.offer(str(value), self.words)}")
        return self.words[value]


class Flag(Reading[bool]):
    """true or false, without quotes."""

    def read(self, value: Value) -> bool:
        """The truth value."""
        if not isinstance(value, Word) or not value.is_plain or value not in {"true", "false"}:
            quotes = "" if not isinstance(value, Word) or value.is_plain else " in quotes"
            refuse(value, f"found {kind_of(value)}{quotes}; allowed: true, false (without quotes)")
        return value == "true"


class Compiled(Reading[T], Generic[T]):
    """A text that a function of `expressions` compiles."""

    def __init__(self, compiler: Callable[[str], T], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.compiler = compiler
        self.text = Text(longest=LONGEST_EXPRESSION)

    def read(self, value: Value) -> T:
        """What the text compiles to."""
        text = self.text.read(value)
        try:
            return self.compiler(text)
        except BadExpression as error:
            refuse(value, str(error))


class Plain(Reading[Any]):
    """A value as it is sent to the other system: text, number, true, false, null, or a list or table of them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = Text(longest=LONGEST_EXPRESSION)

    def read(self, value: Value) -> Any:
        """The JSON-like value."""
        gathering = Gathering()
        if isinstance(value, Table):
            read: Any = {gathering.read(self.text, key): gathering.read(self, part) for key, part in value.items()}
        elif isinstance(value, Series):
            read = [gathering.read(self, part) for part in value]
        else:
            read = self._word(value)
        gathering.end()
        return read

    def _word(self, word: Word) -> Any:
        if not word.is_plain:
            return str(word)
        if word in _LITERALS:
            return _LITERALS[word]
        if INTEGER.fullmatch(word):
            return int(word)
        return float(word) if DECIMAL.fullmatch(word) else self.text.read(word)


_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}


class Gathering:
    """Reads one value after the other and keeps what was found wrong until the end."""

    def __init__(self) -> None:
        self.found: list[Found] = []

    def read(self, field: Reading[T], value: Value) -> T | None:
        """What the value stands for; None when something is wrong with it."""
        try:
            return field.deserialize(value)
        except ValidationError as error:
            self.add(error)
            return None

    def add(self, error: ValidationError) -> None:
        """Keep what an error says."""
        self.found += _founds(error.messages)

    def end(self) -> None:
        """Raises `ValidationError` when anything was found."""
        if self.found:
            raise ValidationError(list(self.found))


def _founds(messages: Any) -> list[Found]:
    if isinstance(messages, dict):
        return [found for part in messages.values() for found in _founds(part)]
    return list(messages)
