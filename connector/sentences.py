"""Why a subject has its status, in plain sentences: each rule and reason has its words here, and nowhere else.

The words are keyed, so that another language is another table of the same keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from connector.store.rows import Row

ENGLISH: Final[Mapping[str, str]] = {
    "rule.not_set.react": "Reactive since it was lost, it viewed key pages in two sessions ({key_page_sessions})",
    "rule.not_set.act": "It acted for the first time in {actions_within_days} days ({actions})",
    "rule.latent.react": "Reactive since it was lost, it viewed key pages in two sessions ({key_page_sessions})",
    "rule.latent.surge": (
        "It came on two days within {visit_days_within_days} days ({visit_days}) and viewed a key page ({key_pages})"
    ),
    "rule.latent.warm": "It came on two days within {visit_days_within_days} days ({visit_days})",
    "rule.latent.expire": (
        "It is unknown and has not acted for {last_action_days} days, since {last_action_since} "
        "({last_action_days_asked} are asked for)"
    ),
    "rule.quasi_explicit.react": (
        "Reactive since it was lost, it viewed key pages in two sessions ({key_page_sessions})"
    ),
    "rule.quasi_explicit.key_page": "It viewed a key page ({key_pages})",
    "rule.quasi_explicit.cool": (
        "It held its status for {status_days} days, since {status_since}, "
        "and has not acted for {last_action_days} days, since {last_action_since}"
    ),
    "rule.explicit.react": "Reactive since it was lost, it viewed key pages in two sessions ({key_page_sessions})",
    "rule.explicit.cool": (
        "It held its status for {status_days} days, since {status_since}, "
        "and has not acted for {last_action_days} days, since {last_action_since}"
    ),
    "rule.explicit.warn": (
        "It has not acted for {last_action_days} days, since {last_action_since}, and is about to cool down"
    ),
    "rule.appointment_prospect.remind": "It has been waiting for an appointment for {status_days} days",
    "rule.visited.key_page": "After the visit it viewed a key page ({key_pages})",
    "rule.lost_order.revive": "It was lost {status_days} days ago, on {status_since}; from now on it is reactive",
    "rule.not_targeted.review": "It has not been targeted for {status_days} days, since {status_since}",
    "rule.pending.resume": "It was pending for {status_days} days, since {status_since}",
    "rule.pending.remind": "It has been pending for {status_days} days, since {status_since}",
    "rule.any.appointment": "An appointment was made",
    "rule.v1.not_set.act": "It acted for the first time ({actions})",
    "rule.v1.latent.expire": (
        "It is unknown and has not acted for {last_action_days} days, since {last_action_since} "
        "({last_action_days_asked} are asked for)"
    ),
    "rule.v1.latent.surge": ("It acted three times within {actions_but_login_within_days} days ({actions_but_login})"),
    "rule.v1.explicit.cool": "It has not acted for {last_action_days} days, since {last_action_since}",
    "rule.v1.explicit.warn": (
        "It has not acted for {last_action_days} days, since {last_action_since}, and is about to cool down"
    ),
    "jump.person": "A person set the status",
    "jump.crm": "A stage of the CRM set the status",
    "jump": "The status was set",
    "trigger": "The trigger {trigger} fired",
    "other": "The rule {rule} held",
    "moved": "moved from {before} to {after}",
    "stayed": "stayed {after}",
    "skipped": "passing over {skipped}",
    "reason.already_there": "but it is {after} already",
    "reason.attached_lower": "but {to} is not above {after}, and a trigger only moves forward",
    "reason.off_ladder": "but a trigger does not bring back what is {after}, unless it may reopen",
    "reason.backward": "but {to} lies behind {after}, and this connection's stages do not move back",
    "reason.no_recipient": "nobody to write to",
    "reason.mail_off": "mail is off",
    "mail.asked": "mail to {notify}",
    "mail.past": "mail to {notify} not sent, since it was decided for the past",
    "and": "and",
    "page": "{date} {page}",
    "revised": "Revised since: events that came in later made it otherwise",
}
_REFUSED: Final = frozenset({"already_there", "attached_lower", "off_ladder", "backward"})


def sentence(row: Row, labels: Mapping[str, str], words: Mapping[str, str] = ENGLISH) -> str:
    """Why a decision was made and what it did. `row`: one of the table `decisions`; `labels`: status code → name."""
    values = _values(row, labels, words)

    def say(key: str) -> str:
        return words[key].format_map(values)

    if row["reason"] in _REFUSED:
        return f"{say(_key(row, words))}, {say('reason.' + row['reason'])}."
    parts = [say(_key(row, words)), say("moved" if row["before"] != row["after"] else "stayed")]
    if row["skipped"]:
        parts.append(say("skipped"))
    if row["reason"]:
        parts.append(say(f"reason.{row['reason']}"))
    if row["notify"]:
        parts.append(say(f"mail.{row['mail'] or 'asked'}"))
    return f"{': '.join(parts[:2])}{''.join(f', {part}' for part in parts[2:])}."


def _key(row: Row, words: Mapping[str, str]) -> str:
    rule = str(row["rule"])
    if rule == "jump":
        by = f"jump.{(row['facts'] or {}).get('by')}"
        return by if by in words else "jump"
    if rule.startswith("trigger:"):
        return "trigger"
    return f"rule.{rule}" if f"rule.{rule}" in words else "other"


def _values(row: Row, labels: Mapping[str, str], words: Mapping[str, str]) -> defaultdict[str, str]:
    """What the words may name; a fact that an older decision lacks is a question mark."""
    facts = row["facts"] or {}
    values: defaultdict[str, str] = defaultdict(lambda: "?")
    values |= {name: _fact(value, words) for name, value in facts.items()}
    values |= {
        "rule": row["rule"],
        "trigger": str(row["rule"]).partition(":")[2],
        "before": labels.get(row["before"], row["before"]),
        "after": labels.get(row["after"], row["after"]),
        "to": labels.get(facts.get("to") or "", facts.get("to") or "?"),
        "skipped": _list([labels.get(code, code) for code in row["skipped"]], words),
        "notify": _list(row["notify"], words),
    }
    return values


def _fact(value: Any, words: Mapping[str, str]) -> str:
    """A fact as text; of what was seen its dates, and the pages where they are known."""
    if not isinstance(value, list):
        return str(value)
    seen = [words["page"].format_map(one) if one.get("page") else str(one.get("date")) for one in value]
    return _list(list(dict.fromkeys(seen)), words)


def _list(items: Sequence[str], words: Mapping[str, str]) -> str:
    if len(items) < 2:  # noqa: PLR2004 - one thing needs no "and"
        return "".join(items)
    return f"{', '.join(items[:-1])} {words['and']} {items[-1]}"
