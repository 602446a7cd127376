"""Kinds of setting values that marshmallow lacks; each reads an environment variable's text as well as a TOML value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from marshmallow import ValidationError, fields
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
