"""A day of a company: several systems at once, thousands of webhooks, one that fails for a while, and the check."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters import ADAPTERS
from connector.core.event import IdentityKind
from connector.demo.finish import repair, show, show_account, wait_until_quiet
from connector.demo.key_pages import publish_key_pages
from connector.demo.life import SITE
from connector.emulators.engine.emulator import Crm, SiteEmulator, VisitorAction, clock
from connector.emulators.engine.faults import Faults, dice
from connector.emulators.systems import CRMS, SITES
from connector.i18n.statuses import labels_in
from connector.operations import connections
from connector.operations.connection_settings import CheckedSettings
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.store import subjects

SYSTEMS: Final = ("bitrix24", "hubspot", "pipedrive", "salesforce", "segment")
EACH: Final = 9
"""About so many webhooks a person causes: a record, its stages, an owner, visits, and what is written back."""
RATE: Final = 400
PATIENCE: Final = 240.0
DAY: Final = timedelta(hours=20)
PAGES: Final = (f"{SITE}/blog/abm", f"{SITE}/pricing/plans", f"{SITE}/demo", f"{SITE}/")


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with a record in one CRM and a browser. `steps`: what is still to happen, the last one first."""

    email: str
    visitor: str
    crm: Crm
    record: str = ""
    steps: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The systems of the company, running."""

    crms: Sequence[Crm]
    sites: Sequence[SiteEmulator]

    @property
    def all(self) -> Sequence[Crm | SiteEmulator]:
        """CRMs first."""
        return [*self.crms, *self.sites]


def main(seed: int, webhooks: int, *, is_once: bool) -> int:
    """Play, let one system fail and come back, repair, compare; 0 when every record shows what the fold gives."""
    config = read_config(os.environ, Path.cwd())
    runtime = Runtime(config)
    publish_key_pages(runtime)
    started = time.monotonic()
    now = datetime.now(UTC).replace(microsecond=0)
    with ExitStack() as stack:
        company = Company(
            crms=[stack.enter_context(CRMS[name](now=clock, faults=_faults(seed))) for name in SYSTEMS if name in CRMS],
            sites=[
                stack.enter_context(SITES[name](now=clock, faults=_faults(seed))) for name in SYSTEMS if name in SITES
            ],
        )
        _connect(runtime, company, config.local_url)
        people = _people(company, max(len(company.crms), webhooks // EACH), seed)
        names = [system.NAME for system in company.all]
        show(f"{len(people)} people of {', '.join(names)}; webhooks get lost, doubled and late")
        _play(company, people, now, seed)
        drains = [system.drain for system in company.all]
        is_quiet = wait_until_quiet(runtime, drains, PATIENCE)
        for _ in range(6):
            if not repair(runtime, names, now - 2 * DAY):
                break
            is_quiet = wait_until_quiet(runtime, drains, PATIENCE)
        sent = sum(system.tally["webhooks.sent"] for system in company.all)
        show(f"{sent} webhooks were acknowledged; {time.monotonic() - started:.0f} s")
        is_right = _report(runtime, people) and is_quiet
        while not is_once:
            time.sleep(1)
    runtime.close()
    return 0 if is_right else 1


def _faults(seed: int) -> Faults:
    return Faults(seed=seed, lost=0.02, doubled=0.03, late=0.1, query_limit=0.01)


def _connect(runtime: Runtime, company: Company, base: str) -> None:
    for system in company.all:
        settings, secrets = system.connection()
        kind = ADAPTERS[system.NAME]
        rate = {"rate": RATE} if "rate" in kind.SETTINGS else {}
        given = CheckedSettings(
            settings={**settings, **rate}, secrets={name: tuple(values) for name, values in secrets.items()}
        )
        connections.add(runtime, system.NAME, kind, given, actor="demo", region="JP")
        system.subscribe(f"{base}/webhooks/{system.NAME}")


def _people(company: Company, count: int, seed: int) -> list[Person]:
    people = []
    for number in range(count):
        drawn = dice(seed, "person", number)
        crm = company.crms[number % len(company.crms)]
        visits = [("visit", drawn.choice(PAGES)) for _ in range(drawn.randrange(2, 6))]
        stages = [("stage", drawn.choice(crm.STAGES[1:])) for _ in range(drawn.randrange(1, 4))]
        steps = [*visits, *stages, ("owner", drawn.choice(list(crm.OWNERS)))]
        drawn.shuffle(steps)
        who = f"person-{number + 1:04d}"
        person = Person(email=f"{who}@customer.example", visitor=f"{number + 1:016x}", crm=crm)
        person.steps = [*reversed(steps), ("known", ""), ("arrives", drawn.choice(list(crm.OWNERS)))]
        people.append(person)
    return people


def _play(company: Company, people: Sequence[Person], now: datetime, seed: int) -> None:
    """Everybody's steps mixed up, over the day; in the middle of it the second CRM answers nothing but errors."""
    drawn = dice(seed, "day")
    total = sum(len(person.steps) for person in people)
    failing = company.crms[min(1, len(company.crms) - 1)]
    for number, (person, what, value) in enumerate(_mixed(people, drawn)):
        at = now - DAY + DAY * (number / total)
        at = at.replace(microsecond=0)
        if number == total // 3:
            show(f"{failing.NAME} fails")
            failing.faults.server_error = 1.0
        if number == 2 * total // 3:
            show(f"{failing.NAME} is back")
            failing.faults.server_error = 0.0
        _step(company, person, what, value, at)


def _mixed(people: Sequence[Person], drawn: random.Random) -> Iterator[tuple[Person, str, str]]:
    left = list(people)
    while left:
        place = drawn.randrange(len(left))
        person = left[place]
        yield (person, *person.steps.pop())
        if not person.steps:
            left[place] = left[-1]
            left.pop()


def _step(company: Company, person: Person, what: str, value: str, at: datetime) -> None:
    crm = person.crm
    if what == "arrives":
        person.record = crm.add(person.email, owner=value, at=at)
    elif what == "stage":
        crm.move(person.record, value, at=at)
    elif what == "owner":
        crm.assign(person.record, value, at=at)
    else:
        kind, page = ("site_access", value) if what == "visit" else ("identify", f"{SITE}/")
        email = person.email if what == "known" else None
        for site in company.sites:
            site.do(VisitorAction(kind=kind, visitor=person.visitor, at=at, page=page, email=email))


def _report(runtime: Runtime, people: Sequence[Person]) -> bool:
    """Compare each record with its subject; tell what is wrong, the counts and the account."""
    wrong, shown = 0, dict[str, int]()
    keys = {(IdentityKind.RECORD, _key(person)) for person in people}
    with runtime.database.read() as connection:
        found = subjects.by_identities(connection, keys)
        rows = subjects.states(connection, set(found.values()))
    labels = labels_in("en", runtime.ruleset.statuses.values())
    for person in people:
        row = rows.get(found.get((IdentityKind.RECORD, _key(person)), ""))
        label = labels[row.status] if row else "(no subject)"
        if person.crm.status_of(person.record) != label:
            wrong += 1
            show(f"WRONG {_key(person)} shows {person.crm.status_of(person.record)!r} in place of {label!r}")
        shown[label] = shown.get(label, 0) + 1
    show(", ".join(f"{count} {label}" for label, count in sorted(shown.items())))
    is_balanced_all = show_account(runtime)
    show(
        f"{len(people) - wrong} of {len(people)} records show the status that the fold gives; "
        f"the account {'balances' if is_balanced_all else 'DOES NOT BALANCE'}"
    )
    return is_balanced_all and not wrong


def _key(person: Person) -> str:
    return f"{person.crm.NAME}:{person.crm.OBJECT}:{person.record}"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), is_once=sys.argv[3] == "once"))
