"""The web server: granian with several processes of several threads each, on one address."""

from __future__ import annotations

import socket
from typing import Any, Final

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from connector.core.errors import WrongSetting
from connector.runtime import metrics
from connector.runtime.settings import Config

TARGET: Final = "connector.web.app:from_environment"
STOP_SECONDS: Final = 4
"""Seconds that requests have to finish before their process is killed; less than the supervisor's grace."""
_LOG: Final[dict[str, Any]] = {
    "loggers": {name: {"handlers": [], "propagate": True} for name in ("_granian", "granian.access")}
}


def serve_web(config: Config, target: str = TARGET) -> None:
    """Serve the application until SIGINT or SIGTERM; raises `WrongSetting` when the address cannot be listened on.

    `target`: the module and function that make the WSGI application in each process.
    """
    check_address(config.host, config.port)
    metrics.count_in(config.metrics_dir)
    Granian(
        target,
        factory=True,
        interface=Interfaces.WSGI,
        address=config.host,
        port=config.port,
        workers=config.web_processes,
        blocking_threads=config.web_threads,
        workers_kill_timeout=STOP_SECONDS,
        respawn_failed_workers=True,
        websockets=False,
        log_level=LogLevels.info if config.log_level == "debug" else LogLevels.error,
        log_dictconfig=_LOG,
    ).serve()


def check_address(host: str, port: int) -> None:
    """Raise `WrongSetting` when nobody could listen on this address now: taken, not allowed, or not of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        message = (
            f"port {port} on {host} cannot be listened on: {error.strerror or error}; stop what uses it, "
            "or set CONNECTOR_PORT (and CONNECTOR_HOST) to a free one"
        )
        raise WrongSetting(message) from error
