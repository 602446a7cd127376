"""Checks the settings and secrets of a connection against what its adapter asks for; all mistakes at once."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_type_hints

from marshmallow import ValidationError, fields

from connector.adapter_kit.contract import Adapter, Setting
from connector.adapter_kit.settings import SHORTEST_SECRET, mistakes_of
from connector.core.errors import WrongSetting
from connector.runtime.settings_table import Items, Whole

LONGEST: Final = 4096
SECRET_SOURCES: Final = "KEY=@env:VARIABLE, KEY=@file:PATH or KEY=@prompt"  # noqa: S105 - the ways to give one
_FIELDS: Final[Mapping[Any, tuple[fields.Field[Any], str]]] = {
    str: (fields.String(), "text"),
    int: (Whole(), "a whole number"),
    bool: (fields.Boolean(), "true or false"),
    tuple[str, ...]: (Items(fields.String()), "texts, separated by commas"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSettings:
    """Checked settings and secrets. `secrets`: values by name, newest first."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, tuple[str, ...]] = field(repr=False)


def find_adapter(name: str, adapters: Mapping[str, type[Adapter]]) -> type[Adapter]:
    """The adapter of that name. Raises `WrongSetting` with the nearest one."""
    if name in adapters:
        return adapters[name]
    message = f"there is no adapter {name!r}{nearest(name, adapters)} Allowed: {', '.join(sorted(adapters))}"
    raise WrongSetting(message)


def check_settings(
    adapter: type[Adapter],
    settings: Iterable[tuple[str, str]],
    secrets: Mapping[str, Sequence[str]],
    *,
    mistakes: Sequence[str] = (),
    has_secrets: Collection[str] = (),
) -> CheckedSettings:
    """The settings and secrets as the adapter takes them. Raises `WrongSetting` with every mistake.

    `secrets`: those given; an empty sequence is one that could not be read. `mistakes`: what was wrong with reading
    them. `has_secrets`: names of secrets that the connection has already.
    """
    found = list(mistakes)
    values = _settings(adapter, settings, found)
    known = {name: tuple(given) for name, given in secrets.items() if _is_secret(adapter, name, found)}
    found += [_too_short(name) for name, given in known.items() if is_too_short(adapter.SETTINGS[name], given)]
    for name, setting in adapter.SETTINGS.items():
        given = {*values, *known, *has_secrets}
        if setting.is_required and name not in given and not any(_names(name, mistake) for mistake in found):
            found.append(f"{name}: missing; {_how(name, setting)} ({setting.description})")
    refuse(found, f"of the adapter {adapter.NAME}")
    return CheckedSettings(settings=values, secrets={name: given for name, given in known.items() if given})


def check_together(adapter: type[Adapter], fields: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> None:
    """Check all settings and secrets of a connection together, as far as that can be done without asking its system.

    Raises `WrongSetting` with every mistake, but for those that it had `before`.
    """
    known = () if before is None else _mistakes(adapter, before)
    refuse([one for one in _mistakes(adapter, fields) if one not in known], f"of the adapter {adapter.NAME}")


def _mistakes(adapter: type[Adapter], fields: Mapping[str, Any]) -> Sequence[str]:
    build: Any = adapter
    return mistakes_of(build(**{key: tuple(one) if isinstance(one, list) else one for key, one in fields.items()}))


def is_too_short(setting: Setting, values: Sequence[str]) -> bool:
    """Whether one of a secret's values is shorter than it must be where somebody chooses it."""
    return setting.is_secret and not setting.is_dictated and any(len(value) < SHORTEST_SECRET for value in values)


def refuse(mistakes: Sequence[str], what: str) -> None:
    """Raise `WrongSetting` when there are mistakes: one as a sentence, several as lines."""
    if len(mistakes) == 1:
        raise WrongSetting(mistakes[0])
    if mistakes:
        raise WrongSetting("\n  ".join([f"{len(mistakes)} mistakes in the settings {what}:", *mistakes]))


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?` with the nearest of the words, or a full stop."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {close[0]}?" if close else "."


def _settings(adapter: type[Adapter], given: Iterable[tuple[str, str]], mistakes: list[str]) -> dict[str, Any]:
    types = get_type_hints(adapter)
    texts: dict[str, list[str]] = {}
    for name, text in given:
        texts.setdefault(name, []).append(text)
    values: dict[str, Any] = {}
    for name, written in texts.items():
        setting = adapter.SETTINGS.get(name)
        if setting is None:
            mistakes.append(_unknown(adapter, name))
        elif setting.is_secret:
            mistakes.append(f"{name}: is a secret, which is never taken from an argument; {_how(name, setting)}")
        elif len(written) > 1 and types[name] != tuple[str, ...]:
            mistakes.append(f"{name}: given {len(written)} times; give it once")
        else:
            _read(name, ",".join(written), types[name], values, mistakes)
    return values


def _read(name: str, text: str, wanted: Any, values: dict[str, Any], mistakes: list[str]) -> None:
    reader, allowed = _FIELDS[wanted]
    try:
        value = reader.deserialize(text)
    except ValidationError:
        mistakes.append(f"{name}: found {reprlib.repr(text)}; allowed: {allowed}")
        return
    if len(text) > LONGEST or "\0" in text:
        mistakes.append(f"{name}: found {len(text)} characters; allowed: up to {LONGEST}, and no NUL among them")
        return
    values[name] = [item for item in value if item] if isinstance(value, list) else value


def _is_secret(adapter: type[Adapter], name: str, mistakes: list[str]) -> bool:
    setting = adapter.SETTINGS.get(name)
    if setting is None:
        mistakes.append(_unknown(adapter, name))
    elif not setting.is_secret:
        mistakes.append(f"{name}: is no secret; give it by --set {name}=VALUE")
    return setting is not None and setting.is_secret


def _too_short(name: str) -> str:
    return (
        f"{name}: shorter than {SHORTEST_SECRET} characters, so that it can be guessed, and may stand in what people "
        "write by chance; choose another, such as `openssl rand -hex 24` gives, here and in the other system"
    )


def _unknown(adapter: type[Adapter], name: str) -> str:
    allowed = ", ".join(adapter.SETTINGS)
    return f"{name}: the adapter {adapter.NAME} has no such setting{nearest(name, adapter.SETTINGS)} Allowed: {allowed}"


def _how(name: str, setting: Setting) -> str:
    if not setting.is_secret:
        return f"give it by --set {name}=VALUE"
    return f"give it by --secret {SECRET_SOURCES.replace('KEY', name)}"


def _names(name: str, mistake: str) -> bool:
    return mistake.startswith(f"{name}:")
