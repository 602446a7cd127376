"""A mapping beside the system's catalogue: what is gone and what is new is found before an event fails on it."""

from __future__ import annotations

import pytest

from connector.adapter_kit.contract import Catalog, Person
from connector.core.mapping import FieldRule, MappingRules
from connector.mapping import parse_mapping
from connector.mapping.drift import Finding, FindingKind, check_stages

RULES = parse_mapping(
    """\
adapter: bitrix24
stages:
  lead: {NEW: latent, OLD: [order, visited]}
  deal: {0: {WON: order}, 7: {WON: order}}
  rent: {A: latent}
fields:
  email: "EMAIL[0].VALUE"
  name: "join(' ', [NAME, LAST_NAME]) || TITLE"
  when: "LIST[?X=='y'].Z | [0]"
owner: {match: table, table: {17: hana@e.example, 18: ken@e.example, 19: mori@e.example}}
push:
  lead: {status: {latent: {STATUS_ID: NEW, UF_GONE: x}}, fields: {UF_ABM: "{owner}"}, owner: ASSIGNED}
  rent: {fields: {UF_ANY: x}}
""",
    "m.yaml",
)
CATALOG = Catalog(
    stages={
        "lead": {"": {"NEW": "New", "HOT": "Hot lead"}},
        "deal": {"0": {"WON": "Won"}, "5": {"NEW": "New"}},
        "company": {"": {"A": "A"}},
    },
    owners=(
        Person(id="17", email="hana@e.example", name="Hana"),
        Person(id="18", email="ken@e.example", name="Ken", is_active=False),
        Person(id="20", email=None, name="Yui"),
        Person(id="21", email=None, name="Left", is_active=False),
    ),
    fields={"lead": dict.fromkeys(("STATUS_ID", "ASSIGNED", "EMAIL", "NAME", "TITLE"), ""), "deal": {}},
)


def test_what_is_mapped_and_gone_and_what_is_there_and_not_mapped_is_found() -> None:
    assert [str(one) for one in check_stages(RULES, CATALOG)] == [
        "fields / name / LAST_NAME: the mapping names this field, the system does not have it",
        "fields / when / LIST: the mapping names this field, the system does not have it",
        "push / lead / UF_ABM: the mapping names this field, the system does not have it",
        "push / lead / UF_GONE: the mapping names this field, the system does not have it",
        (
            "owner / table / 18 (ken@e.example): the owner's table has this person, "
            "the system does not have them any more"
        ),
        (
            "owner / table / 19 (mori@e.example): the owner's table has this person, "
            "the system does not have them any more"
        ),
        "owner / table / 20 (Yui): the system has this person, the owner's table has no entry for them",
        "stages / deal / pipeline 7 / WON: the mapping has this stage, the system does not have it any more",
        "stages / lead / OLD: the mapping has this stage, the system does not have it any more",
        "stages / rent / A: the mapping has this stage, the system does not have it any more",
        "stages / deal / pipeline 5 / NEW (New): the system has this stage, the mapping has no entry for it",
        "stages / lead / HOT (Hot lead): the system has this stage, the mapping has no entry for it",
    ]


def test_of_what_the_catalogue_does_not_list_nothing_is_said() -> None:
    assert check_stages(RULES, Catalog()) == ()


def test_persons_who_are_matched_by_e_mail_are_not_looked_up() -> None:
    for rules in (MappingRules(adapter="a"), parse_mapping("adapter: a\nowner: {match: email}", "m.yaml")):
        assert check_stages(rules, CATALOG) == ()


def test_a_field_that_was_not_read_from_a_file_names_nothing() -> None:
    assert check_stages(MappingRules(adapter="a", fields=(FieldRule(name="x", read=lambda _: 1),)), CATALOG) == ()


@pytest.mark.parametrize("kind", FindingKind)
def test_each_kind_of_finding_has_its_words(kind: FindingKind) -> None:
    assert str(Finding(kind=kind, place="p")).startswith("p: the ")
