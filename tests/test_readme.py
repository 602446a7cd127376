"""The README's example: what a newcomer pastes signs the request so that it is accepted."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from connector.adapter_kit.signatures import verify_webhook

FAKE = '#!/bin/sh\nprintf "%s\\0" "$@" > "{file}"\n'


def test_the_signed_request_of_the_readme_is_right(tmp_path: Path) -> None:
    (example,) = re.findall(r"```sh\n(.*?)```", Path("README.md").read_text("utf-8"), re.DOTALL)
    for name in ("curl", "connector"):
        program = tmp_path / name
        program.write_text(FAKE.format(file=tmp_path / f"{name}.txt"), "ascii")
        program.chmod(0o755)
    script = f'set -e\n{example}\nprintf %s "$WEBSITE_SECRET"'
    path = f"{tmp_path}:{os.environ['PATH']}"
    shell = subprocess.run(["/bin/sh", "-c", script], env={"PATH": path}, check=True, capture_output=True, text=True)
    words = (tmp_path / "curl.txt").read_text("utf-8").split("\0")
    headers = dict(word.split(": ", 1) for word in words if word.startswith("webhook-"))
    body = words[words.index("-d") + 1].encode()
    verify_webhook(headers, body, (shell.stdout,), datetime.now(UTC))
    assert [line["stage"] for line in json.loads(body)["events"]] == ["visited"]
