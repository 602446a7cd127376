"""The README's example: what a newcomer pastes while the product runs ends with the status that the README names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from connector.emulators.engine.loopback import Loopback
from connector.operations.flow import build_intake
from connector.runtime.parts import Runtime
from connector.runtime.settings import read_config
from connector.web.app import create_app
from tests.flow.senders import drain


def test_the_commands_of_the_readme_end_with_the_status_that_it_names(sqlite_url: str, tmp_path: Path) -> None:
    (example,) = re.findall(r"```sh\n(.*?)```", Path("README.md").read_text("utf-8"), re.DOTALL)
    environ = {"DATABASE_URL": sqlite_url, "CONNECTOR_DATA_DIR": str(tmp_path)}
    runtime = Runtime(read_config(environ, tmp_path))
    app = create_app(runtime.config, runtime, build_intake(runtime, lambda _lanes: drain(runtime)))
    with Loopback(app) as served:
        environ |= {"CONNECTOR_PORT": str(urlsplit(served.url).port)}
        environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        shell = subprocess.run(
            ["/bin/sh", "-c", f"set -e\n{example}"], env=environ, check=True, capture_output=True, text=True
        )
    runtime.close()
    assert re.search(r"^202 .*\nDelivery \w+: applied\.\n", shell.stdout, re.MULTILINE)
    assert re.search(r"^status +Visited", shell.stdout, re.MULTILINE)
