"""Owners found by e-mail among the people of a system, and their e-mails by id."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connector.adapter_kit.contract import Person, Update
from connector.adapter_kit.identities import normalize_email
from connector.adapter_kit.owners import PEOPLE, by_email, emails_of, has_owner, owners_of, people_for
from connector.adapter_kit.records import remembered
from connector.core.errors import CrmRefused
from connector.core.event import RecordRef
from tests.adapters.support import FakeApi

EMAIL = "Ken.Sato@example.com"
KEN = Person(id="1", email=EMAIL, name="Ken Sato")


def _update(owner: str | None = EMAIL, owner_field: str | None = "owner") -> Update:
    return Update(
        key="u1",
        record=RecordRef(object="deal", id="7"),
        status="latent",
        label="Latent",
        since=datetime(2026, 3, 4, tzinfo=UTC),
        fields={},
        owner=owner,
        owner_field=owner_field,
    )


def test_people_are_found_by_email_while_they_are_active() -> None:
    people = [
        KEN,
        Person(id="2", email=EMAIL, name="Ken Sato, who left", is_active=False),
        Person(id="3", email=None, name="a robot"),
        Person(id="4", email=EMAIL.casefold(), name="Ken again"),
    ]
    assert by_email(people, int) == {EMAIL.casefold(): [1, 4]}


@pytest.mark.parametrize("update", [_update(owner=None), _update(owner_field=None)])
def test_only_updates_that_write_an_owner_need_people(update: Update) -> None:
    assert (has_owner([update]), owners_of([update])) == (False, set())
    assert (has_owner([update, _update()]), owners_of([update, _update()])) == (True, {EMAIL.casefold()})


@pytest.mark.parametrize(("first", "asked"), [([KEN], [False]), ([], [False, True])])
def test_an_owner_who_is_not_there_yet_is_looked_for_in_a_fresh_list(first: list[Person], asked: list[bool]) -> None:
    seen: list[bool] = []

    def people(*, is_fresh: bool = False) -> list[Person]:
        seen.append(is_fresh)
        return [KEN] if is_fresh else first

    assert (people_for([_update(owner=None)], people), seen) == ({}, [])
    assert (people_for([_update()], people), seen) == ({EMAIL.casefold(): ["1"]}, asked)


def test_the_email_of_somebody_new_is_asked_for_once() -> None:
    api = FakeApi(answers=[])
    asked: list[str] = []

    def people(*, is_fresh: bool = False) -> list[Person]:
        def read() -> list[Person]:
            asked.append(PEOPLE)
            return [KEN]

        return remembered(api, PEOPLE, read, is_fresh=is_fresh)

    assert (emails_of(set(), people, api), len(asked)) == ({}, 0)
    for _ in range(2):
        assert (emails_of({"1", "9"}, people, api), len(asked)) == ({"1": EMAIL}, 2)
    assert (emails_of({"1", "8"}, people, api), len(asked)) == ({"1": EMAIL}, 3)


def test_without_the_right_to_list_people_emails_stay_unknown() -> None:
    def people() -> list[Person]:
        message = "no scope"
        raise CrmRefused(message)

    assert emails_of({"1"}, people, FakeApi(answers=[])) == {}


def test_what_is_no_email_is_none() -> None:
    assert (normalize_email(EMAIL), normalize_email("Ken"), normalize_email(None)) == (EMAIL.casefold(), None, None)
