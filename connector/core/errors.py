"""The errors: one root, four branches by who must act, each with a reason word; and how their words are shown."""

from __future__ import annotations

from typing import ClassVar, Final

_LONGEST: Final = 400


def printable(text: str) -> str:
    """The text without what a terminal could take for a command, a sound, a new line or another direction."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)


class ConnectorError(Exception):
    """Root of all errors that the connector raises on purpose; `reason` is a stable word and its metric label."""

    reason: ClassVar[str] = "error"


class SenderError(ConnectorError):
    """The sender of a webhook must act: it is answered with a 4xx."""

    reason = "sender"


class SalesOpsError(ConnectorError):
    """Sales ops must act: something is unmapped or wrongly mapped; the event is held."""

    reason = "sales_ops"


class CrmError(ConnectorError):
    """The external system must act or recover; tried again later unless it refused for good."""

    reason = "crm"


class OperatorError(ConnectorError):
    """Whoever runs the connector must act: a wrong setting, a missing database."""

    reason = "operator"


class BadSignature(SenderError):
    """The delivery could not be authenticated (401, quarantined)."""

    reason = "bad_signature"


class MissingProof(BadSignature):
    """The delivery carries no proof at all: hardly the configured sender's."""


class BadPayload(SenderError):
    """The body could not be read; `path` is the place that is wrong (400, quarantined when signed)."""

    reason = "bad_payload"

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class UnknownEvent(SalesOpsError):
    """An event word that the adapter has never seen; the delivery is held."""

    reason = "unknown_event"


class Unmapped(SalesOpsError):
    """The mapping has no entry for `what` (`stage`, `trigger`, `action`, `owner`) named `name`; the event is held."""

    reason = "unmapped"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"no entry in the mapping for {what} {name!r}")
        self.what = what
        self.name = name

    @property
    def held_for(self) -> str:
        """What an event is held for, as it is stored."""
        return f"{self.what}: {self.name}"[:_LONGEST]


class ExpressionStopped(Unmapped):
    """An expression of the mapping makes too much of the data, as `why` says; the event is held."""

    def __init__(self, expression: str, why: str) -> None:
        super().__init__("expression", f"{expression} ({why})")
        self.args = (f"the mapping's expression {expression!r} was stopped: {why}",)


class UnknownStatus(SalesOpsError):
    """A word that is no status, label or alias; `nearest` is the closest code."""

    reason = "unknown_status"

    def __init__(self, word: str, nearest: str | None, allowed: tuple[str, ...]) -> None:
        hint = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(f"{word!r} is not a status; allowed: {', '.join(allowed)}{hint}")
        self.nearest = nearest


class CrmUnavailable(CrmError):
    """Time-out, refused connection, 5xx, 429, open circuit: try again after `retry_after` seconds (None: back-off)."""

    reason = "crm_unavailable"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CrmRefused(CrmError):
    """The system refused the call for good (missing right, bad value); trying again changes nothing."""

    reason = "crm_refused"


class AccessRefused(CrmRefused):
    """The system refuses the connection as a whole (credentials, plan): all of it waits until that is mended."""

    reason = "access_refused"


class WrongSetting(OperatorError):
    """A setting is missing or wrong; the message names it and says what is allowed."""

    reason = "wrong_setting"


class NotFound(OperatorError):
    """A connection, subject, delivery or version that was asked for does not exist."""

    reason = "not_found"
