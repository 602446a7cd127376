"""Mapping files: what a right one becomes, what is said of a wrong one, and that a hostile one is refused at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.errors import NotFound, SalesOpsError, Unmapped
from connector.core.event import Conflict, Event, FieldValue, Kind, Step
from connector.core.mapping import Backward, FieldRule, MappingRules, OwnerRule, Policy, PushRule, translate
from connector.core.rules import Settings
from connector.core.status import STATUSES, STATUSES_V1, StatusInfo
from connector.core.updates import SeenRecord, ShownSubject, wanted_update
from connector.mapping import BadMapping, check_mapping, load_mapping, parse_mapping
from connector.mapping.expressions import BadExpression
from connector.mapping.expressions import path as path_of
from connector.mapping.json_schema import document, with_key_table
from connector.mapping.writer import write_mapping
from tests.hypothesis_profile import examples
from tests.mapping.strategies import EVENTS, FILES
from tests.mapping.wrong_mappings import HOSTILE, SMALLEST, WRONG

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "mappings"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHOLE = """\
adapter: bitrix24
backward: ignore            # follow | ignore
unmapped: ignore            # hold | ignore
stages:
  lead:  {NEW: Latent, IN_PROCESS: アポ見込み, PROCESSED: "appointment acquired", JUNK: ignore}
  deal:
    0: {NEW: case, WON: order, LOSE: loss}
    "7": {"C7:WON": order}
triggers:
  - id: webinar-form
    on: crm_form_submitted
    when: "form_id == '12'"
    jump_to: appointment_prospect
    reopen: true
actions:
  crm_form_submitted: form_submission
  noise: ignore
fields:
  email: "EMAIL[0].VALUE"
  company: {from: COMPANY_TITLE, conflict: theirs}
  custom.budget: {from: UF_CRM_BUDGET, type: decimal}
owner: {from: ASSIGNED_BY_ID, match: table, table: {17: hana@example.com}, conflict: newest, unknown: ignore}
push:
  lead:
    status: {アポ見込み: {STATUS_ID: IN_PROCESS, FLAG: true, COUNT: 7, R: 1.5, T: "0123", L: [a, 1], O: {x: null}}}
    fields: {UF_CRM_ABM_STATUS: "{status.label} {{since}} {since.date}", UF_CRM_ABM_FIXED: abm}
    owner: ASSIGNED_BY_ID
"""


def whole() -> MappingRules:
    return parse_mapping(WHOLE, "whole.yaml")


def told(text: str) -> list[str]:
    return [f"{one.line}:{one.column}: {one.message}" for one in check_mapping(text, "m.yaml")]


def profile(data: dict[str, Any], rules: MappingRules) -> dict[str, FieldValue]:
    steps = translate(Event(key="e", at=AT, kind=Kind.PROFILE, data=data), rules)
    return dict(steps[0].fields) if steps else {}


# What a right file becomes


def test_every_key_of_a_file_arrives_in_the_rules() -> None:
    rules = whole()
    assert (rules.adapter, rules.backward, rules.unmapped) == ("bitrix24", Backward.IGNORE, Policy.IGNORE)
    assert rules.stages == {
        "lead": {
            "": {
                "NEW": "latent",
                "IN_PROCESS": "appointment_prospect",
                "PROCESSED": "appointment_acquisition",
                "JUNK": "ignore",
            }
        },
        "deal": {"0": {"NEW": "project", "WON": "order", "LOSE": "lost_order"}, "7": {"C7:WON": "order"}},
    }
    assert rules.actions == {"crm_form_submitted": "form_submission", "noise": "ignore"}
    assert rules.owner == OwnerRule(source="ASSIGNED_BY_ID", table={"17": "hana@example.com"}, unknown=Policy.IGNORE)
    (trigger,) = rules.triggers
    assert (trigger.id, trigger.on, trigger.jump_to, trigger.may_reopen) == (
        "webinar-form",
        "crm_form_submitted",
        "appointment_prospect",
        True,
    )
    assert [(rule.name, rule.conflict) for rule in rules.fields] == [
        ("email", Conflict.NEWEST),
        ("company", Conflict.THEIRS),
        ("custom.budget", Conflict.NEWEST),
    ]
    assert rules.push["lead"].owner == "ASSIGNED_BY_ID"


def test_what_is_not_said_has_its_default() -> None:
    assert parse_mapping(SMALLEST, "m.yaml") == MappingRules(adapter="standard")


def test_a_condition_decides_whether_a_trigger_fires() -> None:
    def fired(form: str) -> list[Step]:
        event = Event(key="e", at=AT, kind=Kind.TRIGGER, name="webinar-form", data={"form_id": form})
        return list(translate(event, whole()))

    assert [len(fired("12")), len(fired("13"))] == [1, 0]


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (0, True),
        (1, True),
        ("x", True),
        ([0], True),
        (True, True),
        (None, False),
        ("", False),
        ([], False),
        ({}, False),
        (False, False),
    ],
)
def test_a_condition_takes_jmespath_s_own_view_of_what_is_true(*, value: Any, holds: bool) -> None:
    rules = parse_mapping("adapter: a\ntriggers: [{id: t, on: t, when: amount, jump_to: latent}]", "m.yaml")
    event = Event(key="e", at=AT, kind=Kind.TRIGGER, name="t", data={"amount": value})
    assert bool(translate(event, rules)) is holds


def test_fields_are_read_by_their_expression_and_type() -> None:
    data = {"EMAIL": [{"VALUE": " a@example.com "}], "COMPANY_TITLE": "Acme", "UF_CRM_BUDGET": "1200.50"}
    assert profile(data, whole()) == {
        "email": FieldValue(value="a@example.com"),
        "company": FieldValue(value="Acme", conflict=Conflict.THEIRS),
        "custom.budget": FieldValue(value="1200.50"),
    }
    assert profile({"EMAIL": [], "COMPANY_TITLE": {"a": 1}, "UF_CRM_BUDGET": "much"}, whole()) == {}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", " a ", "a"),
        ("string", "", ""),
        ("string", 12, "12"),
        ("string", 1.5, "1.5"),
        ("string", True, "true"),
        ("string", [1], None),
        ("string", 10**40, None),
        ("string", float("nan"), None),
        ("email", " Hana.Sato@E.Example ", "hana.sato@e.example"),
        ("email", "hana", None),
        ("email", "a@e.example, b@e.example", None),
        ("email", 7, None),
        ("email", None, None),
        ("phone", "+81 (0)3-1234-5678", "+81312345678"),
        ("phone", "03-1234-5678", None),
        ("phone", "+81 3", None),
        ("phone", "+999 123456789", None),
        ("phone", "call me", None),
        ("phone", "9" * 300, None),
        ("phone", None, None),
        ("integer", "-12", -12),
        ("integer", 12.0, 12),
        ("integer", "12.5", None),
        ("integer", True, None),
        ("integer", [], None),
        ("decimal", "1200.50", "1200.50"),
        ("decimal", 0.1, "0.1"),
        ("decimal", 1e22, "10000000000000000000000"),
        ("decimal", "1e999999999", None),
        ("decimal", "9" * 50, None),
        ("decimal", "NaN", None),
        ("decimal", True, None),
        ("decimal", "1000|JPY", None),
        ("boolean", "Y", True),
        ("boolean", 0, False),
        ("boolean", True, True),
        ("boolean", "maybe", None),
        ("boolean", None, None),
        ("date", "2026-03-31", "2026-03-31"),
        ("date", "2026-03-31T23:30:00-05:00", "2026-03-31"),
        ("date", "31.03.2026", None),
        ("date", 20260331, None),
        ("datetime", "2026-03-31T10:00:00+09:00", "2026-03-31T01:00:00+00:00"),
        ("datetime", "2026-03-31 10:00:00", "2026-03-31T10:00:00+00:00"),
        ("datetime", "2026-03-31T10:00:00.000+0000", "2026-03-31T10:00:00+00:00"),
        ("datetime", "0001-01-01T00:00:00+09:00", None),
        ("datetime", "soon", None),
        ("datetime", 1_700_000_000, None),
        ("list", ["a", 1, None, ""], ["a", "1"]),
        ("list", "a", ["a"]),
        ("list", "", []),
        ("list", {"a": 1}, None),
        ("list", None, None),
    ],
)
def test_a_value_is_read_as_its_type_or_left_out(kind: str, value: Any, expected: Any) -> None:
    rules = parse_mapping(f"adapter: a\nfields: {{x: {{from: X, type: {kind}}}}}", "m.yaml")
    assert profile({"X": value}, rules) == ({} if expected is None else {"x": FieldValue(value=expected)})
    json.dumps(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("A", "top"),
        ("L[0].V", "first"),
        ("L[-1].V", "last"),
        ("L[7].V", None),
        ("A.B", None),
        ("A[0]", None),
        ("L.V", None),
        ('"odd key".V', "quoted"),
        ("L[*].V | [1]", "last"),
        ("L[?V=='last'].V | [0]", "last"),
        ("not_null(NONE, A)", "top"),
        ("join('-', L[*].V)", "first-last"),
        ("to_string(ceil(INF))", None),
        ("sum(L)", None),
        ("L[?V=='last' && `true`].V | [0]", "last"),
        ("L[?V=='`last'].V | [0]", None),
    ],
)
def test_an_expression_finds_what_jmespath_says_and_never_fails(expression: str, expected: str | None) -> None:
    data = {"A": "top", "L": [{"V": "first"}, {"V": "last"}], "odd key": {"V": "quoted"}, "INF": float("inf")}
    rules = parse_mapping("adapter: a\nfields:\n  x: " + json.dumps(expression), "m.yaml")
    assert profile(data, rules) == ({} if expected is None else {"x": FieldValue(value=expected)})


def test_a_record_shows_values_and_texts() -> None:
    subject = ShownSubject(
        status="appointment_prospect", label="Appointment prospect", since=AT, owner=None, profile={}, identities=()
    )
    wanted = wanted_update(whole(), SeenRecord(object="lead"), subject, Settings().zone)
    assert wanted is not None
    assert wanted.fields == {
        "STATUS_ID": "IN_PROCESS",
        "FLAG": True,
        "COUNT": 7,
        "R": 1.5,
        "T": "0123",
        "L": ["a", 1],
        "O": {"x": None},
        "UF_CRM_ABM_STATUS": "Appointment prospect {since} 2026-03-01",
        "UF_CRM_ABM_FIXED": "abm",
    }


def test_phone_numbers_without_a_country_are_of_the_region_and_left_out_without_one() -> None:
    text = "adapter: a\nfields: {phone: {from: P, type: phone}}\n"
    numbers = ["03-1234-5678", "+81 3 1234 5678", "０３−１２３４−５６７８", 312345678, "+84 24 3974 2222", "3", "", []]
    read = [
        [profile({"P": number}, parse_mapping(text + region, "m.yaml")).get("phone") for number in numbers]
        for region in ("region: JP", "")
    ]
    tokyo, hanoi = FieldValue(value="+81312345678"), FieldValue(value="+842439742222")
    assert read == [
        [tokyo, tokyo, tokyo, tokyo, hanoi, None, None, None],
        [None, tokyo, None, None, hanoi, None, None, None],
    ]


def test_the_adapter_is_one_of_those_that_there_are() -> None:
    assert parse_mapping(SMALLEST, "m.yaml", adapters=("bitrix24", "standard")).adapter == "standard"
    (mistake,) = check_mapping("adapter: bitrix", "m.yaml", adapters=("bitrix24", "standard"))
    assert str(mistake) == ("m.yaml:1:10: 'bitrix' is not allowed; did you mean bitrix24? Allowed: bitrix24, standard")


def test_a_list_of_statuses_counts() -> None:
    rules = parse_mapping(
        "adapter: a\nstages: {deal: {A: [order, 失注], B: [project, order]}}\n"
        "triggers: [{id: t, on: t, jump_to: [latent, explicit]}]",
        "m.yaml",
    )
    assert rules.stages == {"deal": {"": {"A": ("order", "lost_order"), "B": ("project", "order")}}}
    assert rules.triggers[0].jump_to == ("latent", "explicit")


def test_a_company_s_own_statuses_are_allowed_where_the_template_s_are() -> None:
    names = {"en": "Loyal customer", "ja": "常連", "vi": "Thân thiết", "zh": "忠实"}
    own = StatusInfo(code="loyal", rank=None, automatic=False, names=names)
    text = "adapter: a\nstages: {deal: {A: [order, 常連], B: loyal customer}}\npush: {deal: {status: {loyal: {X: z}}}}"
    rules = parse_mapping(text, "m.yaml", (*STATUSES, own))
    assert rules.stages == {"deal": {"": {"A": ("order", "loyal"), "B": "loyal"}}}
    assert len(check_mapping(text, "m.yaml")) == 3


def test_statuses_are_those_of_the_template() -> None:
    text = "adapter: a\nstages: {lead: {A: in_progress}}"
    assert parse_mapping(text, "m.yaml", STATUSES_V1).stages == {"lead": {"": {"A": "in_progress"}}}
    assert "'in_progress' is no status" in told(text)[0]


def test_no_word_of_the_rules_carries_its_place_along() -> None:
    rules = whole()
    words = [rules.adapter, *rules.stages, *rules.stages["deal"]["0"], *rules.actions, rules.triggers[0].id]
    words += [*rules.push, *rules.push["lead"].fields, *rules.push["lead"].status, rules.push["lead"].owner or ""]
    words += rules.push["lead"].status["appointment_prospect"]
    assert {type(word) for word in words} == {str}


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_mappings_are_right(path: Path) -> None:
    assert check_mapping(path.read_text(), path.name) == ()


def test_the_readme_s_table_is_the_schema_s() -> None:
    readme = (MAPPINGS / "README.md").read_text()
    assert with_key_table(readme) == readme


def test_the_schema_for_editors_is_the_schema_s() -> None:
    assert (MAPPINGS / "schema.json").read_text() == document()


def test_the_pages_for_people_and_editors_are_printed() -> None:
    readme = (MAPPINGS / "README.md").read_text()
    for page, given_text, expected in (("keys", readme, readme), ("schema", "", document())):
        command = [sys.executable, "-m", "connector.mapping.json_schema", page]
        run = subprocess.run(command, input=given_text, capture_output=True, text=True, check=True, timeout=60)
        assert run.stdout == expected


def test_an_empty_expression_is_none() -> None:
    with pytest.raises(BadExpression, match=r"^'' is no JMESPath$"):
        path_of("")


def test_the_shipped_mappings_name_the_schema_for_editors() -> None:
    firsts = {path.read_text().partition("\n")[0] for path in MAPPINGS.glob("*.yaml")}
    assert firsts == {"# yaml-language-server: $schema=schema.json"}


def test_there_are_200_wrong_mappings_and_more() -> None:
    assert len({text for text, _ in WRONG.values()}) >= 200


def test_the_readme_s_examples_are_right() -> None:
    blocks = (MAPPINGS / "README.md").read_text().split("```yaml\n")[1:]
    examples = [block.split("```")[0] for block in blocks]
    assert [told(SMALLEST + example) for example in examples] == [[]] * 7


# What is said of a wrong one


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(text: str, expected: list[str]) -> None:
    assert told(text) == expected


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "adapter: a\nunmapped: x\nstages: {lead: {A: x}}\nfields: {y1: 'a['}\npush: {lead: {fields: {A: '{'}}}\nx: 1"
    assert [one.line for one in check_mapping(text, "m.yaml")] == [2, 3, 4, 5, 6]


def test_an_error_names_the_file_and_is_for_sales_ops() -> None:
    with pytest.raises(BadMapping) as caught:
        parse_mapping("adapter: a\nadapter: b\nx: 1", "tokyo.yaml")
    assert isinstance(caught.value, SalesOpsError)
    assert caught.value.reason == "bad_mapping"
    assert str(caught.value).splitlines()[0] == "tokyo.yaml:2:1: 'adapter' stands twice; it is in line 1 already"
    assert len(caught.value.mistakes) == 2


def test_a_file_is_loaded_with_its_name_in_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "tokyo.yaml"
    path.write_text("\ufeff" + WHOLE, encoding="utf-8")
    assert load_mapping(path).adapter == "bitrix24"
    path.write_bytes(b"adapter: a\nstages: \xff")
    with pytest.raises(BadMapping, match=r"^tokyo\.yaml:2:9: this is no UTF-8 text; save the file as UTF-8$"):
        load_mapping(path)
    with pytest.raises(NotFound, match="cannot be read: No such file"):
        load_mapping(tmp_path / "osaka.yaml")


# What is hostile


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_has_few_and_short_mistakes(make: Callable[[], str]) -> None:
    mistakes = check_mapping(make(), "m.yaml")
    assert 1 <= len(mistakes) <= 500
    assert all(len(str(one)) < 1000 for one in mistakes)


TIMED = """
import json, time
from connector.mapping import check_mapping
from tests.mapping.wrong_mappings import HOSTILE
taken = {}
for name, make in HOSTILE.items():
    text = make()
    start = time.process_time()
    check_mapping(text, "m.yaml")
    taken[name] = time.process_time() - start
print(json.dumps(taken))
"""


def test_a_hostile_file_is_refused_in_under_a_second() -> None:
    """In a process of its own, which no coverage tool slows down."""
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, "-c", TIMED]
    run = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=unmeasured, timeout=60)
    taken: dict[str, float] = json.loads(run.stdout)
    assert {name: seconds for name, seconds in taken.items() if seconds >= 1} == {}
    assert taken.keys() == HOSTILE.keys()


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"\xff" * 50_000_000)
    with pytest.raises(BadMapping, match=r"^big\.yaml:1:1: the file is larger than 250 kB; that is no mapping$"):
        load_mapping(path)


# Whatever it is

SIGNS = st.text(alphabet="abno0129:-#&*!|>'\"%@`{}[],?~. \n\t\\éあ\ud800\x00", max_size=60)


@settings(deadline=None)
@given(st.text(max_size=80) | SIGNS)
def test_any_text_is_right_or_has_mistakes(text: str) -> None:
    for one in check_mapping(text, "m.yaml"):
        assert one.line >= 1
        assert one.column >= 1


@settings(deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, 12), SIGNS)
def test_any_damage_to_a_file_leaves_it_right_or_gives_mistakes(start: int, length: int, put: str) -> None:
    check_mapping(WHOLE[:start] + put + WHOLE[start + length :], "m.yaml")


@settings(max_examples=examples(200), deadline=None)
@given(FILES, st.lists(EVENTS, max_size=5))
def test_a_mapping_that_validates_raises_nothing_but_unmapped_for_any_event(
    content: dict[str, Any], events: list[Event]
) -> None:
    rules = parse_mapping(json.dumps(content, ensure_ascii=False), "m.yaml")
    for event in events:
        try:
            steps = translate(event, rules)
        except Unmapped:
            continue
        for step in steps:
            json.dumps({name: given_value.value for name, given_value in step.fields.items()}, allow_nan=False)


@settings(max_examples=examples(200), deadline=None)
@given(FILES)
def test_a_mapping_that_is_written_and_read_is_the_same(content: dict[str, Any]) -> None:
    rules = parse_mapping(json.dumps(content, ensure_ascii=False), "m.yaml")
    written = write_mapping(rules)
    assert parse_mapping(written, "m.yaml") == rules
    assert write_mapping(parse_mapping(written, "m.yaml")) == written


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.yaml")), ids=lambda path: path.name)
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
    "7": {"C7:WON": order}
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
    assert told('adapter: a\npush: {lead: {fields: {x: "{profile.Company}"}}}') == [
        (
            "2:27: {profile.Company} is not known; allowed: {status.code}, {status.label}, {since.date}, {since.iso}, "
            "{owner}, {email}, {phone}, {profile.…}"
        )
    ]
