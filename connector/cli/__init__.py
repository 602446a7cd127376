"""The command line: finds the command that was asked for, and turns errors into one clear sentence and an exit code."""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete

from connector import __version__
from connector.core.errors import ConnectorError, OperatorError, SalesOpsError, printable

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("connector.cli.processes:up", "Run everything on this machine, in the foreground."),
    "demo": ("connector.demo.command:demo", "Run everything with an emulated Bitrix24 that lives through half a year."),
    "web": ("connector.cli.processes:web", "Run the web server."),
    "worker": ("connector.cli.processes:worker", "Run a worker."),
    "scheduler": ("connector.cli.processes:scheduler", "Run the scheduler of the upkeep."),
    "migrate": ("connector.cli.processes:migrate", "Bring the database to the present tables."),
    "backup": ("connector.cli.backup:backup", "Make a backup, while everything runs."),
    "restore": ("connector.cli.backup:restore_command", "Put a backup in place of the database."),
    "connection": ("connector.cli.connection:connection", "Add, show, change, pause, remove connections."),
    "mapping": ("connector.cli.mapping:mapping", "Check, publish and show mappings; what is held."),
    "rules": ("connector.cli.rules:rules", "Check, publish and show the rules in force."),
    "what-if": ("connector.cli.what_if:what_if", "What a mapping, settings or a template would change."),
    "forecast": ("connector.cli.what_if:forecast", "Which subjects will move by time alone, and whom that tells."),
    "delivery": ("connector.cli.delivery:delivery", "List, show, replay deliveries; the quarantine."),
    "adapter": ("connector.cli.new_adapter:adapter", "Lay out the files of a new adapter."),
    "subject": ("connector.cli.subject:subject", "List and explain subjects; set status, owner, tags."),
    "outbox": ("connector.cli.delivery:outbox", "What waits to be sent; try again what was given up."),
    "forget": ("connector.cli.upkeep:forget", "Let go what was kept long enough."),
    "sweep": ("connector.cli.upkeep:sweep", "Run the daily rules now."),
    "reconcile": ("connector.cli.upkeep:reconcile", "Ask the systems what webhooks missed."),
    "import": ("connector.cli.imports:import_", "Take everything there is, or the rows of a CSV file, silently."),
    "status": ("connector.cli.upkeep:status", "On one screen: what runs, what waits, what is wrong."),
    "account": ("connector.cli.upkeep:account", "Check that every accepted delivery is accounted for."),
    "doctor": ("connector.cli.upkeep:doctor", "Say what is wrong with the running product."),
    "completion": ("connector.cli:completion", "Print what makes a shell complete commands: bash, zsh or fish."),
    "simulate": ("connector.what_if.simulate:simulate_command", "Run the rules over the events of a file."),
}
"""Each command: where it is, and its line in the help. Only the one that is asked for is imported."""
WRONG: Final = 2
_NAME: Final = "connector"
_SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
AWAY: Final = 1
_RIGHTS: Final = "see that it is there, that this user may read and write it, and that its disk has room"
_AWAY_REASONS: Final = frozenset({"no_database", "no_redis", "bad_backup"})
"""Reasons of errors for which nobody used the command wrongly."""


def _say_error(error: ConnectorError) -> None:
    """An error in its own lines; the words of senders and systems in one, however many they would like to have."""
    text = f"Error: {error}"
    for line in text.split("\n") if isinstance(error, OperatorError | SalesOpsError) else [text]:
        click.echo(printable(line), err=True)


class Commands(click.Group):
    """Commands that are imported when they are used; what a person can put right is told in a sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of a line; a mistyped one is answered with the nearest names."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, without importing any command; else the options."""
        found = [CompletionItem(name, help=line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        """The list of commands in the help, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of our own becomes a sentence on standard error, and an exit code."""
        try:
            return super().invoke(ctx)
        except ConnectorError as error:
            _say_error(error)
            ctx.exit(AWAY if error.reason in _AWAY_REASONS else WRONG)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(printable(f"Error: {error.filename} cannot be used: {error.strerror}; {_RIGHTS}"), err=True)
            ctx.exit(AWAY)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=_NAME)
def commands() -> None:
    """Receives webhooks of CRMs, keeps one ABM status per lead, and writes it back."""


@click.command()
@click.argument("shell", type=click.Choice(tuple(_SHELLS)))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options by the Tab key.

    In ~/.bashrc or ~/.zshrc: eval "$(connector completion bash)"; for fish: connector completion fish | source
    """
    click.echo(_SHELLS[shell](commands, {}, _NAME, "_CONNECTOR_COMPLETE").source())


def main() -> None:
    """The console script `connector`.

    What is imported stays: to look for garbage among it, again and again, takes half of the time of a short command.
    """
    gc.disable()
    commands(prog_name=_NAME)
