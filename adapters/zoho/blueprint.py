"""Moves a record that is under a blueprint to another stage, which only a transition may do.

https://www.zoho.com/crm/developer/docs/api/v8/get-blueprint.html and update-blueprint.html
"""

from __future__ import annotations

from adapters.zoho.client import Account


def move(account: Account, module: str, record_id: str, field: str, stage: str) -> str | None:
    """Take the transition that leads to a stage; None: taken, else why there is none. Raises `CrmError`."""
    path = f"{module}/{record_id}/actions/blueprint"
    blueprint = account.call("GET", path).get("blueprint") or {}
    transitions = [one for one in blueprint.get("transitions") or () if one.get("next_field_value")]
    fitting = [one for one in transitions if one["next_field_value"] == stage]
    if not fitting:
        reachable = ", ".join(sorted({f"'{one['next_field_value']}'" for one in transitions})) or "nothing"
        return f"{field}: the record is under a blueprint, whose transitions lead to {reachable} from here"
    chosen = {"transition_id": str(fitting[0]["id"]), "data": {}}
    account.call("PUT", path, json={"blueprint": [chosen]})
    return None
