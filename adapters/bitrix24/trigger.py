"""Fires automation triggers of a Bitrix24 portal: a push field `TRIGGER` holds the code of "Track incoming webhook".

https://apidocs.bitrix24.com/api-reference/crm/automation/crm-automation-trigger.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.bitrix24.plan import Plan
from adapters.bitrix24.read import TRIGGERED, Reader
from connector.adapter_kit.contract import Pushed, PushOutcome
from connector.adapter_kit.update_plan import Failure


def fire(reader: Reader, plans: Sequence[Plan]) -> Mapping[int, Pushed]:
    """Fire the triggers of the plans; place → result of those that failed, of which nothing else is to be written.

    A record that shows all other fields already has been there before: its trigger is not fired again.
    """
    asked = [(place, plan) for place, plan in enumerate(plans) if plan.trigger]
    refused = f"TRIGGER: only {' and '.join(TRIGGERED)} have triggers that can be fired"
    failed = {
        place: plan.pushed(PushOutcome.REFUSED, refused)
        for place, plan in asked
        if plan.update.record.object not in TRIGGERED
    }
    asked = [(place, plan) for place, plan in asked if place not in failed]
    items = reader.bare([plan.name for _, plan in asked if plan.wanted])
    due = [
        (place, plan) for place, plan in asked if not plan.wanted or any(plan.differences(items.get(plan.name) or {}))
    ]
    commands = [
        (
            "crm.automation.trigger",
            {"target": plan.name.replace(":", "_").upper(), "code": plan.trigger},
        )
        for _, plan in due
    ]
    for (place, plan), result in zip(due, reader.portal.batch(commands), strict=True):
        if isinstance(result, Failure):
            failed[place] = plan.failed(result)
    return failed
