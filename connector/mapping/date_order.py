"""In which order day, month and year stand in the dates that people write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class DateOrder(StrEnum):
    """The order in which the numbers of a date stand."""

    YMD = "ymd"
    DMY = "dmy"
    MDY = "mdy"


PATTERNS: Final[Mapping[DateOrder, str]] = {
    DateOrder.YMD: "YYYY/MM/DD",
    DateOrder.DMY: "DD/MM/YYYY",
    DateOrder.MDY: "MM/DD/YYYY",
}
"""What a person writes for each order."""


def order_of(text: str) -> DateOrder | None:
    """The order that a format such as `DD/MM/YYYY`, `YYYY年M月D日` or `dmy` says; None: it says none."""
    letters = re.sub(r"(.)\1+", r"\1", re.sub("[^dmy]", "", text.casefold().partition(" ")[0]))
    return next((order for order in DateOrder if order == letters), None)
