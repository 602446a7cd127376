"""`connector what-if` and `connector forecast`: what would be and what will be, before anything is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from connector.cli.session import opened
from connector.cli.terminal import json_option, print_json, print_pairs, print_rows, say
from connector.core.decision import Decision
from connector.core.errors import NotFound, WrongSetting
from connector.core.event import IdentityKind
from connector.core.rules import TEMPLATES
from connector.mapping import read_text
from connector.operations.mappings import read_file
from connector.runtime.parts import Runtime
from connector.what_if import compare
from connector.what_if import forecast as forecasts
from connector.what_if.forecast import Expected, Forecast
from connector.what_if.proposal import WhatIfRequest, read_proposal
from connector.what_if.report import Difference, WhatIf
from connector.what_if.simulate import raw_settings

_SHOWN: Final = 20
_DATE: Final = click.DateTime(["%Y-%m-%d"])


@click.command("what-if")
@click.argument("draft", metavar="[DRAFT.yaml]", required=False, type=click.Path(path_type=Path))
@click.option("--connection", "name", metavar="NAME", help="Whose mapping the draft would be.")
@click.option("--settings", type=click.Path(path_type=Path), help="YAML file of rule settings other than now.")
@click.option("--template", type=click.Choice(tuple(TEMPLATES)), help="The template to upgrade to.")
@click.option("--in-progress", metavar="STATUS", help="What in_progress of ver.1.0 becomes; without it: pending.")
@click.option("--since", type=_DATE, metavar="YYYY-MM-DD", help="Older events keep what was made of them.")
@json_option
def what_if(
    draft: Path | None,
    *,
    name: str | None,
    settings: Path | None,
    template: str | None,
    in_progress: str | None,
    since: datetime | None,
    is_json: bool,
) -> None:
    """What publishing would do to every subject. Nothing is written, nothing is sent.

    With --json: a line for each subject that differs, with the decisions that make it so; last, the sums.
    """
    with opened() as runtime:
        request = WhatIfRequest(
            mappings=_drafts(runtime, name, draft),
            settings=None if settings is None else raw_settings(_content(settings)),
            template=template,
            in_progress=in_progress,
            since=since.date().isoformat() if since else None,
        )
        print_what_if(runtime, request, is_json=is_json)


def print_what_if(runtime: Runtime, request: WhatIfRequest, *, is_json: bool) -> None:
    """Print what would be other than now."""
    shown: list[Difference] = []
    with progress_bar("What-if", sys.stderr) as progress:
        found = compare.what_if(
            runtime,
            read_proposal(runtime, request),
            since=request.since_date,
            progress=progress,
            each=_shown_or_printed(shown, is_json=is_json),
        )
    if is_json:
        print_json(found.to_json())
        return
    _print_sums(found)
    _print_differences(shown, found.differing)


@click.command()
@click.option("--days", type=int, required=True, help="How many days from today; 0: today alone.")
@json_option
def forecast(days: int, *, is_json: bool) -> None:
    """Which subjects the daily rules will move if nothing else happens, when, and whom they will write to.

    With --json: a line for each decision; last, the sums.
    """
    shown: list[Expected] = []
    with opened() as runtime, progress_bar("Forecast", sys.stderr) as progress:
        found = forecasts.forecast(runtime, days, progress=progress, each=_shown_or_printed(shown, is_json=is_json))
    if is_json:
        print_json(found.to_json())
    else:
        _print_forecast(found)


def _drafts(runtime: Runtime, name: str | None, draft: Path | None) -> dict[str, str]:
    """The draft's text by its connection; nothing where none is given."""
    if draft is None and name is None:
        return {}
    if draft is None or name is None:
        message = "a draft of a mapping and --connection belong together: give both, or none"
        raise WrongSetting(message)
    return {name: read_file(runtime, name, read_text(draft), draft.name)[0]}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"the settings file {path} cannot be read: {error.strerror}"
        raise NotFound(message) from error


def _shown_or_printed(shown: list[Any], *, is_json: bool) -> Callable[[Any], None]:
    """Prints each as a line at once, or keeps the first few in `shown` for the end."""

    def take(found: Any) -> None:
        if is_json:
            print_json(found.to_json())
        elif len(shown) < _SHOWN:
            shown.append(found)

    return take


@contextmanager
def progress_bar(label: str, stream: TextIO) -> Iterator[Callable[[int, int], None]]:
    """A bar that shows how many are done, and of how many; nothing where the stream is no terminal."""
    if not stream.isatty():
        yield lambda _done, _all: None
        return
    with click.progressbar(length=1, label=label, file=stream) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show


def _print_sums(found: WhatIf) -> None:
    say(f"{found.moving} of {found.subjects} subjects would move ({found.share:.1%}); {found.differing} differ.")
    rows = found.to_json()
    if rows["moved"]:
        print_rows(rows["moved"], is_json=False, columns={"from": "from", "to": "to", "subjects": "subjects"}, empty="")
    print_pairs(
        [
            ("mails now", _with_parts(found.mails, found.mails_by.items())),
            ("pushes now", _with_parts(found.pushes, found.pushes_by.items())),
            ("events released", str(found.released)),
            ("events newly held", _with_parts(found.newly_held, _joined(found.held_by.items()))),
            ("events too old", f"{found.unreadable} keep what was made of them" if found.unreadable else ""),
            ("not to be taken", _with_parts(found.untaken, _joined(found.untaken_by.items()))),
            ("changed anyway", str(found.drifted) if found.drifted else ""),
        ]
    )


def _print_differences(shown: list[Difference], count: int) -> None:
    if not shown:
        return
    say("")
    for one in shown:
        name = next((value for kind, value in one.names if kind != IdentityKind.RECORD), one.subject)
        way = f"{one.before['status']} → {one.after['status']}"
        why = f"{_newest(one.made)}, in place of {_newest(one.undone)}"
        say(f"{name}: {way} ({why})")
    if count > len(shown):
        say(f"and {count - len(shown)} more; --json has them all")


def _newest(decisions: Sequence[Decision]) -> str:
    """The last of some decisions, and how many there are."""
    if not decisions:
        return "nothing"
    more = f" and {len(decisions) - 1} before" if len(decisions) > 1 else ""
    return f"{decisions[-1].rule} of {decisions[-1].at:%Y-%m-%d}{more}"


def _print_forecast(found: Forecast) -> None:
    rows = found.to_json()
    moves = {"day": "day", "rule": "rule", "from": "from", "to": "to", "subjects": "subjects"}
    print_rows(rows["moves"], is_json=False, columns=moves, empty=f"Nobody moves by time alone up to {found.until}.")
    if rows["notices"]:
        say("")
        notices = {"day": "day", "rule": "rule", "mail to": "to", "subjects": "subjects"}
        print_rows(rows["notices"], is_json=False, columns=notices, empty="")
    say(f"{found.subjects} subjects, {found.mails} mails up to {found.until}.")
    if unsent := sum(found.unsent.values()):
        reasons = sorted({row["reason"] for row in rows["unsent"]})
        say(f"{unsent} notices go to nobody: {', '.join(reasons)}.")


def _joined(parts: Iterable[tuple[tuple[str, ...], int]]) -> Iterable[tuple[str, int]]:
    return [(" / ".join(key), count) for key, count in parts]


def _with_parts(count: int, parts: Iterable[tuple[str, int]]) -> str:
    text = "; ".join(f"{name}: {number}" for name, number in parts)
    return f"{count} ({text})" if text else str(count)
