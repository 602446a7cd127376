"""Who is who in every CRM, against its emulator: a phone that two share, and an e-mail that is corrected."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from connector.emulators.bitrix24.crm import Bitrix24Crm
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.engine.faults import Faults
from connector.emulators.systems import CRMS
from connector.i18n.statuses import labels_in
from connector.mapping import parse_mapping
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import MAPPINGS, playing
from tests.flow.store_queries import subject_of

PHONE_FIELDS: Final[Mapping[str, str]] = {
    "amis": "mobile",
    "bownow": "phone",
    "generic": "tel",
    "hubspot": "phone",
    "odoo": "phone",
    "salesforce": "MobilePhone",
    "zoho": "Mobile",
}
NO_PHONES: Final = {"jira", "kintone"}
"""Emulated apps without a field for phones."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: what differs between the two is below what is tested here."""
    return sqlite_url


@pytest.fixture
def clock() -> Clock:
    """To the minute: some systems date no finer."""
    return Clock(datetime.now(UTC).replace(second=0, microsecond=0))


@pytest.fixture
def system(request: pytest.FixtureRequest, clock: Clock) -> Any:
    return CRMS[str(request.param)](now=clock, faults=Faults(seed=1))


def _add(system: Any, email: str, phone: str, **more: Any) -> str:
    if system.NAME in PHONE_FIELDS:
        return str(system.add(email, **{PHONE_FIELDS[system.NAME]: phone}, **more))
    record = str(system.add(email, **more))
    if isinstance(system, Bitrix24Crm):
        values = {"fm": [{"typeId": "PHONE", "valueType": "WORK", "value": phone}]}
        system.portal.change(Entity.LEAD, int(record), values, by=11)
    else:
        person = str(system.record(record).fields["person_id"])
        system.shelf.change("person", person, {"phones": [{"label": "work", "value": phone, "primary": True}]})
    return record


@pytest.mark.parametrize("phone", ["03-1234-5678", "+81 90-1234-5678", "000-0000-0000"])
@pytest.mark.parametrize("system", sorted(set(CRMS) - NO_PHONES), indirect=True)
def test_a_phone_that_two_share_leaves_each_with_its_own_owner_and_stage(
    runtime: Runtime, system: Any, clock: Clock, phone: str
) -> None:
    statuses = tuple(runtime.ruleset.statuses.values())
    rules = parse_mapping((MAPPINGS / f"{system.NAME}.yaml").read_text(), system.NAME, statuses)
    with playing(runtime, system) as run:
        owners, stages = list(system.OWNERS)[:2], system.STAGES[:2]
        records = []
        for who, owner, stage in zip(("ann@a.example", "bob@b.example"), owners, stages, strict=True):
            records.append(_add(system, who, phone, owner=owner, stage=stage))
            clock.forward(minutes=10)
            run.finish()
        assert len(run.subjects()) == 2
        assert [system.owner_of(record) for record in records] == owners
        assert [system.stage_of(record) for record in records] == list(stages)
        labels = labels_in("en", statuses)
        own = [labels[str(rules.status_of(system.OBJECT, None, stage))] for stage in stages]
        assert [system.status_of(record) for record in records] == own


def _correct(system: Any, record: str, email: str) -> None:
    """A person corrects the e-mail of a record, or of its person."""
    if isinstance(system, Bitrix24Crm):
        (old,) = system.portal.find(Entity.LEAD, int(record)).multis
        values = {"fm": [{"id": old.id, "typeId": "EMAIL", "valueType": "WORK", "value": email}]}
        system.portal.change(Entity.LEAD, int(record), values, by=11)
    elif system.NAME == "pipedrive":
        emails = [{"label": "work", "value": email, "primary": True}]
        system.shelf.change("person", str(system.record(record).fields["person_id"]), {"emails": emails})
    else:
        computed = {"email_normalized": email} if system.NAME == "odoo" else {}
        system.shelf.change(system.OBJECT, record, {system.EMAIL: email, **computed})


@pytest.mark.parametrize("system", sorted(CRMS), indirect=True)
def test_a_typo_that_is_corrected_leaves_its_history_where_it_was_and_the_address_to_its_owner(
    runtime: Runtime, system: Any, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        first = str(system.add("hana@customer.example", stage=system.STAGES[1]))
        run.finish()
        status = run.subject().status
        clock.forward(hours=1)
        _correct(system, first, "hanako@customer.example")
        run.finish()
        clock.forward(hours=1)
        second = str(system.add("hana@customer.example", stage=system.STAGES[0]))
        run.finish()
        found = [subject_of(runtime, "record", f"{run.name}:{system.OBJECT}:{record}") for record in (first, second)]
        assert found[0].id != found[1].id
        assert found[0].status == status != found[1].status
        assert subject_of(runtime, "email", "hana@customer.example").id == found[1].id
        assert subject_of(runtime, "email", "hanako@customer.example").id == found[0].id
