"""Where settings come from: environment variables and connector.toml, each value with its name and place."""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connector.runtime.settings_table import BY_ENV, BY_KEY, SMTP, WORKSPACE, Setting

_PREFIX: Final = "CONNECTOR_"
_SECTIONS: Final = (WORKSPACE, SMTP)
_NOT_SETTINGS: Final = frozenset({"CONNECTOR_NO_SKIPS"})
"""Read by the tests, which start the connector with their own environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One value as it was given: under which name, in the environment or in which file."""

    value: Any
    name: str
    where: str


def from_environment(environ: Mapping[str, str], mistakes: list[str]) -> Iterator[tuple[str, Given]]:
    """The settings among the variables, by key; a variable of the connector that is none is a mistake."""
    for name, value in sorted(environ.items()):
        setting = BY_ENV.get(name)
        if setting and value:
            yield setting.key, Given(value=value, name=name, where="environment")
        elif setting is None and name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            mistakes.append(f"{name} (environment): not a setting{_nearest(name, BY_ENV)}")


def from_file(path: Path, mistakes: list[str]) -> Iterator[tuple[str, Given]]:
    """The settings of a file, by key; none where there is no file; what cannot be read is a mistake."""
    if not path.is_file():
        return
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path}: cannot be read: {error}; allowed: a TOML file in UTF-8")
        return
    for key, value in _flat(content):
        if key in BY_KEY:
            yield key, Given(value=value, name=key, where=str(path))
        elif key in _SECTIONS:
            mistakes.append(f"{key} ({path}): found {reprlib.repr(value)}; allowed: a section [{key}]")
        else:
            mistakes.append(f"{key} ({path}): not a setting{_nearest(key, BY_KEY)}")


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key in _SECTIONS and isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _nearest(name: str, names: Iterable[str]) -> str:
    bare = name.removeprefix(_PREFIX)
    close = [known for known in names if known == bare or known.endswith(f".{bare}")]
    if not close:
        by_bare = {known.removeprefix(_PREFIX): known for known in names}
        close = [by_bare[word] for word in difflib.get_close_matches(bare, by_bare, n=1)]
    return f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them"


def mistake(given: Given, setting: Setting, detail: str = "") -> str:
    """The sentence on a value that is not allowed; a secret's value is not shown."""
    found = f"a value of {len(str(given.value))} characters" if setting.is_secret else reprlib.repr(given.value)
    note = f" ({detail})" if detail else ""
    return f"{given.name} ({given.where}): found {found}{note}; allowed: {setting.allowed}{_meant(given, setting)}"


def _meant(given: Given, setting: Setting) -> str:
    words = getattr(setting.field.validate, "choices", ())
    close = difflib.get_close_matches(str(given.value), words, n=1)
    return f"; did you mean {close[0]}?" if close else ""
