"""`connector demo`: the whole product with emulated systems: leads that live through half a year, or a busy day."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

import click

from connector.processes.supervisor import Part
from connector.processes.up import up
from connector.runtime.settings import read_config


@click.command()
@click.option("--once", is_flag=True, help="End when the story is told; the exit code says whether all came out right.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other lives.")
@click.option("--leads", default=40, show_default=True, type=click.IntRange(1, 500), help="How many leads.")
@click.option("--day", is_flag=True, help="In place of that: a day of a company with five systems at once.")
@click.option("--webhooks", default=10_000, show_default=True, type=click.IntRange(50), help="Of the day, about.")
@click.pass_context
def demo(context: click.Context, *, once: bool, seed: int, leads: int, day: bool, webhooks: int) -> None:
    """Everything, with an emulated Bitrix24 that lives through half a year, in a folder that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="connector-demo-") as folder:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")}
        environ = {
            **{name: value for name, value in inherited.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
            "CONNECTOR_DATA_DIR": str(Path(folder) / "data"),
            "CONNECTOR_PORT": str(_free_port()),
            "CONNECTOR_WEB_PROCESSES": "1",
            "CONNECTOR_REQUEUE_SECONDS": "2",
            "CONNECTOR_LOG_LEVEL": os.environ.get("CONNECTOR_LOG_LEVEL", "warning"),
        }
        module, size = ("connector.demo.day", webhooks) if day else ("connector.demo.play", leads)
        play = (sys.executable, "-m", module, str(seed), str(size), "once" if once else "stay")
        part = Part(name="demo", command=play, environ={}, ends_all=True)
        config = read_config(environ, Path(folder))
        context.exit(up(config, environ=environ, output=sys.stdout, extra=[part]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
