"""A workspace's settings, and the template compiled with them: what the fold looks up, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final
from zoneinfo import ZoneInfo

from connector.core.decision import Reason
from connector.core.event import BIT, KEY_PAGE, Action, IdentityKind
from connector.core.rules import ANY, Recipient, Rule, Template
from connector.core.status import StatusInfo
from connector.core.terms import Seen, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """A pattern for the URL of a key page; `match` is exact, prefix, contains or glob, all case-sensitive."""

    match: str
    url: str

    def matches(self, page: str) -> bool:
        """Whether the page's URL is a key page by this pattern."""
        return _MATCHERS[self.match](page, self.url)


_MATCHERS: Final[dict[str, Callable[[str, str], bool]]] = {
    "exact": lambda page, url: page == url,
    "prefix": lambda page, url: page.startswith(url),
    "contains": lambda page, url: url in page,
    "glob": fnmatchcase,
}
MATCHES: Final = tuple(_MATCHERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSetting:
    """Per rule: disabled is as if not in the table; `notify` False decides but asks for no mail."""

    is_enabled: bool = True
    has_notify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRules:
    """What identifies nobody: the company's own placeholders, and what too many share.

    `addresses` and `domains` of e-mails are in lower case, `numbers` are digits, perhaps with a + in front, also E.164.
    `shared_after`: beside so many different e-mails a phone still identifies, and on so many person records an e-mail.
    """

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    shared_after: int = 3

    def is_nobodys(self, kind: str, value: str) -> bool:
        """Whether a stored identity is one that the company takes for nobody's."""
        if kind == IdentityKind.EMAIL:
            return value in self.addresses or value.rpartition("@")[2] in self.domains
        return kind in {IdentityKind.MOBILE, IdentityKind.PHONE} and value in self.numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The workspace's settings that change a reading.

    `once_per_stay`: ids of list notices decided once per stay. `in_progress`: what that status of ver.1.0 has become
    (None: as the template says). `region`: the country (ISO 3166-1) of phone numbers without one, where the connection
    names none. `date_order`: dmy, mdy or ymd, of dates in files that do not show it. None: not set.
    """

    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Tokyo"))
    session_gap_minutes: int = 30
    key_pages: tuple[KeyPage, ...] = ()
    is_mail_on: bool = False
    once_per_stay: frozenset[str] = frozenset()
    has_fallback_to_administrators: bool = False
    administrators: tuple[str, ...] = ()
    rules: Mapping[str, RuleSetting] = field(default_factory=dict)
    own_statuses: tuple[StatusInfo, ...] = ()
    in_progress: str | None = None
    identity: IdentityRules = field(default_factory=IdentityRules)
    region: str | None = None
    date_order: str | None = None


_DEFAULT: Final = RuleSetting()
_PAGES_REMEMBERED: Final = 4096


class Ruleset:
    """Enabled rules by status, the windows they need, the ladder, the people to write to; `settings.zone` dates all.

    `version`: of the document that was published, 0 while none was. `is_of_others`: the version before took others for
    nobody, so that who is who is found out again. `renamed`: what statuses of the template before this one have become.
    """

    def __init__(self, template: Template, settings: Settings, version: int = 0, *, is_of_others: bool = False) -> None:
        enabled = [rule for rule in template.rules if settings.rules.get(rule.id, _DEFAULT).is_enabled]
        self.template: Final = template
        self.settings: Final = settings
        self.version: Final = version
        self.is_of_others: Final = is_of_others
        self.zone: Final = settings.zone
        self.gap: Final = timedelta(minutes=settings.session_gap_minutes)
        self.renamed: Final = {
            former: settings.in_progress or code for former, code in template.renamed_statuses.items()
        }
        self.statuses: Final[dict[str, StatusInfo]] = {
            info.code: self._with_former_codes(info) for info in (*template.statuses, *settings.own_statuses)
        }
        self.ladder: Final = {info.code: info.rank for info in template.statuses if info.rank is not None}
        self.rules: Final = {rule.id: rule for rule in enabled}
        self.sequential: Final = _by_status([rule for rule in enabled if rule.on])
        self.moves: Final = _by_status([rule for rule in enabled if rule.is_daily and rule.to])
        self.notices: Final = _by_status([rule for rule in enabled if rule.is_daily and not rule.to])
        self.entering: Final = tuple(rule for rule in enabled if rule.status == ANY)
        self.windows: Final = _windows(template)
        self._looks_at_pages = any(window.bits & KEY_PAGE for window, _ in self.windows)
        self._key_pages: dict[str, bool] = {}

    def _with_former_codes(self, info: StatusInfo) -> StatusInfo:
        return replace(info, former_codes=tuple(former for former, code in self.renamed.items() if code == info.code))

    def is_key_page(self, page: str) -> bool:
        """Whether one of the workspace's patterns matches; remembered for the pages seen lately."""
        known = self._key_pages.get(page)
        if known is None:
            if len(self._key_pages) >= _PAGES_REMEMBERED:
                self._key_pages.clear()
            known = self._key_pages[page] = any(pattern.matches(page) for pattern in self.settings.key_pages)
        return known

    def bits(self, action: str, page: str | None) -> int:
        """What an action counts as: its own bit, and on a key page also a key-page view and a site access.

        No bits: it is no target action. A template whose rules ask for no key page does not look at pages.
        """
        bit = BIT[action]
        if bit and page is not None and self._looks_at_pages and self.is_key_page(page):
            return bit | KEY_PAGE | BIT[Action.SITE_ACCESS]
        return bit

    def between(self, before: str, after: str) -> tuple[str, ...]:
        """The statuses strictly between on the ladder, lowest first; upward only."""
        low, high = self.ladder.get(before), self.ladder.get(after)
        if low is None or high is None:
            return ()
        return tuple(code for code, rank in self.ladder.items() if low < rank < high)

    def recipients(self, rule: Rule, owner: str | None) -> tuple[tuple[str, ...], Reason | None]:
        """The e-mails that a rule writes to, sorted, and why it writes to nobody where it should."""
        settings = self.settings
        if rule.notice is None or not settings.rules.get(rule.id, _DEFAULT).has_notify:
            return (), None
        if not settings.is_mail_on:
            return (), Reason.MAIL_OFF
        if rule.recipient is Recipient.ADMINISTRATORS:
            people = settings.administrators
        elif owner:
            people = (owner,)
        elif rule.recipient is Recipient.PERSON_ELSE_ADMINISTRATORS or settings.has_fallback_to_administrators:
            people = settings.administrators
        else:
            people = ()
        return tuple(sorted(set(people))), None if people else Reason.NO_RECIPIENT


def _by_status(rules: list[Rule]) -> dict[str, tuple[Rule, ...]]:
    return {rule.status: tuple(other for other in rules if other.status == rule.status) for rule in rules}


def _windows(template: Template) -> tuple[tuple[Window, int], ...]:
    """Every window that a rule of the template asks for, with the most entries that one asks for."""
    sizes: dict[Window, int] = {}
    for rule in template.rules:
        for term in rule.terms:
            if isinstance(term, Seen):
                sizes[term.window] = max(sizes.get(term.window, 0), term.at_least)
    return tuple(sizes.items())
