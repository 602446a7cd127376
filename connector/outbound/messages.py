"""Turns notices into messages, without sending: which go together, their titles and texts, and what became of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from connector.core.errors import printable
from connector.core.event import IdentityKind
from connector.core.rules import Notice
from connector.i18n.why import ExplainedDecision, sentence
from connector.store.connections import Refusal
from connector.store.notices import NoticeEntry

_NAMES: Final = (("name",), ("first_name", "last_name"))
_SHOWN: Final = (
    IdentityKind.EMAIL,
    IdentityKind.MOBILE,
    IdentityKind.PHONE,
    IdentityKind.RECORD,
    IdentityKind.ACCOUNT,
    IdentityKind.VISITOR,
)
_LONGEST: Final = 80
WORDS: Final[Mapping[str, str]] = {
    "one": "{status}: {name}",
    "many": "{status}: {count} to look at ({day})",
    "status": "Status",
    "company": "Company",
    "email": "E-mail",
    "mobile": "Mobile phone",
    "phone": "Phone",
    "record": "Record",
    "account": "Account",
    "visitor": "Visitor",
    "id": "Subject",
    "refused": "{name}: its system refuses the connector",
    "refused_why": "Since {since} the system of the connection {name} refuses all that is asked of it:\n\n  {error}\n\n"
    "All of the connection waits, and goes out as soon as the system takes it again, or after\n"
    "`connector connection rotate {name}`. `connector doctor` says how it stands.\n",
    "why": "Sent by the connector on {day} by the rule {rule}.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeGroup:
    """Notices that make one message. `key` is the same for the same message, however often it is made."""

    key: str
    entries: tuple[NoticeEntry, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of its notices."""
        return tuple(entry.id for entry in self.entries)

    @property
    def is_digest(self) -> bool:
        """Whether it lists subjects."""
        return self.entries[0].notice is Notice.LIST

    @property
    def day(self) -> int:
        """The local day (ordinal) that it is about."""
        return self.entries[0].day


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSummary:
    """What a message says of a subject: its name, and more about it, each under a word of `WORDS`."""

    name: str
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to one person. `title` is one line without control characters. `at`: when it was written, aware UTC."""

    key: str
    to: str
    title: str
    text: str
    at: datetime


class MessageResult(StrEnum):
    """What became of a message. `DOWN`: none gets through now; `LATER` and `REFUSED` are about this one alone."""

    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The result for a message, and why it was not sent."""

    result: MessageResult
    reason: str = ""


def group_notices(entries: Iterable[NoticeEntry]) -> list[NoticeGroup]:
    """Notices by message: each by itself, those of a digest together; in the order of the first."""
    found: dict[str, list[NoticeEntry]] = {}
    for entry in entries:
        # A key ends with the subject; what stands before it is rule, time and recipient: a digest.
        key = entry.key.removesuffix(entry.subject) if entry.notice is Notice.LIST else entry.key
        found.setdefault(key, []).append(entry)
    return [NoticeGroup(key=key, entries=tuple(group)) for key, group in found.items()]


def summarize(subject: str, profile: Mapping[str, Any], identities: Sequence[tuple[str, str]]) -> SubjectSummary:
    """What can be said of a subject: by name, else company, else what identifies it."""
    company = on_one_line(profile.get("company"))
    full = (" ".join(part for key in keys if (part := on_one_line(profile.get(key)))) for keys in _NAMES)
    name = next((text for text in full if text), "")
    shown = [(word, on_one_line(value)) for word in _SHOWN for kind, value in identities if kind == word]
    title = ", ".join(part for part in (name, company) if part)
    return SubjectSummary(
        name=title or next((value for _, value in shown), subject),
        details=((("company", company),) if company else ()) + tuple(shown) + (("id", subject),),
    )


def compose(
    group: NoticeGroup, subjects: Mapping[str, SubjectSummary], labels: Mapping[str, str], now: datetime
) -> Message:
    """The message. `subjects` by id; `labels`: status code → name."""
    first = group.entries[0]
    status = on_one_line(labels.get(first.after, first.after))
    day = date.fromordinal(group.day).isoformat()
    found = {subjects[entry.subject]: entry for entry in group.entries}  # those of merged subjects are one
    entries = sorted(found.values(), key=lambda entry: (subjects[entry.subject].name.casefold(), entry.subject))
    title = "one" if len(entries) == 1 else "many"
    name = shorten(subjects[entries[0].subject].name)
    parts = [_part(entry, subjects[entry.subject], labels) for entry in entries]
    parts.append("-- \n" + WORDS["why"].format(day=day, rule=first.rule))
    return Message(
        key=group.key,
        to=first.to,
        title=WORDS[title].format(status=status, name=name, count=len(entries), day=day),
        text="\n\n".join(parts) + "\n",
        at=now,
    )


def compose_refusal(refusal: Refusal, to: str, now: datetime) -> Message:
    """The message to an administrator that a system refuses a connection as a whole; `now` aware UTC."""
    words = {"name": refusal.connection, "since": f"{refusal.since:%Y-%m-%d %H:%MZ}"}
    return Message(
        key=f"refused {refusal.connection} {refusal.since.isoformat()} {to}",
        to=to,
        title=WORDS["refused"].format(**words),
        text=WORDS["refused_why"].format(**words, error=on_one_line(refusal.error)),
        at=now,
    )


def _part(entry: NoticeEntry, subject: SubjectSummary, labels: Mapping[str, str]) -> str:
    """One subject: its name, why it is written about, and how to find it."""
    decision = ExplainedDecision(rule=entry.rule, before=entry.before, after=entry.after, facts=entry.facts)
    why = on_one_line(sentence(decision, labels))
    status = on_one_line(labels.get(entry.after, entry.after))
    lines = [f"  {WORDS[word]}: {value}" for word, value in (("status", status), *subject.details)]
    return "\n".join((subject.name, f"  {why}", *lines))


def on_one_line(value: object) -> str:
    """A value on one line, without anything that a header or a terminal could take for more than text."""
    if value is None:
        return ""
    return " ".join(printable(str(value)).split())


def shorten(text: str) -> str:
    """The text, cut where it is too long for a title."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
