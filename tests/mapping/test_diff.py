"""Differences of mappings in the words of sales ops."""

from __future__ import annotations

import pytest

from connector.core.status import StatusInfo
from connector.mapping.diff import differences
from connector.mapping.source import read

BEFORE = """
adapter: bitrix24
stages:
  lead: {NEW: latent, JUNK: not_targeted}
  deal: {"0": {NEW: project, WON: project}, "7": {NEW: project}}
triggers:
  - {id: webinar, on: form, jump_to: explicit}
actions: {visit: site_access}
fields: {name: NAME, company: {from: COMPANY, conflict: theirs}}
owner: {match: table, table: {17: hana@example.com}}
push: {lead: {status: {latent: {STATUS_ID: NEW}}, fields: {UF_X: "{status.label}"}, owner: ASSIGNED_BY_ID}}
"""
CHANGES = (
    ("WON: project", "WON: order", "deal / pipeline 0 / WON: project → order"),
    ("NEW: latent", "NEW: ignore", "lead / NEW: latent → ignore"),
    ("NEW: latent, ", "", "lead / NEW: latent → nothing"),
    ("JUNK: not_targeted", "JUNK: not_targeted, OLD: 失注", "lead / OLD: nothing → lost_order"),
    (', "7": {NEW: project}', "", "deal / pipeline 7 / NEW: project → nothing"),
    ("WON: project", "WON: [order, project]", "deal / pipeline 0 / WON: project → [order, project]"),
    ("WON: project", "WON: odd", "deal / pipeline 0 / WON: project → odd"),
    ("jump_to: explicit", "jump_to: Visited", "trigger webinar / jump_to: explicit → visited"),
    ("jump_to: explicit", "jump_to: explicit, reopen: true", "trigger webinar / reopen: false → true"),
    (
        "  - {id: webinar, on: form, jump_to: explicit}",
        "  - {id: webinar, on: form, jump_to: explicit}\n  - {id: b, on: c, jump_to: order}",
        "trigger b: nothing → {on: c, jump_to: order}",
    ),
    (
        "  - {id: webinar, on: form, jump_to: explicit}",
        "  - odd",
        "trigger webinar: {on: form, jump_to: explicit} → nothing",
    ),
    ("visit: site_access", "visit: ignore", "action visit: site_access → ignore"),
    ("name: NAME, ", "", "field name: {from: NAME} → nothing"),
    ("conflict: theirs", "type: list", "field company / conflict: theirs → newest"),
    ("17: hana@example.com", "17: ken@example.com", "owner / table / 17: hana@example.com → ken@example.com"),
    ("latent: {STATUS_ID: NEW}", "latent: {STATUS_ID: OLD}", "push / lead / status / latent / STATUS_ID: NEW → OLD"),
    ("{status.label}", "{status.code}", "push / lead / fields / UF_X: {status.label} → {status.code}"),
    ("adapter: bitrix24", "adapter: bitrix24\nbackward: ignore", "backward: follow → ignore"),
    ("triggers:\n", "triggers: never\nwas:\n", "triggers: {webinar: {on: form, jump_to: explicit}} → never"),
)
SAME = (
    ("latent: {STATUS_ID", "Latent: {STATUS_ID"),
    ("WON: project", "WON: 案件化"),
    ("name: NAME", "name: {from: NAME, type: string, conflict: newest}"),
    ("adapter: bitrix24", "unmapped: hold\nbackward: follow\nadapter: bitrix24"),
    ("jump_to: explicit", "jump_to: explicit, reopen: false"),
    ('"0"', "0"),
    ("owner: {match: table", "actions2: {}\nowner: {unknown: hold, match: table"),
)


def _lines(after: str, before: str = BEFORE) -> list[str]:
    first, second = ({str(key): value for key, value in read(text)[0].items()} for text in (before, after))
    return [str(difference) for difference in differences(first, second)]


@pytest.mark.parametrize(("old", "new", "text"), CHANGES, ids=[text for _, _, text in CHANGES])
def test_a_change_is_told_with_its_place_and_both_values(old: str, new: str, text: str) -> None:
    assert old in BEFORE
    assert text in _lines(BEFORE.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new"), SAME)
def test_another_way_to_write_the_same_is_no_difference(old: str, new: str) -> None:
    assert old in BEFORE
    assert _lines(BEFORE.replace(old, new, 1)) == []


def test_of_nothing_everything_is_new() -> None:
    assert _lines("adapter: x\nstages: {deal: {0: {NEW: project}}}\n", "adapter: x\n") == [
        "deal / pipeline 0 / NEW: nothing → project"
    ]


def test_long_values_are_cut() -> None:
    (line,) = _lines(f"adapter: {'x' * 300}\n", "adapter: y\n")
    assert line == f"adapter: y → {'x' * 200}…"


def test_own_statuses_count_by_their_codes_too() -> None:
    own = StatusInfo(code="loyal", rank=None, names={"en": "Loyal customer"})
    before, after = ({"stages": {"lead": {"A": word}}} for word in ("Loyal customer", "loyal"))
    assert differences(before, after, (own,)) == ()
