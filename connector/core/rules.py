"""The rules of ver.2.0 and ver.1.0 as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from connector.core.event import ALL, KEY_PAGE, LOGIN, VISITS
from connector.core.status import STATUSES, STATUSES_V1, StatusInfo
from connector.core.terms import OncePerDay, Passed, Seen, Tagged, Term, Window

REACTIVE: Final = "reactive"
ANY: Final = "any"


class Recipient(StrEnum):
    """Whom a rule writes to."""

    PERSON = "person"
    PERSON_ELSE_ADMINISTRATORS = "person_else_administrators"
    ADMINISTRATORS = "administrators"


class Notice(StrEnum):
    """One mail per subject, or one digest per recipient, rule and day."""

    SUBJECT = "subject"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table. `on`: the bits that a step must have for a sequential rule to be tried (0: a daily rule).

    `to` None: the subject stays. `only`: the kind of subject that it runs on (None: both). `tag`: set when it fires.
    """

    id: str
    status: str
    terms: tuple[Term, ...] = ()
    on: int = 0
    to: str | None = None
    only: str | None = None
    recipient: Recipient | None = None
    notice: Notice | None = None
    tag: str | None = None

    @property
    def is_daily(self) -> bool:
        """Whether the sweep runs it; the common rule on entering a status is neither sequential by action nor daily."""
        return self.on == 0 and self.status != ANY

    def is_for(self, kind: str) -> bool:
        """Whether it runs on this kind of subject."""
        return self.only is None or self.only == kind

    @property
    def is_once_per_day(self) -> bool:
        """Whether it remembers the day of its last decision."""
        return any(isinstance(term, OncePerDay) for term in self.terms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A version of the ABM template: its statuses and its rules, strongest first within a status.

    `follows`: the name of the template that can be upgraded to it. `renamed_statuses`: what statuses of that become.
    """

    name: str
    statuses: tuple[StatusInfo, ...]
    rules: tuple[Rule, ...]
    follows: str | None = None
    renamed_statuses: Mapping[str, str] = field(default_factory=dict)


VISIT_DAYS: Final = Window("visit_days", VISITS, "day")
KEY_VIEWS: Final = Window("key_pages", KEY_PAGE, "step")
KEY_SESSIONS: Final = Window("key_page_sessions", KEY_PAGE, "session")
ACTIONS: Final = Window("actions", ALL, "step")
ACTIONS_BUT_LOGIN: Final = Window("actions_but_login", ALL & ~LOGIN, "step")

_REACT: Final = (Tagged(REACTIVE), Seen(KEY_SESSIONS, 2, 30))


def _react(status: str) -> Rule:
    return Rule(
        id=f"{status}.react",
        status=status,
        on=KEY_PAGE,
        terms=_REACT,
        to="appointment_prospect",
        recipient=Recipient.PERSON,
        notice=Notice.SUBJECT,
    )


BASIC_2: Final = Template(
    name="basic-2.0",
    statuses=STATUSES,
    rules=(
        _react("not_set"),
        Rule(id="not_set.act", status="not_set", on=ALL, terms=(Seen(ACTIONS, 1, 90),), to="latent"),
        _react("latent"),
        Rule(
            id="latent.surge",
            status="latent",
            on=VISITS | KEY_PAGE,
            to="explicit",
            terms=(Seen(VISIT_DAYS, 2, 30), Seen(KEY_VIEWS, 1, 30)),
            recipient=Recipient.PERSON,
            notice=Notice.SUBJECT,
        ),
        Rule(id="latent.warm", status="latent", on=VISITS, terms=(Seen(VISIT_DAYS, 2, 30),), to="quasi_explicit"),
        Rule(id="latent.expire", status="latent", only="unknown", terms=(Passed("last_action", 90),), to="not_set"),
        _react("quasi_explicit"),
        Rule(
            id="quasi_explicit.key_page",
            status="quasi_explicit",
            on=KEY_PAGE,
            terms=(Seen(KEY_VIEWS, 1, None),),
            to="explicit",
            recipient=Recipient.PERSON,
            notice=Notice.SUBJECT,
        ),
        Rule(
            id="quasi_explicit.cool",
            status="quasi_explicit",
            to="latent",
            terms=(Passed("status", 30), Passed("last_action", 60)),
        ),
        _react("explicit"),
        Rule(
            id="explicit.cool",
            status="explicit",
            to="quasi_explicit",
            terms=(Passed("status", 30), Passed("last_action", 30)),
        ),
        Rule(
            id="explicit.warn",
            status="explicit",
            terms=(Passed("status", 25), Passed("last_action", 25)),
            recipient=Recipient.PERSON,
            notice=Notice.LIST,
        ),
        Rule(
            id="appointment_prospect.remind",
            status="appointment_prospect",
            terms=(Passed("status", 3, 5),),
            recipient=Recipient.PERSON_ELSE_ADMINISTRATORS,
            notice=Notice.LIST,
        ),
        Rule(
            id="visited.key_page",
            status="visited",
            on=KEY_PAGE,
            terms=(Seen(KEY_VIEWS, 1, None), OncePerDay("visited.key_page")),
            recipient=Recipient.PERSON,
            notice=Notice.SUBJECT,
        ),
        Rule(id="lost_order.revive", status="lost_order", terms=(Passed("status", 90),), to="latent", tag=REACTIVE),
        Rule(
            id="not_targeted.review",
            status="not_targeted",
            terms=(Passed("status", 180, 182),),
            recipient=Recipient.ADMINISTRATORS,
            notice=Notice.LIST,
        ),
        Rule(id="pending.resume", status="pending", terms=(Passed("status", 90),), to="latent"),
        Rule(
            id="pending.remind",
            status="pending",
            terms=(Passed("status", 80, 82),),
            recipient=Recipient.PERSON,
            notice=Notice.LIST,
        ),
        Rule(
            id="any.appointment",
            status=ANY,
            to="appointment_acquisition",
            recipient=Recipient.PERSON,
            notice=Notice.SUBJECT,
        ),
    ),
    follows="basic-1.0",
    renamed_statuses={"in_progress": "pending"},
)

BASIC_1: Final = Template(
    name="basic-1.0",
    statuses=STATUSES_V1,
    rules=(
        Rule(id="v1.not_set.act", status="not_set", on=ALL, terms=(Seen(ACTIONS, 1, None),), to="latent"),
        Rule(id="v1.latent.expire", status="latent", only="unknown", terms=(Passed("last_action", 60),), to="not_set"),
        Rule(
            id="v1.latent.surge",
            status="latent",
            on=ALL & ~LOGIN,
            terms=(Seen(ACTIONS_BUT_LOGIN, 3, 30),),
            to="explicit",
            recipient=Recipient.PERSON,
            notice=Notice.SUBJECT,
        ),
        Rule(id="v1.explicit.cool", status="explicit", terms=(Passed("last_action", 30),), to="latent"),
        Rule(
            id="v1.explicit.warn",
            status="explicit",
            terms=(Passed("last_action", 25),),
            recipient=Recipient.ADMINISTRATORS,
            notice=Notice.LIST,
        ),
    ),
)

TEMPLATES: Final[dict[str, Template]] = {template.name: template for template in (BASIC_2, BASIC_1)}
