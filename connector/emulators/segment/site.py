"""An emulated Segment workspace: its webhook destination signs as the Actions destination does, batches too."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Message
from connector.emulators.engine.segment_site import SegmentSpecSite, compact

SECRET: Final = "segment-shared-secret-of-the-demo"  # noqa: S105 - of a workspace that is not real
URL_TOKEN: Final = "q8x2m5v9k1c7"  # noqa: S105 - likewise
PAUSES: Final = (0.02, 0.05, 0.1)


class SegmentSite(SegmentSpecSite):
    """A workspace with one source and one destination; `batch` above 1 sends lists, signed over the first message."""

    NAME: ClassVar[str] = "segment"

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Secrets of the destination; nothing else has to be set."""
        return {}, {"secret": [SECRET], "url_token": [URL_TOKEN]}

    def subscribe(self, handler_url: str) -> None:
        """The destination's address holds the token."""
        super().subscribe(f"{handler_url}?token={URL_TOKEN}")

    def sent(self, messages: Sequence[Mapping[str, Any]], url: str) -> Message:
        """One message by itself, several as a list."""
        first = compact(messages[0])
        body = first if self.batch == 1 else compact(messages)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Segment (Actions)",
            "X-Signature": hmac.new(SECRET.encode(), first, "sha1").hexdigest(),
        }
        return Message(url=url, about="", make=lambda _: (body, headers), pauses=PAUSES)
