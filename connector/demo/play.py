"""The part of `connector demo` that plays: people in the portal, visitors on the site, and the check at the end."""

from __future__ import annotations

import os
import secrets
import sys
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import requests

from adapters import ADAPTERS
from connector.demo.faults import Faults
from connector.demo.life import lives, title_of
from connector.demo.outcome import Outcome, compare
from connector.demo.player import Player
from connector.demo.running import RunningPortal
from connector.doctor import balance, is_balanced
from connector.operations import connection_changes, connections
from connector.operations.connection_settings import Draft
from connector.reconcile import reconcile
from connector.runtime import Runtime
from connector.serving import reachable
from connector.settings import read_config
from connector.signatures import sign_webhook
from connector.store import outbox
from connector.store.deliveries import PENDING

PORTAL: Final = "demo-bitrix24"
SITE: Final = "demo-website"
PATIENCE: Final = 60.0
LINES: Final = 5
"""Lines of the site in one delivery."""


def main(seed: int, leads: int, *, is_once: bool) -> int:
    """Play, wait, repair, compare and report; 0 when every lead is where the fold puts it and the account balances."""
    config = read_config(os.environ, Path.cwd())
    runtime = Runtime(config)
    now = datetime.now(UTC)
    base = reachable(config.host, config.port)
    with RunningPortal(faults=Faults(seed=seed, query_limit=0.04, lost=0.08, doubled=0.05, late=0.15)) as portal:
        secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        _connect(runtime, portal, secret)
        portal.subscribe(f"{base}/webhooks/{PORTAL}")
        _say(f"{leads} leads live through half a year; webhooks get lost, doubled and late, the portal answers 503")
        player = Player(portal.portal)
        lines = [line for happening in lives(now, seed, leads) if (line := player.play(happening))]
        _send(f"{base}/webhooks/{SITE}", lines, secret)
        _settle(runtime, portal)
        _repair(runtime, portal, now)
        outcomes = compare(runtime, PORTAL, player.leads, portal.portal)
        is_right = _report(runtime, portal, outcomes)
        if not is_once:
            _say("the portal stays; Ctrl-C ends everything")
            while True:
                time.sleep(1)
    runtime.close()
    return 0 if is_right else 1


def _connect(runtime: Runtime, portal: RunningPortal, secret: str) -> None:
    """Add the two connections as `connector connection add` does."""
    tokens = {"webhook_url": (portal.webhook_url,), "application_tokens": (portal.application_token,)}
    for name, adapter, settings, hidden in (
        (PORTAL, "bitrix24", {"rate": 10}, tokens),
        (SITE, "standard", {}, {"secret": (secret,)}),
    ):
        kind = ADAPTERS[adapter]
        given = Draft(settings=settings, secrets=hidden)
        connection_changes.add(runtime, name, kind, given, mapping=None, actor="demo")


def _send(url: str, lines: Sequence[Mapping[str, Any]], secret: str) -> None:
    """What visitors did on the site, signed; sent again until it is acknowledged."""
    with requests.Session() as session:
        for start in range(0, len(lines), LINES):
            body = orjson.dumps({"events": lines[start : start + LINES]})
            while True:
                headers = sign_webhook(f"demo-{start}", body, [secret], datetime.now(UTC))
                headers["content-type"] = "application/json"
                if session.post(url, data=body, headers=headers, timeout=10).ok:
                    break
                time.sleep(0.2)


def _settle(runtime: Runtime, portal: RunningPortal) -> None:
    """Wait until nothing moves any more: no webhook on the way, no delivery pending, no update waiting."""
    deadline = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:  # noqa: PLR2004 - three looks in a row see nothing
        portal.sender.drain(5)
        with runtime.database.read() as connection:
            is_waiting = any(outcome == outbox.WAITING for _, outcome in outbox.count(connection))
        is_pending = any(book[PENDING] for book in balance(runtime).values())
        quiet = 0 if is_waiting or is_pending else quiet + 1
        time.sleep(0.1)


def _repair(runtime: Runtime, portal: RunningPortal, now: datetime) -> None:
    """What the maintenance jobs do by schedule: find what webhooks lost, run the daily rules; until nothing changes."""
    while True:
        connected = connections.connected(runtime, PORTAL)
        counts, _ = reconcile(runtime, connected, now - timedelta(days=200))
        missed = sum(count for outcome, count in counts.items() if outcome not in {"duplicate", "echo", "ignored"})
        swept = runtime.sweep()
        _say(f"reconciliation found {missed} events that webhooks had not brought; the sweep ran {swept.due} subjects")
        runtime.wake_push()
        _settle(runtime, portal)
        if not missed and not swept.due:
            return


def _report(runtime: Runtime, portal: RunningPortal, outcomes: Sequence[Outcome]) -> bool:
    for one in outcomes:
        mark = "ok" if one.is_right else "WRONG"
        _say(
            f"{mark:5} lead {one.lead:>3} {title_of(int(one.who[5:]) - 1):24}  {one.status:24} since {one.since}  "
            f"by {one.rule:28} portal: {one.stage} / {one.shown}"
        )
    for name, count in sorted(portal.report().items()):
        _say(f"portal  {name:40} {count}")
    books = balance(runtime)
    for name, book in books.items():
        parts = " + ".join(f"{count} {outcome}" for outcome, count in book.items() if outcome != "accepted" and count)
        _say(f"account {name}: {book['accepted']} accepted = {parts}")
    is_balanced_all = all(map(is_balanced, books.values()))
    wrong = [one.lead for one in outcomes if not one.is_right]
    _say(
        f"{len(outcomes) - len(wrong)} of {len(outcomes)} leads are where the fold puts them; "
        f"the account {'balances' if is_balanced_all else 'DOES NOT BALANCE'}"
    )
    return is_balanced_all and not wrong


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), is_once=sys.argv[3] == "once"))
