"""The log: one line per entry, as text or JSON, with what is bound to the context, and with every secret masked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from connector.adapter_kit.redaction import MASK

_SECRET_WORDS: Final = frozenset(
    (
        *("token", "secret", "password", "passwd", "pwd", "authorization", "auth", "signature", "cookie", "apikey"),
        *("tokens", "secrets", "passwords", "signatures", "cookies", "credential", "credentials", "sealed"),
    )
)
_LAST_WORDS: Final = frozenset(("key", "keys"))
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_NAME: Final = (
    r"[\w.\[\]%-]{0,40}(?:token|secret|passw(?:or)?d|signature|authorization|cookie|api_?key)[\w.\[\]%-]{0,40}"
)
_IN_TEXT: Final = (
    (re.compile(r"(://)[^/\s@?#]*@"), rf"\1{MASK}@"),
    (re.compile(r"(/rest/\d+/)[^/\s?\"']+"), rf"\1{MASK}"),
    (re.compile(r"(authorization\W{1,5}(?:(?:basic|bearer|token)\s+)?)[^\s,;\"']+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(Bearer\s+)[\w.~+/=-]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\bwhs(?:ec|k)_[\w+/=-]+"), MASK),
    (re.compile(rf"({_NAME}=)[^\s&\"',;]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(rf"([\"']{_NAME}[\"']\s*:\s*)([\"'])(?:\\.|(?!\2).)*\2", re.IGNORECASE), rf"\1\2{MASK}\2"),
)
_DEEPEST: Final = 8
_QUIET: Final = ("alembic", "rq", "rq.worker", "werkzeug")
"""At `info` their warnings only; RQ sets a level of its own on its worker's logger."""
_COLOURS: Final = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}
_PLAIN: Final = "\x1b[0m"


class Stream(Protocol):
    """Where the log goes: standard error, or whatever takes text."""

    def write(self, text: str, /) -> object:
        """Take text; each entry ends with a new line."""

    def flush(self) -> object:
        """Let it be seen."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""


def configure_log(*, level: str, form: str, stream: Stream) -> None:
    """Send every entry, also those of libraries, to `stream`; `form` is text (coloured on a terminal) or json."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = _Json() if form == "json" else _Text(is_coloured=stream.isatty())
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, mask_entry, renderer],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    least = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(handlers=[handler], level=least, force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(least if least <= logging.DEBUG else max(least, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask_entry(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    """A structlog processor: masks the values of secret-looking names, and secrets inside all other texts."""
    return {name: _masked(name, value, _DEEPEST) for name, value in entry.items()}


def mask(text: str) -> str:
    """The text without what looks like a secret in it: a URL's account, a webhook's code, a token's value."""
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret, by its words: `accessToken`, `X-Api-Key`, `client_secret`."""
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _LAST_WORDS or not _SECRET_WORDS.isdisjoint(words))


def _masked(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return MASK if value is not None and is_secret(name) and not isinstance(value, bool) else value
    if is_secret(name) and value:
        return MASK
    if isinstance(value, Mapping) and depth:
        return {str(key): _masked(str(key), inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes) and depth:
        return [_masked("", inner, depth - 1) for inner in value]
    return mask(value if isinstance(value, str) else str(value))


class _Json:
    def __call__(self, _logger: WrappedLogger, _method: str, entry: EventDict) -> str:
        return json.dumps({"at": entry.pop("at"), "level": entry.pop("level"), **entry}, default=str)


class _Text:
    def __init__(self, *, is_coloured: bool) -> None:
        self._colours = _COLOURS if is_coloured else {}

    def __call__(self, _logger: WrappedLogger, _method: str, entry: MutableMapping[str, Any]) -> str:
        at, level, event = entry.pop("at"), entry.pop("level"), entry.pop("event")
        rest = "".join(f" {_printable(str(name))}={_shown(value)}" for name, value in entry.items())
        colour = self._colours.get(level)
        line = f"{at} {level:<8} {_printable(str(event))}{rest}"
        return f"{colour}{line}{_PLAIN}" if colour else line


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    is_plain = text.isprintable() and not any(mark in text for mark in ' "=') and text
    return text if is_plain or not isinstance(value, str) else _printable(json.dumps(text, ensure_ascii=False))


def _printable(text: str) -> str:
    """The text on one line: what a terminal could take for a command or a new line is written as an escape."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
