"""What people and systems call the columns of a file, in four languages, as `headings.toml` lists them."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

_BLANKS: Final = re.compile(r"[\s_\-.:·・/*\u200b-\u200f\ufeff]+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_BESIDE: Final = re.compile(r"(.[^(\[【]*)[(\[【].*[)\]】]|(.+?)\d{1,2}")
"""A heading with something in brackets or a number behind it: `Phone (mobile)`, `メール2`."""


def folded(heading: str) -> str:
    """A heading without what makes no difference: capitals, width, accents of Latin letters, blanks, most signs."""
    plain = unicodedata.normalize("NFKD", heading).casefold().replace("đ", "d")
    return _BLANKS.sub("", unicodedata.normalize("NFC", _ACCENTS.sub("", plain)))


def rank(what: str, heading: str) -> int | None:
    """How sure it is that a heading means this, the smaller the surer; None: it does not."""
    ranks, text = RANKS.get(what, {}), folded(heading)
    beside = None if text in ranks else _BESIDE.fullmatch(text)
    return ranks.get(text if beside is None else beside[1] or beside[2])


_HEADINGS: Final = tomllib.loads(files(__package__).joinpath("headings.toml").read_text("utf-8"))
RANKS: Final[Mapping[str, Mapping[str, int]]] = {
    what: {folded(heading): place for place, heading in enumerate(headings)} for what, headings in _HEADINGS.items()
}
