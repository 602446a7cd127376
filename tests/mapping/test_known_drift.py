"""What a mapping and a catalogue do not both have, without any system."""

from __future__ import annotations

from connector.adapter_kit.contract import Catalog, Person
from connector.mapping import parse_mapping
from connector.mapping.known_drift import drifted, place_in
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


def _kinds(mapping: str, catalog: Catalog, earlier: dict[str, frozenset[str]] | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.place) for one in drifted(parse_mapping(mapping, "m"), catalog, earlier)]


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
    (found,) = drifted(parse_mapping(MAPPING, "m"), catalog)
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
