"""What the Bitrix24 adapter makes of records and robots: identity, stage, owner, profile, triggers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.bitrix24.webhook import EVENTS, IGNORED, TRIGGERS
from connector.adapter_kit.records import digest, exact
from connector.core.errors import BadPayload, UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.core.mapping import translate
from connector.mapping import load_mapping
from tests.adapters.bitrix24.fake import (
    BITRIX,
    NOW,
    FakePortal,
    event,
    read,
    robot,
)


def test_a_lead_is_its_identity_stage_owner_and_profile(portal: FakePortal) -> None:
    events = read(BITRIX, event("ONCRMLEADUPDATE"), portal)
    identities = (
        Identity(kind=IdentityKind.RECORD, value="lead:1907"),
        Identity(kind=IdentityKind.EMAIL, value="ingrid.halden@example.com"),
        Identity(kind=IdentityKind.PHONE, value="+4755501234"),
    )
    common: dict[str, Any] = {
        "record": RecordRef(object="lead", id="1907"),
        "is_lead": True,
        "identities": identities,
    }
    created, moved = datetime(2026, 3, 24, 14, 2, 11, tzinfo=UTC), datetime(2026, 3, 26, 8, 16, 2, tzinfo=UTC)
    assert events[:3] == [
        Event(key="lead:1907:identify", at=created, kind=Kind.IDENTIFY, **common),
        Event(
            key="lead:1907:stage:IN_PROCESS@2026-03-26T08:16:02Z",
            at=moved,
            kind=Kind.STAGE,
            stage="IN_PROCESS",
            **common,
        ),
        Event(
            key="lead:1907:owner:11@2026-03-26T08:16:02Z",
            at=moved,
            kind=Kind.OWNER,
            owner="11",
            owner_email="linh.nguyen@example.com",
            **common,
        ),
    ]
    profile = events[3]
    key = f"lead:1907:profile@2026-03-26T08:16:02Z:{digest(profile.data)}"
    assert replace(profile, data={}) == Event(key=key, at=moved, kind=Kind.PROFILE, **common)
    assert profile.data["COMPANY_TITLE"] == profile.data["companyTitle"] == "Halden & Sons"
    assert profile.data["STATUS_ID"] == profile.data["stageId"] == "IN_PROCESS"
    assert profile.data["EMAIL"][0]["VALUE"] == " Ingrid.Halden@Example.com "
    assert profile.data["ASSIGNED_BY_ID"] == 11
    assert not {"searchContent", "CONTACTS"} & set(profile.data)


def test_two_changes_of_one_second_are_two_and_the_same_reading_is_one(portal: FakePortal) -> None:
    def keys(**values: Any) -> list[str]:
        portal.items["lead:1907"] |= values
        return [one.key for one in read(BITRIX, event("ONCRMLEADUPDATE"), portal)]

    first, second, third = keys(companyTitle="One"), keys(companyTitle="Two"), keys(assignedById=14)
    assert first[:3] == second[:3]
    assert len({first[3], second[3], third[3]}) == 3
    assert second[2] != third[2]
    assert keys() == third


@pytest.mark.parametrize(("mover", "is_ours"), [(1, True), ("1", True), (11, False), (None, None)])
def test_who_moved_a_record_into_its_stage_is_told_and_we_are_the_employee_of_the_webhook(
    portal: FakePortal, mover: Any, *, is_ours: bool | None
) -> None:
    portal.items["lead:1907"] |= {"movedBy": mover, "updatedBy": 14}
    events = read(BITRIX, event("ONCRMLEADUPDATE"), portal)
    assert [one.is_ours for one in events] == [None, is_ours, None, None]


def test_what_is_emptied_is_shown_empty_but_for_what_was_never_filled_in_a_new_record(portal: FakePortal) -> None:
    item = portal.items["lead:1907"]
    item |= {"companyTitle": "", "comments": None, "fm": [], "observers": []}
    data = read(BITRIX, event("ONCRMLEADUPDATE"), portal)[3].data
    assert [data[name] for name in ("COMPANY_TITLE", "COMMENTS", "EMAIL", "PHONE", "OBSERVERS")] == [
        "",
        None,
        [],
        [],
        [],
    ]
    item["createdTime"] = item["updatedTime"]
    data = read(BITRIX, event("ONCRMLEADUPDATE"), portal)[3].data
    assert not {"COMMENTS", "EMAIL", "PHONE", "OBSERVERS"} & set(data)


def test_e_mails_that_the_portal_does_not_show_are_not_taken_for_emptied(portal: FakePortal) -> None:
    del portal.items["contact:642"], portal.items["contact:655"]
    assert "EMAIL" not in read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)[3].data


def test_a_deal_is_found_by_its_lead_and_its_contacts(portal: FakePortal) -> None:
    events = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)
    assert [(one.kind, one.value) for one in events[0].identities] == [
        ("record", "deal:4821"),
        ("record", "contact:642"),
        ("record", "contact:655"),
        ("record", "lead:1880"),
        ("email", "ann@example.com"),
        ("email", "bo@example.com"),
    ]
    assert (events[1].key, events[1].stage, events[1].pipeline) == (
        "deal:4821:stage:C5:PREPARATION@2026-03-26T08:16:02Z",
        "PREPARATION",
        "5",
    )
    assert [row["VALUE"] for row in events[3].data["EMAIL"]] == ["ann@example.com", "bo@example.com"]
    assert [row["NAME"] for row in events[3].data["CONTACTS"]] == ["Ann", "Bo"]


def test_the_first_contact_alone_can_be_chosen_to_find_a_deal(portal: FakePortal) -> None:
    first = replace(BITRIX, contacts="first")
    found = [one.value for one in read(first, event("ONCRMDEALUPDATE", 4821), portal)[0].identities]
    assert found == ["deal:4821", "contact:642", "lead:1880", "ann@example.com"]


def test_a_contact_that_cannot_be_read_still_links_the_deal(portal: FakePortal) -> None:
    del portal.items["contact:642"], portal.items["contact:655"]
    portal.items["deal:4821"] |= {"contactIds": [], "contactId": 642, "leadId": 0, "assignedById": 0}
    events = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)
    assert [one.value for one in events[0].identities] == ["deal:4821", "contact:642"]
    assert (events[2].key, events[2].owner) == ("deal:4821:owner:nobody@2026-03-26T08:16:02Z", None)


@pytest.mark.parametrize(
    ("stage", "category", "bare", "pipeline"),
    [
        ("WON", 0, "WON", "0"),
        ("WON", None, "WON", "0"),
        ("C5:WON", 5, "WON", "5"),
        ("C9:UC_NYL06U", 9, "UC_NYL06U", "9"),
    ],
)
def test_a_stage_is_named_without_its_pipeline(
    portal: FakePortal, stage: str, category: int | None, bare: str, pipeline: str
) -> None:
    portal.items["deal:4821"] |= {"stageId": stage, "categoryId": category}
    found = read(BITRIX, event("ONCRMDEALUPDATE", 4821), portal)[1]
    assert (found.stage, found.pipeline) == (bare, pipeline)


def test_smart_processes_and_contacts_are_read_when_they_are_among_the_objects(portal: FakePortal) -> None:
    portal.add("dynamic_1044:77", stageId="DT1044_12:SUCCESS", categoryId=12)
    wide = replace(BITRIX, objects=("lead", " Deal", "1044", "contact"))
    item = event("ONCRMDYNAMICITEMUPDATE", 77, data__FIELDS__ENTITY_TYPE_ID=1044)
    stage = read(wide, item, portal)[1]
    assert (stage.record, stage.stage, stage.pipeline) == (RecordRef(object="dynamic_1044", id="77"), "SUCCESS", "12")
    assert [one.kind for one in read(wide, event("ONCRMCONTACTUPDATE", 642), portal)] == [
        Kind.IDENTIFY,
        Kind.OWNER,
        Kind.PROFILE,
    ]
    assert read(BITRIX, item, portal) == read(BITRIX, event("ONCRMCONTACTUPDATE", 642), portal) == []


@pytest.mark.parametrize("word", sorted(word for word, (_, is_gone) in EVENTS.items() if is_gone))
def test_a_deleted_record_is_told_as_such(word: str, portal: FakePortal) -> None:
    wide = replace(BITRIX, objects=("lead", "deal", "contact", "1044"))
    one = event(word, 5, data__FIELDS__ENTITY_TYPE_ID=1044)
    record = EVENTS[word][0].replace("dynamic", "dynamic_1044")
    assert read(wide, one, portal) == [
        Event(
            key=f"{record}:5:deleted@{exact(NOW)}",
            at=NOW,
            kind=Kind.DELETED,
            record=RecordRef(object=record, id="5"),
            is_lead=True,
            identities=(Identity(kind=IdentityKind.RECORD, value=f"{record}:5"),),
        )
    ]


def test_an_updated_record_that_is_gone_by_now_is_deleted(portal: FakePortal) -> None:
    assert [one.kind for one in read(BITRIX, event("ONCRMLEADUPDATE", 5), portal)] == [Kind.DELETED]


@pytest.mark.parametrize("word", sorted(IGNORED))
def test_what_moves_nobody_is_ignored_on_purpose(word: str, portal: FakePortal) -> None:
    assert read(BITRIX, event(word.lower(), 3), portal) == []


@pytest.mark.parametrize("word", ["ONCRMINVOICEADD", "ONCRMLEADUPDATE_5", "ONCRM", "ONCRMDYNAMIC"])
def test_an_unknown_event_is_held(word: str) -> None:
    with pytest.raises(UnknownEvent, match=word):
        BITRIX.parse(event(word), {})


def test_a_record_without_a_readable_time_is_a_bad_payload(portal: FakePortal) -> None:
    portal.items["lead:1907"] |= {"createdTime": "", "updatedTime": None}
    with pytest.raises(BadPayload, match=r"\$\.createdTime"):
        read(BITRIX, event("ONCRMLEADUPDATE"), portal)


def test_a_record_that_never_moved_entered_its_stage_when_it_was_made(portal: FakePortal) -> None:
    portal.items["lead:1907"]["movedTime"] = ""
    assert read(BITRIX, event("ONCRMLEADUPDATE"), portal)[1].at == datetime(2026, 3, 24, 14, 2, 11, tzinfo=UTC)


def test_a_robot_without_a_trigger_is_an_update(portal: FakePortal) -> None:
    assert read(BITRIX, robot(), portal) == read(BITRIX, event("ONCRMLEADUPDATE"), portal)


@pytest.mark.parametrize("word", sorted(TRIGGERS))
def test_a_robot_tells_which_trigger_fired(word: str, portal: FakePortal) -> None:
    one = robot(event=f" {word.upper()} ", form_id="12", page="https://example.com/price")
    action = read(BITRIX, one, portal)[-1]
    assert (action.key, action.at, action.kind, action.name, action.page) == (
        f"lead:1907:{word}@2026-03-26T08:16:05.250000+00:00",
        NOW,
        Kind.ACTION,
        word,
        "https://example.com/price",
    )
    assert (action.data["form_id"], action.data["COMPANY_TITLE"]) == ("12", "Halden & Sons")
    assert "token" not in action.data
    assert action.identities == read(BITRIX, robot(), portal)[0].identities


def test_a_trigger_that_is_not_in_the_table_is_held(portal: FakePortal) -> None:
    with pytest.raises(UnknownEvent, match="'form_submited' in the robot's address is none of incoming_email"):
        read(BITRIX, robot(event="form_submited"), portal)


def test_a_robot_on_an_object_that_is_not_read_is_ignored(portal: FakePortal) -> None:
    assert read(BITRIX, robot("COMPANY_3", event="visit"), portal) == []


def test_the_shipped_mapping_knows_every_trigger_and_the_default_stages(portal: FakePortal) -> None:
    rules = load_mapping(Path(__file__).parents[3] / "mappings" / "bitrix24.yaml")
    assert set(rules.actions) == set(TRIGGERS)
    assert set(rules.stages["lead"][""]) == {"NEW", "IN_PROCESS", "PROCESSED", "CONVERTED", "JUNK"}
    profile = read(BITRIX, event("ONCRMLEADUPDATE"), portal)[3]
    [step] = translate(profile, rules)
    assert {name: field.value for name, field in step.fields.items()} == {
        "email": "ingrid.halden@example.com",
        "phone": "+4755501234",
        "company": "Halden & Sons",
    }


def test_a_captured_request_stands_for_every_word_of_the_tables() -> None:
    names = {path.stem for path in (Path(__file__).parent / "payloads").glob("*.http")}
    triggers = {f"robot-trigger-{word.replace('_', '-')}" for word in TRIGGERS}
    assert {word.lower() for word in (*EVENTS, *IGNORED)} | triggers <= names
