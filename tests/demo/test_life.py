"""The leads' lives are the same each time, lie in the past, and can be played."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from connector.core.event import Action
from connector.demo.life import KEY_PAGES, STORIES, Arrived, Behaved, LeadMoved, lives, title_of
from connector.demo.play import Player
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.state import Portal
from tests.conftest import Clock

NOW = datetime(2026, 11, 22, 5, 0, 0, 5, tzinfo=UTC)


def test_lives_depend_on_the_end_and_the_seed_alone() -> None:
    assert lives(NOW, 3) == lives(NOW, 3)
    assert lives(NOW, 3) != lives(NOW, 4)


def test_lives_lie_in_half_a_year_by_time_each_begun_by_an_arrival() -> None:
    found = lives(NOW)
    assert [happening.at for happening in found] == sorted(happening.at for happening in found)
    assert found[0].at > NOW - timedelta(days=180)
    assert found[-1].at < NOW - timedelta(minutes=59)
    first = {happening.who: happening for happening in reversed(found)}
    assert len(first) == 40
    assert all(isinstance(happening.what, Arrived) for happening in first.values())
    assert max(happening.at for happening in first.values()) < NOW - timedelta(days=119)


def test_no_two_changes_of_a_lead_fall_into_the_same_second() -> None:
    moves = Counter(
        (happening.who, happening.at) for happening in lives(NOW) if not isinstance(happening.what, Behaved)
    )
    assert set(moves.values()) == {1}


def test_every_story_and_every_final_stage_is_told() -> None:
    found = lives(NOW)
    assert {title_of(number) for number in range(40)} == {title for title, _ in STORIES}
    stages = {happening.what.stage for happening in found if isinstance(happening.what, LeadMoved)}
    assert stages == {"IN_PROCESS", "PROCESSED", "JUNK", "CONVERTED"}


def test_lines_have_unique_ids_known_actions_and_key_pages() -> None:
    lines = [happening.what.line for happening in lives(NOW) if isinstance(happening.what, Behaved)]
    assert len({line["id"] for line in lines}) == len(lines)
    assert {line["action"] for line in lines} <= {action.value for action in Action}
    assert any(line["page"].startswith(KEY_PAGES[0]["url"]) for line in lines)
    assert set(lines[0]) == {"id", "at", "subject", "type", "action", "page", "session"}


def test_played_lives_leave_dated_history_and_every_kind_of_end() -> None:
    portal = Portal(now=Clock(NOW))
    player = Player(portal)
    happenings = lives(NOW)
    lines = [line for happening in happenings if (line := player.play(happening)) is not None]
    assert len(lines) == sum(isinstance(happening.what, Behaved) for happening in happenings)
    assert len(player.leads) == len(portal.records[Entity.LEAD]) == 40
    ends = Counter(portal.stage_of(Entity.LEAD, number) for number in player.leads.values())
    assert set(ends) == {"NEW", "IN_PROCESS", "CONVERTED", "JUNK", "PROCESSED"}
    deals = {portal.stage_of(Entity.DEAL, number) for number in player.deals.values()}
    assert {"WON", "LOSE", "C5:WON", "C5:EXECUTING"} <= deals
    moved = [happening for happening in happenings if isinstance(happening.what, LeadMoved)]
    dated = {(move.at, move.stage) for move in portal.history if move.entity is Entity.LEAD}
    assert {
        (happening.at, happening.what.stage) for happening in moved if isinstance(happening.what, LeadMoved)
    } <= dated
    assert max(write.at for write in portal.writes) < NOW - timedelta(minutes=59)
    deal = portal.find(Entity.DEAL, next(iter(player.deals.values())))
    contact = portal.find(Entity.CONTACT, deal.get("contactId"))
    assert contact.first("EMAIL") == portal.find(Entity.LEAD, deal.get("leadId")).first("EMAIL")
