"""Why a subject has its status: each decision in a plain sentence of any language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.core.decision import Reason
from connector.i18n import Words, listed, words_in

ENGLISH: Final = words_in("en")
_NOT_MAILED: Final = frozenset({Reason.NO_RECIPIENT, Reason.MAIL_OFF})
"""The reasons for which a decision was made and not mailed; for any other, nothing was done."""
_NAMED: Final = ("trigger", "run")
"""The words before the colon of a decision that is no rule's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDecision:
    """What a sentence says of a decision: the rule, the statuses before and after, the evidence, and what followed.

    `facts` None: those of an old decision were not kept. `mail`: why nothing was mailed, where that had a reason.
    """

    rule: str
    before: str
    after: str
    facts: Mapping[str, Any] | None
    notify: Sequence[str] = ()
    skipped: Sequence[str] = ()
    reason: str | None = None
    mail: str | None = None


def sentence(decision: ExplainedDecision, labels: Mapping[str, str], words: Words = ENGLISH) -> str:
    """Why a decision was made and what it did. `labels`: status code → name."""
    values = _values(decision, labels, words)

    def fill(key: str) -> str:
        return words[key].format_map(values)

    more, reason = words["sentence.more"], decision.reason
    why = more.join([fill(_key(decision, words)), *([fill(_counted(decision))] if _counts(decision) else [])])
    if reason and reason not in _NOT_MAILED:
        return words["sentence.refused"].format(why=why, but=fill(f"reason.{reason}"))
    parts = [fill("moved" if decision.before != decision.after else "stayed")]
    if decision.skipped:
        parts.append(fill("skipped"))
    if reason:
        parts.append(fill(f"reason.{reason}"))
    if decision.notify:
        parts.append(fill(f"mail.{decision.mail or 'asked'}"))
    return words["sentence.done"].format(why=why, what=more.join(parts))


def _key(decision: ExplainedDecision, words: Words) -> str:
    rule = decision.rule
    if rule == "jump":
        by = f"jump.{(decision.facts or {}).get('by')}"
        return by if by in words else "jump.other"
    if (kind := rule.partition(":")[0]) in _NAMED:
        return kind
    return f"rule.{rule}" if f"rule.{rule}" in words else "other"


def _counts(decision: ExplainedDecision) -> bool:
    """Whether a count decided which status it was."""
    return bool((decision.facts or {}).get("nth"))


def _counted(decision: ExplainedDecision) -> str:
    return "counted.exact" if (decision.facts or {})["nth"].isalnum() else "counted.later"


def _values(decision: ExplainedDecision, labels: Mapping[str, str], words: Words) -> defaultdict[str, str]:
    """What the words may name; a fact that an older decision lacks is a question mark."""
    facts = decision.facts or {}
    values: defaultdict[str, str] = defaultdict(lambda: "?")
    values |= {name: _fact(value, words) for name, value in facts.items()}
    name = decision.rule.partition(":")[2]
    values |= {
        "rule": decision.rule,
        "trigger": name,
        "ran": name,
        "number": "".join(sign for sign in str(facts.get("nth")) if sign.isdigit()),
        "before": labels.get(decision.before, decision.before),
        "after": labels.get(decision.after, decision.after),
        "to": labels.get(facts.get("to") or "", facts.get("to") or "?"),
        "skipped": listed([labels.get(code, code) for code in decision.skipped], words),
        "notify": listed(decision.notify, words),
    }
    return values


def _fact(value: Any, words: Words) -> str:
    """A fact as text; of what was seen its dates, and the pages where they are known."""
    if not isinstance(value, list):
        return str(value)
    seen = [words["page"].format_map(entry) if entry.get("page") else str(entry.get("date")) for entry in value]
    return listed(list(dict.fromkeys(seen)), words)
