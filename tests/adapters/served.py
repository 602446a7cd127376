"""An emulated system's REST interface as the `Api` of adapter tests: called in this process, without a network."""

from __future__ import annotations

import json as json_library
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Flask

from connector.adapter_kit.contract import Answer
from connector.core.errors import CrmUnavailable
from connector.emulators.engine.emulator import Emulator
from tests.adapters.support import Memory

URL = "https://system.example"


@dataclass(slots=True, kw_only=True)
class ServedApi(Memory):
    """Calls the application; `calls` are the methods and paths asked for, without what they all are `below`.

    What comes in the place of its answers, each once and in order: `instead`, by the end of a method and path, and
    `answers`, whatever is asked for but a token. `at`: how every address begins.
    """

    app: Flask
    at: tuple[str, ...] = ("https://",)
    below: str = ""
    instead: dict[str, list[Answer | Exception]] = field(default_factory=dict)
    answers: list[Answer | Exception] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

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
        assert url.startswith(self.at), url
        path, sent = urlsplit(url).path, dict(headers or {})
        self.calls.append(f"{method} {path.removeprefix(self.below)}")
        self.hosts.append(urlsplit(url).hostname or "")
        self.headers.append(sent)
        if waiting := self._instead(f"{method} {path}"):
            instead = waiting.pop(0)
            if isinstance(instead, Exception):
                raise instead
            return instead
        got = self.app.test_client().open(
            path, method=method, json=json, data=data, query_string=dict(params or {}), headers=sent
        )
        if got.status_code == 429 or got.status_code >= 500:
            message = f"{method} {urlsplit(url).hostname}: answered {got.status_code}: {got.text[:200]}"
            raise CrmUnavailable(message)
        return Answer(status=got.status_code, headers=dict(got.headers), body=got.data)

    def _instead(self, place: str) -> list[Answer | Exception]:
        if self.answers and not place.endswith("/token"):
            return self.answers
        return next((answers for end, answers in self.instead.items() if place.endswith(end) and answers), [])


def application(system: Emulator) -> Flask:
    """The emulated system's interface, with its faults."""
    app = Flask(system.NAME)
    system.gate.guard(app)
    system.routes(app)
    return app


def body(status: int, value: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body; None: an empty one."""
    content = b"" if value is None else json_library.dumps(value).encode()
    return Answer(status=status, headers=headers or {}, body=content)
