"""Settings: read from the environment and connector.toml, checked against the table, all mistakes named at once."""

from __future__ import annotations

import difflib
import reprlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from marshmallow import ValidationError
from sqlalchemy.engine import URL

from connector.core.errors import WrongSetting
from connector.runtime.settings_table import (
    BY_ENV,
    BY_KEY,
    FORMER_BY_ENV,
    FORMER_BY_KEY,
    SMTP,
    TABLE,
    WORKSPACE,
    Setting,
)

FILE: Final = "connector.toml"
_PREFIX: Final = "CONNECTOR_"
_SECTIONS: Final = (WORKSPACE, SMTP)
_NOT_SETTINGS: Final = frozenset({"CONNECTOR_NO_SKIPS"})
"""Read by the tests, which start the connector with their own environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """How notices are mailed. `security`: `starttls`, `tls` or `none`."""

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerSetting:
    """A setting that is none any more: its `key` in the rules document, its value, and where it stands."""

    key: str
    value: Any
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings, checked. Units are in the names, or in docs/settings.md, which the same table makes.

    `data_dir` is absolute. `database_url` carries the driver. `redis_url` None: the embedded server. `public_url` None:
    host and port are all that is known. No `secret_keys`: the key file. `former`: what only the first start reads, to
    make the first version of the rules of it. `smtp` None: no mail.
    """

    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    host: str
    port: int
    public_url: str | None
    proxies: int
    metrics_token: str | None = field(repr=False)
    web_processes: int
    web_threads: int
    workers: int
    max_body_bytes: int
    lanes: int
    lease_seconds: int
    requeue_seconds: int
    reconcile_seconds: int
    max_attempts: int
    push_give_up_hours: int
    echo_window_minutes: int
    quarantine_max: int
    quarantine_mb: int
    quarantine_days: int
    delivery_days: int
    event_days: int
    publish_limit_percent: int
    secret_keys: tuple[str, ...] = field(repr=False)
    log_format: str
    log_level: str
    former: tuple[FormerSetting, ...]
    smtp: Smtp | None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a SQLite file."""
        return self.database_url.startswith("sqlite:")

    def webhook_url(self, connection: str, *, is_collected: bool = False) -> str:
        """The address that its webhooks (of a tracker: its batches) are sent to: the public one where it is set."""
        path = "collect" if is_collected else "webhooks"
        return f"{self.public_url or f'http://{self.host}:{self.port}'}/{path}/{connection}"

    @property
    def local_url(self) -> str:
        """The base URL at which this machine reaches the web server."""
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compares, binds nothing
        return f"http://[{name}]:{self.port}" if ":" in name else f"http://{name}:{self.port}"

    @property
    def metrics_dir(self) -> Path:
        """The folder in which the processes of this machine keep their counters."""
        return self.data_dir / "metrics"


def read_config(environ: Mapping[str, str], directory: Path) -> Config:
    """The settings of the environment, then of connector.toml in `directory` or in the data directory.

    Empty environment variables count as not set. Raises `WrongSetting`, whose message has one line per mistake.
    """
    mistakes: list[str] = []
    in_env = dict(from_environment(environ, mistakes))
    outer = dict(from_file(directory / FILE, mistakes))
    data_dir = _data_dir(in_env.get("data_dir") or outer.get("data_dir"), directory)
    inner: dict[str, Given] = {}
    if data_dir != directory.resolve() and (data_dir / FILE).is_file():
        if (directory / FILE).is_file():
            mistakes.append(f"{data_dir / FILE}: a second file beside {directory / FILE}; allowed: one of the two")
        inner = dict(from_file(data_dir / FILE, mistakes))
        if "data_dir" in inner:
            mistakes.append(mistake(inner["data_dir"], BY_KEY["data_dir"], "not in the file that it leads to"))
    given = {**inner, **outer, **in_env}
    values = {setting.key: _value(setting, given.get(setting.key), mistakes) for setting in TABLE}
    values["data_dir"] = data_dir
    values["database_url"] = values["database_url"] or _sqlite(data_dir)
    mistakes += _contradictions(values, given)
    if mistakes:
        count = "1 wrong setting" if len(mistakes) == 1 else f"{len(mistakes)} wrong settings"
        raise WrongSetting("\n  ".join([f"{count}:", *mistakes]))
    return _config(values, tuple(_former(given)))


def _sqlite(data_dir: Path) -> str:
    return URL.create("sqlite", database=str(data_dir / "connector.sqlite")).render_as_string()


def _data_dir(given: Given | None, directory: Path) -> Path:
    setting = BY_KEY["data_dir"]
    folder: Path = _value(setting, given, [])
    return (directory / folder).resolve()


def _value(setting: Setting, given: Given | None, mistakes: list[str]) -> Any:
    if given is None:
        return setting.default
    try:
        return setting.field.deserialize(given.value)
    except ValidationError:
        mistakes.append(mistake(given, setting))
        return setting.default


def _former(given: Mapping[str, Given]) -> Iterator[FormerSetting]:
    for key, setting in FORMER_BY_KEY.items():
        if key in given:
            one = given[key]
            value = setting.field.deserialize(one.value) if isinstance(one.value, str) else one.value
            yield FormerSetting(key=key.rpartition(".")[2], value=value, place=f"{one.name} ({one.where})")


def _contradictions(values: Mapping[str, Any], given: Mapping[str, Given]) -> Iterator[str]:
    """What is right by itself and wrong together."""
    if (values["lanes"] or 1) > 1 and values["database_url"].startswith("sqlite:"):
        yield mistake(given["lanes"], BY_KEY["lanes"], "SQLite has one writer at a time: 1, or use PostgreSQL")
    if values["smtp.host"] and "smtp.sender" not in given:
        yield f"smtp.sender: missing beside {given['smtp.host'].name}; allowed: {BY_KEY['smtp.sender'].allowed}"
    if values["smtp.password"] and "smtp.user" not in given:
        yield f"smtp.user: missing beside {given['smtp.password'].name}; allowed: {BY_KEY['smtp.user'].allowed}"


def _config(values: dict[str, Any], former: tuple[FormerSetting, ...]) -> Config:
    lanes = values.pop("lanes") or (1 if values["database_url"].startswith("sqlite:") else 4)
    smtp = {key.partition(".")[2]: values[key] for key in BY_KEY if key.startswith(f"{SMTP}.")}
    plain = {key: value for key, value in values.items() if "." not in key}
    return Config(
        **{**plain, "lanes": lanes, "secret_keys": tuple(values["secret_keys"])},
        former=former,
        smtp=Smtp(**smtp) if smtp["host"] else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One value as it was given: under which name, in the environment or in which file."""

    value: Any
    name: str
    where: str


def from_environment(environ: Mapping[str, str], mistakes: list[str]) -> Iterator[tuple[str, Given]]:
    """The settings among the variables, by key; a variable of the connector that is none is a mistake."""
    for name, value in sorted(environ.items()):
        setting = BY_ENV.get(name) or FORMER_BY_ENV.get(name)
        if setting and value:
            yield setting.key, Given(value=value, name=name, where="environment")
        elif setting is None and name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            mistakes.append(f"{name} (environment): not a setting{_nearest(name, BY_ENV)}")


def from_file(path: Path, mistakes: list[str]) -> Iterator[tuple[str, Given]]:
    """The settings of a file, by key; none where there is no file; what cannot be read is a mistake."""
    if not path.is_file():
        return
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path}: cannot be read: {error}; allowed: a TOML file in UTF-8")
        return
    for key, value in _flat(content):
        if key in BY_KEY or key in FORMER_BY_KEY:
            yield key, Given(value=value, name=key, where=str(path))
        elif key in _SECTIONS:
            mistakes.append(f"{key} ({path}): found {reprlib.repr(value)}; allowed: a section [{key}]")
        else:
            mistakes.append(f"{key} ({path}): not a setting{_nearest(key, BY_KEY)}")


def _flat(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if key in _SECTIONS and isinstance(value, dict):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _nearest(name: str, names: Iterable[str]) -> str:
    bare = name.removeprefix(_PREFIX)
    close = [known for known in names if known == bare or known.endswith(f".{bare}")]
    if not close:
        by_bare = {known.removeprefix(_PREFIX): known for known in names}
        close = [by_bare[word] for word in difflib.get_close_matches(bare, by_bare, n=1)]
    return f"; did you mean {close[0]}?" if close else "; docs/settings.md lists them"


def mistake(given: Given, setting: Setting, detail: str = "") -> str:
    """The sentence on a value that is not allowed; a secret's value is not shown."""
    found = f"a value of {len(str(given.value))} characters" if setting.is_secret else reprlib.repr(given.value)
    note = f" ({detail})" if detail else ""
    return f"{given.name} ({given.where}): found {found}{note}; allowed: {setting.allowed}{_meant(given, setting)}"


def _meant(given: Given, setting: Setting) -> str:
    words = getattr(setting.field.validate, "choices", ())
    close = difflib.get_close_matches(str(given.value), words, n=1)
    return f"; did you mean {close[0]}?" if close else ""
