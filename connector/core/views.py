"""What a record of an external system is to show of a subject: the names that push templates may use, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connector.core.mapping import PushRule


def view_of(status: str, label: str, since: datetime, since_date: str, owner: str | None) -> dict[str, str]:
    """The names that a push template may use, for example `{status.label}` and `{since.date}`."""
    return {
        "status.code": status,
        "status.label": label,
        "since.date": since_date,
        "since.iso": since.isoformat(),
        "owner": owner or "",
    }


def person_of(profile: Mapping[str, Any], identities: Mapping[str, str]) -> dict[str, str]:
    """The names of a person that a push template may use: `{email}`, `{phone}` and `{profile.company}`.

    `identities`: kind → value; they stand in where the profile has no e-mail or phone.
    """
    shown = {name: _text(value) for name, value in profile.items()}
    own = {name: shown.get(name) or identities.get(name, "") for name in PERSON_NAMES}
    return {**own, **{f"{PROFILE}{name}": text for name, text in shown.items()}}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


PERSON_NAMES: Final = ("email", "phone")
PROFILE: Final = "profile."
VIEW_NAMES: Final = ("status.code", "status.label", "since.date", "since.iso", "owner")


def wanted_fields(rule: PushRule, view: Mapping[str, str], *, shows_status: bool) -> dict[str, Any]:
    """The fields that a record should show. `shows_status`: its stage stands for the status and is left alone."""
    status = {} if shows_status else rule.status.get(view["status.code"], {})
    return {**status, **{name: template(view) for name, template in rule.fields.items()}}
