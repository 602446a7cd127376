"""`connector mapping …`: drafts, versions, differences, publishing and taking back, checks and drift."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from adapters.standard import Standard
from connector.adapter_kit.contract import Api, Catalog
from connector.cli.documents import progress
from connector.core.errors import CrmUnavailable
from connector.operations import mappings as operations
from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli, Terminal, ago
from tests.flow.senders import MAPPING, Sender, add_connection, drain

COVERED = MAPPING.replace("new: latent", "new: latent, strange: visited")


def _stage(number: int, stage: str) -> dict[str, Any]:
    subject = {"id": f"L-{number}", "email": f"n{number}@example.jp"}
    line = {"id": f"e{number}", "at": ago(hours=number), "subject": subject, "kind": "lead"}
    return line | {"type": "stage", "object": "lead", "stage": stage}


@pytest.fixture
def shop(cli: Cli, server: Runtime) -> Iterator[Cli]:
    """The command line where one of five events is held; `new.yaml` covers it."""
    server.redis.flushall()
    add_connection(server)
    Sender(server).send(_stage(1, "strange"), *(_stage(number, "talking") for number in range(2, 6)))
    drain(server)
    (cli.folder / "new.yaml").write_text(COVERED)
    yield cli
    server.redis.flushall()


def test_publishing_says_what_differs_what_moved_and_what_was_released(shop: Cli) -> None:
    assert shop("mapping", "publish", "shop", "new.yaml").stdout == (
        "Version 2 of shop is in force.\n"
        "  lead / strange: nothing → visited\n"
        "Moved: 1 of 5 subjects.\n"
        "  not_set → visited: 1\n"
        "Released: 1 held events; 0 held deliveries are read again.\n"
    )
    back = shop("mapping", "rollback", "shop", "1", "--since", "2020-01-01").stdout
    assert "  lead / strange: visited → nothing\n" in back
    assert "Held now: 1 events.\n" in back
    assert shop.json("mapping", "rollback", "shop", "2")["what_if"]["released"] == 1


def test_each_held_event_is_listed_with_the_lead_that_waits_behind_its_reason(shop: Cli, server: Runtime) -> None:
    Sender(server).send(_stage(6, "odd"), _stage(7, "strange"), key="msg_more")
    drain(server)
    found = shop.lines("mapping", "held", "shop", "--show")
    assert found[0]["reason"] == "stage: lead / strange"
    assert {one["reason"] for one in found[1:]} == {"stage: lead / strange", "stage: lead / odd"}
    assert found[0]["identities"] == ["email:n1@example.jp", "record:shop:lead:L-1"]
    assert shop.json("delivery", "show", found[1]["delivery"])["key"] == "msg_more"
    assert [one["id"] for one in operations.held_events(server, page=2)] == [one["id"] for one in found]
    assert re.search(
        r"shop +stage: lead / odd .* email:n6@example.jp, record:", shop("mapping", "held", "--show").stdout
    )
    assert "there is no connection 'nope'" in shop.error("mapping", "held", "nope", "--show")


def test_more_than_the_limit_is_refused_until_it_is_confirmed(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_PUBLISH_LIMIT_PERCENT", "10")
    said = shop.error("mapping", "publish", "shop", "new.yaml")
    assert said.startswith("Error: 1 of 5 subjects (20%) would move, and the setting publish_limit_percent allows 10 %")
    assert shop.json("mapping", "show", "shop")["version"] == 1
    assert "Version 2" in shop("mapping", "publish", "shop", "new.yaml", "--confirm").stdout


def test_a_draft_is_saved_listed_compared_and_published(shop: Cli) -> None:
    said = shop("mapping", "draft", "shop", "new.yaml", "--comment", "strange is a visit").stdout
    assert said == "Draft 2 of shop is saved, based on version 1.\n"
    beside = shop("mapping", "draft", "shop", "new.yaml", "--based-on", "1").stdout
    assert beside.startswith("Draft 3 of shop is saved, based on version 1.\nSince then: draft 2 by ")
    assert shop.json("mapping", "draft", "shop", "new.yaml", "--based-on", "2")["beside"] == []
    rows = shop.lines("mapping", "versions", "shop")
    assert [(row["version"], row["state"], row["based_on"]) for row in rows] == [
        (4, "draft", 2),
        (3, "draft", 1),
        (2, "draft", 1),
        (1, "published", None),
    ]
    table = shop("mapping", "versions", "shop").stdout
    assert "in force" in table
    assert "strange is a visit" in table
    assert "lead / strange: nothing → visited" in shop("mapping", "diff", "shop").stdout
    assert "Version 2 of shop is in force." in shop("mapping", "publish", "shop", "--draft", "2").stdout
    assert "version 2 by" in shop.error("mapping", "publish", "shop", "--draft", "3")
    assert "give a FILE or --draft" in shop.error("mapping", "publish", "shop")


def test_differences_between_files_and_versions_are_shown(shop: Cli) -> None:
    file = shop("mapping", "diff", "shop", "new.yaml").stdout
    assert file == "From version 1 to new.yaml:\n  lead / strange: nothing → visited\n"
    assert "'shop' has no draft" in shop.error("mapping", "diff", "shop")
    shop("mapping", "publish", "shop", "new.yaml")
    one = shop.json("mapping", "diff", "shop", "--version", "1")
    assert (one["from"], one["to"], one["differences"][0]["before"]) == (2, "version 1", "visited")
    two = shop.json("mapping", "diff", "shop", "--version", "1", "--version", "2")
    assert (two["from"], two["to"], two["differences"][0]["after"]) == (1, "version 2", "visited")
    old = shop.json("mapping", "diff", "shop", "new.yaml", "--version", "1")
    assert (old["from"], old["to"]) == (1, "new.yaml")
    assert "allowed: 2 at most" in shop.error("mapping", "diff", "shop", *["--version", "1"] * 3)
    assert "1 at most beside a file" in shop.error("mapping", "diff", "shop", "new.yaml", *["--version", "1"] * 2)


def test_what_is_exported_can_be_published_and_says_what_it_is_based_on(shop: Cli) -> None:
    text = shop("mapping", "export", "shop").stdout
    assert text.splitlines()[0].startswith("# shop, version 1: ")
    (shop.folder / "mine.yaml").write_text(text)
    shop("mapping", "publish", "shop", "new.yaml")
    assert "is in force, and yours is based on version 1" in shop.error("mapping", "publish", "shop", "mine.yaml")
    assert "Version 3" in shop("mapping", "publish", "shop", "mine.yaml", "--based-on", "2").stdout
    assert shop.json("mapping", "export", "shop", "--version", "1") == {
        "connection": "shop",
        "version": 1,
        "source": MAPPING,
    }
    assert "'shop' has no version 9" in shop.error("mapping", "export", "shop", "--version", "9")


def test_several_files_are_checked_at_once(shop: Cli) -> None:
    (shop.folder / "bad.yaml").write_text("adapter: standard\nnope: 1\n")
    result = shop("mapping", "check", "bad.yaml", "new.yaml", code=1)
    assert (result.stdout, result.stderr[:11]) == ("new.yaml is right: a mapping for standard.\n", "bad.yaml:2:")


def test_a_file_is_checked_against_its_system_and_drift_is_shown(shop: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"lead": {"": {"new": "New", "talking": "Talking", "meeting": "Meeting", "won": "Won", "bad": "Bad"}}}
    monkeypatch.setattr(Standard, "catalog", lambda _self, _api: Catalog(stages=has))
    result = shop("mapping", "check", "new.yaml", "--connection", "shop", code=1)
    gone = "stages / lead / strange: the mapping has this stage, the system does not have it any more"
    assert result.stderr == f"new.yaml:4:23: {gone}\n"
    assert shop("mapping", "drift").stdout == "shop: mapping and system fit.\n"
    shop("mapping", "publish", "shop", "new.yaml")
    assert shop("mapping", "drift", "shop", "--stored", code=1).stdout == f"shop: {gone}\n"
    assert shop.lines("mapping", "drift", code=1)[0]["found"][0]["kind"] == "stage_gone"

    def away(_self: Standard, _api: Api) -> Catalog:
        message = "it is away"
        raise CrmUnavailable(message)

    monkeypatch.setattr(Standard, "catalog", away)
    assert shop("mapping", "drift", code=1).stderr == "shop: it is away\n"


def test_a_terminal_shows_how_far_a_long_run_is() -> None:
    shown = Terminal()
    show = progress(shown, is_json=False)
    show("what-if", 1, 2)
    show("what-if", 2, 2)
    progress(shown, is_json=True)("what-if", 1, 2)
    progress(StringIO(), is_json=False)("what-if", 1, 2)
    assert shown.getvalue() == "\r\x1b[Kwhat-if: 1 of 2 subjects\r\x1b[Kwhat-if: 2 of 2 subjects\n"
