"""What errors of Bitrix24's REST mean, and what to do about them.

https://apidocs.bitrix24.com/error-codes.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.adapter_kit.contract import PushOutcome

ERRORS: Final[Mapping[str, tuple[PushOutcome, str]]] = {
    "query_limit_exceeded": (PushOutcome.LATER, ""),
    "operation_time_limit": (PushOutcome.LATER, ""),
    "internal_server_error": (PushOutcome.LATER, ""),
    "error_unexpected_answer": (PushOutcome.LATER, ""),
    "method_confirm_waiting": (PushOutcome.LATER, "an administrator of the portal has to confirm the call"),
    "not_found": (PushOutcome.GONE, ""),
    "not found": (PushOutcome.GONE, ""),
    "target is not found": (PushOutcome.GONE, ""),
    "overload_limit": (PushOutcome.REFUSED, "the portal's REST was switched off by hand: ask Bitrix24's support"),
    "invalid_credentials": (PushOutcome.REFUSED, "make a new incoming webhook and set webhook_url"),
    "expired_token": (PushOutcome.REFUSED, "make a new incoming webhook and set webhook_url"),
    "invalid_token": (
        PushOutcome.REFUSED,
        "let an administrator authorise the application again, and set refresh_token",
    ),
    "insufficient_scope": (PushOutcome.REFUSED, "the webhook or the application needs the scopes crm and user_basic"),
    "authorization_error": (PushOutcome.REFUSED, "the webhook's employee was dismissed: make one for another employee"),
    "access_denied": (PushOutcome.REFUSED, "the webhook's employee lacks the right, or the plan has no REST"),
    "payment_required": (PushOutcome.REFUSED, "the portal's plan or trial has ended"),
    "error_method_not_found": (PushOutcome.REFUSED, "check webhook_url: https://<portal>/rest/<user id>/<secret>/"),
    "portal_deleted": (PushOutcome.REFUSED, "the portal was closed"),
}
"""Error code, or text where the code is empty, in lower case → what it means and what to do; others are refusals."""
