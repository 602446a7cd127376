"""Words that some programs read as something else when they stand without quotes (https://yaml.org/type/, YAML 1.1)."""

from __future__ import annotations

import re
from typing import Final

from connector.mapping.source import Word

INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
DECIMAL: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}")
_SURPRISES: Final = (
    (re.compile(r"~|null|Null|NULL"), "as nothing"),
    (
        re.compile(r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"),
        "as a yes or no",
    ),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "as a number of minutes or seconds"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t][-0-9:.+TtZz \t]*)?"), "as a date"),
    (re.compile(r"[-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?"), "as another number"),
    (re.compile(r"[-+]?0[xob][0-9a-fA-F_]+"), "as another number"),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), "as another number"),
    (re.compile(r"<<|="), "as a command"),
)


def surprise(word: Word) -> str | None:
    """How some programs read a word that stands without quotes; None: all read it alike."""
    if not word.is_plain or INTEGER.fullmatch(word):
        return None
    return next((meaning for pattern, meaning in _SURPRISES if pattern.fullmatch(word)), None)
