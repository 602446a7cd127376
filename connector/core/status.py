"""The ABM statuses: their codes, their ladder, and which of them rules move; `connector.i18n` has their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusInfo:
    """One status: `rank` on the ladder (None: off it).

    `automatic`: rules move a subject that holds it. `listed`: shown in lists of statuses. `names`: language → name, of
    a company's own status; the template's statuses have their names where the languages are. `former_codes`: statuses
    of an older template that this one stands for.
    """

    code: str
    rank: int | None
    automatic: bool = True
    listed: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    former_codes: tuple[str, ...] = ()


STATUSES: Final = (
    StatusInfo(code="not_set", rank=0, listed=False),
    StatusInfo(code="latent", rank=1),
    StatusInfo(code="quasi_explicit", rank=2),
    StatusInfo(code="explicit", rank=3),
    StatusInfo(code="appointment_prospect", rank=4),
    StatusInfo(code="appointment_acquisition", rank=5, automatic=False),
    StatusInfo(code="visited", rank=6),
    StatusInfo(code="project", rank=7, automatic=False),
    StatusInfo(code="order", rank=8, automatic=False),
    StatusInfo(code="lost_order", rank=None),
    StatusInfo(code="not_targeted", rank=None),
    StatusInfo(code="pending", rank=None),
)

_BY_CODE: Final = {info.code: info for info in STATUSES}
_ON_THE_LADDER_V1: Final = (
    "not_set",
    "latent",
    "explicit",
    "appointment_prospect",
    "appointment_acquisition",
    "visited",
    "project",
    "order",
)
_MOVED_V1: Final = frozenset({"not_set", "latent", "explicit"})
"""The statuses that have rules in ver.1.0."""

STATUSES_V1: Final = (
    *(replace(_BY_CODE[code], automatic=code in _MOVED_V1) for code in _ON_THE_LADDER_V1),
    StatusInfo(code="in_progress", rank=None, automatic=False),
    replace(_BY_CODE["not_targeted"], automatic=False),
)
