"""PHP's way with forms and JSON: bracket keys into nested arrays and back, arrays as lists where keys allow it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlencode

Array: TypeAlias = dict[str, Any]
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def parse_pairs(pairs: Iterable[tuple[str, str]]) -> Array:
    """Nested arrays out of `a[b][]=c` pairs; keys stay text, `[]` counts up."""
    root: Array = {}
    for key, value in pairs:
        name = key.partition("[")[0]
        inner = _BRACKETS.findall(key[len(name) :])
        _put(root, [name, *inner] if inner else [key.replace("[", "_")], value)
    return root


def _put(array: Array, path: Sequence[str], value: str) -> None:
    for key in path[:-1]:
        deeper = array.setdefault(key or _next_index(array), {})
        if not isinstance(deeper, dict):
            return
        array = deeper
    array[path[-1] or _next_index(array)] = value


def _next_index(array: Array) -> str:
    return str(1 + max((int(key) for key in array if key.isdecimal()), default=-1))


def parse_query(text: str) -> Array:
    """The parameters of `method?query` or of a form body."""
    return parse_pairs(parse_qsl(text, keep_blank_values=True))


def build_query(values: Mapping[str, Any]) -> str:
    """What `http_build_query` makes of nested values; None is left out, booleans are 1 and 0."""
    return urlencode([pair for key, value in values.items() for pair in _flatten(key, value)])


def _flatten(key: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(f"{key}[{name}]", inner)
    elif isinstance(value, list | tuple):
        yield from _flatten(key, dict(enumerate(value)))
    elif isinstance(value, bool):
        yield key, str(int(value))
    elif value is not None:
        yield key, str(value)


def as_json(array: Mapping[str, Any]) -> Array | list[Any]:
    """The array as PHP encodes it: a list when its keys count 0, 1, 2, …, so that an empty one is `[]`."""
    if all(key == str(index) for index, key in enumerate(array)):
        return list(array.values())
    return dict(array)


def as_list(value: Any) -> list[Any]:
    """The members of a list or array parameter; a scalar is a list of one, nothing is none."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def as_array(value: Any) -> Array:
    """The parameter as an array with text keys; what is none is empty."""
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in value.items()}
    return {str(index): inner for index, inner in enumerate(value)} if isinstance(value, list) else {}
