"""How often a property is tried: a third of the examples before each commit, all of them with TEST_THOROUGH=1.

Every run draws other ones.
"""

from __future__ import annotations

import os
from typing import Final

IS_THOROUGH: Final = os.environ.get("TEST_THOROUGH") == "1"
_USUAL: Final = 100
"""Hypothesis' own number."""


def examples(number: int = _USUAL) -> int:
    """So many examples in a thorough run, fewer in any other."""
    return number if IS_THOROUGH else -(-number // 3)
