"""The keys of a mapping file: what each takes and means, with an example; the rules that a valid file stands for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from marshmallow import ValidationError
from marshmallow.fields import Field

from connector.core.event import Action, Conflict
from connector.core.identity import IDENTIFY_BY
from connector.core.mapping import IGNORE, Backward, FieldRule, MappingRules, OwnerRule, Policy, PushRule, TriggerRule
from connector.core.status import StatusInfo
from connector.core.updates import PERSON_NAMES, PROFILE, VIEW_NAMES
from connector.mapping import expressions
from connector.mapping.field_types import FieldType, Typed
from connector.mapping.source import Found, Table, shown
from connector.mapping.table_fields import Goals, Headings, Section, SeriesOf, Short, Stages, StatusWord, TableOf
from connector.mapping.value_fields import Choice, Compiled, Country, DateFormat, Flag, Plain, Shaped, Speller, Text

E = TypeVar("E", bound=StrEnum)
_TARGETS: Final = {action.value: action.value for action in Action} | {IGNORE: IGNORE}
_EMAIL: Final = r"[^@\s]{1,64}@[^@\s]{1,190}"
_FIELD: Final = r"(custom\.)?[a-z][a-z0-9_]{0,62}"
_MOST_FIELDS: Final = 500
_COLUMNS: Final = {
    "id": ("the record's id", "番号"),
    "at": ("the row's time", "更新日"),
    "made": ("when the record was made", "登録日"),
    "stage": ("its stage, in their words", "状況"),
    "pipeline": ("the stage's pipeline", "パイプライン"),
    "email": ("e-mail addresses", "[会社メール, 個人メール]"),
    "phone": ("phone numbers", "[携帯, 電話]"),
    "owner": ("the person in charge", "担当"),
}
COLUMNS: Final = tuple(_COLUMNS)
"""What a file of people says of a record, each in a column; e-mails and phones in any number of them."""


def _about(meaning: str, example: str, *, needed: bool = False) -> dict[str, Any]:
    return {"meaning": meaning, "example": example, "needed": needed}


def mapping_section(statuses: Iterable[StatusInfo], adapters: Collection[str] | None = None) -> Section:
    """The whole file, for a workspace's statuses and the adapters there are (None: any); made anew for each file."""
    speller = Speller(statuses)
    system = _about("the system that the connection belongs to", "bitrix24", needed=True)
    fields: dict[str, Field[Any]] = {
        "adapter": Text(metadata=system)
        if adapters is None
        else Choice({name: name for name in adapters}, speller, metadata=system),
        "region": Country(
            load_default=None,
            metadata=_about("the country of phone numbers that are written without theirs (ISO 3166-1)", "JP"),
        ),
        "identify_by": SeriesOf(
            Choice({kind.value: kind for kind in IDENTIFY_BY}, speller),
            load_default=IDENTIFY_BY,
            metadata=_about(
                "what identifies a person beside the records, the strongest first; what is left out identifies nobody. "
                "The first, and what stands before the e-mail or is it, may join two people who are there already: "
                f"`[mobile, email]` for shops whose customers are their numbers. Without it: "
                f"{', '.join(IDENTIFY_BY)}",
                "[account, email, mobile]",
            ),
        ),
        "backward": _one_of(
            Backward,
            speller,
            Backward.FOLLOW,
            "what a stage does that lies before the present status: `follow` moves the subject back, `ignore` does not",
        ),
        "unmapped": _one_of(
            Policy,
            speller,
            Policy.HOLD,
            "what happens to a stage, trigger or action without an entry: `hold` keeps it until it has one, "
            "`ignore` drops it",
        ),
        "stages": TableOf(
            Text(),
            Stages(Goals(speller, may_ignore=True)),
            load_default=dict,
            metadata=_about(
                "object → their stage → our status (code, label or alias) or `ignore`; "
                "with pipelines: object → pipeline → stage → status; "
                "a list of statuses: the first record of a subject that gets there gives the first, and so on",
                "{deal: {0: {NEW: project, WON: [order, visited]}}}",
            ),
        ),
        "triggers": SeriesOf(
            _trigger_section(speller),
            "id",
            load_default=(),
            metadata=_about(
                "their events that move a subject straight to a status, however many it skips",
                "[{id: webinar, on: crm_form_submitted, jump_to: explicit}]",
            ),
        ),
        "actions": TableOf(
            Text(),
            Choice(_TARGETS, speller),
            load_default=dict,
            metadata=_about(
                "their event → the target action that it counts as, or `ignore`", "{email_link_clicked: email_inflow}"
            ),
        ),
        "fields": TableOf(
            Shaped(_FIELD, "name of a field, such as company or custom.budget"),
            Short(_field_section(speller)),
            most=_MOST_FIELDS,
            load_default=dict,
            metadata=_about(
                "our profile field ← where their value stands (JMESPath); own fields start with `custom.`",
                '{email: "EMAIL[0].VALUE"}',
            ),
        ),
        "owner": _owner_section(speller),
        "push": TableOf(
            Text(),
            _push_section(speller),
            load_default=dict,
            metadata=_about("object → what its records should show of our state", "{lead: {owner: ASSIGNED_BY_ID}}"),
        ),
        "columns": _columns_section(speller),
    }
    return Section(fields, speller, check=_check_columns)


def _trigger_section(speller: Speller) -> Section:
    return Section(
        {
            "id": Text(metadata=_about("its name in explanations; each has its own", "webinar-form", needed=True)),
            "on": Text(metadata=_about("their event", "crm_form_submitted", needed=True)),
            "when": Compiled(
                expressions.condition,
                load_default=None,
                metadata=_about("fires only where this JMESPath over the event's data is true", "\"form_id == '12'\""),
            ),
            "jump_to": Goals(
                speller,
                metadata=_about(
                    "the status that it is attached to; a list: its first firing gives the first, and so on",
                    "appointment_prospect",
                    needed=True,
                ),
            ),
            "reopen": Flag(
                load_default=False,
                metadata=_about("`true`: it works on lost, untargeted and pending subjects too", "true"),
            ),
        },
        speller,
    )


def _field_section(speller: Speller) -> Section:
    return Section(
        {
            "from": Compiled(
                expressions.path,
                metadata=_about("where their value stands (JMESPath)", "UF_CRM_BUDGET", needed=True),
            ),
            "type": _one_of(
                FieldType, speller, FieldType.STRING, "how their value is read; what cannot be read is left out"
            ),
            "conflict": _conflict(speller),
        },
        speller,
    )


def _owner_section(speller: Speller) -> Section:
    return Section(
        {
            "from": Text(load_default=None, metadata=_about("their field of the person in charge", "ASSIGNED_BY_ID")),
            "match": Choice(
                {"email": "email", "table": "table"},
                speller,
                load_default=None,
                metadata=_about(
                    "how their person becomes ours: by the e-mail in their directory or by `table`", "email"
                ),
            ),
            "table": TableOf(
                Text(),
                Shaped(_EMAIL, "e-mail address"),
                load_default=None,
                metadata=_about("their id → e-mail", "{17: hana@example.com}"),
            ),
            "conflict": _conflict(speller),
            "unknown": _one_of(
                Policy,
                speller,
                Policy.HOLD,
                "what happens with a person whom nobody knows: `hold` keeps it for you, `ignore` leaves the owner",
            ),
        },
        speller,
        check=_check_owner,
        load_default=None,
        metadata=_about("how their person in charge becomes ours", "{match: email}"),
    )


def _check_owner(owner: Table) -> None:
    words = {str(key): (key, value) for key, value in owner.items()}
    key, match = words.get("match", (None, None))
    if key is not None and match == "table" and "table" not in words:
        message = "match: table needs the key 'table' beside it: their id → e-mail"
        raise ValidationError([Found(key.line, key.column, message)])
    if match == "email" and "table" in words:
        place = words["table"][0]
        message = "a table has no effect beside match: email; write match: table or remove it"
        raise ValidationError([Found(place.line, place.column, message)])


def _push_section(speller: Speller) -> Section:
    names = ", ".join(f"`{{{name}}}`" for name in (*VIEW_NAMES, *PERSON_NAMES, f"{PROFILE}company"))
    return Section(
        {
            "status": TableOf(
                StatusWord(speller),
                TableOf(Text(), Plain()),
                load_default=dict,
                metadata=_about(
                    "our status → their fields with the values that stand for it",
                    "{not_targeted: {STATUS_ID: JUNK}}",
                ),
            ),
            "fields": TableOf(
                Text(),
                Compiled(expressions.template),
                load_default=dict,
                metadata=_about(f"their text field → text, with {names}", '{UF_CRM_ABM: "{status.label}"}'),
            ),
            "owner": Text(
                load_default=None, metadata=_about("their field that our person in charge goes into", "ASSIGNED_BY_ID")
            ),
            "new_leads": Flag(
                load_default=False,
                metadata=_about(
                    "`true`: whoever becomes a lead from now on, by whatever connection, is sent once as a new record",
                    "true",
                ),
            ),
        },
        speller,
    )


def _columns_section(speller: Speller) -> Section:
    columns: dict[str, Field[Any]] = {
        what: Headings(
            load_default=None,
            metadata=_about(f"{meaning}: the column's heading, or several; `[]`: no column has it", example),
        )
        for what, (meaning, example) in _COLUMNS.items()
    }
    fields = TableOf(
        Shaped(_FIELD, "name of a field, such as company or custom.budget"),
        Headings(),
        most=_MOST_FIELDS,
        load_default=dict,
        metadata=_about("one of the profile fields in `fields` → the heading of its column", "{company: 会社名}"),
    )
    form = DateFormat(load_default=None, metadata=_about("how its dates are written", "DD/MM/YYYY"))
    return Section(
        {**columns, "fields": fields, "date_format": form},
        speller,
        load_default=dict,
        metadata=_about(
            "how files of people are read (`connector import --csv`), where their headings do not say it; of several "
            "headings those count that a file has",
            "{id: 番号, phone: [携帯, 電話]}",
        ),
    )


def _check_columns(mapping: Table) -> None:
    """Columns are read by fields that there are."""
    sections = {str(key): value for key, value in mapping.items()}
    columns, fields = sections.get("columns"), sections.get("fields")
    named = {str(key): value for key, value in columns.items()}.get("fields") if isinstance(columns, Table) else None
    known = {str(name) for name in fields} if isinstance(fields, Table) else set()
    found = [
        Found(name.line, name.column, f"{shown(name)} is not in the mapping's `fields`, which say how it is read")
        for name in (named if isinstance(named, Table) else ())
        if name not in known
    ]
    if found:
        raise ValidationError(found)


def _conflict(speller: Speller) -> Choice[Conflict]:
    return _one_of(
        Conflict,
        speller,
        Conflict.NEWEST,
        "which value stays: the `newest` of all; always `theirs`; `ours`, set here or by another connection, "
        "where there is one; or as `ours`, with their first value `if_empty`",
    )


def _one_of(words: type[E], speller: Speller, default: E, meaning: str) -> Choice[E]:
    about = _about(f"{meaning}. One of {', '.join(words)}; without it: `{default}`", list(words)[-1].value)
    return Choice({word.value: word for word in words}, speller, load_default=default, metadata=about)


def rules_of(loaded: Mapping[str, Any]) -> MappingRules:
    """The rules that a valid file stands for, from the values that `mapping_section` read."""
    return MappingRules(
        adapter=loaded["adapter"],
        region=loaded["region"],
        identify_by=loaded["identify_by"],
        backward=loaded["backward"],
        unmapped=loaded["unmapped"],
        stages=loaded["stages"],
        triggers=tuple(_trigger_rule(entry) for entry in loaded["triggers"]),
        actions=loaded["actions"],
        fields=tuple(
            FieldRule(name=name, read=Typed(entry["from"], entry["type"], loaded["region"]), conflict=entry["conflict"])
            for name, entry in loaded["fields"].items()
        ),
        owner=None if loaded["owner"] is None else _owner_rule(loaded["owner"]),
        push={name: PushRule(**entry) for name, entry in loaded["push"].items()},
        columns=_headings(loaded["columns"]),
        date_format=loaded["columns"].get("date_format"),
    )


def _headings(columns: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """What → headings, of profile fields too."""
    whats: dict[str, tuple[str, ...]] = {what: columns[what] for what in COLUMNS if columns.get(what) is not None}
    return {**whats, **columns.get("fields", {})}


def _trigger_rule(entry: Mapping[str, Any]) -> TriggerRule:
    return TriggerRule(
        id=entry["id"], on=entry["on"], jump_to=entry["jump_to"], when=entry["when"], may_reopen=entry["reopen"]
    )


def _owner_rule(entry: Mapping[str, Any]) -> OwnerRule:
    return OwnerRule(source=entry["from"], table=entry["table"], conflict=entry["conflict"], unknown=entry["unknown"])
