"""What errors of Bitrix24's REST mean, and what to do about them.

https://apidocs.bitrix24.com/error-codes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.adapter_kit.contract import Outcome

ERRORS: Final[Mapping[str, tuple[Outcome, str]]] = {
    "query_limit_exceeded": (Outcome.LATER, ""),
    "operation_time_limit": (Outcome.LATER, ""),
    "internal_server_error": (Outcome.LATER, ""),
    "error_unexpected_answer": (Outcome.LATER, ""),
    "method_confirm_waiting": (Outcome.LATER, "an administrator of the portal has to confirm the call"),
    "not_found": (Outcome.GONE, ""),
    "not found": (Outcome.GONE, ""),
    "target is not found": (Outcome.GONE, ""),
    "overload_limit": (Outcome.REFUSED, "the portal's REST was switched off by hand: ask Bitrix24's support"),
    "invalid_credentials": (Outcome.REFUSED, "make a new incoming webhook and set webhook_url"),
    "expired_token": (Outcome.REFUSED, "make a new incoming webhook and set webhook_url"),
    "invalid_token": (Outcome.REFUSED, "let an administrator authorise the application again, and set refresh_token"),
    "insufficient_scope": (Outcome.REFUSED, "the webhook or the application needs the scopes crm and user_basic"),
    "authorization_error": (Outcome.REFUSED, "the webhook's employee was dismissed: make one for another employee"),
    "access_denied": (Outcome.REFUSED, "the webhook's employee lacks the right, or the plan has no REST"),
    "payment_required": (Outcome.REFUSED, "the portal's plan or trial has ended"),
    "error_method_not_found": (Outcome.REFUSED, "check webhook_url: https://<portal>/rest/<user id>/<secret>/"),
    "portal_deleted": (Outcome.REFUSED, "the portal was closed"),
}
"""Error code, or text where the code is empty, in lower case → what it means and what to do; others are refusals."""
