"""The target actions and the sets that rules use, one bit each, so that a set test is one operation."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Action(StrEnum):
    """A target action; `MAIL_OPEN` is none and never counts."""

    SITE_ACCESS = "site_access"
    FORM_SUBMISSION = "form_submission"
    MEMBERSHIP_REGISTRATION = "membership_registration"
    LOGIN = "login"
    FILE_DOWNLOAD = "file_download"
    EMAIL_INFLOW = "email_inflow"
    EMAIL_FORM_SUBMISSION = "email_form_submission"
    EMAIL_MEMBERSHIP_REGISTRATION = "email_membership_registration"
    COCOAR_INFLOW = "cocoar_inflow"
    MAIL_OPEN = "mail_open"


TARGET_ACTIONS: Final = tuple(action for action in Action if action is not Action.MAIL_OPEN)
BIT: Final[dict[str, int]] = {action.value: 1 << place for place, action in enumerate(TARGET_ACTIONS)} | {
    Action.MAIL_OPEN.value: 0
}
ALL: Final = (1 << len(TARGET_ACTIONS)) - 1
VISITS: Final = BIT[Action.SITE_ACCESS] | BIT[Action.EMAIL_INFLOW] | BIT[Action.COCOAR_INFLOW]
LOGIN: Final = BIT[Action.LOGIN]
KEY_PAGE: Final = 1 << len(TARGET_ACTIONS)
"""Set beside the action's own bit when the page is a key page."""
