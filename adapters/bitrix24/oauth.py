"""OAuth of an application in Bitrix24: an access token for an hour, a refresh token that is another one after each use.

https://apidocs.bitrix24.com/settings/oauth/auto-renewal.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from connector.adapter_kit.contract import Api
from connector.adapter_kit.oauth import ACCESS, Tokens, refresh_token, rotate
from connector.adapter_kit.rest import as_object
from connector.adapter_kit.settings import is_safe_origin
from connector.core.errors import CrmRefused, CrmUnavailable

ADVICE: Final[Mapping[str, str]] = {
    "invalid_grant": "let an administrator authorise the application again, and set refresh_token",
    "invalid_client": "check client_id, client_secret and oauth_server, and that the application is installed",
    "wrong_client": "check client_id, client_secret and oauth_server, and that the application is installed",
    "not_installed": "install the application in the portal again",
    "payment_required": "the portal's plan or trial has ended",
}
"""Error code in lower case → what to do. https://apidocs.bitrix24.com/settings/oauth/error-codes.html"""
_REFUSED: Final = "refused refresh token"
_SOON: Final = 5.0
"""Seconds after which what another process is about to keep is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a person enters of an application; of the secrets the newest is used."""

    client_id: str
    client_secret: tuple[str, ...] = field(repr=False)
    refresh_token: tuple[str, ...] = field(repr=False)
    portal_url: str
    server: str

    def checks(self) -> dict[str, bool]:
        """Setting → whether it can be used."""
        return {
            "client_secret": bool(self.client_secret),
            "refresh_token": bool(self.refresh_token),
            "portal_url (https://<portal>)": is_safe_origin(self.portal_url),
            "oauth_server (https://<server>)": is_safe_origin(self.server),
        }

    def access(self, api: Api) -> Access:
        """The way in; only where the settings can be used."""
        return Access(
            api=api,
            server=self.server,
            client_id=self.client_id,
            client_secret=self.client_secret[0],
            refresh=self.refresh_token[0],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """An application's way in. `refresh`: the refresh token as it was entered; those after it are kept by `api`."""

    api: Api
    server: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh: str = field(repr=False)

    def tokens(self) -> Tokens:
        """The access token, which another process may be renewing: `CrmUnavailable`.

        `CrmRefused`: somebody has to authorise.
        """
        return Tokens(api=self.api, issue=self._issued)

    def _issued(self) -> str:
        used = refresh_token(self.api, self.refresh)
        reply = self._ask(used)
        if ACCESS in reply and "refresh_token" in reply:
            rotate(self.api, self.refresh, reply["refresh_token"])
            return str(reply[ACCESS])
        code = str(reply.get("error", "no token in the answer"))
        if code == "invalid_grant" and self._is_perhaps_renewed(used):
            message = (
                "the OAuth server refused a refresh token that another process may have used just now; if that stays, "
                f"{ADVICE[code]}"
            )
            raise CrmUnavailable(message, _SOON)
        advice = ADVICE.get(code.casefold(), "check client_id, client_secret, refresh_token and oauth_server")
        message = f"the OAuth server refused: {code}: {advice}"
        raise CrmRefused(message)

    def _ask(self, used: str) -> Mapping[str, Any]:
        params = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": used,
        }
        return as_object(self.api.call("GET", f"{self.server.rstrip('/')}/oauth/token/", params=params).json())

    def _is_perhaps_renewed(self, used: str) -> bool:
        """Between its answer and its keeping, another process's token is nowhere to be seen: it is waited for once."""
        is_first = self.api.memo.get(_REFUSED) != used
        self.api.memo[_REFUSED] = used
        return is_first or refresh_token(self.api, self.refresh) != used
