"""Writes docs/answers.md: what a sender is answered, and each malformed request with the answer that it got."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog
from flask.testing import FlaskClient

from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import connections
from connector.store.migrations import migrate
from connector.web.app import create_app
from connector.web.problems import PROBLEMS, RETRY_SECONDS
from tests.conftest import NOW, Clock
from tests.flow.senders import add_connection
from tests.web.malformed import MALFORMED, MEMBER, PORTAL, RESTING, ROBOT_TOKEN, SHOP, TOKEN, Malformed

PAGE: Final = Path(__file__).parents[2] / "docs" / "answers.md"
HEAD: Final = """# What a sender is answered

Made by `python -m tests.web.answers` from the table of answers and what the application said to each request below.

A delivery that was accepted gets the answer that its system expects: **202** with JSON for `standard` and `bitrix24`.
It is committed before the answer; a delivery that came before (the same key) is answered the same and counts once.
Every other answer is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), sent as
`application/problem+json`:

```json
{"type": "urn:connector:bad_signature", "title": "The proof does not fit", "status": 401, "detail": "…"}
```

Send again what got 503 (after the seconds in `Retry-After`) or no answer. What got any other error would get it again.

| Status | Type | What to do |
|---|---|---|
"""
FOOT: Final = """
A request that is not HTTP, or whose head is broken or larger than 400 kB, is answered 400 or 431 by the web server
itself, without a body.

## Malformed requests

One mistake each in an otherwise good, signed request. `shop` is a connection to a `standard` system, `portal` one to a
`bitrix24`, `resting` a paused one.

| Request | What is wrong | Status | Type | Detail |
|---|---|---|---|---|
"""


PORTAL_SECRETS: Final = {
    "application_tokens": [TOKEN],
    "robot_token": [ROBOT_TOKEN],
    "webhook_url": ["https://example.bitrix24.com/rest/1/f0c5w8m2x7k1n4s9/"],
}


def add_connections(runtime: Runtime) -> None:
    add_connection(runtime, SHOP)
    add_connection(runtime, RESTING)
    portal = {"adapter": "bitrix24", "secrets": PORTAL_SECRETS, "mapping": "adapter: bitrix24\n"}
    add_connection(runtime, PORTAL, **portal, member_id=MEMBER)  # type: ignore[arg-type]
    with runtime.database.write() as connection:
        connections.change(connection, RESTING, is_paused=True)
    runtime.connections.forget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a request was answered; `refused`: the lines that were, of an accepted one."""

    status: int
    reason: str
    detail: str
    content_type: str
    refused: tuple[dict[str, Any], ...] = ()


def told(client: FlaskClient, one: Malformed, now: datetime) -> Told:
    """Send a malformed request. A HEAD has no body to say its reason, so it counts as the expected one."""
    answer = client.open(one.target, method=one.method, headers=one.all_headers(now), data=one.content())
    body = answer.get_json(silent=True, force=True) or {}
    return Told(
        status=answer.status_code,
        reason=one.reason if one.method == "HEAD" else str(body.get("type", "")).removeprefix("urn:connector:"),
        detail=str(body.get("detail", "")),
        content_type=answer.content_type,
        refused=tuple(body.get("refused", ())),
    )


def answer_page(client: FlaskClient, now: datetime) -> str:
    """The page, with the answers that the application gives."""
    problems = [
        f"| {problem.status} | `urn:connector:{error.reason}` | {problem.meaning} |"
        for error, problem in PROBLEMS.items()
    ]
    page = HEAD + "\n".join(problems) + "\n" + FOOT + "\n".join(_rows(client, now)) + "\n"
    return page.replace("`Retry-After`)", f"`Retry-After`, {RETRY_SECONDS})")


def _rows(client: FlaskClient, now: datetime) -> Iterator[str]:
    for one in MALFORMED:
        answer = told(client, one, now)
        detail = "; ".join(error for line in answer.refused for error in line["errors"]) or answer.detail
        kind = f"`{answer.reason}`" if answer.reason else "line refused"
        target = f"{one.method} {one.target}"
        shown = target if len(target) <= 60 else f"{target[:59]}…"
        yield f"| `{_cell(shown)}` | {_cell(one.name)} | {answer.status} | {kind} | {_cell(detail)} |"


def _cell(text: str) -> str:
    """One line that Markdown does not take for anything else."""
    printable = "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
    return printable.replace("|", "\\|").replace("<", "&lt;") or "(no body)"


def main() -> None:
    """Write the page, by an application over an empty database of its own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        config = read_config({"CONNECTOR_DATA_DIR": folder, "REDIS_URL": "redis://127.0.0.1:1/0"}, Path(folder))
        migrate(config.database_url)
        runtime = Runtime(config, Clock())
        add_connections(runtime)
        PAGE.write_text(answer_page(create_app(config, runtime).test_client(), NOW), "utf-8")
        runtime.close()
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
