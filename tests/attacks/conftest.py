"""The command line, as the tests of the commands have it."""

from tests.cli.conftest import _log, cli, server

__all__ = ["_log", "cli", "server"]
