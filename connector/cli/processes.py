"""`connector up`, `web`, `worker`, `scheduler`, `migrate`: the parts of the running product."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from connector.cli.session import explained, settings
from connector.cli.terminal import say
from connector.core.errors import WrongSetting
from connector.runtime.redis import redis_url
from connector.runtime.settings import Config

QUEUES = ("process", "push", "notify", "maintenance")


@click.command()
@click.pass_context
def up(context: click.Context) -> None:
    """Everything on this machine, in the foreground, with one log; Ctrl-C ends all of it."""
    context.exit(_part("connector.processes.up").up(settings(), environ=os.environ, output=sys.stdout))


@click.command()
def web() -> None:
    """The web server: webhooks and health."""
    config = _logging()
    _part("connector.processes.web_server").serve_web(config)


@click.command()
@click.option(
    "--queues",
    type=click.Choice(QUEUES),
    multiple=True,
    help="Which queues; repeatable, the first is the most urgent. Without it: all, in this order.",
)
@click.pass_context
def worker(context: click.Context, queues: tuple[str, ...]) -> None:
    """A worker: processes deliveries, sends updates and mails, runs upkeep. Any number may run."""
    context.exit(_part("connector.processes.worker").run(_with_redis(_logging()), queues or QUEUES))


@click.command()
@click.pass_context
def scheduler(context: click.Context) -> None:
    """The scheduler of the upkeep; one is enough, several do no harm."""
    context.exit(_part("connector.processes.scheduler").run(_with_redis(_logging())))


@click.command()
def migrate() -> None:
    """Bring the database to the present tables."""
    config = _logging()
    with explained(config):
        _part("connector.store.migrations").migrate(config.database_url)
        _part("connector.operations.rules").first_version(config)
    say("The database has the present tables.")


def _logging() -> Config:
    config = settings()
    _part("connector.runtime.log").configure_log(level=config.log_level, form=config.log_format, stream=sys.stderr)
    return config


def _with_redis(config: Config) -> Config:
    """The settings, with a Redis: one that happens to run here, and may be another program's, is not taken for ours."""
    if redis_url(config) is None:
        message = "no Redis is configured: set REDIS_URL, or start everything with `connector up`"
        raise WrongSetting(message)
    return config


def _part(name: str) -> Any:
    """A part of the product, imported only where it runs: each needs libraries that the others do not."""
    return import_module(name)
