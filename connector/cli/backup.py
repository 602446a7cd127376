"""`connector backup` and `connector restore`: a copy of everything that must not be lost, and back from it."""

from __future__ import annotations

from pathlib import Path

import click

from connector.cli.session import explained, opened, settings
from connector.cli.terminal import print_pairs, say
from connector.operations.safety.backup import Content, back_up
from connector.operations.safety.restore import ASIDE, checked_backup, restore


@click.command()
@click.argument("to", metavar="TO", type=click.Path(path_type=Path))
@click.option("--with-key", is_flag=True, help="Also the key of the connections' secrets: keep such a backup as safe.")
def backup(to: Path, *, with_key: bool) -> None:
    """Make a backup of the database in the new folder TO, while everything runs.

    Without --with-key the connections' secrets in it can be opened only with the key that you keep elsewhere.
    """
    with opened() as runtime:
        content = back_up(runtime, to, with_key=with_key)
    _print(content)
    say(f"The backup is in {to}, {'with' if with_key else 'without'} the key of the secrets.")


@click.command("restore")
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, exists=True))
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore_command(source: Path, *, yes: bool) -> None:
    """Put the backup FROM in place of the database; only while nothing runs.

    FROM is a folder that `connector backup` made, or a SQLite file. It is checked before anything is replaced.
    """
    config = settings()
    with explained(config), checked_backup(config, source) as checked:
        _print(checked.content)
        say("It has the key of the secrets." if checked.key else "It has no key: secret.key stays as it is.")
        if not yes:
            click.confirm("Put it in place of the database?", abort=True)
        restore(config, checked)
    kept = f" What was there before is kept as connector.sqlite{ASIDE}." if config.is_sqlite else ""
    say(f"Restored.{kept} Start with `connector up` (or `connector migrate`); what was missed since is asked for.")


def _print(content: Content) -> None:
    print_pairs(
        [
            ("connections", str(content.connections)),
            ("subjects", str(content.subjects)),
            ("deliveries", str(content.deliveries)),
            ("newest delivery", content.newest_delivery or "none"),
            ("tables", content.migration),
        ]
    )
