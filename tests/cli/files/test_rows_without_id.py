"""`connector import --csv` of rows without an id: their e-mail, else their phone, stands in for their record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli
from tests.flow.senders import MAPPING, Sender, add_connection, drain

BITRIX24 = """
adapter: bitrix24
region: JP
stages: {lead: {NEW: latent, WON: order}, contact: {NEW: latent, WON: order}}
push:
  lead: {fields: {UF_STATUS: "{status.label}"}}
  contact: {fields: {UF_STATUS: "{status.label}"}}
"""
STAGES = "Email,Name,Stage,Updated\n" + "".join(f"z{n}@ex.example,Z{n},visited,2026-11-01\n" for n in (1, 2, 3))


def _import(cli: Cli, content: str, *words: str) -> Any:
    path = cli.folder / "z.csv"
    path.write_text(content, encoding="utf-8")
    return cli.json("import", "shop", "--csv", str(path), *words)


def _records(found: Any) -> list[tuple[str, str, str | None]]:
    return [(one["object"], one["id"], one["stage"]) for one in found["records"]]


def _updates(server: Runtime) -> int:
    with server.database.read() as connection:
        return int(connection.execute(text("select count(*) from outbox where kind = 'update'")).scalar_one())


@pytest.mark.parametrize("words", [(), ("--object", "lead")])
def test_rows_of_the_same_stage_each_get_its_status(cli: Cli, words: Sequence[str]) -> None:
    cli("connection", "add", "shop", "--adapter", "standard", "--region", "VN", "--secret", "secret=@env:THE_SECRET")
    assert _import(cli, STAGES, *words)["tally"] == {"applied": 3}
    for n in (1, 2, 3):
        found = cli.json("subject", "show", f"z{n}@ex.example")
        assert (found["status"], found["kind"], found["profile"]["name"]) == ("visited", "lead", f"Z{n}")
        assert _records(found) == [("lead", f"email:z{n}@ex.example", "visited")]
    assert _import(cli, STAGES, *words)["tally"] == {"unchanged": 3}


def test_a_stage_that_the_row_s_record_has_is_not_entered_again(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    _import(cli, "email,company,stage\na@x.example,A,new\n")
    cli("subject", "set-status", "a@x.example", "order")
    _import(cli, "email,company,stage\na@x.example,B,new\n")
    found = cli.json("subject", "show", "a@x.example")
    assert (found["status"], found["profile"]["company"]) == ("order", "B")


def test_a_held_row_is_released_by_the_mapping(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    assert _import(cli, "email,stage\na@x.example,seen\n")["tally"] == {"held": 1}
    mapping = cli.folder / "m.yaml"
    mapping.write_text(MAPPING.replace("new: latent", "new: latent, seen: visited"), encoding="utf-8")
    cli("mapping", "publish", "shop", str(mapping), "--confirm")
    drain(server)
    assert cli.json("subject", "show", "a@x.example")["status"] == "visited"


@pytest.mark.parametrize("empty", ["", " ", "N/A", "null"])
def test_a_row_whose_id_stands_for_none_is_about_its_e_mail_or_phone(cli: Cli, server: Runtime, empty: str) -> None:
    add_connection(server)
    rows = f"id,email,phone,stage\n{empty},a@x.example,+81 90-1111-2222,new\n{empty},,+81 90-3333-4444,won\n"
    assert _import(cli, rows)["tally"] == {"applied": 2}
    one, other = (cli.json("subject", "show", who) for who in ("a@x.example", "+819033334444"))
    assert (_records(one), one["status"]) == ([("lead", "email:a@x.example", "new")], "latent")
    assert (_records(other), other["status"]) == ([("lead", "phone:+819033334444", "won")], "order")


def test_a_line_and_a_row_without_id_are_about_one_record(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    line = {"id": "1", "type": "stage", "at": "2026-03-01T00:00:00Z", "object": "lead", "stage": "new"}
    Sender(server).send({**line, "subject": {"email": "a@x.example"}})
    drain(server)
    _import(cli, "email,stage\na@x.example,won\n")
    found = cli.json("subject", "show", "a@x.example")
    assert _records(found) == [("lead", "email:a@x.example", "won")]
    assert _updates(server) == 1


@pytest.mark.parametrize("record_object", ["lead", "contact"])
def test_a_system_of_records_is_told_nothing_of_a_row_without_id_and_its_own_record_finds_the_same_person(
    cli: Cli, server: Runtime, record_object: str
) -> None:
    secrets = {"application_tokens": ["x" * 32], "webhook_url": ["http://127.0.0.1:9/rest/1/x/"]}
    add_connection(server, "shop", adapter="bitrix24", secrets=secrets, mapping=BITRIX24)
    words = ("--object", record_object)
    assert _import(cli, "email\na@x.example\n", *words)["tally"] == {"applied": 1}
    assert _updates(server) == 0
    _import(cli, "id,email\n7,a@x.example\n", *words)
    assert len(cli.json("subject", "show", f"shop:{record_object}:7")["records"]) == 2
    cli("subject", "set-status", "a@x.example", "latent")
    assert _updates(server) == 1


def test_rows_are_what_the_connection_s_records_are(cli: Cli, server: Runtime) -> None:
    mapping = "adapter: generic\nstages: {person: {Fresh: latent}, deal: {Fresh: order}}\n"
    secrets = {"secret": ["x" * 32]}
    add_connection(server, adapter="generic", secrets=secrets, mapping=mapping, default_object="person")
    _import(cli, "email,stage\na@x.example,Fresh\n")
    found = cli.json("subject", "show", "a@x.example")
    assert (_records(found), found["status"]) == ([("person", "email:a@x.example", "Fresh")], "latent")


def test_cells_that_are_left_out_at_the_end_of_a_row_are_empty(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    assert _import(cli, "id,email,stage,company\n7,a@x.example\n8,,won\n")["tally"] == {"applied": 2}
    assert cli.json("subject", "show", "shop:lead:8")["status"] == "order"


def test_an_address_that_is_too_long_for_an_id_has_a_record_too(any_cli: Cli) -> None:
    cli = any_cli
    cli("connection", "add", "shop", "--adapter", "standard", "--region", "VN", "--secret", "secret=@env:THE_SECRET")
    email = f"{'a' * 60}@{'.'.join(['b' * 60] * 4)}.example"
    assert _import(cli, f"email,stage\n{email},order\n")["tally"] == {"applied": 1}
    ((_, record_id, _),) = _records(cli.json("subject", "show", email))
    assert len(record_id) == len("email:") + 64
