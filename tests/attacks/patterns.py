"""Every pattern of the product with the calls that it is used by, and texts made of it that are hard for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
CALLS: Final = frozenset({"match", "fullmatch", "search", "sub", "findall", "finditer", "split"})
_CATEGORIES: Final = {"DIGIT": "7", "SPACE": " ", "WORD": "a", "NOT_SPACE": "x", "NOT_DIGIT": "x", "NOT_WORD": "!"}
_MOST_SIGNS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A pattern, where it stands, and a call of it."""

    place: str
    pattern: re.Pattern[Any]
    call: str

    def run(self, text: str) -> None:
        """Work through a text."""
        is_bytes = isinstance(self.pattern.pattern, bytes)
        given: Any = text.encode() if is_bytes else text
        function: Callable[..., Any] = getattr(self.pattern, self.call)
        found = function(b"" if is_bytes else "", given) if self.call == "sub" else function(given)
        if self.call == "finditer":
            list(found)


def uses() -> list[Use]:
    """All of them: those that modules keep, and those that are written in a call of `re` itself."""
    trees = {_module(path): ast.parse(path.read_text("utf-8")) for path in _modules()}
    called: dict[str, set[str]] = {}
    inline: list[Use] = []
    for module, tree in trees.items():
        for name, call, literal in (found for tree_node in ast.walk(tree) for found in _called(tree_node)):
            if name == "re" and isinstance(literal, str | bytes):
                inline.append(Use(place=f"{module} re.{call}({literal!r})", pattern=re.compile(literal), call=call))
            elif name != "re":
                called.setdefault(name, set()).add(call)
    kept = [
        Use(place=f"{module}.{name}", pattern=value, call=call)
        for module in trees
        for name, value in vars(import_module(module)).items()
        if isinstance(value, re.Pattern)
        for call in sorted(called.get(name, {"fullmatch"}))
    ]
    rest = [Use(place="connector.runtime.log", pattern=one, call="sub") for one in _in_tables("connector.runtime.log")]
    return [*inline, *kept, *rest]


def _modules() -> Iterator[Path]:
    for folder in ("connector", "adapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name != "__main__.py" and not {"migrations", "emulators", "demo"} & set(path.parts):
                yield path


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _called(node: ast.AST) -> Iterator[tuple[str, str, Any]]:
    """The name that a method of patterns is called of, the method, and the first argument where it is a literal."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
        value = node.func.value
        if isinstance(value, ast.Name | ast.Attribute):
            name = value.id if isinstance(value, ast.Name) else value.attr
            first = node.args[0] if node.args else None
            yield name, node.func.attr, first.value if isinstance(first, ast.Constant) else None


def _in_tables(module: str) -> Iterator[re.Pattern[Any]]:
    """Patterns that stand in pairs of a table."""
    for value in vars(import_module(module)).values():
        if isinstance(value, tuple):
            for pair in value:
                yield from (part for part in (pair if isinstance(pair, tuple) else ()) if isinstance(part, re.Pattern))


def hard_units(pattern: re.Pattern[Any]) -> list[str]:
    """What a text is made of by repeating: each sign of the pattern, each two of them, and the words in it."""
    source = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    signs, words = set("x0"), set[str]()
    _look(_parser.parse(source, pattern.flags), signs, words)
    few = sorted(signs)[:_MOST_SIGNS]
    behind = [word + sign for word in sorted(words) for sign in ("", *few)]
    return [*sorted(signs), *map("".join, product(few, repeat=2)), *behind]


def _look(parsed: Iterable[Any], signs: set[str], words: set[str]) -> None:
    word = ""
    for code, given in parsed:
        name = str(code)
        word = word + chr(given) if name == "LITERAL" else ""
        if name in {"LITERAL", "NOT_LITERAL"}:
            signs.add(chr(given))
        elif name == "IN":
            signs.update(filter(None, (_sign(str(kind), value) for kind, value in given)))
        for inner in _inner(name, given):
            _look(inner, signs, words)
        if len(word) > 1:
            words.add(word)


def _sign(kind: str, value: Any) -> str:
    if kind == "CATEGORY":
        return _CATEGORIES[str(value).removeprefix("CATEGORY_")]
    return chr(value[0] if kind == "RANGE" else value) if kind in {"LITERAL", "RANGE"} else ""


def _inner(name: str, given: Any) -> Iterable[Any]:
    if name == "BRANCH":
        return list(given[1])
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        return [given[2]]
    if name == "SUBPATTERN":
        return [given[3]]
    return [given[1]] if name in {"ASSERT", "ASSERT_NOT"} else []
