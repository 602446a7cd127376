"""The ABM statuses: their order, their names in four languages, and the other words that people use for them."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from connector.core.errors import UnknownStatus


class Status(StrEnum):
    """The codes of the template's statuses; a company's own statuses are further plain strings."""

    NOT_SET = "not_set"
    LATENT = "latent"
    QUASI_EXPLICIT = "quasi_explicit"
    EXPLICIT = "explicit"
    APPOINTMENT_PROSPECT = "appointment_prospect"
    APPOINTMENT_ACQUISITION = "appointment_acquisition"
    VISITED = "visited"
    PROJECT = "project"
    ORDER = "order"
    LOST_ORDER = "lost_order"
    NOT_TARGETED = "not_targeted"
    PENDING = "pending"
    IN_PROGRESS = "in_progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusInfo:
    """One status: `rank` on the ladder (None: off it), its labels by language.

    `automatic`: rules move a subject that holds it. `listed`: shown in lists of statuses. `aliases`: what people also
    call it; read by `find_status`, never printed.
    """

    code: str
    rank: int | None
    en: str
    ja: str
    vi: str
    zh: str
    automatic: bool = True
    listed: bool = True
    aliases: tuple[str, ...] = ()


STATUSES: Final = (
    StatusInfo(code="not_set", rank=0, en="Not set", ja="未設定", vi="Chưa thiết lập", zh="未设置", listed=False),
    StatusInfo(code="latent", rank=1, en="Latent", ja="潜在", vi="Tiềm ẩn", zh="潜在"),
    StatusInfo(
        code="quasi_explicit",
        rank=2,
        en="Quasi-explicit",
        ja="準顕在",
        vi="Gần như rõ ràng",
        zh="准显在",
        aliases=("semi-explicit",),
    ),
    StatusInfo(
        code="explicit",
        rank=3,
        en="Explicit",
        ja="顕在化",
        vi="Rõ ràng",
        zh="显在",
        aliases=("revealed", "actualized", "顕在"),
    ),
    StatusInfo(
        code="appointment_prospect",
        rank=4,
        en="Appointment prospect",
        ja="アポ見込み",
        vi="Triển vọng cuộc hẹn",
        zh="预约意向",
    ),
    StatusInfo(
        code="appointment_acquisition",
        rank=5,
        en="Appointment acquired",
        ja="アポ獲得",
        vi="Đã có cuộc hẹn",
        zh="已获预约",
        automatic=False,
        aliases=("アポ",),
    ),
    StatusInfo(code="visited", rank=6, en="Visited", ja="訪問済", vi="Đã ghé thăm", zh="已拜访"),
    StatusInfo(
        code="project", rank=7, en="Project", ja="案件化", vi="Dự án", zh="立项", automatic=False, aliases=("case",)
    ),
    StatusInfo(
        code="order", rank=8, en="Order", ja="受注", vi="Đơn đặt hàng", zh="成交", automatic=False, aliases=("orders",)
    ),
    StatusInfo(
        code="lost_order", rank=None, en="Lost order", ja="失注", vi="Mất đơn hàng", zh="丢单", aliases=("loss",)
    ),
    StatusInfo(
        code="not_targeted",
        rank=None,
        en="Not targeted",
        ja="ターゲット外",
        vi="Không nhắm mục tiêu",
        zh="非目标",
        aliases=("off target", "対象外"),
    ),
    StatusInfo(
        code="pending", rank=None, en="Pending", ja="保留", vi="Đang chờ xử lý", zh="搁置", aliases=("reserved",)
    ),
)

_BY_CODE: Final = {status.code: status for status in STATUSES}

_MOVED_V1: Final = frozenset({"not_set", "latent", "explicit"})
"""The statuses that have rules in ver.1.0."""

STATUSES_V1: Final = (
    *(
        replace(_BY_CODE[code], automatic=code in _MOVED_V1)
        for code in (
            "not_set",
            "latent",
            "explicit",
            "appointment_prospect",
            "appointment_acquisition",
            "visited",
            "project",
            "order",
        )
    ),
    StatusInfo(
        code="in_progress", rank=None, en="In progress", ja="対応中", vi="Đang xử lý", zh="处理中", automatic=False
    ),
    replace(_BY_CODE["not_targeted"], automatic=False),
)


def _folded(word: str) -> str:
    """Full-width letters, case, hyphens, underscores and spaces make no difference to a person."""
    return "_".join(unicodedata.normalize("NFKC", word).casefold().replace("-", " ").replace("_", " ").split())


def find_status(word: str, statuses: Iterable[StatusInfo] = STATUSES) -> str:
    """The code for a code, label or alias as a person types it; raises `UnknownStatus` with the nearest code.

    A code counts before a label and a label before an alias; among equals the first status of the list counts, so that
    a company's own statuses never take a word from the template's.
    """
    infos = tuple(statuses)
    known: dict[str, str] = {}
    for names_of in _NAMES:
        for info in infos:
            for name in names_of(info):
                known.setdefault(_folded(name), info.code)
    folded = _folded(word)
    if folded in known:
        return known[folded]
    close = difflib.get_close_matches(folded, known, n=1)
    raise UnknownStatus(word, known[close[0]] if close else None, tuple(info.code for info in infos))


_NAMES: Final[tuple[Callable[[StatusInfo], tuple[str, ...]], ...]] = (
    lambda info: (info.code,),
    lambda info: (info.en, info.ja, info.vi, info.zh),
    lambda info: info.aliases,
)
