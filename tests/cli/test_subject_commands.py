"""`connector subject …`: found by whatever names it, explained, and changed as by an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from rq import Queue

from connector.operations import subjects as operations
from connector.operations.subjects import candidates
from connector.runtime.parts import Runtime
from connector.store import outbox
from tests.cli.conftest import Cli, ago, opened
from tests.flow.senders import MAPPING, Sender, add_connection, drain

LEAD = {"id": "L-1", "email": "aiko@example.jp", "phone": "+81 90-1234-5678", "visitor": "v-77"}
BASE = {"subject": LEAD, "kind": "lead", "type": "action", "action": "site_access"}
LINES: list[dict[str, Any]] = [
    {**BASE, "id": "e1", "at": ago(days=6)},
    {**BASE, "id": "e2", "at": ago(days=4)},
    {"subject": LEAD, "id": "e3", "at": ago(days=3), "type": "owner", "owner": "kim@example.jp"},
    {"subject": LEAD, "id": "e4", "at": ago(days=2), "type": "stage", "object": "lead", "stage": "talking"},
    {"subject": LEAD, "id": "e5", "at": ago(days=1), "type": "stage", "object": "lead", "stage": "strange"},
    {"subject": LEAD, "id": "e6", "at": ago(days=1), "type": "profile", "fields": {"company": "Acme"}},
]
NAMES = ("aiko@example.jp", " AIKO@Example.jp ", "+81 (90) 1234 5678", "v-77", "shop:lead:L-1")


def _fill(cli: Cli) -> None:
    server = opened(cli)
    add_connection(server)
    assert Sender(server).send(*LINES).status_code == 202
    drain(server)
    server.close()


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """The command line where one lead has a history."""
    _fill(cli)
    return cli


@pytest.fixture(autouse=True)
def _no_wakes(redis_url: str) -> Iterator[None]:
    yield
    with Redis.from_url(redis_url) as redis:
        redis.flushall()


def test_a_subject_is_found_by_any_of_its_names(any_cli: Cli) -> None:
    _fill(any_cli)
    found = [any_cli.json("subject", "show", who)["id"] for who in NAMES]
    assert len(set(found)) == 1
    assert any_cli.json("subject", "show", found[0].lower())["id"] == found[0]


def test_words_are_taken_for_what_they_may_be(runtime: Runtime) -> None:
    add_connection(runtime, "hanoi", mapping=f"{MAPPING}region: VN\n")
    add_connection(runtime, "tokyo", mapping=f"{MAPPING}region: JP\n")
    assert ("email", "a@b.jp") in candidates(runtime, "A@B.jp")
    assert ("mobile", "+819012345678") in candidates(runtime, "０９０-1234-5678")
    assert ("mobile", "+84908222333") in candidates(runtime, "0908 222 333")
    assert {("visitor", "shop:lead:1"), ("record", "shop:lead:1")} <= set(candidates(runtime, "shop:lead:1"))


def test_show_says_status_owner_records_and_why(filled: Cli) -> None:
    text = filled("subject", "show", "v-77").stdout
    for expected in (
        "Appointment prospect (appointment_prospect)",
        "kim@example.jp",
        "profile company",
        "record shop:lead:L-1: stage strange; update waiting after 0 tries",
        "It came on two days within 30 days",
        "moved from Latent to Quasi-explicit.",
        "A stage of the CRM set the status: moved from Quasi-explicit to Appointment prospect, passing over Explicit.",
        "stage: lead / strange",
    ):
        assert expected in text


def test_show_as_json_gives_everything(filled: Cli) -> None:
    found = filled.json("subject", "show", "v-77")
    assert [one["rule"] for one in found["decisions"]] == ["not_set.act", "latent.warm", "jump"]
    assert found["decisions"][1]["facts"]["visit_days_within_days"] == 30
    assert found["profile"] == {"company": "Acme"}
    assert [(one["connection"], one["reason"]) for one in found["held"]] == [("shop", "stage: lead / strange")]
    assert found["records"][0]["push"]["outcome"] == "waiting"


def test_a_person_sets_the_status_and_the_record_is_to_be_updated(filled: Cli, server: Runtime) -> None:
    found = filled.json("subject", "set-status", "v-77", "失注")
    assert (found["status"], found["label"]) == ("lost_order", "Lost order")
    assert found["decisions"][-1]["sentence"] == (
        "A person set the status: moved from Appointment prospect to Lost order."
    )
    with server.database.read() as connection:
        assert [row.revision for row in outbox.listed(connection)] == [2]
    assert Queue("push", connection=server.redis).count == 1


def test_setting_the_status_that_it_has_changes_nothing_and_says_so(filled: Cli) -> None:
    found = filled.json("subject", "set-status", "v-77", "appointment_prospect")
    assert found["decisions"][-1]["sentence"] == ("A person set the status, but it is Appointment prospect already.")
    assert "Appointment prospect since" in filled("subject", "set-status", "v-77", "appointment prospect").stdout


def test_a_person_sets_and_takes_away_the_owner(filled: Cli) -> None:
    assert filled.json("subject", "set-owner", "v-77", "Lee@Example.jp")["owner"] == "lee@example.jp"
    assert "owner nobody" in filled("subject", "set-owner", "v-77", "none").stdout


def test_a_person_adds_and_removes_a_tag(filled: Cli) -> None:
    assert "tags vip" in filled("subject", "tag", "v-77", "add", "vip").stdout
    assert filled.json("subject", "tag", "v-77", "remove", "vip")["tags"] == []


def test_what_a_person_did_survives_a_late_event(filled: Cli, server: Runtime) -> None:
    filled("subject", "set-status", "v-77", "order")
    late = {**BASE, "id": "e0", "at": ago(days=9)}
    Sender(server).send(late, key="late")
    drain(server)
    found = filled.json("subject", "show", "v-77")
    assert found["status"] == "order"
    assert [one["rule"] for one in found["decisions"] if one["revised_at"]] == ["not_set.act", "latent.warm"]
    assert "Revised since: events that came in later made it otherwise." in filled("subject", "show", "v-77").stdout


def test_list_gives_the_keys_of_simulate_and_who_it_is(filled: Cli) -> None:
    (found,) = filled.lines("subject", "list")
    assert list(found) == [
        "subject",
        "kind",
        "status",
        "since",
        "tags",
        "last_action",
        "due",
        "id",
        "identities",
        "owner",
    ]
    assert found["subject"] == found["id"]
    assert {"kind": "email", "value": "aiko@example.jp"} in found["identities"]
    assert found["since"].endswith("+00:00")
    assert "aiko@example.jp" in filled("subject", "list").stdout


def test_list_can_be_narrowed_to_a_status(filled: Cli) -> None:
    assert len(filled.lines("subject", "list", "--status", "Appointment prospect")) == 1
    assert filled.lines("subject", "list", "--status", "order") == []
    assert filled("subject", "list", "--status", "order").stdout == "No subject.\n"


def test_list_reads_every_page(server: Runtime) -> None:
    add_connection(server)
    Sender(server).send(
        *({**BASE, "id": f"p{n}", "at": ago(days=1), "subject": {"visitor": f"p{n}"}} for n in range(7))
    )
    drain(server)
    found = list(operations.listed(server, page=3))
    assert len({one["id"] for one in found}) == 7


def test_a_subject_of_whom_all_is_held_is_listed_and_shown(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    Sender(server).send({**LINES[4], "at": ago(days=1)})
    drain(server)
    (found,) = cli.lines("subject", "list")
    assert (found["status"], found["tags"], found["due"]) == ("not_set", [], None)
    text = cli("subject", "show", "v-77").stdout
    assert "Nothing was decided yet." in text
    assert "stage: lead / strange" in text


def _ann_and_bob(server: Runtime) -> None:
    add_connection(server)
    sender = Sender(server)
    for number, who in enumerate(("ann", "bob")):
        at = f"2026-01-0{number + 1}T00:00:00Z"
        subject = {"id": who, "email": f"{who}@b.example"}
        sender.send({"id": who, "at": at, "type": "action", "action": "site_access", "subject": subject})
        drain(server)


def test_two_are_made_one_shown_as_such_and_made_two_again(cli: Cli, server: Runtime) -> None:
    _ann_and_bob(server)
    assert "It was always one subject." in cli("subject", "merges", "ann@b.example").stdout
    assert "One subject now: " in cli("subject", "merge", "ann@b.example", "bob@b.example").stdout
    (merge,) = cli.lines("subject", "merges", "bob@b.example")
    assert merge["event"].startswith("console:")
    assert merge["id"] in cli("subject", "merges", "ann@b.example").stdout
    text = cli("subject", "split", merge["id"]).stdout
    assert text.count("2 identities") == 2
    assert "They are kept apart from now on; `connector subject merge` takes that back." in text
    joined = cli.json("subject", "merge", "ann@b.example", "bob@b.example")
    assert len(joined["identities"]) == 4
    again = cli.lines("subject", "merges", "ann@b.example")[-1]
    split = cli.json("subject", "split", again["id"])
    assert {len(split[part]["identities"]) for part in ("loser", "survivor")} == {2}
    assert " by " in cli("subject", "merges", "ann@b.example").stdout


def test_a_merge_or_split_that_cannot_be_is_explained(cli: Cli, server: Runtime) -> None:
    _ann_and_bob(server)
    assert "there is no merge 'x'" in cli("subject", "split", "x", code=2).stderr
    assert "are one subject already" in cli("subject", "merge", "ann@b.example", "shop:lead:ann", code=2).stderr
    assert "there is no subject 'nobody'" in cli("subject", "merges", "nobody", code=2).stderr


def test_all_of_somebody_is_printed_as_one_document(filled: Cli) -> None:
    found = json.loads(filled("subject", "export", LEAD["email"]).stdout)
    assert {one["value"] for one in found["identities"]} >= {LEAD["email"], LEAD["visitor"]}
    assert len(found["events"]) == len(LINES)
    assert LEAD["email"] in found["deliveries"][0]["body"]


def test_whoever_is_to_be_erased_is_named_first_and_gone_afterwards(filled: Cli) -> None:
    words = ("subject", "erase", LEAD["email"])
    assert "aiko@example.jp" in filled(*words, code=1, stdin="n\n").stderr
    said = filled(*words, stdin="y\n").stdout.splitlines()
    assert (said[0][:7], said[1].split()[0]) == ("Erased ", "rows")
    assert said[-1].startswith("The external systems are untouched")
    assert "there is no subject" in filled.error(*words, "--yes")


def test_an_erasure_says_what_it_cost_others(cli: Cli) -> None:
    server = opened(cli)
    add_connection(server)
    sender = Sender(server)
    sender.send(LINES[0], {**LINES[0], "id": "o1", "subject": {"email": "other@example.jp"}})
    drain(server)
    sender.send(LINES[1])
    server.close()
    said = cli("subject", "erase", LEAD["email"], "--yes", REDIS_URL="redis://127.0.0.1:9").stdout
    assert "Webhooks that told of others, too, and cannot be replayed any more: 1." in said
    assert "Webhooks that had not been read yet: 1; `connector reconcile` fetches what else they told." in said
    assert "Redis is away" in said
    assert cli.json("subject", "show", "other@example.jp")["status"] == "latent"
    assert cli.json("account")["is_balanced"] is True


def test_an_erasure_counts_what_it_did(filled: Cli) -> None:
    done = filled.json("subject", "erase", LEAD["email"], "--yes")
    assert (done["rows"]["events"], done["deliveries"], done["unread"], done["is_redis_away"]) == (6, 1, 0, False)


def test_who_may_be_one_is_listed_with_the_reason_and_kept_apart(cli: Cli, server: Runtime) -> None:
    assert cli("subject", "duplicates").stdout == "Nobody looks like somebody else.\n"
    add_connection(server, mapping=f"{MAPPING}region: JP\n")
    sender = Sender(server)
    for who in ("ann", "bob", "cat", "dan", "eve"):
        for phone in ("03-1111-1111", *(["03-2222-2222"] if who in {"ann", "bob"} else [])):
            subject = {"id": f"{who}{phone}", "email": f"{who}@b.example", "phone": phone}
            sender.send({"id": f"{who}{phone}", "at": ago(days=1), "type": "identify", "subject": subject})
            drain(server)
    text = cli("subject", "duplicates").stdout
    assert "both have the phone +81322222222, but have other e-mail addresses (ann@b.example, bob@b.example)" in text
    assert "too many have the phone +81311111111 to say who it is: it finds nobody any more" in text
    assert [row["what"] for row in cli.lines("subject", "duplicates")] == ["pair", "shared"]
    assert "are kept apart" in cli("subject", "keep-apart", "ann@b.example", "bob@b.example").stdout
    assert [row["what"] for row in cli.lines("subject", "duplicates")] == ["shared"]
    assert list(cli.json("subject", "keep-apart", "ann@b.example", "cat@b.example")) == ["one", "other"]
    shown = cli("subject", "show", "cat@b.example").stdout
    assert "too many have the phone +81311111111" in shown
    assert "too many subjects have 1 of them to find anybody" in cli("doctor", code=1).stdout


def test_what_somebody_had_is_shown_with_the_day_until_which(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    for number, email in enumerate(("typo@b.example", "ann@b.example")):
        line = {"id": f"{number}", "at": ago(days=2 - number), "type": "identify"}
        Sender(server).send({**line, "subject": {"id": "A", "email": email}}, key=f"m{number}")
        drain(server)
    text = cli("subject", "show", "ann@b.example").stdout
    assert f"email until {ago(days=1)[:10]}" in text
    assert "typo@b.example" in text
