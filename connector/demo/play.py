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
from connector.adapter_kit.signatures import sign_webhook
from connector.demo.life import lives, title_of
from connector.demo.outcome import Outcome, compare
from connector.demo.player import Player
from connector.demo.stage import repair, say, settle, tell_account
from connector.emulators.bitrix24.running import RunningPortal
from connector.emulators.engine.faults import Faults
from connector.operations import connection_changes
from connector.operations.connection_settings import Draft
from connector.processes.web_server import reachable
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config

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
        say(f"{leads} leads live through half a year; webhooks get lost, doubled and late, the portal answers 503")
        player = Player(portal.portal)
        lines = [line for happening in lives(now, seed, leads) if (line := player.play(happening))]
        _send(f"{base}/webhooks/{SITE}", lines, secret)
        settle(runtime, [portal.sender.drain], PATIENCE)
        _repair(runtime, portal, now)
        outcomes = compare(runtime, PORTAL, player.leads, portal.portal)
        is_right = _report(runtime, portal, outcomes)
        if not is_once:
            say("the portal stays; Ctrl-C ends everything")
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


def _repair(runtime: Runtime, portal: RunningPortal, now: datetime) -> None:
    """Until nothing changes any more."""
    while repair(runtime, [PORTAL], now - timedelta(days=200)):
        settle(runtime, [portal.sender.drain], PATIENCE)


def _report(runtime: Runtime, portal: RunningPortal, outcomes: Sequence[Outcome]) -> bool:
    for one in outcomes:
        mark = "ok" if one.is_right else "WRONG"
        say(
            f"{mark:5} lead {one.lead:>3} {title_of(int(one.who[5:]) - 1):24}  {one.status:24} since {one.since}  "
            f"by {one.rule:28} portal: {one.stage} / {one.shown}"
        )
    for name, count in sorted(portal.report().items()):
        say(f"portal  {name:40} {count}")
    is_balanced_all = tell_account(runtime)
    wrong = [one.lead for one in outcomes if not one.is_right]
    say(
        f"{len(outcomes) - len(wrong)} of {len(outcomes)} leads are where the fold puts them; "
        f"the account {'balances' if is_balanced_all else 'DOES NOT BALANCE'}"
    )
    return is_balanced_all and not wrong


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), is_once=sys.argv[3] == "once"))
