"""Mappings as files: what is written reads as the same rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from connector.core.mapping import FieldRule, MappingRules, PushRule
from connector.mapping import load_mapping, parse_mapping
from connector.mapping.writer import write_mapping
from tests.hypothesis_profile import examples
from tests.mapping.strategies import FILES
from tests.mapping.whole_mapping import SHIPPED, mistakes_in


@settings(max_examples=examples(200), deadline=None)
@given(FILES)
def test_a_mapping_that_is_written_and_read_is_the_same(content: dict[str, Any]) -> None:
    rules = parse_mapping(json.dumps(content, ensure_ascii=False), "m.yaml")
    written = write_mapping(rules)
    assert parse_mapping(written, "m.yaml") == rules
    assert write_mapping(parse_mapping(written, "m.yaml")) == written


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_shipped_mappings_are_written_as_they_are_read(path: Path) -> None:
    rules = load_mapping(path)
    assert parse_mapping(write_mapping(rules), path.name) == rules


def test_a_mapping_is_written_as_people_write_it() -> None:
    text = """\
adapter: bitrix24
region: JP
backward: follow
unmapped: hold
stages:
  deal:
    "0": {NEW: project, WON: [order, visited]}
    "7": {WON: order}
triggers:
- {id: webinar, on: "on", when: "form_id == '12'", jump_to: explicit, reopen: true}
actions:
  "no": ignore
fields:
  email: {from: "EMAIL[0].VALUE", type: email}
  company: COMPANY_TITLE
owner:
  from: ASSIGNED_BY_ID
  match: table
  table: {"17": "hana@example.com"}
  conflict: theirs
  unknown: hold
push:
  lead:
    status:
      latent:
        A: NEW
        B: "0123"
        C: 7
        D: 1.5
        E: true
        F: null
        G: 1000000000000000.0
        H:
        - "a text that is rather long, so that it does not fit in the line"
        - {"odd \\U0000000A": "\\"\\\\"}
    fields: {ABM: "{status.label}"}
    owner: ASSIGNED_BY_ID
columns:
  id: "番号"
  phone: ["携帯", Phone]
  fields: {company: "会社名"}
  date_format: "DD/MM/YYYY"
"""
    assert write_mapping(parse_mapping(text, "m.yaml")) == text


def test_only_rules_that_were_read_from_a_file_can_be_written() -> None:
    field = FieldRule(name="a", read=lambda data: data)
    push = PushRule(fields={"a": lambda _: ""})
    for rules in (MappingRules(adapter="a", fields=(field,)), MappingRules(adapter="a", push={"lead": push})):
        with pytest.raises(TypeError):
            write_mapping(rules)


def test_new_leads_and_what_is_known_of_a_person_can_be_pushed_and_are_written_as_they_were_read() -> None:
    text = (
        "adapter: a\npush:\n  lead:\n    fields:\n"
        '      company: "{profile.company} {profile.custom.size}, {email}"\n    new_leads: true\n'
    )
    rules = parse_mapping(text, "a.yaml")
    assert rules.push["lead"].new_leads
    assert parse_mapping(write_mapping(rules), "a.yaml") == rules
    names = {"profile.company": "Example", "email": "a@example.com"}
    assert rules.push["lead"].fields["company"](names) == "Example , a@example.com"
    assert mistakes_in('adapter: a\npush: {lead: {fields: {x: "{profile.Company}"}}}') == [
        (
            "2:27: {profile.Company} is not known; allowed: {status.code}, {status.label}, {since.date}, {since.iso}, "
            "{owner}, {email}, {phone}, {profile.…}"
        )
    ]
