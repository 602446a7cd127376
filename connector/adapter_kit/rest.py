"""One HTTP request per update, for systems without a batch call: addresses filled in, answers judged, records read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import jmespath
from jmespath.exceptions import JMESPathError

from connector.adapter_kit.answers import in_one_line, is_good
from connector.adapter_kit.contract import Answer, Pushed, PushOutcome, Update
from connector.adapter_kit.redaction import mask_text
from connector.adapter_kit.update_plan import RecordGone, failed
from connector.core.errors import CrmError, CrmRefused, CrmUnavailable

METHODS: Final = ("POST", "PUT", "PATCH")
NOT_READ_BACK: Final = "not read back"
_GONE: Final = frozenset({404, 410})
_LATER: Final = frozenset({408, 409, 423, 425, 429})
"""Answers that do not refuse for good; server errors and 429 reach an adapter as `CrmUnavailable`."""
_SHOWN: Final = 200


def send_each(updates: Sequence[Update], send: Callable[[Update], str | None]) -> list[Pushed]:
    """Each update by itself: done with what `send` gives as a remark, or as its `CrmError` says."""
    return [_settled(update, send) for update in updates]


def _settled(update: Update, send: Callable[[Update], str | None]) -> Pushed:
    try:
        return Pushed(key=update.key, outcome=PushOutcome.DONE, reason=send(update))
    except CrmError as error:
        return failed(update, error)


def check_target(url: str, method: str) -> None:
    """Raises `CrmRefused` when a connection's `url` or `method` cannot be used."""
    if not url:
        message = "no address to send updates to: set the connection's setting `url`"
        raise CrmRefused(message)
    if method.upper() not in METHODS:
        message = f"the connection's setting `method` is {method!r}; it must be one of {', '.join(METHODS)}"
        raise CrmRefused(message)


def filled(url: str, update: Update) -> str:
    """An address with `{record.object}` and `{record.id}` filled in, percent-encoded."""
    record = update.record
    return url.replace("{record.object}", quote(record.object, safe="")).replace(
        "{record.id}", quote(record.id, safe="")
    )


def check_taken(answer: Answer, secrets: Sequence[str]) -> None:
    """Raises `RecordGone`, `CrmUnavailable` or `CrmRefused` unless the answer is a 2xx."""
    if answer.status in _GONE:
        raise RecordGone(said(answer, secrets))
    if answer.status in _LATER:
        raise CrmUnavailable(said(answer, secrets))
    refuse_unless_2xx(answer, secrets)


def refuse_unless_2xx(answer: Answer, secrets: Sequence[str]) -> None:
    """Raises `CrmRefused` with what the answer says."""
    if not is_good(answer):
        raise CrmRefused(said(answer, secrets))


def said(answer: Answer, secrets: Sequence[str]) -> str:
    """Status and the beginning of the body, in one line and without secrets."""
    return f"answered {answer.status}: {excerpt(answer.body.decode(errors='replace'), secrets)}".removesuffix(": ")


def excerpt(text: str, secrets: Sequence[str]) -> str:
    """At most 200 printable characters of a text, without secrets and without the tokens in them (`Bearer …`)."""
    masked = mask_text(text, (*secrets, *(secret.rpartition(" ")[2] for secret in secrets)))
    return in_one_line(masked, _SHOWN)


def found(setting: str, path: str, value: Any) -> Any:
    """What a connection's JMESPath finds. Raises `CrmRefused` when it cannot be used, with the setting's name."""
    try:
        return jmespath.search(path, value)
    except JMESPathError as error:
        message = f"the connection's setting `{setting}` ({path!r}) cannot be used: {error}"
        raise CrmRefused(message) from error


def differences(wanted: Mapping[str, Any], shown: Mapping[str, Any], secrets: Sequence[str]) -> list[str]:
    """What a record shows in place of the wanted values: `<field> shows 'x' in place of 'y'`."""
    return [
        f"{name} shows {excerpt(str(shown.get(name)), secrets)!r} in place of {excerpt(str(value), secrets)!r}"
        for name, value in wanted.items()
        if not _is_same(shown.get(name), value)
    ]


def _is_same(shown: Any, wanted: Any) -> bool:
    """Numbers and texts are the same where they are written alike; nothing is the same as an empty text."""
    if isinstance(shown, bool) or isinstance(wanted, bool):
        return str(shown).casefold() == str(wanted).casefold()
    if isinstance(shown, dict | list) or isinstance(wanted, dict | list):
        return bool(shown == wanted)
    return str("" if shown is None else shown).strip() == str("" if wanted is None else wanted).strip()
