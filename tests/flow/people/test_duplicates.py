"""Who may be one is said with the reason and decided by people, and what they decide stays; on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from connector.core.errors import WrongSetting
from connector.operations import merging
from connector.operations.doctor import examine
from connector.operations.persons.duplicates import duplicates
from connector.operations.subjects import show
from connector.runtime.parts import Runtime
from connector.store.tables import audit
from tests.conftest import NOW
from tests.flow.senders import MAPPING, Sender, add_connection, drain
from tests.flow.store_queries import subject_of

PHONE = "+81312345678"
ANN = {"id": "A", "email": "ann@a.example", "phone": PHONE}
BOB = {"id": "B", "email": "bob@b.example", "phone": PHONE}


@pytest.fixture
def sender(runtime: Runtime) -> Sender:
    add_connection(runtime, mapping=f"{MAPPING}region: JP\n", person_objects=["contact"])
    return Sender(runtime)


def _say(runtime: Runtime, sender: Sender, *lines: dict[str, str], of: str = "lead") -> None:
    """Each a minute after the one before, in a webhook of its own."""
    for names in lines:
        runtime.clock.forward(minutes=1)  # type: ignore[attr-defined]
        now = runtime.clock()
        line = {"id": now.isoformat(), "at": now.isoformat(), "kind": "lead", "subject": names, "type": "identify"}
        sender.send({**line, "object": of})
        drain(runtime)


def _id(runtime: Runtime, record: str) -> str:
    return subject_of(runtime, "record", f"shop:{record}").id


def _pairs(runtime: Runtime, **options: Any) -> list[tuple[str, str]]:
    rows = list(duplicates(runtime, **options))
    return [(row["one"]["known_as"], row["other"]["known_as"]) for row in rows if row["what"] == "pair"]


def test_two_with_one_phone_may_be_one_and_it_is_said_what_keeps_them_two(runtime: Runtime, sender: Sender) -> None:
    _say(runtime, sender, ANN, BOB)
    (found,) = duplicates(runtime)
    assert found == {
        "what": "pair",
        "one": {"id": _id(runtime, "lead:A"), "known_as": "shop:lead:A"},
        "other": {"id": _id(runtime, "lead:B"), "known_as": "shop:lead:B"},
        "both_have": [{"kind": "phone", "value": PHONE}],
        "reason": f"both have the phone {PHONE}, but have other e-mail addresses (ann@a.example, bob@b.example)",
    }


def test_two_persons_of_one_system_with_one_e_mail_may_be_one(runtime: Runtime, sender: Sender) -> None:
    _say(runtime, sender, {"id": "1", "email": "x@a.example"}, {"id": "2", "email": "x@a.example"}, of="contact")
    (found,) = duplicates(runtime)
    assert found["reason"] == (
        "both have the e-mail address x@a.example, but they are two persons of shop (shop:contact:1, shop:contact:2)"
    )


def test_who_has_a_phone_alone_may_be_somebody_who_was_there_before(runtime: Runtime, sender: Sender) -> None:
    _say(runtime, sender, {"id": "A", "phone": PHONE}, {"id": "B", "email": "b@b.example"}, {"id": "B", "phone": PHONE})
    (found,) = duplicates(runtime)
    assert found["reason"] == f"both have the phone {PHONE}; each was there before, and that alone joins nobody"


def test_every_page_of_pairs_is_read_each_once(runtime: Runtime, sender: Sender) -> None:
    for pair in range(3):
        phone = f"+8131234500{pair}"
        _say(
            runtime,
            sender,
            *({"id": f"{pair}{who}", "email": f"{pair}{who}@x.example", "phone": phone} for who in "ab"),
        )
    assert [_pairs(runtime, page=size) for size in (1, 2, 3)] == [_pairs(runtime)] * 3
    assert len(_pairs(runtime)) == 3


def test_who_is_kept_apart_is_listed_no_more_and_never_joined_until_somebody_says_otherwise(
    runtime: Runtime, sender: Sender
) -> None:
    _say(runtime, sender, ANN, BOB)
    found = merging.keep_apart(runtime, "shop:lead:B", "ann@a.example", actor="kim")
    assert [one["id"] for one in found.values()] == [_id(runtime, "lead:B"), _id(runtime, "lead:A")]
    assert list(duplicates(runtime)) == []
    _say(runtime, sender, {"id": "A", "email": BOB["email"]}, {"id": "B", "email": ANN["email"]})
    assert _id(runtime, "lead:A") != _id(runtime, "lead:B")
    with runtime.database.read() as connection:
        query = select(audit.c.actor, audit.c.target, audit.c.detail).where(audit.c.action == "subject.keep_apart")
        (note,) = connection.execute(query).all()
    first, second = sorted((_id(runtime, "lead:A"), _id(runtime, "lead:B")))
    assert tuple(note) == ("kim", first, {"other": second})
    merging.join(runtime, "shop:lead:A", "shop:lead:B", actor="lee")
    assert _id(runtime, "lead:A") == _id(runtime, "lead:B")
    with pytest.raises(WrongSetting, match="are one subject already"):
        merging.keep_apart(runtime, "shop:lead:A", "shop:lead:B", actor="kim")


def test_who_is_kept_apart_stays_so_when_one_of_them_turns_out_to_be_a_third(runtime: Runtime, sender: Sender) -> None:
    _say(runtime, sender, {"id": "C", "email": "carol@c.example"}, ANN, BOB)
    merging.keep_apart(runtime, "shop:lead:A", "shop:lead:B", actor="kim")
    _say(runtime, sender, {"id": "A", "email": "carol@c.example"})
    assert _id(runtime, "lead:A") == _id(runtime, "lead:C")
    assert list(duplicates(runtime)) == []
    _say(runtime, sender, {"id": "A", "email": BOB["email"]}, {"id": "B", "email": ANN["email"]})
    assert _id(runtime, "lead:C") != _id(runtime, "lead:B")
    merging.join(runtime, "shop:lead:B", "shop:lead:C", actor="lee")
    assert _id(runtime, "lead:A") == _id(runtime, "lead:B")


def test_who_has_nothing_but_a_phone_that_others_have_too_can_be_made_one_with_them(
    runtime: Runtime, sender: Sender
) -> None:
    _say(runtime, sender, ANN, BOB, {"phone": PHONE})
    (alone,) = {row["other"]["id"] for row in duplicates(runtime) if row["other"]["known_as"] == PHONE}
    joined = merging.join(runtime, alone, "shop:lead:A", actor="kim")
    assert joined["id"] == _id(runtime, "lead:A")
    assert _pairs(runtime) == [("shop:lead:A", "shop:lead:B")]
    _say(runtime, sender, {"phone": PHONE})
    assert len(_pairs(runtime)) == 3


def test_what_too_many_have_is_said_wherever_somebody_looks(runtime: Runtime, sender: Sender) -> None:
    said = "too many have the phone +81312345678 to say who it is: it finds nobody any more"
    _say(runtime, sender, *({"id": str(of), "email": f"{of}@x.example", "phone": PHONE} for of in range(4)))
    (found,) = duplicates(runtime)
    assert found == {
        "what": "shared",
        "identity": {"kind": "phone", "value": PHONE},
        "reason": said,
    }
    assert show(runtime, "0@x.example")["shared"] == [{"kind": "phone", "value": PHONE}]
    (check,) = [one for one in examine(runtime) if one.name == "identities"]
    assert (check.is_fine, check.detail) == (
        True,
        "too many subjects have 1 of them to find anybody; see `connector subject duplicates`",
    )


def test_every_page_of_what_too_many_have_is_read(runtime: Runtime, sender: Sender) -> None:
    for number in range(3):
        names = [{"id": f"{number}{of}", "email": f"{number}{of}@x.example"} for of in range(4)]
        _say(runtime, sender, *({**one, "phone": f"+8131234500{number}"} for one in names))
    assert [row["identity"]["value"][-1] for row in duplicates(runtime, page=1)] == ["0", "1", "2"]


def test_what_somebody_had_is_shown_with_the_day_until_which(runtime: Runtime, sender: Sender) -> None:
    _say(runtime, sender, {"id": "A", "email": "typo@a.example"}, {"id": "A", "email": "ann@a.example"})
    found = show(runtime, "shop:lead:A")
    assert found["released"] == [{"kind": "email", "value": "typo@a.example", "until": NOW + timedelta(minutes=2)}]
    assert {"kind": "email", "value": "typo@a.example"} not in found["identities"]
