"""Turns notices into mails, without sending: which go together, their subject lines and texts, safe for headers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any, Final

from connector.core.event import IdentityKind
from connector.core.rules import Notice
from connector.i18n.why import sentence
from connector.store.rows import Row

_NAMES: Final = (("name",), ("first_name", "last_name"))
_SHOWN: Final = (IdentityKind.EMAIL, IdentityKind.PHONE, IdentityKind.RECORD, IdentityKind.VISITOR)
_LONGEST: Final = 80
WORDS: Final[Mapping[str, str]] = {
    "one": "{status}: {name}",
    "many": "{status}: {count} to look at ({day})",
    "status": "Status",
    "company": "Company",
    "email": "E-mail",
    "phone": "Phone",
    "record": "Record",
    "visitor": "Visitor",
    "id": "Subject",
    "why": "Sent by the connector on {day} by the rule {rule}.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Notices that make one mail. `key` is the same for the same mail, however often it is made."""

    key: str
    to: str
    rows: tuple[Row, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its notices."""
        return tuple(row["id"] for row in self.rows)

    @property
    def is_digest(self) -> bool:
        """Whether it lists subjects."""
        return bool(self.rows[0]["payload"]["notice"] == Notice.LIST)

    @property
    def day(self) -> int:
        """The local day (ordinal) that it is about."""
        return int(self.rows[0]["payload"]["day"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a mail says of a subject: its name, and more about it, each under a word of `WORDS`."""

    name: str
    details: tuple[tuple[str, str], ...]


def letters(rows: Iterable[Row]) -> list[Letter]:
    """Notices (rows of `outbox`) by mail: each by itself, those of a digest together; in the order of the first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        is_digest = row["payload"]["notice"] == Notice.LIST
        # A key ends with the subject; what stands before it is rule, time and recipient: a digest.
        key = row["key"].removesuffix(row["subject"]) if is_digest else row["key"]
        found.setdefault(key, []).append(row)
    return [Letter(key=key, to=own[0]["payload"]["to"], rows=tuple(own)) for key, own in found.items()]


def known(subject: str, profile: Mapping[str, Any], identities: Sequence[tuple[str, str]]) -> Known:
    """What can be said of a subject: by name, else company, else what identifies it."""
    company = _plain(profile.get("company"))
    full = (" ".join(part for key in keys if (part := _plain(profile.get(key)))) for keys in _NAMES)
    name = next((one for one in full if one), "")
    shown = [(kind, _plain(value)) for kind in _SHOWN for own, value in identities if own == kind]
    title = ", ".join(part for part in (name, company) if part)
    return Known(
        name=title or next((value for _, value in shown), subject),
        details=((("company", company),) if company else ()) + tuple(shown) + (("id", subject),),
    )


def compose(
    letter: Letter, subjects: Mapping[str, Known], labels: Mapping[str, str], *, sender: str, now: datetime
) -> EmailMessage:
    """The mail. `subjects` by id; `labels`: status code → name. Raises `ValueError`: nobody can be mailed there."""
    first = letter.rows[0]["payload"]
    status, day = _plain(labels.get(first["after"], first["after"])), date.fromordinal(letter.day).isoformat()
    found = {subjects[row["subject"]]: row for row in letter.rows}  # those of merged subjects are one
    rows = sorted(found.values(), key=lambda row: (subjects[row["subject"]].name.casefold(), row["subject"]))
    title = "one" if len(rows) == 1 else "many"
    name = _short(subjects[rows[0]["subject"]].name)
    parts = [_part(row, subjects[row["subject"]], labels) for row in rows]
    parts.append("-- \n" + WORDS["why"].format(day=day, rule=first["rule"]))
    message = EmailMessage(SMTP)
    message["Message-ID"] = f"<{hashlib.sha256(letter.key.encode()).hexdigest()[:32]}@{sender.rpartition('@')[2]}>"
    message["Date"] = format_datetime(now)
    message["From"] = _address(sender)
    message["To"] = _address(letter.to)
    message["Subject"] = WORDS[title].format(status=status, name=name, count=len(rows), day=day)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes come back
    message.set_content("\n\n".join(parts) + "\n")
    return message


def _part(row: Row, who: Known, labels: Mapping[str, str]) -> str:
    """One subject: its name, why it is written about, and how to find it."""
    said = row["payload"]
    decision = {**{key: said[key] for key in ("rule", "before", "after", "facts")}, "notify": [], "skipped": []}
    why = _plain(sentence({**decision, "reason": None, "mail": None}, labels))
    status = _plain(labels.get(said["after"], said["after"]))
    lines = [f"  {WORDS[word]}: {value}" for word, value in (("status", status), *who.details)]
    return "\n".join((who.name, f"  {why}", *lines))


def _address(text: str) -> Address:
    try:
        return Address(addr_spec=text)
    except (ValueError, IndexError, MessageError) as error:  # what its parser raises, by the kind of nonsense
        message = f"{_short(_plain(text))!r} is no e-mail address"
        raise ValueError(message) from error


def _plain(value: object) -> str:
    """A value on one line, without anything that a header or a terminal could take for more than text."""
    if value is None:
        return ""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
