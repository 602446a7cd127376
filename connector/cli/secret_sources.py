"""Reads secrets where arguments point to: an environment variable, a file, a prompt; never from an argument itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

import click

from connector.operations.connection_settings import SECRET_SOURCES

_LARGEST: Final = 65_536


def read_pairs(given: Iterable[str], mistakes: list[str]) -> list[tuple[str, str]]:
    """KEY and VALUE of each `KEY=VALUE`."""
    pairs = []
    for text in given:
        key, equals, value = text.partition("=")
        if equals and key:
            pairs.append((key.strip(), value))
        else:
            mistakes.append(f"--set: found {text[:60]!r}; allowed: KEY=VALUE")
    return pairs


def read_secrets(
    given: Iterable[str], known: Collection[str], environ: Mapping[str, str], mistakes: list[str]
) -> dict[str, list[str]]:
    """The secrets by key, in the order given; a key whose source gave nothing has an empty list and a mistake.

    What was typed may be the secret itself: only a key that is `known`, or that names a source, is ever repeated.
    """
    found: dict[str, list[str]] = {}
    for text in given:
        key, equals, source = text.partition("=")
        if not equals or (key not in known and not source.startswith("@")):
            mistakes.append(f"--secret: found neither a key nor where to read it; allowed: {SECRET_SOURCES}")
            continue
        values = found.setdefault(key, [])
        value = _read(key, source, environ, mistakes)
        if value:
            values.append(value)
    return found


def _read(key: str, source: str, environ: Mapping[str, str], mistakes: list[str]) -> str:
    kind, _, place = source.partition(":")
    if source == "@prompt":
        return str(click.prompt(f"{key}", hide_input=True)).strip()
    if kind == "@env" and place:
        if not environ.get(place, "").strip():
            mistakes.append(f"{key}: the environment variable {place} is not set, or empty")
        return environ.get(place, "").strip()
    if kind == "@file" and place:
        return _read_file(key, Path(place), mistakes)
    ways = SECRET_SOURCES.replace("KEY", key)
    mistakes.append(
        f"{key}: a secret is never taken from an argument, which the shell's history and every user of this machine "
        f"can see; allowed: {ways}"
    )
    return ""


def _read_file(key: str, path: Path, mistakes: list[str]) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        mistakes.append(f"{key}: the file {path} cannot be read: {error.strerror}")
        return ""
    try:
        text = content.decode().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > _LARGEST:
        mistakes.append(f"{key}: the file {path} holds no text of 1 to {_LARGEST} bytes in UTF-8")
        return ""
    return text
