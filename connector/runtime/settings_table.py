"""The table of settings: names, what each takes, unit, default and description; docs/settings.md shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from marshmallow import ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL: Final = {"postgres", "postgresql", "postgresql+psycopg"}
_WHOLE: Final = re.compile(r"-?[0-9]{1,12}")
_PUBLIC: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_REDIS: Final = re.compile(r"rediss?://[^/\s]+(/\d*)?(\?\S*)?|unix://\S+")


class Whole(fields.Integer):
    """A whole number; unlike marshmallow's own neither 8080.5 nor ` 8_080` is one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> int:
        if not isinstance(value, (int, str)) or (isinstance(value, str) and not _WHOLE.fullmatch(value)):
            message = "not a whole number"
            raise ValidationError(message)
        return super()._deserialize(value, attr, data, **rest)


class Folder(fields.Field[Path]):
    """The path of a folder; `~` is the home."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Path:  # noqa: ARG002 - the signature
        try:
            path = Path(value).expanduser()
            path.resolve()
        except (TypeError, ValueError, RuntimeError) as error:
            message = "not a path"
            raise ValidationError(message) from error
        return path


class Items(fields.List[Any]):
    """A list of texts; in the environment separated by commas."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> list[Any]:
        items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
        return super()._deserialize(items, attr, data, **rest)


class JsonOrText(fields.Field[Any]):
    """Any value; a text that is JSON is what it says, any other stays a text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:  # noqa: ARG002 - the signature
        try:
            read = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            return value
        return value if read is None else read


class PublicUrl(fields.String):
    """The address under which the outside world reaches a web server, perhaps with a path; no slash at its end."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest) or ""
        if not _PUBLIC.fullmatch(text):
            message = "not the address of a web server"
            raise ValidationError(message)
        return text.rstrip("/")


class DatabaseUrl(fields.String):
    """The URL of a SQLite file or a PostgreSQL database, with the driver that the connector uses."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest) or ""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            message = "not the URL of a database"
            raise ValidationError(message) from error
        if url.drivername == "sqlite" and url.database not in {None, "", ":memory:"}:
            return url.render_as_string(hide_password=False)
        if url.drivername in _POSTGRESQL and url.database:
            return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        message = "neither a SQLite file nor a PostgreSQL database"
        raise ValidationError(message)


class RedisUrl(fields.String):
    """The URL of a Redis or Valkey server."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> str:
        text = super()._deserialize(value, attr, data, **rest) or ""
        if not _REDIS.fullmatch(text):
            message = "not the URL of a Redis server"
            raise ValidationError(message)
        return text


WORKSPACE: Final = "workspace"
SMTP: Final = "smtp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `key`: its name in connector.toml, `section.name` inside a section; `env`: its environment variable.

    `field` reads and checks a value, `allowed` says in words what it takes; `shown` is the default as people read it.
    """

    key: str
    env: str
    field: fields.Field[Any]
    allowed: str
    description: str
    default: Any = None
    shown: str = ""
    unit: str = ""
    is_secret: bool = False


def _setting(key: str, field: fields.Field[Any], allowed: str, description: str, **rest: Any) -> Setting:
    section, _, name = key.rpartition(".")
    env = rest.pop("env", f"CONNECTOR_{section}_{name}" if section == SMTP else f"CONNECTOR_{name}").upper()
    default = rest.get("default")
    shown = rest.pop("shown", "none" if default is None else str(default))
    return Setting(key=key, env=env, field=field, allowed=allowed, description=description, shown=shown, **rest)


def _whole(key: str, default: int | None, low: int, high: int, description: str, **rest: Any) -> Setting:
    field = Whole(validate=validate.Range(low, high))
    return _setting(key, field, f"a whole number from {low:,} to {high:,}", description, default=default, **rest)


def _choice(key: str, default: str | None, words: Sequence[str], description: str, **rest: Any) -> Setting:
    field = fields.String(validate=validate.OneOf(words))
    return _setting(key, field, f"one of {', '.join(words)}", description, default=default, **rest)


def _text(key: str, description: str, **rest: Any) -> Setting:
    return _setting(key, fields.String(validate=validate.Length(1, 1000)), "text", description, **rest)


TABLE: Final[tuple[Setting, ...]] = (
    _setting(
        "data_dir",
        Folder(),
        "the path of a folder",
        "Folder of the database, the embedded Redis, the key file and the metrics.",
        default=Path("data"),
        shown="./data",
    ),
    _setting(
        "database_url",
        DatabaseUrl(),
        "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE",
        "The database: SQLite for one machine, PostgreSQL for more.",
        env="DATABASE_URL",
        shown="sqlite:///DATA_DIR/connector.sqlite",
        is_secret=True,
    ),
    _setting(
        "redis_url",
        RedisUrl(),
        "redis://HOST:PORT/NUMBER, rediss:// or unix://",
        "The Redis or Valkey that dispatches the work.",
        env="REDIS_URL",
        shown="an embedded server, started by `connector up`",
        is_secret=True,
    ),
    _text("host", "Address that the web server listens on.", default="127.0.0.1"),
    _whole("port", 8080, 1, 65_535, "Port that the web server listens on."),
    _setting(
        "public_url",
        PublicUrl(),
        "https://HOST or https://HOST/PATH, without query",
        "Address under which the external systems reach the web server; where it is set, webhooks are registered with "
        "the systems that have a call for it.",
        shown="http://HOST:PORT, which is registered nowhere",
    ),
    _whole(
        "proxies",
        0,
        0,
        10,
        "Reverse proxies in front, each of which adds to X-Forwarded-For; strangers are told apart by that.",
        unit="proxies",
    ),
    _setting(
        "metrics_token",
        fields.String(validate=validate.Length(16, 1000)),
        "text of 16 characters or more",
        "Shows /metrics and what /readyz finds wrong, as `Authorization: Bearer TOKEN`, and to nobody without it.",
        shown="both are shown to addresses of private networks",
        is_secret=True,
    ),
    _whole("web_processes", 2, 1, 64, "Processes of the web server.", unit="processes"),
    _whole("web_threads", 16, 1, 256, "Threads of each process of the web server.", unit="threads"),
    _whole("workers", 2, 1, 64, "Workers that `connector up` starts.", unit="processes"),
    _whole(
        "max_body_bytes", 1_048_576, 1_024, 104_857_600, "Largest webhook body; a larger one gets 413.", unit="bytes"
    ),
    _whole(
        "lanes",
        None,
        1,
        64,
        "Shares of the waiting deliveries that are processed beside each other.",
        shown="1 on SQLite, 4 on PostgreSQL",
    ),
    _whole(
        "lease_seconds", 60, 5, 600, "How long a worker may keep a batch before others may take it.", unit="seconds"
    ),
    _whole("requeue_seconds", 5, 1, 600, "How often what is stored and not queued is looked for.", unit="seconds"),
    _whole(
        "reconcile_seconds",
        900,
        60,
        86_400,
        "How often the systems are asked what changed: what webhooks missed, and all of those that send none.",
        unit="seconds",
    ),
    _whole("max_attempts", 5, 1, 100, "Tries to process a delivery before it is dead.", unit="tries"),
    _whole("push_give_up_hours", 72, 1, 8_760, "How long an update is tried before it is dead.", unit="hours"),
    _whole(
        "echo_window_minutes",
        10,
        0,
        1_440,
        "How long an incoming change that equals a push is its echo.",
        unit="minutes",
    ),
    _whole(
        "quarantine_max",
        10_000,
        0,
        1_000_000,
        "Quarantined deliveries kept of a connection; what does not look like its sender's goes first.",
        unit="deliveries",
    ),
    _whole(
        "quarantine_mb", 128, 1, 100_000, "Size of the quarantine; a connection has a fourth of it.", unit="megabytes"
    ),
    _whole("quarantine_days", 7, 1, 365, "How long a quarantined delivery is kept.", unit="days"),
    _whole("delivery_days", 30, 7, 3_650, "How long the body of a processed delivery is kept.", unit="days"),
    _whole(
        "event_days",
        400,
        190,
        36_500,
        "How long events are kept whole; of older ones stays what the history of their subject needs.",
        unit="days",
    ),
    _whole(
        "publish_limit_percent",
        30,
        0,
        100,
        "Publishing a mapping or rules that would move a larger share of all subjects must be confirmed.",
        unit="%",
    ),
    _setting(
        "secret_keys",
        Items(fields.String(validate=validate.Length(1, 200))),
        "Fernet keys, newest first, separated by commas",
        "Keys of the connections' secrets: the first encrypts, all decrypt; put a new one in front to rotate.",
        default=(),
        shown="the file DATA_DIR/secret.key, made at the first start",
        is_secret=True,
    ),
    _choice("log_format", "text", ("text", "json"), "How a log entry is written; each is one line."),
    _choice(
        "log_level", "info", ("debug", "info", "warning", "error"), "The least important entries that are written."
    ),
    _text("smtp.host", "Mail server; without it notices are recorded and not mailed."),
    _whole("smtp.port", 587, 1, 65_535, "Port of the mail server."),
    _choice("smtp.security", "starttls", ("starttls", "tls", "none"), "Encryption of the way to the mail server."),
    _text("smtp.user", "Account at the mail server."),
    _text("smtp.password", "Password of that account.", is_secret=True),
    _setting("smtp.sender", fields.Email(), "an e-mail address", "Sender of the notices."),
)
_AS_JSON: Final = JsonOrText()
_RULE_SETTINGS: Final[Mapping[str, fields.Field[Any]]] = {
    "template": fields.Raw(),
    "timezone": _AS_JSON,
    "session_gap_minutes": _AS_JSON,
    "key_pages": _AS_JSON,
    "mail_enabled": _AS_JSON,
    "notice_repeat": _AS_JSON,
    "fallback_to_administrators": _AS_JSON,
    "administrators": Items(fields.Raw()),
    "rules": _AS_JSON,
    "own_statuses": _AS_JSON,
}
FORMER: Final[tuple[Setting, ...]] = tuple(
    _setting(name if name == "template" else f"{WORKSPACE}.{name}", field, "", "")
    for name, field in _RULE_SETTINGS.items()
)
"""What was set here before the rules were a published document, which the first start makes of it."""
FORMER_BY_KEY: Final = {setting.key: setting for setting in FORMER}
FORMER_BY_ENV: Final = {setting.env: setting for setting in FORMER}
BY_KEY: Final = {setting.key: setting for setting in TABLE}
BY_ENV: Final = {setting.env: setting for setting in TABLE}
