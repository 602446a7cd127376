"""A mapping file with every key, and what tests ask of a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.core.event import Event, FieldValue, Kind
from connector.core.mapping import MappingRules, translate
from connector.mapping import check_mapping, parse_mapping

MAPPINGS = Path(__file__).parents[2] / "mappings"
SHIPPED = sorted(path for path in MAPPINGS.glob("*.yaml") if path.name != "rules.yaml")


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
columns:
  id: 番号
  phone: [携帯, 電話]
  fields: {company: 会社名}
  date_format: DD/MM/YYYY
"""


def whole() -> MappingRules:
    """The rules of `WHOLE`."""
    return parse_mapping(WHOLE, "whole.yaml")


def mistakes_in(text: str) -> list[str]:
    """The mistakes of a file's text, as `line:column: message`."""
    return [f"{one.line}:{one.column}: {one.message}" for one in check_mapping(text, "m.yaml")]


def profile(data: dict[str, Any], rules: MappingRules) -> dict[str, FieldValue]:
    """The profile fields that rules read in data."""
    steps = translate(Event(key="e", at=AT, kind=Kind.PROFILE, data=data), rules)
    return dict(steps[0].fields) if steps else {}
