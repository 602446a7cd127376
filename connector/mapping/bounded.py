"""Evaluates a JMESPath within bounds: in so many steps, and to a result of so many signs, whatever the data are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

from connector.core.errors import ExpressionStopped

MOST_STEPS: Final = 300_000
"""A step is a part of the expression for one value, a value that a function looks at, or so many signs of a text:"""
SIGNS: Final = 16
MOST_SIGNS: Final = 1_000_000
"""Signs of a result, each value in it counted as some more."""


# Theory of operation
#
# An expression is short, and what it makes of a long list need not be: texts that are joined with texts that were
# joined, each with all of the others between them. What it visits, and what its functions are given, is therefore
# counted before it is done; a function that makes a text makes no more than it was given, but for `join`, which
# repeats its glue. Above the bound the evaluation ends by an error that names the expression: the event is held until
# the mapping has another.


def search(text: str, parsed: Mapping[str, Any], data: Mapping[str, Any]) -> Any:
    """What the expression finds. Raises `ExpressionStopped`, and whatever the library's functions raise."""
    found = _Interpreter(text).visit(parsed, data)
    if _signs(found, MOST_SIGNS) > MOST_SIGNS:
        raise ExpressionStopped(text, f"what it gives is larger than {MOST_SIGNS:,} signs")
    return found


class _Interpreter(TreeInterpreter):
    """Counts what it does for one evaluation."""

    def __init__(self, text: str) -> None:
        self._called = Functions()
        super().__init__(Options(custom_functions=self._called))
        self._text = text
        self._left = MOST_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Evaluate one part for one value."""
        self._spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Call a function, if what it is given is not too much."""
        given = [self.visit(child, value) for child in node["children"]]
        for one in given:
            self._spend(_signs(one, self._left * SIGNS) // SIGNS)
        if node["value"] == "join" and isinstance(given[0], str) and isinstance(given[1], list):
            self._spend(len(given[0]) * len(given[1]) // SIGNS)
        return self._called.call_function(node["value"], given)

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise ExpressionStopped(self._text, f"it takes more than {MOST_STEPS:,} steps")


def _signs(value: Any, most: int) -> int:
    """How many signs a value has when it is written, about; it is not looked at beyond `most`."""
    count, waiting = 0, [value]
    while waiting and count <= most:
        one = waiting.pop()
        count += SIGNS if not isinstance(one, str) else len(one) + 1
        if isinstance(one, Mapping):
            waiting += one.values()
            count += sum(map(len, one))
        elif isinstance(one, list):
            waiting += one
    return count
