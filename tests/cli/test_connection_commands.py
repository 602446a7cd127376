"""`connector connection …`: what is added, shown, changed and kept secret."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from sqlalchemy import select

from adapters.bitrix24 import Bitrix24
from connector.core.errors import WrongSetting
from connector.operations.connections import check_name, shipped_mapping
from connector.runtime.parts import Runtime
from connector.store.tables import audit, connections
from tests.cli.conftest import Cli
from tests.conftest import put_in_force
from tests.flow.senders import MAPPING, SECRET

BARE = ("connection", "add", "shop", "--adapter", "standard", "--secret", "secret=@env:THE_SECRET")
ADD = (*BARE, "--region", "JP")
_SHIPPED = Path("mappings/standard.yaml").resolve()
OTHER = "whsec_HxAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="


def _audit(server: Runtime) -> list[tuple[str, str]]:
    with server.database.read() as connection:
        return [(row.action, row.target) for row in connection.execute(select(audit).order_by(audit.c.id))]


def test_a_connection_is_added_with_its_mapping_and_says_where_webhooks_go(cli: Cli) -> None:
    said = cli(*ADD, "--set", "url=https://crm.example/leads").stdout
    assert "http://127.0.0.1:8080/webhooks/shop" in said
    assert "Mapping version 1 is published (from standard.yaml)." in said


def test_show_names_the_secrets_and_never_shows_them(cli: Cli) -> None:
    cli(*ADD, "--set", "method=PUT", "--secret", "secret=@env:OLD", OLD=OTHER)
    found = cli.json("connection", "show", "shop")
    assert found["secrets"] == {"secret": 2, "auth_value": 0, "push_secret": 0}
    assert found["settings"]["method"] == "PUT"
    assert found["mapping"]["version"] == 1
    text = cli("connection", "show", "shop").stdout
    assert "secret secret        2 set" in text
    assert SECRET not in text + str(found)


def test_a_secret_comes_from_a_file_or_a_prompt_as_well(cli: Cli, server: Runtime) -> None:
    (cli.folder / "old.key").write_text(f"{OTHER}\n")
    words = ("connection", "add", "shop", "--adapter", "standard", "--region", "JP")
    said = cli(*words, "--secret", "secret=@prompt", "--secret", "secret=@file:old.key", stdin=f"{SECRET}\n")
    assert SECRET not in said.output
    connected = server.connections.get("shop")
    assert connected is not None
    assert connected.secrets == (SECRET, OTHER)


def test_stored_secrets_are_sealed(cli: Cli, server: Runtime) -> None:
    cli(*ADD)
    with server.database.read() as connection:
        row = connection.execute(select(connections)).mappings().one()
    assert SECRET not in str(dict(row))
    assert SECRET in server.vault.decrypt(row["sealed"])


def test_settings_arrive_as_the_adapter_types_them(cli: Cli, server: Runtime) -> None:
    added = cli(
        *("connection", "add", "b24", "--adapter", "bitrix24", "--secret", "webhook_url=@env:HOOK", "--json"),
        *("--region", "JP", "--set", "objects=lead, deal", "--set", "objects=contact", "--set", "batch=7"),
        HOOK="https://portal.example/rest/1/abc/",
    )
    assert json.loads(added.stdout)["settings"]["objects"] == ["lead", "deal", "contact"]
    connected = server.connections.get("b24")
    assert connected is not None
    assert isinstance(connected.adapter, Bitrix24)
    assert (connected.adapter.objects, connected.adapter.batch) == (("lead", "deal", "contact"), 7)
    assert "lead, deal, contact" in cli("connection", "show", "b24").stdout


def test_a_mapping_file_of_its_own_is_published_instead(cli: Cli) -> None:
    (cli.folder / "own.yaml").write_text(MAPPING)
    cli(*ADD, "--mapping", "own.yaml")
    assert "webinar" in cli("mapping", "show", "shop").stdout


def test_a_mapping_that_reads_phones_is_never_silently_of_some_country(cli: Cli) -> None:
    assert "\nregion" not in _SHIPPED.read_text("utf-8")
    assert "standard.yaml reads phone numbers, and nothing says of which country" in cli.error(*BARE)
    assert "'Japan' is no country; allowed: two letters" in cli.error(*BARE, "--region", "Japan")
    cli(*BARE, "--region", "vn")
    assert "\nregion: VN\n" in cli("mapping", "export", "shop").stdout


def test_the_region_of_a_mapping_file_stays(cli: Cli) -> None:
    phone = "fields: {phone: {from: p, type: phone}}\n"
    (cli.folder / "own.yaml").write_text(f"adapter: standard\nregion: JP\n{phone}")
    assert "the mapping own.yaml says region JP; leave --region out" in cli.error(
        *BARE, "--mapping", "own.yaml", "--region", "VN"
    )
    cli(*BARE, "--mapping", "own.yaml")
    assert "region: JP" in cli("mapping", "export", "shop").stdout
    (cli.folder / "none.yaml").write_text("adapter: standard\n")
    cli(*BARE[:2], "other", *BARE[3:], "--mapping", "none.yaml")
    assert "region" not in cli("mapping", "export", "other").stdout


def test_the_workspace_s_region_is_that_of_all_mappings_that_name_none(cli: Cli, server: Runtime) -> None:
    put_in_force(server, region="VN")
    cli(*BARE)
    assert "region" not in cli("mapping", "export", "shop").stdout
    connected = server.connections.look_again("shop")
    assert connected is not None
    assert connected.rules.region == "VN"
    phone = next(field for field in connected.rules.fields if field.name == "phone")
    assert phone.read({"phone": "0908 222 333"}) == "+84908222333"
    cli(*BARE[:2], "other", *BARE[3:], "--region", "JP")
    other = server.connections.look_again("other")
    assert other is not None
    assert other.rules.region == "JP"


def test_on_a_terminal_the_region_is_asked_for(cli: Cli) -> None:
    terminal, theirs = pty.openpty()
    words = [sys.executable, "-m", "connector.cli", *BARE]
    environ = {**os.environ, **cli.environ}
    with subprocess.Popen(words, env=environ, stdin=theirs, stdout=PIPE, stderr=PIPE, text=True) as process:
        os.close(theirs)
        os.write(terminal, b"vn\n")
        said, asked = process.communicate(timeout=60)
    os.close(terminal)
    assert (process.returncode, said.splitlines()[0].startswith("Added shop.")) == (0, True), asked
    assert "Country of phone numbers" in asked
    assert "\nregion: VN\n" in cli("mapping", "export", "shop").stdout


def test_a_connection_without_a_shipped_mapping_has_none(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text("")
    (tmp_path / "standard.yaml").write_text("")
    assert shipped_mapping("shop", "standard", tmp_path) == tmp_path / "shop.yaml"
    assert shipped_mapping("other", "standard", tmp_path) == tmp_path / "standard.yaml"
    assert shipped_mapping("other", "bitrix24", tmp_path) is None


def test_list_has_a_line_per_connection(cli: Cli) -> None:
    assert "No connection yet" in cli("connection", "list").stdout
    cli(*ADD)
    assert [row["name"] for row in cli.lines("connection", "list")] == ["shop"]
    assert "standard" in cli("connection", "list").stdout


def test_pause_and_resume_say_whether_anything_changed(cli: Cli) -> None:
    cli(*ADD)
    assert cli("connection", "pause", "shop").stdout == "shop is paused.\n"
    assert cli("connection", "pause", "shop").stdout == "shop was paused already.\n"
    assert cli.json("connection", "show", "shop")["is_paused"] is True
    assert cli("connection", "resume", "shop").stdout == "shop is resumed.\n"
    assert cli("connection", "resume", "shop").stdout == "shop was not paused.\n"


def test_change_sets_what_is_given_and_leaves_the_rest(cli: Cli) -> None:
    cli(*ADD, "--set", "method=PUT")
    cli("connection", "change", "shop", "--set", "url=https://crm.example")
    settings = cli.json("connection", "show", "shop")["settings"]
    assert (settings["url"], settings["method"]) == ("https://crm.example", "PUT")


def test_rotate_replaces_a_secret_or_keeps_the_old_one_behind_it(cli: Cli, server: Runtime) -> None:
    cli(*ADD)
    assert cli("connection", "rotate", "shop", "--secret", "secret=@env:NEW", "--keep", NEW=OTHER).stdout == (
        "secret: 2 in force\n"
    )
    connected = server.connections.get("shop")
    assert connected is not None
    assert connected.secrets == (OTHER, SECRET)
    cli("connection", "rotate", "shop", "--secret", "secret=@env:NEW", NEW=OTHER)
    assert cli.json("connection", "show", "shop")["secrets"]["secret"] == 1


def test_a_short_secret_that_somebody_chose_is_refused_with_the_reason(cli: Cli, server: Runtime) -> None:
    mapping = ("--region", "JP", "--secret", "token=@env:TOKEN")
    add = ("connection", "add", "site", "--adapter", "rudderstack", *mapping)
    said = "token: shorter than 16 characters, so that it can be guessed, and may stand in what people write by chance"
    assert said in cli.error(*add, TOKEN="acme")
    cli(*add, TOKEN="0123456789abcdef")
    rotated = ("connection", "rotate", "site", "--secret", "token=@env:TOKEN")
    assert said in cli.error(*rotated, TOKEN="0123456789abcde")
    secrets = ("--secret", "webhook_token=@env:HOOK", "--secret", "password=@env:WORD")
    cli(
        *("connection", "add", "app", "--adapter", "kintone", "--set", "url=https://a.cybozu.com", "--set", "app=7"),
        *("--set", "login=kim", "--region", "JP", *secrets),
        HOOK="0123456789abcdef",
        WORD="dictated",
    )
    assert server.connections.look_again("app") is not None


def test_a_removed_connection_loses_its_secrets_and_can_be_added_again(cli: Cli, server: Runtime) -> None:
    cli(*ADD)
    cli("connection", "remove", "shop")
    assert cli.lines("connection", "list") == []
    with server.database.read() as connection:
        sealed = connection.execute(select(connections.c.sealed)).scalar_one()
    assert server.vault.decrypt(sealed) == "{}"
    cli(*ADD)
    assert cli.json("connection", "show", "shop")["mapping"]["version"] == 2


def test_every_change_is_in_the_audit_with_the_person_who_made_it(cli: Cli, server: Runtime) -> None:
    cli(*ADD)
    cli("connection", "pause", "shop")
    cli("connection", "change", "shop", "--set", "method=PUT")
    cli("connection", "rotate", "shop", "--secret", "secret=@env:THE_SECRET")
    cli("connection", "remove", "shop")
    assert _audit(server) == [(f"connection.{verb}", "shop") for verb in ("add", "pause", "change", "rotate", "remove")]
    with server.database.read() as connection:
        rows = [dict(row) for row in connection.execute(select(audit)).mappings()]
    assert SECRET not in str(rows)
    assert all(row["actor"] for row in rows)


def test_a_test_says_what_works_and_what_does_not_and_ends_with_1_if_anything_is_wrong(cli: Cli) -> None:
    cli(*ADD)
    said = cli("connection", "test", "shop", code=1).stdout.splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        "ok     credentials",
        "ok     mapping",
        "WRONG  webhooks",
        "WRONG  webhooks",
    ]
    assert "CONNECTOR_PUBLIC_URL is not set" in said[2]
    found = cli.json("connection", "test", "shop", code=1)
    assert (found["connection"], found["is_good"], len(found["findings"])) == ("shop", False, 4)
    assert found["findings"][0].keys() == {"topic", "is_good", "text"}


def test_the_public_address_is_shown_wherever_webhooks_go(cli: Cli) -> None:
    public = "https://connector.example.com/crm/"
    assert "to https://connector.example.com/crm/webhooks/shop.\n" in cli(*ADD, CONNECTOR_PUBLIC_URL=public).stdout
    assert "set CONNECTOR_PUBLIC_URL" in cli(*ADD[:2], "other", *ADD[3:]).stdout
    assert (
        "https://connector.example.com/crm/webhooks/shop"
        in cli("connection", "show", "shop", CONNECTOR_PUBLIC_URL=public).stdout
    )


@pytest.mark.parametrize("name", ["", "-a", "A", "a b", "a_b", "ä", "a" * 64, "console", "a/b", "a\n"])
def test_a_name_that_cannot_be_an_address_is_refused(name: str) -> None:
    with pytest.raises(WrongSetting):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "0", "bitrix24-tokyo", "a" * 63])
def test_names_of_lower_case_letters_digits_and_hyphens_are_right(name: str) -> None:
    check_name(name)
