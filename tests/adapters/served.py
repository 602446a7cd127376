"""An emulated system's REST interface as the `Api` of adapter tests, without a network."""

from __future__ import annotations

import json as json_library
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from connector.adapter import Answer
from connector.core.errors import CrmUnavailable

URL = "https://system.example"


@dataclass(slots=True, kw_only=True)
class ServedApi:
    """Calls the application; `instead`: the end of a method and path → what comes in its place, each once, in order."""

    app: Flask
    instead: dict[str, list[Answer | Exception]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    memo: dict[str, Any] = field(default_factory=dict)
    keeps: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, value: str) -> None:
        self.keeps[name] = value

    def kept(self, name: str) -> str | None:
        return self.keeps.get(name)

    def call(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        place = f"{method} {urlsplit(url).path}"
        self.calls.append(place)
        self.bodies.append(json)
        waiting = next((answers for end, answers in self.instead.items() if place.endswith(end) and answers), [])
        if waiting:
            instead = waiting.pop(0)
            if isinstance(instead, Exception):
                raise instead
            return instead
        got = self.app.test_client().open(
            urlsplit(url).path, method=method, json=json, query_string=params, headers=dict(headers or {}), data=data
        )
        if got.status_code == 429 or got.status_code >= 500:
            message = f"{method} {urlsplit(url).hostname}: answered {got.status_code}: {got.text[:200]}"
            raise CrmUnavailable(message)
        return Answer(status=got.status_code, headers=dict(got.headers), body=got.data)


def body(status: int, value: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body; None: an empty one."""
    content = b"" if value is None else json_library.dumps(value).encode()
    return Answer(status=status, headers=headers or {}, body=content)
