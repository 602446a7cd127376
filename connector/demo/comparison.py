"""Compares the emulated portal with the connector: every lead on the stage that the fold of its events gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from connector.core.engine import fold_all
from connector.core.event import IdentityKind
from connector.core.mapping import MappingRules
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.state import Portal
from connector.i18n.statuses import labels_in
from connector.runtime.parts import Runtime
from connector.store import subjects
from connector.store.event_json import step_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadResult:
    """A lead at the end: its status by the fold, the rule that set it, and what the portal shows."""

    who: str
    lead: int
    status: str
    since: str
    rule: str
    stage: str
    shown: str
    is_right: bool


def compare(runtime: Runtime, name: str, leads: Mapping[str, int], portal: Portal) -> list[LeadResult]:
    """Each lead of the portal, in order; `name` is the portal's connection."""
    connected = runtime.connections.all()[name]
    keys = {(IdentityKind.RECORD, f"{name}:lead:{lead}") for lead in leads.values()}
    with runtime.database.read() as connection:
        found = subjects.by_identities(connection, keys)
        rows = subjects.states(connection, set(found.values()))
        history = subjects.history(connection, set(found.values()))
        decided = subjects.decided(connection, set(found.values()))
    labels = labels_in("en", runtime.ruleset.statuses.values())
    results = []
    for who, lead in leads.items():
        subject = found.get((IdentityKind.RECORD, f"{name}:lead:{lead}"))
        if subject is None:
            results.append(_missing(who, lead, portal))
            continue
        row = rows[subject]
        steps = [step_from_json(raw) for event in history[subject] for raw in event["steps"]]
        state = fold_all(steps, runtime.ruleset, (row.state or {})["last_run"]).state
        record = portal.find(Entity.LEAD, lead)
        stage, shown = portal.stage_of(Entity.LEAD, lead), str(record.get("UF_CRM_ABM_STATUS"))
        moves = [decision.rule for decision in decided[subject] if decision.before != decision.after]
        results.append(
            LeadResult(
                who=who,
                lead=lead,
                status=state.status,
                since=date.fromordinal(state.since.astimezone(runtime.ruleset.zone).toordinal()).isoformat(),
                rule=moves[-1] if moves else "",
                stage=stage,
                shown=shown,
                is_right=state.status == row.status
                and shown == labels[state.status]
                and _stands_for(connected.rules, stage, state.status),
            )
        )
    return results


def _stands_for(rules: MappingRules, stage: str, status: str) -> bool:
    """Whether a stage is one that the mapping gives a lead of that status."""
    pushed = rules.push["lead"].status.get(status, {}).get("STATUS_ID")
    return stage == pushed or rules.status_of("lead", None, stage) == status


def _missing(who: str, lead: int, portal: Portal) -> LeadResult:
    stage = portal.stage_of(Entity.LEAD, lead)
    return LeadResult(
        who=who, lead=lead, status="(no subject)", since="", rule="", stage=stage, shown="", is_right=False
    )
