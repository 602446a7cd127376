"""Why a subject has its status, in plain sentences of any of the four languages; the words are in `connector.i18n`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from connector.i18n import Words, listed, words_in
from connector.store.rows import Row

ENGLISH: Final = words_in("en")
_REFUSED: Final = frozenset(
    {"already_there", "attached_lower", "off_ladder", "backward", "rule_off", "other_kind", "other_status"}
)
_NAMED: Final = ("trigger", "run")
"""The words before the colon of a decision that is no rule's own."""


def sentence(row: Row, labels: Mapping[str, str], words: Words = ENGLISH) -> str:
    """Why a decision was made and what it did. `row`: one of the table `decisions`; `labels`: status code → name."""
    values = _values(row, labels, words)

    def say(key: str) -> str:
        return words[key].format_map(values)

    why = [say(_key(row, words)), *([say(_counted(row))] if _counts(row) else [])]
    told = {"why": words["sentence.more"].join(why)}
    if row["reason"] in _REFUSED:
        return words["sentence.refused"].format(but=say("reason." + row["reason"]), **told)
    parts = [say("moved" if row["before"] != row["after"] else "stayed")]
    if row["skipped"]:
        parts.append(say("skipped"))
    if row["reason"]:
        parts.append(say(f"reason.{row['reason']}"))
    if row["notify"]:
        parts.append(say(f"mail.{row['mail'] or 'asked'}"))
    return words["sentence.told"].format(what=words["sentence.more"].join(parts), **told)


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
    seen = [words["page"].format_map(one) if one.get("page") else str(one.get("date")) for one in value]
    return listed(list(dict.fromkeys(seen)), words)
