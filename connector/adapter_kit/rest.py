"""Reads what external systems answer, which may be anything, and says in one way what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar
from urllib.parse import quote

import jmespath
from jmespath.exceptions import JMESPathError

from connector.adapter_kit.contract import Answer, Update
from connector.adapter_kit.redaction import mask_text
from connector.core.errors import AccessRefused, CrmRefused, CrmUnavailable, printable

T = TypeVar("T")
METHODS: Final = ("POST", "PUT", "PATCH")
_GONE: Final = frozenset({404, 410})
_PASSING: Final = frozenset({408, 409, 423, 425, 429})
"""Answers that do not refuse for good; server errors and 429 reach an adapter as `CrmUnavailable`."""
_SHOWN: Final = 200


class RecordGone(CrmRefused):
    """The system has the record no more."""

    reason = "record_gone"

    def __init__(self, message: str = "the record does not exist any more") -> None:
        super().__init__(message)


class Forbidden(CrmRefused):
    """The system allows no call of this kind: for the record, or for the connection as a whole; it does not say which.

    A record that is refused while others get through is refused alone.
    """

    reason = "forbidden"


_OF_STATUS: Final[Mapping[int, type[CrmRefused]]] = {401: AccessRefused, 403: Forbidden}


def refused(status: int, text: str) -> CrmRefused:
    """What an answer of that HTTP status refuses: 401 all that the connection asks, 403 perhaps, others this call."""
    return _OF_STATUS.get(status, CrmRefused)(text)


def is_good(answer: Answer) -> bool:
    """Whether the call was carried out: any 2xx."""
    return answer.status // 100 == 2  # noqa: PLR2004 - the class of answers that accept


def body_of(answer: Answer) -> Mapping[str, Any]:
    """The body as an object; anything else, such as a page for people, is an empty one. Raises nothing."""
    try:
        return as_object(answer.json())
    except CrmUnavailable:
        return {}


def as_object(value: Any) -> Mapping[str, Any]:
    """A value as an object; anything else is an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> Sequence[Any]:
    """A value as a list; anything else is an empty one."""
    return value if isinstance(value, list) else ()


def check_answer(answer: Answer, secrets: Sequence[str]) -> None:
    """Raises `RecordGone`, `CrmUnavailable` or `CrmRefused` unless the answer is a 2xx."""
    if answer.status in _GONE:
        raise RecordGone(answer_text(answer, secrets))
    if answer.status in _PASSING:
        raise CrmUnavailable(answer_text(answer, secrets))
    refuse_unless_good(answer, secrets)


def refuse_unless_good(answer: Answer, secrets: Sequence[str]) -> None:
    """Raises `CrmRefused` with what the answer says unless it is a 2xx."""
    if not is_good(answer):
        raise refused(answer.status, answer_text(answer, secrets))


def answer_text(answer: Answer, secrets: Sequence[str]) -> str:
    """Status and the beginning of the body, in one line and without secrets."""
    return f"answered {answer.status}: {excerpt(answer.body.decode(errors='replace'), secrets)}".removesuffix(": ")


def excerpt(text: str, secrets: Sequence[str], most: int = _SHOWN) -> str:
    """At most `most` printable characters of a text, without secrets and without the tokens in them (`Bearer …`)."""
    masked = mask_text(text, (*secrets, *(secret.rpartition(" ")[2] for secret in secrets)))
    return in_one_line(masked, most)


def in_one_line(text: str, most: int) -> str:
    """A text of an answer for people: in one line, printable, at most so many characters."""
    return " ".join(printable(text).split())[:most]


def check_target(url: str, method: str) -> None:
    """Raises `CrmRefused` when a connection's `url` or `method` cannot be used."""
    if not url:
        message = "no address to send updates to: set the connection's setting `url`"
        raise CrmRefused(message)
    if method.upper() not in METHODS:
        message = f"the connection's setting `method` is {method!r}; it must be one of {', '.join(METHODS)}"
        raise CrmRefused(message)


def address_of(url: str, update: Update) -> str:
    """An address with `{record.object}` and `{record.id}` filled in, percent-encoded."""
    record = update.record
    return url.replace("{record.object}", quote(record.object, safe="")).replace(
        "{record.id}", quote(record.id, safe="")
    )


def search(setting: str, path: str, value: Any) -> Any:
    """What a connection's JMESPath finds. Raises `CrmRefused` when it cannot be used, with the setting's name."""
    try:
        return jmespath.search(path, value)
    except JMESPathError as error:
        message = f"the connection's setting `{setting}` ({path!r}) cannot be used: {error}"
        raise CrmRefused(message) from error


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in lists of at most that size."""
    waiting = iter(values)
    while chunk := list(islice(waiting, size)):
        yield chunk
