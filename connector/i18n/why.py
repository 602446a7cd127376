"""Why a subject has its status: each decision in a plain sentence of any language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from connector.core.decision import Reason
from connector.i18n import Words, listed, words_in
from connector.store.rows import Row

ENGLISH: Final = words_in("en")
_NOT_MAILED: Final = frozenset({Reason.NO_RECIPIENT, Reason.MAIL_OFF})
"""The reasons for which a decision was made and not mailed; for any other, nothing was done."""
_NAMED: Final = ("trigger", "run")
"""The words before the colon of a decision that is no rule's own."""


def sentence(row: Row, labels: Mapping[str, str], words: Words = ENGLISH) -> str:
    """Why a decision was made and what it did. `row`: one of the table `decisions`; `labels`: status code → name."""
    values = _values(row, labels, words)

    def fill(key: str) -> str:
        return words[key].format_map(values)

    more, reason = words["sentence.more"], row["reason"]
    why = more.join([fill(_key(row, words)), *([fill(_counted(row))] if _counts(row) else [])])
    if reason and reason not in _NOT_MAILED:
        return words["sentence.refused"].format(why=why, but=fill(f"reason.{reason}"))
    parts = [fill("moved" if row["before"] != row["after"] else "stayed")]
    if row["skipped"]:
        parts.append(fill("skipped"))
    if reason:
        parts.append(fill(f"reason.{reason}"))
    if row["notify"]:
        parts.append(fill(f"mail.{row['mail'] or 'asked'}"))
    return words["sentence.done"].format(why=why, what=more.join(parts))


def _key(row: Row, words: Words) -> str:
    rule = str(row["rule"])
    if rule == "jump":
        by = f"jump.{(row['facts'] or {}).get('by')}"
        return by if by in words else "jump.other"
    if (kind := rule.partition(":")[0]) in _NAMED:
        return kind
    return f"rule.{rule}" if f"rule.{rule}" in words else "other"


def _counts(row: Row) -> bool:
    """Whether a count decided which status it was."""
    return bool((row["facts"] or {}).get("nth"))


def _counted(row: Row) -> str:
    return "counted.exact" if row["facts"]["nth"].isalnum() else "counted.later"


def _values(row: Row, labels: Mapping[str, str], words: Words) -> defaultdict[str, str]:
    """What the words may name; a fact that an older decision lacks is a question mark."""
    facts = row["facts"] or {}
    values: defaultdict[str, str] = defaultdict(lambda: "?")
    values |= {name: _fact(value, words) for name, value in facts.items()}
    name = str(row["rule"]).partition(":")[2]
    values |= {
        "rule": row["rule"],
        "trigger": name,
        "ran": name,
        "number": "".join(sign for sign in str(facts.get("nth")) if sign.isdigit()),
        "before": labels.get(row["before"], row["before"]),
        "after": labels.get(row["after"], row["after"]),
        "to": labels.get(facts.get("to") or "", facts.get("to") or "?"),
        "skipped": listed([labels.get(code, code) for code in row["skipped"]], words),
        "notify": listed(row["notify"], words),
    }
    return values


def _fact(value: Any, words: Words) -> str:
    """A fact as text; of what was seen its dates, and the pages where they are known."""
    if not isinstance(value, list):
        return str(value)
    seen = [words["page"].format_map(entry) if entry.get("page") else str(entry.get("date")) for entry in value]
    return listed(list(dict.fromkeys(seen)), words)
