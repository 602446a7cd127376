"""An emulated site with our own tracker: posts what the script of its pages does, and signs as its server does."""

from __future__ import annotations

import hmac
import itertools
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults, dice

SITE: Final = "https://www.example.com"
SITE_KEY: Final = "site-5f1c0e7a93d84b26"
SECRET: Final = "identity-b6f0c2a94e7d41c8935a"  # noqa: S105 - of a site that is not real
AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
PAUSES: Final = (0.02, 0.05, 0.1)
TOKEN_SECONDS: Final = 3600
_FROM_MAIL: Final = "?utm_source=newsletter&utm_medium=email"
_DEEDS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "site_access": ("page", {}),
    "email_inflow": ("page", {"query": _FROM_MAIL, "entered": True}),
    "cocoar_inflow": ("page", {"query": "?utm_source=cocoar", "entered": True}),
    "form_submission": ("form", {"form": "contact", "fields": {"interest": "pricing"}}),
    "email_form_submission": ("form", {"form": "contact", "entry": _FROM_MAIL}),
    "membership_registration": ("signup", {}),
    "email_membership_registration": ("signup", {"entry": _FROM_MAIL}),
    "login": ("login", {}),
    "file_download": ("download", {"file": f"{SITE}/files/catalogue.pdf"}),
}
"""Our action → the script's word, and what it adds."""


def sign_token(email: str, visitor: str, expires: int, secret: str = SECRET) -> str:
    """A token as a site's server makes it; `expires` in unix seconds."""
    claims = json.dumps({"email": email, "visitor": visitor, "expires": expires}).encode()
    content = urlsafe_b64encode(claims).rstrip(b"=")
    return f"{content.decode()}.{hmac.new(secret.encode(), content, 'sha256').hexdigest()}"


class TrackerSite(SiteEmulator):
    """Pages under `SITE`. A batch that is not taken is sent again, with the same ids and another `sent`."""

    NAME: ClassVar[str] = "tracker"
    KINDS: ClassVar[Sequence[str]] = tuple(_DEEDS)

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = clock,
        faults: Faults | None = None,
        threads: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(now=now, faults=faults, threads=threads, port=port)
        self._numbers = itertools.count(1)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """Settings and secrets of a connection to the site."""
        return {"sites": [SITE], "site_keys": [SITE_KEY]}, {"identity_secret": [SECRET]}

    def subscribe(self, handler_url: str) -> None:
        """The script of the pages posts to `/collect/` in place of `/webhooks/`."""
        super().subscribe(f"{handler_url.replace('/webhooks/', '/collect/')}?key={SITE_KEY}")

    def do(self, action: VisitorAction) -> None:
        """What happens on a page; where the site knows the e-mail, its server's token comes along."""
        happened = [] if action.kind == "identify" else [self._event(action)]
        if action.email:
            token = sign_token(action.email, action.visitor, int(self.now().timestamp()) + TOKEN_SECONDS)
            happened.append({**self._seen(action), "type": "identify", "token": token})
        number = next(self._numbers)
        batch = {"id": self._id(number), "visitor": action.visitor, "events": happened}
        for url in self.handlers:
            self.courier.send(Message(url=url, about=f"batch {number}", make=self._attempt(batch), pauses=PAUSES))

    def _event(self, action: VisitorAction) -> dict[str, Any]:
        word, more = _DEEDS[action.kind]
        given = dict(more)
        page = action.page + given.pop("query", "")
        return {**self._seen(action), "type": word, "page": page, **given}

    def _seen(self, action: VisitorAction) -> dict[str, Any]:
        at = int(action.at.timestamp() * 1000)
        return {"id": self._id(next(self._numbers)), "at": at, "session": f"{action.visitor[:8]}{action.at:%Y%m%d}"}

    def _id(self, number: int) -> str:
        return f"{dice(self.faults.seed, 'tracker', number).getrandbits(128):032x}"

    def _attempt(self, batch: Mapping[str, Any]) -> Callable[[int], Content]:
        def make(_attempt: int) -> Content:
            body = json.dumps({**batch, "sent": int(self.now().timestamp() * 1000)}).encode()
            return body, {"Content-Type": "text/plain;charset=UTF-8", "Origin": SITE, "User-Agent": AGENT}

        return make
