"""The first start of a version that has a rules document: what was set elsewhere before is in force as before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.operations.flow import remap, sweep
from connector.operations.rules import SHIPPED, first_version
from connector.runtime.parts import Runtime
from connector.runtime.rules import BadRules
from connector.runtime.settings import Config, read_config
from connector.store import mapping_versions, remaps
from connector.store.mapping_versions import MappingVersion
from connector.store.remaps import RULES
from tests.flow.senders import Sender, add_connection, drain
from tests.flow.store_queries import mails

Configured = Callable[..., Config]


@pytest.fixture
def configured(database_url: str, tmp_path: Path) -> Configured:
    """The settings of an installation, with more variables."""

    def config(**environ: str) -> Config:
        return read_config(
            {"DATABASE_URL": database_url, "CONNECTOR_DATA_DIR": str(tmp_path / "data"), **environ}, tmp_path
        )

    return config


def _versions(runtime: Runtime) -> list[MappingVersion]:
    with runtime.database.read() as connection:
        return mapping_versions.newer(connection, RULES, 0)


def _run(runtime: Runtime) -> Any:
    with runtime.database.read() as connection:
        return remaps.newest(connection, RULES)


def test_a_new_workspace_begins_with_the_shipped_document(runtime: Runtime, configured: Configured) -> None:
    first_version(configured())
    first_version(configured(CONNECTOR_TIMEZONE="UTC"))
    (only,) = _versions(runtime)
    assert (only.version, only.source, only.comment) == (1, SHIPPED.read_text(), "as a workspace begins")
    assert _run(runtime).finished_at is not None


def test_what_was_set_elsewhere_is_taken_over_once(runtime: Runtime, configured: Configured) -> None:
    config = configured(CONNECTOR_TIMEZONE="Asia/Ho_Chi_Minh", CONNECTOR_RULES='{"latent.warm": {"enabled": false}}')
    first_version(config)
    first_version(configured(CONNECTOR_TIMEZONE="UTC"))
    (only,) = _versions(runtime)
    assert only.comment == "taken over: CONNECTOR_TIMEZONE (environment), CONNECTOR_RULES (environment)"
    assert "# Where days begin and end" in only.source
    runtime.rules.forget()
    assert str(runtime.ruleset.zone) == "Asia/Ho_Chi_Minh"
    assert "latent.warm" not in runtime.ruleset.rules


def test_subjects_that_are_there_are_folded_anew(runtime: Runtime, configured: Configured) -> None:
    add_connection(runtime)
    line = {"id": "1", "subject": {"email": "a@example.jp"}, "type": "action", "action": "site_access"}
    Sender(runtime).send(line | {"at": "2026-03-01T03:00:00Z"})
    drain(runtime)
    first_version(configured(CONNECTOR_TEMPLATE="basic-1.0"))
    runtime.rules.forget()
    assert runtime.ruleset.template.name == "basic-1.0"
    assert _run(runtime).finished_at is None


def test_taking_over_leaves_today_s_mails_to_the_sweep(runtime: Runtime, configured: Configured) -> None:
    add_connection(runtime)
    line = {"id": "1", "subject": {"id": "A"}, "kind": "lead", "type": "stage", "object": "lead", "stage": "talking"}
    Sender(runtime).send(line | {"at": (runtime.clock() - timedelta(days=3)).isoformat()})
    drain(runtime)
    first_version(configured(CONNECTOR_MAIL_ENABLED="true", CONNECTOR_ADMINISTRATORS="boss@example.jp"))
    runtime.rules.forget()
    remap(runtime, RULES)
    assert mails(runtime) == []
    sweep(runtime)
    assert mails(runtime) == [("boss@example.jp", "appointment_prospect.remind")]


def test_a_new_workspace_cannot_begin_on_the_former_template(runtime: Runtime, configured: Configured) -> None:
    first_version(configured(CONNECTOR_TEMPLATE="basic-1.0"))
    runtime.rules.forget()
    assert runtime.ruleset.template.name == "basic-2.0"


def test_what_is_set_and_not_allowed_stops_the_first_start(runtime: Runtime, configured: Configured) -> None:
    with pytest.raises(BadRules, match="timezone: found 'Asia/Tokio'"):
        first_version(configured(CONNECTOR_TIMEZONE="Asia/Tokio"))
    assert _versions(runtime) == []
