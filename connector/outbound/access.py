"""Whether what a batch met is a refusal of the connection as a whole, or of one record of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from connector.adapter_kit.contract import Pushed, PushOutcome
from connector.runtime.connections import note_granted, note_refused
from connector.store.connections import PUSH

_THROUGH: Final = frozenset({PushOutcome.DONE, PushOutcome.GONE})
_UNTOLD: Final = frozenset({PushOutcome.LATER, PushOutcome.NO_ACCESS})
"""Outcomes that do not say whether the connection has access."""


def told_apart(pushed: Mapping[str, Pushed]) -> dict[str, Pushed]:
    """The results of a batch; what was forbidden is refused alone where others got through, else with all of it."""
    is_alone = any(one.outcome in _THROUGH for one in pushed.values())
    meant = PushOutcome.REFUSED if is_alone else PushOutcome.NO_ACCESS
    return {
        key: replace(one, outcome=meant) if one.outcome is PushOutcome.FORBIDDEN else one for key, one in pushed.items()
    }


def note_access(connection: Connection, name: str, pushed: Sequence[Pushed], now: datetime) -> bool:
    """Whether the connection is refused as a whole: nothing got through, and it is left alone from `now` (UTC) on."""
    closed = next((one for one in pushed if one.outcome is PushOutcome.NO_ACCESS), None)
    if closed is not None and not any(one.outcome in _THROUGH for one in pushed):
        note_refused(connection, name, PUSH, closed.reason or "no reason was given", now)
        return True
    if any(one.outcome not in _UNTOLD for one in pushed):
        note_granted(connection, name, PUSH)
    return False
