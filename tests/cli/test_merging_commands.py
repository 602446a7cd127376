"""`connector subject merges`, `merge` and `split`."""

from __future__ import annotations

from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli
from tests.flow.senders import Sender, add_connection, drain


def _fill(server: Runtime) -> None:
    add_connection(server)
    sender = Sender(server)
    for number, who in enumerate(("ann", "bob")):
        at = f"2026-01-0{number + 1}T00:00:00Z"
        subject = {"id": who, "email": f"{who}@b.example"}
        sender.send({"id": who, "at": at, "type": "action", "action": "site_access", "subject": subject})
        drain(server)


def test_two_are_made_one_shown_as_such_and_made_two_again(cli: Cli, server: Runtime) -> None:
    _fill(server)
    assert "It was always one subject." in cli("subject", "merges", "ann@b.example").stdout
    assert "One subject now: " in cli("subject", "merge", "ann@b.example", "bob@b.example").stdout
    (merge,) = cli.lines("subject", "merges", "bob@b.example")
    assert merge["event"].startswith("console:")
    assert merge["id"] in cli("subject", "merges", "ann@b.example").stdout
    told = cli("subject", "split", merge["id"]).stdout
    assert told.count("2 identities") == 2
    assert "They are kept apart from now on; `connector subject merge` takes that back." in told
    joined = cli.json("subject", "merge", "ann@b.example", "bob@b.example")
    assert len(joined["identities"]) == 4
    again = cli.lines("subject", "merges", "ann@b.example")[-1]
    split = cli.json("subject", "split", again["id"])
    assert {len(split[part]["identities"]) for part in ("loser", "survivor")} == {2}
    assert " by " in cli("subject", "merges", "ann@b.example").stdout


def test_what_cannot_be_done_is_said(cli: Cli, server: Runtime) -> None:
    _fill(server)
    assert "there is no merge 'x'" in cli("subject", "split", "x", code=2).stderr
    assert "are one subject already" in cli("subject", "merge", "ann@b.example", "shop:lead:ann", code=2).stderr
    assert "there is no subject 'nobody'" in cli("subject", "merges", "nobody", code=2).stderr
