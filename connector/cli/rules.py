"""`connector rules`: the one document of what changes how the rules read; published like a mapping."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from connector.cli import documents
from connector.cli.session import opened
from connector.cli.terminal import json_option, print_json, say
from connector.cli.what_if import print_what_if
from connector.core.errors import WrongSetting
from connector.mapping import BadMapping, read_text
from connector.operations.mappings import newest_draft, read_file, version_of
from connector.runtime.rules import parse_rules
from connector.store.remaps import RULES
from connector.what_if.proposal import WhatIfRequest

_FILE: Final = click.Path(path_type=Path)
_confirm: Final = click.option("--confirm", is_flag=True, help="Publish however many subjects it moves.")
_comment: Final = click.option("--comment", default="", help="What was changed, for the history.")
_based_on: Final = click.option(
    "--based-on", type=int, metavar="VERSION", help="The version it was made of; refused if another is in force."
)


@click.group()
def rules() -> None:
    """The rules in force: time zone, key pages, who is mailed, rules that are off, the template."""


@rules.command()
@json_option
def show(*, is_json: bool) -> None:
    """The version in force, as it was published."""
    documents.print_in_force(RULES, is_json=is_json)


@rules.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_FILE)
@json_option
@click.pass_context
def check(context: click.Context, files: tuple[Path, ...], *, is_json: bool) -> None:
    """Name every mistake of rules documents, with line and column; exit code 1 when there are any."""
    is_right = True
    for file in files:
        try:
            found = parse_rules(read_text(file), file.name)
        except BadMapping as error:
            is_right = False
            for mistake in error.mistakes:
                if is_json:
                    print_json(asdict(mistake))
                else:
                    say(str(mistake), err=True)
        else:
            if not is_json:
                say(f"{file} is right: rules of {found.template.name}.")
    if not is_right:
        context.exit(1)


@rules.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--version", "numbers", type=int, multiple=True, metavar="VERSION", help="Given twice: from and to.")
@json_option
def diff(file: Path | None, *, numbers: tuple[int, ...], is_json: bool) -> None:
    """What differs from the version in force: in a file, in a version, or in the newest draft."""
    documents.print_diff(RULES, file, numbers, is_json=is_json)


@rules.command("what-if")
@click.argument("file", required=False, type=_FILE)
@click.option("--version", type=int, metavar="VERSION", help="A draft or old version instead of a file.")
@json_option
def what_if(file: Path | None, *, version: int | None, is_json: bool) -> None:
    """What publishing a file, a version or the newest draft would do to every subject. Nothing is written or sent."""
    if file is not None and version is not None:
        message = "give a FILE or --version VERSION, one of the two"
        raise WrongSetting(message)
    with opened() as runtime:
        if file is not None:
            source = read_file(runtime, RULES, read_text(file), file.name)[0]
        else:
            source = (version_of(runtime, RULES, version) if version else newest_draft(runtime, RULES)).source
        print_what_if(runtime, WhatIfRequest(rules=source), is_json=is_json)


@rules.command()
@click.argument("file", type=_FILE)
@_comment
@_based_on
@json_option
def draft(file: Path, *, comment: str, based_on: int | None, is_json: bool) -> None:
    """Save a file as a draft, beside those of others; nothing is in force by it."""
    documents.save_draft(RULES, file, comment=comment, based_on=based_on, is_json=is_json)


@rules.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--draft", type=int, metavar="VERSION", help="Publish this draft instead of a file.")
@_comment
@_based_on
@_confirm
@json_option
def publish(
    file: Path | None, *, draft: int | None, comment: str, based_on: int | None, confirm: bool, is_json: bool
) -> None:
    """Publish a file or draft as the version in force; every subject is folded anew, and nobody is mailed for it.

    Nothing is published when more subjects would move than the setting publish_limit_percent allows.
    """
    documents.publish(
        RULES, file, draft=draft, comment=comment, based_on=based_on, is_confirmed=confirm, is_json=is_json
    )


@rules.command()
@json_option
def versions(*, is_json: bool) -> None:
    """Drafts and published versions, newest first."""
    documents.print_versions(RULES, is_json=is_json)


@rules.command()
@click.argument("version", type=int)
@_confirm
@json_option
def rollback(version: int, *, confirm: bool, is_json: bool) -> None:
    """Publish an old version again, as a new one; an older template is refused."""
    documents.roll_back(RULES, version, is_confirmed=confirm, is_json=is_json)


@rules.command()
@click.option("--version", type=int, metavar="VERSION", help="Without it: the version in force.")
@json_option
def export(version: int | None, *, is_json: bool) -> None:
    """A version's file, to change and publish again; its first line says which version it is."""
    documents.print_export(RULES, version, is_json=is_json)
