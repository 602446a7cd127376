"""The pure core alone: events folded a second, beside the same rules written naively (the tests' oracle)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.result import Result, of_rounds, per_second
from connector.core.engine import fold
from connector.core.rules import BASIC_2
from tests.core import oracle
from tests.core.histories import ruleset_of, steps_of

SETTINGS: Final = {
    "key_pages": [{"match": "prefix", "url": "https://e.example/pricing"}],
    "administrators": ["zoe@e.example"],
}
PAGES: Final = (None, "https://e.example/blog", "https://e.example/pricing/2", "https://e.example/jobs")


def run(*, subjects: int = 1000, events: int = 100, rounds: int = 3) -> Iterator[Result]:
    """Events a second. `events`: how many each subject has; the reference folds a fiftieth of the subjects."""
    chance = random.Random(20)
    histories = [_history(chance, f"s{number}", events) for number in range(subjects)]
    steps = [steps_of(lines) for lines in histories]
    ruleset = ruleset_of(SETTINGS, BASIC_2.name)

    def folded() -> int:
        for own in steps:
            fold(None, own, ruleset)
        return subjects * events

    few = histories[: max(1, subjects // 50)]
    yield of_rounds("fold", "events/s", [(per_second(folded), per_second(lambda: _naive(few))) for _ in range(rounds)])


def _naive(histories: Sequence[Sequence[dict[str, Any]]]) -> int:
    for lines in histories:
        oracle.simulate(lines, SETTINGS, BASIC_2.name)
    return sum(len(lines) for lines in histories)


def _history(chance: random.Random, subject: str, events: int) -> list[dict[str, Any]]:
    """Visits, forms and mails of a lead over some months, a CRM's stage now and then."""
    at, lines = datetime(2026, 1, 5, tzinfo=UTC), []
    for number in range(events):
        at += timedelta(minutes=chance.choice((1, 4, 12, 45, 600, 3000)))
        line = {"at": at.isoformat(), "subject": subject, "id": f"{number:06d}"}
        if chance.random() < 0.1:
            deed: dict[str, Any] = {"type": "jump", "by": "crm", "to": chance.choice(BASIC_2.statuses).code}
        else:
            deed = {"type": "action", "action": chance.choice(("site_access", "email_inflow", "form_submission"))}
            page = chance.choice(PAGES)
            deed |= {"page": page} if page else {}
        lines.append(line | deed)
    return lines


if __name__ == "__main__":
    for result in run():
        print(result.line())
