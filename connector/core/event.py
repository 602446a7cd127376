"""An event is one fact in the external system's words; a step is what a mapping makes of it for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from connector.core.order import Order, order_of


class Action(StrEnum):
    """A target action; `MAIL_OPEN` is none and never counts."""

    SITE_ACCESS = "site_access"
    FORM_SUBMISSION = "form_submission"
    MEMBERSHIP_REGISTRATION = "membership_registration"
    LOGIN = "login"
    FILE_DOWNLOAD = "file_download"
    EMAIL_INFLOW = "email_inflow"
    EMAIL_FORM_SUBMISSION = "email_form_submission"
    EMAIL_MEMBERSHIP_REGISTRATION = "email_membership_registration"
    COCOAR_INFLOW = "cocoar_inflow"
    MAIL_OPEN = "mail_open"


TARGET_ACTIONS: Final = tuple(action for action in Action if action is not Action.MAIL_OPEN)
BIT: Final[dict[str, int]] = {action.value: 1 << place for place, action in enumerate(TARGET_ACTIONS)} | {
    Action.MAIL_OPEN.value: 0
}
ALL: Final = (1 << len(TARGET_ACTIONS)) - 1
VISITS: Final = BIT[Action.SITE_ACCESS] | BIT[Action.EMAIL_INFLOW] | BIT[Action.COCOAR_INFLOW]
LOGIN: Final = BIT[Action.LOGIN]
KEY_PAGE: Final = 1 << len(TARGET_ACTIONS)
"""Set beside the action's own bit when the page is a key page."""


class Kind(StrEnum):
    """What an event or step is about. `STAGE`, `RECORD` and `DELETED` occur in events only; a stage becomes a jump.

    `RECORD`: a record as a whole: its data, its owner and, where it has one, its stage. `RUN`: a person runs a rule on
    purpose.
    """

    IDENTIFY = "identify"
    TAG = "tag"
    OWNER = "owner"
    PROFILE = "profile"
    STAGE = "stage"
    RECORD = "record"
    JUMP = "jump"
    TRIGGER = "trigger"
    ACTION = "action"
    DELETED = "deleted"
    RUN = "run"


TIE_ORDER: Final = {
    Kind.IDENTIFY: 0,
    Kind.TAG: 0,
    Kind.OWNER: 0,
    Kind.PROFILE: 0,
    Kind.RECORD: 0,
    Kind.JUMP: 1,
    Kind.STAGE: 1,
    Kind.TRIGGER: 2,
    Kind.ACTION: 3,
    Kind.RUN: 4,
    Kind.DELETED: 5,
}
"""Which of the same instant comes first (`order` has what follows); a stage has the place of the jump it becomes."""


class Conflict(StrEnum):
    """Whose value stays when an owner or a field is set more than once, by event time, whatever order they arrive in.

    `newest`: the newest value, as those that a person sets here. `theirs`: its connection's newest value, however old,
    before any other. `ours`: its own newest value, only where neither a person nor another connection gave one.
    `if_empty`: as `ours`, but its own first value. An empty value takes back what the same rule gave before.
    """

    NEWEST = "newest"
    THEIRS = "theirs"
    OURS = "ours"
    IF_EMPTY = "if_empty"


class IdentityKind(StrEnum):
    """What can find a subject, the strongest first.

    `RECORD`: of an external system. `ACCOUNT`: the id that a site gives to whoever is signed in. `MOBILE`: a phone that
    is one person's; `PHONE`: any other. `VISITOR`: a browser.
    """

    RECORD = "record"
    ACCOUNT = "account"
    EMAIL = "email"
    MOBILE = "mobile"
    PHONE = "phone"
    VISITOR = "visitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One thing that finds a subject; the value of a record is `connection:object:id`, of an account `connection:id`.

    `is_local`: it counts within its connection alone, as a visitor's id that is not random; processing puts the
    connection's name before it, as it does before records and accounts.
    """

    kind: IdentityKind
    value: str
    is_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRef:
    """An object of the external system: its type in their words (`lead`, `deal`) and its id as text."""

    object: str
    id: str

    @property
    def name(self) -> str:
        """The record as one word, `lead:1907`."""
        return f"{self.object}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One normalised fact as an adapter read it, before any mapping.

    `key` is unique per connection and the same however often the fact is delivered; processing puts `<connection>:`
    before it. `at` is aware UTC, the time of the fact in the external system. `name` is the event word, trigger or
    action in their words; `owner` their owner id or e-mail (None: nobody). `owner_email` is the e-mail of that owner
    where the adapter knows it. `data` is what the mapping's expressions read. `is_seen`: the record was seen in this
    stage at `at`, and the system does not say when it entered it: that moves nobody where the record was known to be
    in it. `sequence`: the source's own number of the change (a revision, a finer clock), from 0. `read_at` (aware UTC):
    when the source itself was read and showed this; processing fills it in where it knows. `is_ours`: whether the
    system says that our own account made the change; None: it does not say.
    """

    key: str
    at: datetime
    kind: Kind
    identities: tuple[Identity, ...] = ()
    record: RecordRef | None = None
    is_lead: bool = False
    name: str | None = None
    stage: str | None = None
    pipeline: str | None = None
    owner: str | None = None
    owner_email: str | None = None
    tag: str | None = None
    is_removed: bool = False
    page: str | None = None
    session: str | None = None
    is_seen: bool = False
    sequence: int | None = None
    read_at: datetime | None = None
    is_ours: bool | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> Order:
        """The place of the event among those of its subject."""
        return order_of(self.at, TIE_ORDER[self.kind], self.key, self.sequence, self.read_at)

    @property
    def stage_order(self) -> Order:
        """The place of the stage that it says: that of the step which `translate` makes of it."""
        step = f"{self.key}#{Kind.STAGE.value}" if self.kind is Kind.RECORD else self.key
        return order_of(self.at, TIE_ORDER[Kind.STAGE], step, self.sequence, self.read_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue:
    """A profile value with the conflict rule that its mapping gives it; `value` is JSON-like."""

    value: Any
    conflict: Conflict = Conflict.NEWEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """The nth different `thing` that a subject's `counter` meets gives the nth of `statuses`; the last from then on.

    `counted` names what is counted, for explanations.
    """

    counter: str
    thing: str
    statuses: tuple[str, ...]
    counted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the fold. `at` is aware UTC; `id` names the step in explanations; the rest of `order`: as of `Event`.

    `is_lead` counts on a subject's first step only. For jumps and triggers: `to` is a status code, `counting` stands in
    its place where the status depends on a count, `by` is `person` or `crm`, `is_forward_only` refuses moves down the
    ladder, `may_reopen` lets a trigger work from off the ladder. Of a run `rule` is the id of the rule, and `by` is who
    runs it. `source`: the record that gives `fields`, or the connection where none does.
    """

    id: str
    at: datetime
    kind: Kind
    is_lead: bool = False
    to: str | None = None
    by: str | None = None
    trigger: str | None = None
    may_reopen: bool = False
    is_forward_only: bool = False
    action: str | None = None
    page: str | None = None
    session: str | None = None
    tag: str | None = None
    is_removed: bool = False
    owner: str | None = None
    conflict: Conflict = Conflict.NEWEST
    rule: str | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    source: str | None = None
    counting: Counting | None = None
    sequence: int | None = None
    read_at: datetime | None = None

    @property
    def order(self) -> Order:
        """The place of the step in its subject's fold."""
        return order_of(self.at, TIE_ORDER[self.kind], self.id, self.sequence, self.read_at)


class Outcome(StrEnum):
    """What became of an event. It is stored with the event, and it is the label of its metric.

    `APPLIED`: it counts. `STALE`: it counts, but its record had a newer stage already. `ECHO`: what we wrote ourselves,
    come back. `DUPLICATE`: it was there already. `IGNORED`: the mapping makes nothing of it. `HELD`: it waits for a
    mapping. `DEAD`: it could not be read, or was given up. `PENDING`: nothing became of it yet.
    """

    APPLIED = "applied"
    IGNORED = "ignored"
    STALE = "stale"
    ECHO = "echo"
    DUPLICATE = "duplicate"
    HELD = "held"
    DEAD = "dead"
    PENDING = "pending"


OF_DELIVERY: Final = (
    Outcome.HELD,
    Outcome.DEAD,
    Outcome.APPLIED,
    Outcome.STALE,
    Outcome.ECHO,
    Outcome.DUPLICATE,
    Outcome.IGNORED,
)
"""A delivery with several events has the outcome that comes first here among theirs."""
COUNTED: Final = frozenset({Outcome.APPLIED, Outcome.STALE})
"""The outcomes of events that take part in the fold of their subject."""


def delivery_outcome(tally: Mapping[Outcome, int]) -> Outcome:
    """The outcome of a delivery whose events ended so (outcome → how many); ignored when it had none."""
    return next((one for one in OF_DELIVERY if tally.get(one)), Outcome.IGNORED)
