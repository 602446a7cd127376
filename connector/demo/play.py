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
from connector.demo.comparison import LeadResult, compare
from connector.demo.finish import repair, show, show_account, wait_until_quiet
from connector.demo.key_pages import publish_key_pages
from connector.demo.life import Arrived, Behaved, DealMoved, DealOpened, Handed, Happening, LeadMoved, lives, title_of
from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Faults
from connector.operations import connections
from connector.operations.connection_settings import CheckedSettings
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
    publish_key_pages(runtime)
    now = datetime.now(UTC)
    base = config.local_url
    with Bitrix24Crm(faults=Faults(seed=seed, query_limit=0.04, lost=0.08, doubled=0.05, late=0.15)) as portal:
        secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        _connect(runtime, portal, secret)
        portal.subscribe(f"{base}/webhooks/{PORTAL}")
        show(f"{leads} leads live through half a year; webhooks get lost, doubled and late, the portal answers 503")
        player = Player(portal.portal)
        lines = [line for happening in lives(now, seed, leads) if (line := player.play(happening))]
        _send(f"{base}/webhooks/{SITE}", lines, secret)
        wait_until_quiet(runtime, [portal.drain], PATIENCE)
        _repair(runtime, portal, now)
        results = compare(runtime, PORTAL, player.leads, portal.portal)
        is_right = _report(runtime, portal, results)
        if not is_once:
            show("the portal stays; Ctrl-C ends everything")
            while True:
                time.sleep(1)
    runtime.close()
    return 0 if is_right else 1


def _connect(runtime: Runtime, portal: Bitrix24Crm, secret: str) -> None:
    """Add the two connections as `connector connection add` does."""
    tokens = {key: tuple(values) for key, values in portal.connection()[1].items()}
    for name, adapter, settings, hidden in (
        (PORTAL, "bitrix24", {"rate": 10}, tokens),
        (SITE, "standard", {}, {"secret": (secret,)}),
    ):
        kind = ADAPTERS[adapter]
        given = CheckedSettings(settings=settings, secrets=hidden)
        connections.add(runtime, name, kind, given, actor="demo", region="JP")


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


def _repair(runtime: Runtime, portal: Bitrix24Crm, now: datetime) -> None:
    """Until nothing changes any more."""
    while repair(runtime, [PORTAL], now - timedelta(days=200)):
        wait_until_quiet(runtime, [portal.drain], PATIENCE)


def _report(runtime: Runtime, portal: Bitrix24Crm, results: Sequence[LeadResult]) -> bool:
    for result in results:
        mark = "ok" if result.is_right else "WRONG"
        title = title_of(int(result.who[5:]) - 1)
        show(
            f"{mark:5} lead {result.lead:>3} {title:24}  {result.status:24} since {result.since}  "
            f"by {result.rule:28} portal: {result.stage} / {result.shown}"
        )
    for name, count in sorted(portal.report().items()):
        show(f"portal  {name:40} {count}")
    is_balanced_all = show_account(runtime)
    wrong = [result.lead for result in results if not result.is_right]
    show(
        f"{len(results) - len(wrong)} of {len(results)} leads are where the fold puts them; "
        f"the account {'balances' if is_balanced_all else 'DOES NOT BALANCE'}"
    )
    return is_balanced_all and not wrong


class Player:
    """Plays happenings in the order they are given. `leads` and `deals`: who → record id, as far as played."""

    def __init__(self, portal: Portal) -> None:
        self.portal = portal
        self.leads: dict[str, int] = {}
        self.deals: dict[str, int] = {}

    def play(self, happening: Happening) -> Mapping[str, Any] | None:
        """Does it; what was done on the site is given back as a line for a connection of the adapter `standard`."""
        at, who, what = happening.at, happening.who, happening.what
        match what:
            case Behaved():
                return what.line
            case Arrived():
                self.leads[who] = self._arrive(happening, what)
            case LeadMoved():
                self.portal.change(Entity.LEAD, self.leads[who], {"stageId": what.stage}, by=what.by, at=at)
            case Handed():
                self.portal.change(Entity.LEAD, self.leads[who], {"assignedById": what.owner}, by=what.by, at=at)
            case DealOpened():
                self.deals[who] = self._open_deal(happening, what)
            case DealMoved():
                category = self.portal.find(Entity.DEAL, self.deals[who]).get("categoryId")
                stage = f"C{category}:{what.stage}" if category else what.stage
                self.portal.change(Entity.DEAL, self.deals[who], {"stageId": stage}, by=what.by, at=at)
        return None

    def _arrive(self, happening: Happening, what: Arrived) -> int:
        values = {
            "title": f"{what.company}: {what.name} {what.last_name}",
            "name": what.name,
            "lastName": what.last_name,
            "companyTitle": what.company,
            "sourceId": "WEBFORM",
            "assignedById": what.owner,
        }
        return self.portal.add(Entity.LEAD, values, by=what.owner, email=what.email, at=happening.at)

    def _open_deal(self, happening: Happening, what: DealOpened) -> int:
        lead_id = self.leads[happening.who]
        lead = self.portal.find(Entity.LEAD, lead_id)
        owner, email = lead.get("assignedById"), lead.first("EMAIL")
        person = {"name": lead.get("name"), "lastName": lead.get("lastName"), "leadId": lead_id, "assignedById": owner}
        contact = self.portal.add(Entity.CONTACT, person, by=what.by, email=email, at=happening.at)
        values = {
            "title": f"Deal with {lead.get('companyTitle')}",
            "categoryId": what.category,
            "leadId": lead_id,
            "contactId": contact,
            "contactIds": [contact],
            "opportunity": what.amount,
            "assignedById": owner,
        }
        return self.portal.add(Entity.DEAL, values, by=what.by, at=happening.at)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), is_once=sys.argv[3] == "once"))
