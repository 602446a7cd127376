"""The app of an emulated kintone: its form, its process, how a record is shown, and what a query selects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from connector.emulators.engine.shelf import Record

APP: Final = "27"
STAGE: Final = "$stage"
OWNER: Final = "$owner"
EMAIL: Final = "メール"
STATES: Final = ("未処理", "商談中", "受注", "失注")
ACTIONS: Final = (
    ("商談を始める", "未処理", "商談中"),
    ("見送る", "未処理", "失注"),
    ("受注にする", "商談中", "受注"),
    ("失注にする", "商談中", "失注"),
    ("再開する", "失注", "商談中"),
)
USERS: Final = {
    "connector": ("connector@example.com", "連携 用"),
    "k.sato": ("k.sato@example.com", "佐藤 恵子"),
    "k.mori": ("k.mori@example.com", "森 健"),
}
SELLER: Final = "k.sato"
"""Who does what nobody is named for."""
FORM: Final = {
    "会社名": "SINGLE_LINE_TEXT",
    "氏名": "SINGLE_LINE_TEXT",
    EMAIL: "LINK",
    "電話": "LINK",
    "見込金額": "NUMBER",
    "ABMステータス": "SINGLE_LINE_TEXT",
    "ABM更新日": "SINGLE_LINE_TEXT",
}
"""The fields that people fill in."""
OWN: Final = {
    "レコード番号": "RECORD_NUMBER",
    "作成日時": "CREATED_TIME",
    "更新日時": "UPDATED_TIME",
    "更新者": "MODIFIER",
    "ステータス": "STATUS",
    "作業者": "STATUS_ASSIGNEE",
}
_QUERY: Final = re.compile(
    r'(?:\$id in \((?P<ids>[0-9", ]*)\))?'
    r'(?:更新日時 >= "(?P<since>[^"]+)" and \$id > (?P<first>[0-9]+))?'
    r"(?: ?order by \$id (?P<order>asc|desc))? ?limit (?P<limit>[0-9]+)"
)


@dataclass(slots=True, kw_only=True)
class Refused(Exception):
    """An error body of kintone with its HTTP status; `errors`: field path → what is wrong with it."""

    status: int
    code: str
    text: str
    errors: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As kintone writes it."""
        details = {path: {"messages": [said]} for path, said in self.errors.items()}
        body = {"id": "1505999166-897850006", "code": self.code, "message": self.text}
        return {**body, **({"errors": details} if details else {})}


def minute(at: datetime) -> str:
    """A time as records show it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:00Z")


def shown(record: Record) -> dict[str, dict[str, Any]]:
    """A record as the API and the webhooks show it."""
    owner = record.fields.get(OWNER)
    values: dict[str, Any] = {code: record.fields.get(code) or "" for code in FORM}
    values |= {
        "レコード番号": record.id,
        "作成日時": minute(record.created),
        "更新日時": minute(record.modified),
        "更新者": {"code": record.by or SELLER, "name": USERS[record.by or SELLER][1]},
        "ステータス": record.fields[STAGE],
        "作業者": [{"code": owner, "name": USERS[owner][1]}] if owner else [],
    }
    fields = {code: {"type": kind, "value": values[code]} for code, kind in (FORM | OWN).items()}
    fields["$revision"] = {"type": "__REVISION__", "value": str(record.revision)}
    fields["$id"] = {"type": "__ID__", "value": record.id}
    return fields


def properties() -> dict[str, dict[str, Any]]:
    """The form as `app/form/fields.json` gives it."""
    return {code: {"type": kind, "code": code, "label": code} for code, kind in (FORM | OWN).items()}


def process() -> dict[str, Any]:
    """The process as `app/status.json` gives it."""
    nobody = {"type": "ALL", "entities": []}
    return {
        "enable": True,
        "states": {name: {"name": name, "index": str(at), "assignee": nobody} for at, name in enumerate(STATES)},
        "actions": [
            {"name": name, "from": before, "to": after, "filterCond": "", "type": "PRIMARY"}
            for name, before, after in ACTIONS
        ],
        "revision": "3",
    }


def select(records: list[Record], query: str) -> list[Record]:
    """The records that a query selects; of the language only what is needed is known, the rest is refused."""
    match = _QUERY.fullmatch(query)
    if match is None:
        raise Refused(status=400, code="GAIA_QU01", text=f"クエリ記法が間違っています。({query})")
    if match["ids"] is not None:
        ids = {part.strip(' "') for part in match["ids"].split(",")}
        records = [record for record in records if record.id in ids]
    if match["since"]:
        since = match["since"]
        records = [
            record for record in records if minute(record.modified) >= since and int(record.id) > int(match["first"])
        ]
    ordered = sorted(records, key=lambda record: int(record.id), reverse=match["order"] != "asc")
    return ordered[: int(match["limit"])]


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a write. Raises `Refused` for codes that the form has not, and for fields that no one fills in."""
    wrong = {f"record.{code}.value": "フィールドコードが間違っています。" for code in given if code not in FORM}
    wrong |= {
        f"record.{code}.value": "数字でなければなりません。"
        for code, content in given.items()
        if FORM.get(code) == "NUMBER" and not re.fullmatch(r"-?[0-9.]*", str(content["value"]))
    }
    if wrong:
        raise Refused(status=400, code="CB_VA01", text="入力内容が正しくありません。", errors=wrong)
    return {code: content["value"] for code, content in given.items()}
