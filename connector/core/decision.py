"""A decision is what the engine decided on one step or one daily rule, with the facts that made it so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Reason(StrEnum):
    """Why something was not done."""

    ALREADY_THERE = "already_there"
    ATTACHED_LOWER = "attached_lower"
    OFF_LADDER = "off_ladder"
    BACKWARD = "backward"
    NO_RECIPIENT = "no_recipient"
    MAIL_OFF = "mail_off"
    RULE_OFF = "rule_off"
    OTHER_KIND = "other_kind"
    OTHER_STATUS = "other_status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One move, notice, skip or refusal.

    `at`: aware UTC, the step's time or the local midnight of a daily rule. `rule`: a rule id, `jump`, `trigger:<id>`,
    or `run:<rule id>` where a person ran it. `before` and `after`: status codes, equal where nothing moved. `notify`:
    e-mails, sorted. `skipped`: statuses strictly between on the ladder, lowest first, of an upward jump or trigger.
    `notice`: `subject` (one mail per subject), `list` (a digest) or None where the decision asks for no mail. `step`:
    id of the step, None for daily rules. `facts`: JSON values that made a rule hold.
    """

    at: datetime
    rule: str
    before: str
    after: str
    notify: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    reason: Reason | None = None
    notice: str | None = None
    step: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
