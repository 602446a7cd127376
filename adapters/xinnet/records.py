"""The leads of Xinnet's 线索管理 as their webhook tells them: fields, intake applications, stages, and their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any, Final

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json_or_form
from connector.adapter_kit.records import digest, exact, readable_identities
from connector.core.errors import UnknownEvent
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

NUMBER: Final = "单号"
COMPANY: Final = "企业名称"
STAGE: Final = "状态"
SUBMITTED: Final = "提交时间"
CUSTOMER: Final = "客户类型"
MOBILE: Final = "手机"
PHONE: Final = "电话"
EMAIL: Final = "邮箱"
FIELDS: Final = (
    NUMBER,
    "联系人",
    "昵称",
    MOBILE,
    PHONE,
    EMAIL,
    "传真",
    "微信",
    "QQ",
    "详细地址",
    "邮编",
    COMPANY,
    "企业官网",
    "企业类型",
    "部门",
    "职务",
    "负责业务",
)
"""The 17 fields that leads are searched by."""
APPS: Final = ("意向信息", "在线预订", "预约申请", "线索报名", "在线询价", "样品申请", "留言互动")
"""The intake applications that feed leads."""
NEW: Final = "全部线索"
STAGES: Final[Mapping[str, str]] = {
    "lead_created": NEW,
    "lead_handled": "已处理",
    "lead_replied": "已回复",
    "lead_converted": "已转为客户",
}
"""Event word → the stage that the lead then is at."""
ALIASES: Final[Mapping[str, str]] = {
    "新线索": "lead_created",
    "处理": "lead_handled",
    "回复": "lead_replied",
    "转为客户": "lead_converted",
}
UPDATED: Final = "lead_updated"
_CREATED: Final = ("lead_created", "新线索")
_MOST: Final = 200


def leads_in(delivery: Delivery) -> list[Part]:
    """The leads that a delivery (JSON or a form) tells of, each with `event`, `app` and `time`. Raises `BadPayload`."""
    root = read_json_or_form(delivery.body)
    if isinstance(root.value, dict) and isinstance(root.value.get("leads"), list):
        leads = root["leads"].items()
        if not 1 <= len(leads) <= _MOST:
            root["leads"].refuse(f"a list of 1 to {_MOST} leads")
        return [_within(root, lead) for lead in leads]
    root.object()
    return [_within(root, root["lead"]) if root["lead"].exists else root]


def _within(root: Part, lead: Part) -> Part:
    """A lead with what stands beside all of them."""
    around = {name: root.value[name] for name in ("event", "app", "time") if name in root.value}
    return Part({**around, **lead.object()}, lead.path)


def number_of(lead: Part) -> str:
    """The lead's 单号. Raises `BadPayload`."""
    return lead[NUMBER].identifier()


def word_of(lead: Part) -> str:
    """What happened, in our spelling of their word; a lead without one was made. Raises `UnknownEvent`."""
    if not lead["event"].exists:
        return "lead_created"
    given = lead["event"].text(60)
    word = ALIASES.get(given, given)
    if word not in STAGES and word != UPDATED:
        message = f"the event {given!r} is not known; known are {', '.join((*STAGES, UPDATED, *ALIASES))}"
        raise UnknownEvent(message)
    return word


def key_of(leads: Sequence[Part], delivery: Delivery) -> str:
    """What tells a delivery from others: the 单号 of its first lead, and a hash of all that it says.

    Where it does not say when that was, also the time of receipt: a lead may come back to what it said before.
    """
    mark = blake2b(delivery.body, digest_size=12).hexdigest()
    is_dated = all(_is_dated(lead) for lead in leads)
    return f"{number_of(leads[0])[:100]}:{mark}" + ("" if is_dated else f":{delivery.received_at.isoformat()}")


def _is_dated(lead: Part) -> bool:
    """Whether it says when it happened, or is new, which it is once."""
    return bool(lead["time"].value) or not lead["event"].exists or lead["event"].value in _CREATED


def events_of(lead: Part, received_at: datetime, offset: timedelta) -> list[Event]:
    """The events of a lead; its times are at an offset from UTC. Raises `BadPayload` and `UnknownEvent`."""
    number, word = number_of(lead), word_of(lead)
    is_new = word == "lead_created"
    submitted = _time(lead[SUBMITTED], offset)
    happened = _time(lead["time"], offset)
    at = happened or (submitted if is_new else None) or received_at
    data = _data(lead, is_whole=is_new)
    common: dict[str, Any] = {
        "at": at,
        "identities": (Identity(kind=IdentityKind.RECORD, value=f"lead:{number}"), *_persons(lead)),
        "record": RecordRef(object="lead", id=number),
        "is_lead": True,
        "data": {**data, "event": word},
    }
    when = "" if is_new and not happened else f"@{exact(at)}"  # a lead is made once
    events = [Event(key=f"{number}:profile:{digest(data)}{when}", kind=Kind.PROFILE, **common)]
    if is_new and lead["app"].exists:
        app = lead["app"].text(60)
        events.append(Event(key=f"{number}:submitted", kind=Kind.ACTION, name=app, **common))
    if word in STAGES:
        place = list(STAGES).index(word)  # of the same second the one further on: no lead goes back
        stage = STAGES[word]
        events.append(Event(key=f"{number}:{word}{when}", kind=Kind.STAGE, stage=stage, sequence=place, **common))
    return events


def _persons(lead: Part) -> list[Identity]:
    """By mobile and e-mail, as Xinnet tells customers apart, and by phone. One that cannot be read is none."""
    return [
        *readable_identities(IdentityKind.EMAIL, [lead[EMAIL]]),
        *readable_identities(IdentityKind.PHONE, [lead[MOBILE], lead[PHONE]]),
    ]


def _data(lead: Part, *, is_whole: bool) -> dict[str, Any]:
    """The lead's fields, and whether its customer is an enterprise or an individual, where that can be seen.

    What is empty in a new lead (`is_whole`) was never filled.
    """
    given = {name: value for name, value in lead.object().items() if name not in {"event", "time"}}
    data = {name: value for name, value in given.items() if value not in ("", None) or not is_whole}
    if data.get(COMPANY):
        return {**data, CUSTOMER: "enterprise"}
    return {**data, CUSTOMER: "individual"} if is_whole else data


def _time(part: Part, offset: timedelta) -> datetime | None:
    """A time such as 2026-03-04 14:05:06 at the offset, or an ISO 8601 time with its own; None: there is none."""
    if not part.exists or part.value == "":
        return None
    try:
        written = datetime.fromisoformat(part.text(40).strip().replace("/", "-"))
    except ValueError:
        part.refuse("a time such as 2026-03-04 14:05:06")
    if not 1970 <= written.year < 2200:  # noqa: PLR2004 - as in every payload
        part.refuse("a time from 1970 to 2199")
    return (written if written.tzinfo else written.replace(tzinfo=timezone(offset))).astimezone(UTC)
