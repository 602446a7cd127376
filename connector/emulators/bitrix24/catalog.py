"""The look-up methods of an emulated Bitrix24: stage directories, funnels, employees."""

from __future__ import annotations

from typing import Any

from connector.emulators.bitrix24.directory import FUNNELS, Stage, User
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.items import Call, Found
from connector.emulators.bitrix24.listing import matching, ordered, page
from connector.emulators.bitrix24.php import as_array
from connector.emulators.bitrix24.records import Refused


def listed(call: Call, rows: list[dict[str, Any]]) -> Found:
    """Rows of an old list method: filtered, ordered, one page."""
    wanted = ordered(matching(rows, call.old("filter")), call.old("order"))
    chosen, total, following = page(wanted, call.old("start"))
    return Found(result=list(chosen), total=total, next=following)


def status_list(call: Call) -> Found:
    """`crm.status.list`: the rows of every stage directory; never in pages."""
    rows = [
        _status(directory, place, stage)
        for directory, found in call.portal.stages.items()
        for place, stage in enumerate(found, start=1)
    ]
    found = listed(call, rows)
    return Found(result=found.result, total=found.total)


def _status(directory: str, place: int, stage: Stage) -> dict[str, Any]:
    funnel = directory.removeprefix("DEAL_STAGE_")
    return {
        "ID": str(stage.id),
        "ENTITY_ID": directory,
        "STATUS_ID": stage.status_id,
        "NAME": stage.name,
        "NAME_INIT": stage.name if stage.is_system else "",
        "SORT": str(10 * place),
        "SYSTEM": "Y" if stage.is_system else "N",
        "CATEGORY_ID": funnel if funnel.isdecimal() else None,
        "COLOR": stage.color,
        "SEMANTICS": None if stage.semantics == "P" else stage.semantics,
        "EXTRA": {"SEMANTICS": stage.extra, "COLOR": stage.color},
    }


def entity_types(call: Call) -> Found:
    """`crm.status.entity.types`: every directory with its prefix and its first and final stages."""
    rows: list[dict[str, Any]] = [{"ID": "SOURCE", "NAME": "Sources"}]
    for directory, stages in call.portal.stages.items():
        funnel = directory.removeprefix("DEAL_STAGE_")
        final = {stage.extra: stage.status_id for stage in reversed(stages)}
        semantics = {
            "START_FIELD": stages[0].status_id,
            "FINAL_SUCCESS_FIELD": final.get("success"),
            "FINAL_UNSUCCESS_FIELD": final.get("failure"),
            "FINAL_SORT": 0,
        }
        row = {"ID": directory, "NAME": f"Stages of {directory}", "SEMANTIC_INFO": semantics}
        if directory == "STATUS":
            rows.append({**row, "ENTITY_TYPE_ID": 1})
        elif funnel.isdecimal():
            prefix = {"PARENT_ID": "DEAL_STAGE", "PREFIX": f"C{funnel}", "FIELD_ATTRIBUTE_SCOPE": f"category_{funnel}"}
            rows.append({**row, **prefix, "ENTITY_TYPE_ID": 2, "CATEGORY_ID": funnel})
        else:
            rows.append({**row, "FIELD_ATTRIBUTE_SCOPE": "", "ENTITY_TYPE_ID": 2, "CATEGORY_ID": 0})
    invoice = {"ID": "SMART_INVOICE_STAGE_9", "NAME": "Invoice stages", "SEMANTIC_INFO": [], "PREFIX": "DT31_9"}
    return Found(result=[*rows, {**invoice, "ENTITY_TYPE_ID": 31, "IS_ENABLED": True, "CATEGORY_ID": 9}])


def category_list(call: Call) -> Found:
    """`crm.category.list`: the deal funnels."""
    entity = call.entity
    if entity is not Entity.DEAL:
        raise Refused(code="ENTITY_TYPE_NOT_SUPPORTED", text=f"Entity type {entity.name} is not supported")
    origin = {"originId": "", "originatorId": ""}
    categories = [
        {
            "id": funnel.id,
            "name": funnel.name,
            "sort": funnel.sort,
            "entityTypeId": 2,
            "isDefault": "N" if funnel.id else "Y",
            **(origin if funnel.id else {}),
        }
        for funnel in sorted(FUNNELS, key=lambda funnel: funnel.sort)
    ]
    return Found(result={"categories": categories}, total=len(categories))


def _user_row(user: User) -> dict[str, Any]:
    return {
        "ID": str(user.id),
        "ACTIVE": user.is_active,
        "NAME": user.name,
        "LAST_NAME": user.last_name,
        "EMAIL": user.email,
        "TIMESTAMP_X": {},
        "WORK_POSITION": "",
        "UF_DEPARTMENT": [1],
        "USER_TYPE": "employee",
    }


def user_get(call: Call) -> Found:
    """`user.get`: unknown filter names are ignored."""
    rows = [_user_row(user) for user in call.portal.users.values()]
    filters = {key: value for key, value in as_array(call.old("filter")).items() if key.lstrip("@!=<>%") in rows[0]}
    wanted = matching(rows, filters)
    chosen, total, following = page(wanted, call.old("start"))
    return Found(result=list(chosen), total=total, next=following)


def profile(call: Call) -> Found:
    """`profile`: the user whose webhook it is."""
    user = call.portal.users[call.user]
    names = {"ID": str(user.id), "ADMIN": True, "NAME": user.name, "LAST_NAME": user.last_name}
    return Found(result={**names, "PERSONAL_GENDER": "", "TIME_ZONE": ""})
