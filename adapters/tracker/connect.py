"""A look at a tracker's connection: which of its settings cannot work, and the tag that stands in the pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from adapters.tracker.webhook import SHORTEST_SECRET
from connector.adapter_kit.contract import InspectionResult

_ORIGIN: Final = re.compile(r"https?://[^/?#@\s]+")


def look(origins: Sequence[str], keys: Sequence[str], secrets: Sequence[str], url: str) -> list[InspectionResult]:
    """The findings; `url` is the address that batches are posted to."""
    wrong = [
        f"`sites`: {site!r} is no origin; write scheme and host only, such as https://www.example.com"
        for site in origins
        if not _ORIGIN.fullmatch(site)
    ]
    if not origins:
        wrong.append("`sites` is empty: everything is refused; name the origins of the pages")
    if not any(keys):
        wrong.append("`site_keys` is empty: everything is refused; give any word, and put it into the tag as data-key")
    if any(len(secret) < SHORTEST_SECRET for secret in secrets):
        wrong.append(f"`identity_secret` has less than {SHORTEST_SECRET} characters: tokens signed by it are refused")
    if wrong:
        return [InspectionResult(topic="credentials", is_good=False, text=text) for text in wrong]
    base, _, name = url.rpartition("/collect/")
    tag = f'<script async src="{base}/tracker.js" data-connection="{name}" data-key="{keys[0]}"></script>'
    tokens = "tokens name visitors" if secrets else "`identity_secret` is not set, so no token names a visitor"
    return [
        InspectionResult(topic="credentials", is_good=True, text=f"{', '.join(origins)} may post; {tokens}"),
        InspectionResult(topic="tag", is_good=True, text=f"into every page: {tag}"),
    ]
