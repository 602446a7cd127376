"""A mapping beside the system's catalogue: what is gone and what is new is found before an event fails on it."""

from __future__ import annotations

from dataclasses import replace

from connector.adapter_kit.contract import Catalog, Person
from connector.core.mapping import FieldRule, MappingRules
from connector.mapping import parse_mapping
from connector.mapping.drift import TEXTS, MismatchKind, mismatches, place_in
from connector.mapping.source import read

MAPPING = """
adapter: bitrix24
stages: {lead: {NEW: latent}, deal: {0: {WON: order}}}
fields: {company: COMPANY}
owner: {match: table, table: {17: hana@example.com}}
push: {lead: {fields: {UF_X: "{status.label}"}, status: {latent: {STATUS_ID: NEW}}, owner: ASSIGNED}}
"""
KEN, MAI, LEFT = (
    Person(id="18", email=None, name="Ken"),
    Person(id="19", email="mai@example.com", name="Mai"),
    Person(id="17", email="hana@example.com", name="Hana", is_active=False),
)
LEAD = {"": {"NEW": "New"}}

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


def _kinds(mapping: str, catalog: Catalog, earlier: dict[str, frozenset[str]] | None = None) -> list[tuple[str, str]]:
    return [(found.kind, found.place) for found in mismatches(parse_mapping(mapping, "m"), catalog, earlier)]


def test_of_what_the_system_does_not_list_nothing_is_said() -> None:
    assert _kinds(MAPPING, Catalog()) == []


def test_who_left_and_who_came_is_told_of_an_explicit_table() -> None:
    catalog = Catalog(owners=(KEN, LEFT))
    assert _kinds(MAPPING, catalog) == [
        ("owner_gone", "owner / table / 17"),
        ("owner_unmapped", "owner / table / 18"),
    ]
    assert _kinds(MAPPING.replace("match: table", "unknown: ignore, match: table"), catalog) == [
        ("owner_gone", "owner / table / 17")
    ]


def test_who_has_no_email_is_told_where_the_email_decides() -> None:
    by_email = MAPPING.replace("match: table, table: {17: hana@example.com}", "match: email")
    catalog = Catalog(owners=(KEN, MAI, LEFT))
    assert _kinds(by_email, catalog) == [("owner_without_email", "owner / 18")]
    assert _kinds(by_email.replace("match: email", "match: email, unknown: ignore"), catalog) == []
    assert _kinds(by_email.replace("owner: {match: email}", ""), catalog) == []


def test_an_object_that_the_mapping_leaves_out_is_told_once() -> None:
    catalog = Catalog(
        stages={"lead": LEAD, "quote": {"": {"A": "a", "B": "b"}}, "task": {"": {}}, "deal": {"0": {"WON": "Won"}}}
    )
    (found,) = mismatches(parse_mapping(MAPPING, "m"), catalog)
    assert str(found) == "stages / quote: the system has 2 stages of it, the mapping has no entry for any"
    assert _kinds(MAPPING + "unmapped: ignore\n", catalog) == []


def test_of_fields_only_those_that_came_since_are_new() -> None:
    catalog = Catalog(
        fields={
            "lead": {"UF_X": "x", "STATUS_ID": "s", "ASSIGNED": "a", "COMPANY": "c", "UF_Y": "y"},
            "deal": {"Z": "z"},
        }
    )
    assert _kinds(MAPPING, catalog) == []
    assert _kinds(MAPPING, catalog, {"lead": frozenset({"STATUS_ID"})}) == [("field_new", "fields / lead / UF_Y")]
    gone = Catalog(fields={"lead": {"UF_X": "x"}})
    assert [place for _, place in _kinds(MAPPING, gone)] == [
        "fields / company / COMPANY",
        "push / lead / ASSIGNED",
        "push / lead / STATUS_ID",
    ]


def test_a_place_is_found_as_far_as_it_is_written() -> None:
    tree = read(MAPPING)[0]
    assert place_in(tree, "stages / deal / pipeline 0 / WON") == (3, 42)
    assert place_in(tree, "stages / deal / pipeline 7 / WON") == (3, 31)
    assert place_in(tree, "stages / lead / NEW / more") == (3, 17)
    assert place_in(tree, "nothing") == (1, 1)


def test_what_is_mapped_and_gone_and_what_is_there_and_not_mapped_is_found() -> None:
    assert [str(found) for found in mismatches(RULES, CATALOG)] == [
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
        "stages / deal / pipeline 7 / WON: the mapping has this stage, the system does not have it any more",
        "stages / lead / OLD: the mapping has this stage, the system does not have it any more",
        "stages / rent / A: the mapping has this stage, the system does not have it any more",
        "owner / table / 20 (Yui): the system has this person, the owner's table has no entry for them",
        "stages / deal / pipeline 5 / NEW (New): the system has this stage, the mapping has no entry for it",
        "stages / lead / HOT (Hot lead): the system has this stage, the mapping has no entry for it",
        "stages / company: the system has 1 stages of it, the mapping has no entry for any",
    ]


def test_of_what_the_catalogue_does_not_list_nothing_is_said() -> None:
    assert mismatches(RULES, Catalog()) == ()


def test_of_persons_who_are_matched_by_e_mail_only_those_without_one_are_mistakes_in() -> None:
    catalog, by_email = replace(CATALOG, stages={}), parse_mapping("adapter: a\nowner: {match: email}", "m.yaml")
    assert mismatches(MappingRules(adapter="a"), catalog) == ()
    assert [found.place for found in mismatches(by_email, catalog)] == ["owner / 20"]


def test_a_field_that_was_not_read_from_a_file_names_nothing() -> None:
    rules = MappingRules(adapter="a", fields=(FieldRule(name="x", read=lambda _: 1),))
    assert mismatches(rules, replace(CATALOG, stages={})) == ()


def test_each_kind_of_mismatch_has_its_words() -> None:
    assert {kind for kind, text in TEXTS.items() if text.startswith("the ")} == set(MismatchKind)
