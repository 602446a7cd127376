"""`connector adapter new`: lays out the files of a new adapter, for who adds a system."""

from __future__ import annotations

from pathlib import Path

import click

from connector.cli.skeleton import lay_out


@click.group()
def adapter() -> None:
    """What connects to external systems; for who adds one."""


@adapter.command()
@click.argument("name")
def new(name: str) -> None:
    """Lay out the files of an adapter in the checkout in the present folder: adapters/README.md explains each."""
    for path in lay_out(Path.cwd(), name):
        click.echo(path)
    click.echo(
        "Now: `pytest tests/adapters/test_the_list.py` names what is STILL TO BE DONE; adapters/README.md says how."
    )
