"""`connector delivery`, `mapping` and `outbox`: what came in, what is held, what goes out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from connector.operations import deliveries as operations
from connector.operations import outbox as outbox_operations
from connector.runtime.parts import Runtime
from connector.store.tables import deliveries, outbox
from tests.cli.conftest import Cli, ago
from tests.flow.senders import MAPPING, SECRET, Sender, add_connection, drain

WRONG = "whsec_HxAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg=="


def _stage(number: int, stage: str = "talking") -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "at": ago(hours=number),
        "subject": {"id": f"L-{number}", "email": f"n{number}@example.jp"},
        "type": "stage",
        "object": "lead",
        "stage": stage,
        "kind": "lead",
    }


@pytest.fixture
def sender(server: Runtime) -> Iterator[Sender]:
    """Sends to the connection `shop`."""
    server.redis.flushall()
    add_connection(server, url="https://crm.example/leads")
    yield Sender(server)
    server.redis.flushall()


def _die(server: Runtime) -> None:
    with server.database.write() as connection:
        connection.execute(update(outbox).values(outcome="dead", error="refused"))


def test_list_shows_deliveries_newest_first(cli: Cli, server: Runtime, sender: Sender) -> None:
    for number in (1, 2, 3):
        sender.send(_stage(number))
    drain(server)
    found = cli.lines("delivery", "list")
    assert [one["key"] for one in found] == ["msg_shop_3", "msg_shop_2", "msg_shop_1"]
    assert {one["outcome"] for one in found} == {"applied"}
    assert len(cli.lines("delivery", "list", "--limit", "2")) == 2
    assert len(cli.lines("delivery", "list", "--all")) == 3
    assert len(cli.lines("outbox", "list", "--all")) == 3
    assert len(cli.lines("outbox", "list", "--limit", "2", "--connection", "shop")) == 2
    assert cli.lines("delivery", "list", "--connection", "shop", "--outcome", "dead") == []
    assert cli("delivery", "list", "--outcome", "dead").stdout == "No delivery.\n"


def test_list_reads_every_page(server: Runtime, sender: Sender) -> None:
    for number in range(5):
        sender.send(_stage(number + 1))
    assert len(list(operations.listed(server, page=2))) == 5
    assert len(list(operations.listed(server, most=3, page=2))) == 3
    drain(server)
    assert len(list(outbox_operations.listed(server, page=2))) == 5
    assert len(list(outbox_operations.listed(server, name="shop", most=4, page=2))) == 4


def test_show_gives_request_events_and_decisions(cli: Cli, server: Runtime, sender: Sender) -> None:
    sender.send(_stage(1))
    drain(server)
    (row,) = cli.lines("delivery", "list")
    found = cli.json("delivery", "show", row["id"].lower())
    assert '"talking"' in found["body"]
    assert [one["outcome"] for one in found["events"]] == ["applied"]
    assert [one["to"] for one in found["decisions"]] == ["appointment_prospect"]
    text = cli("delivery", "show", row["id"]).stdout
    assert "webhook-id: msg_shop_1" in text
    assert "A stage of the CRM set the status: moved from Not set to Appointment prospect" in text


def test_a_duplicate_says_of_what_it_is_one(cli: Cli, server: Runtime, sender: Sender) -> None:
    line = _stage(1)
    for key in ("first", "first", "second"):
        sender.send(line, key=key)
        drain(server)
    second, first = cli.lines("delivery", "list")
    assert (first["duplicates"], second["outcome"]) == (1, "duplicate")
    shown = cli("delivery", "show", first["id"]).stdout
    assert "The sender sent it 1 more times, with the same key: these are its duplicates." in shown
    assert f"reason       the same as in delivery {first['id']}\n" in cli("delivery", "show", second["id"]).stdout


def test_a_body_that_is_no_text_or_gone_is_shown_as_what_it_is(cli: Cli, server: Runtime, sender: Sender) -> None:
    sender.send(_stage(1))
    (row,) = cli.lines("delivery", "list")
    with server.database.write() as connection:
        connection.execute(update(deliveries).values(body=b"\xff"))
    assert cli.json("delivery", "show", row["id"])["body_base64"] == "/w=="
    with server.database.write() as connection:
        connection.execute(update(deliveries).values(body=None))
    assert "(the body is no longer kept)" in cli("delivery", "show", row["id"]).stdout


def test_replay_makes_deliveries_wait_again_and_counts_nothing_twice(cli: Cli, server: Runtime, sender: Sender) -> None:
    sender.send(_stage(1))
    drain(server)
    (row,) = cli.lines("delivery", "list")
    assert cli("delivery", "replay", row["id"]).stdout == "1 deliveries wait to be processed again.\n"
    drain(server)
    (again,) = cli.lines("delivery", "list")
    assert again["outcome"] == "applied"
    (subject,) = cli.lines("subject", "list")
    assert len(cli.json("subject", "show", subject["id"])["decisions"]) == 1


def test_replay_says_which_deliveries_cannot_be(cli: Cli, server: Runtime, sender: Sender) -> None:
    sender.send(_stage(1))
    (row,) = cli.lines("delivery", "list")
    result = cli("delivery", "replay", row["id"], "NOPE", code=1)
    assert result.stdout == "0 deliveries wait to be processed again.\n"
    assert "Not NOPE" in result.stderr
    assert row["id"] in result.stderr
    assert server.clock() is not None


def test_replay_takes_all_of_a_connection_that_ended_so(cli: Cli, server: Runtime, sender: Sender) -> None:
    for number in (1, 2):
        sender.send(_stage(number))
    drain(server)
    with server.database.write() as connection:
        connection.execute(update(deliveries).values(outcome="dead"))
    done = cli.json("delivery", "replay", "--connection", "shop", "--outcome", "dead")
    assert len(done["replayed"]) == 2
    assert done["refused"] == []


def test_quarantined_deliveries_are_listed_and_verified_again(cli: Cli, server: Runtime, sender: Sender) -> None:
    cli("connection", "rotate", "shop", "--secret", "secret=@env:WRONG", WRONG=WRONG)
    server.connections.forget()
    assert sender.send(_stage(1)).status_code == 401
    (row,) = cli.lines("delivery", "quarantine", "--connection", "shop")
    assert (row["reason"], row["is_kept"]) == ("bad_signature", True)
    assert "bad_signature" in cli("delivery", "quarantine").stdout
    assert "0 deliveries" in cli("delivery", "verify", "shop").stdout
    said = cli("connection", "rotate", "shop", "--secret", "secret=@env:THE_SECRET").stdout
    assert "`connector delivery verify shop`" in said
    assert cli.json("delivery", "verify", "shop") == {"connection": "shop", "taken": 1}
    drain(server)
    assert [one["outcome"] for one in cli.lines("delivery", "list")] == ["applied"]
    assert cli("delivery", "quarantine").stdout == "Nothing is quarantined.\n"
    assert SECRET not in str(row)


def test_what_is_held_is_listed_and_released_by_publishing(cli: Cli, server: Runtime, sender: Sender) -> None:
    sender.send(_stage(1, "strange"), _stage(2, "strange"), _stage(3))
    drain(server)
    (held,) = cli.lines("mapping", "held", "shop")
    assert (held["what"], held["reason"], held["count"]) == ("events", "stage: lead / strange", 2)
    assert "strange" in cli("mapping", "held").stdout
    assert cli.json("connection", "show", "shop")["held"] == [{"reason": "stage: lead / strange", "count": 2}]
    (cli.folder / "new.yaml").write_text(MAPPING.replace("new: latent", "new: latent, strange: visited"))
    assert "2 of 3 subjects (67%) would move" in cli.error("mapping", "publish", "shop", "new.yaml")
    done = cli.json("mapping", "publish", "shop", "new.yaml", "--comment", "strange is a visit", "--confirm")
    assert (done["version"], done["events"], done["deliveries"], done["held"]) == (2, 2, 0, 0)
    assert len(cli.lines("subject", "list", "--status", "visited")) == 2
    assert cli("mapping", "held").stdout == "Nothing is held.\n"
    assert cli.json("mapping", "show", "shop")["comment"] == "strange is a visit"
    assert "Version 3 of shop is in force." in cli("mapping", "publish", "shop", "new.yaml").stdout


def test_check_names_every_mistake_of_a_mapping(cli: Cli) -> None:
    (cli.folder / "bad.yaml").write_text("adapter: standard\nstages:\n  lead: {a: latentt}\nnope: 1\n")
    result = cli("mapping", "check", "bad.yaml", code=1)
    assert result.stdout == ""
    assert "bad.yaml:3:" in result.stderr
    assert "bad.yaml:4:" in result.stderr
    assert [one["line"] for one in cli.lines("mapping", "check", "bad.yaml", code=1)] == [3, 4]
    (cli.folder / "good.yaml").write_text(MAPPING)
    assert cli("mapping", "check", "good.yaml").stdout == "good.yaml is right: a mapping for standard.\n"


def test_dead_entries_of_the_outbox_are_tried_again(cli: Cli, server: Runtime, sender: Sender) -> None:
    for number in (1, 2):
        sender.send(_stage(number))
    drain(server)
    assert {one["outcome"] for one in cli.lines("outbox", "list")} == {"waiting"}
    for words in (("--all",), ("--connection", "shop")):
        _die(server)
        assert len(cli.json("outbox", "retry", *words)["retried"]) == 2
    _die(server)
    first, second = cli.lines("outbox", "list", "--outcome", "dead")
    assert cli("outbox", "retry", first["id"].lower()).stdout == "1 entries wait to be sent again.\n"
    assert [one["id"] for one in cli.lines("outbox", "list", "--outcome", "dead")] == [second["id"]]
    assert cli("outbox", "list", "--outcome", "gone").stdout == "Nothing in the outbox.\n"
