"""A look at a connection of the adapter `generic`: what its settings lack, and whether the system answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from adapters.generic.read import filled_since
from connector.adapter_kit.contract import Api, InspectionResult
from connector.adapter_kit.rest import answer_text, is_good

_EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REFUSED: Final = frozenset({401, 403})


def look(
    mistakes: Sequence[str], changes_url: str, headers: Mapping[str, str], secrets: Sequence[str], api: Api
) -> list[InspectionResult]:
    """The findings; with wrong settings nothing is asked. Raises `CrmUnavailable` when nothing answers."""
    if mistakes:
        return [InspectionResult(topic="settings", is_good=False, text=mistake) for mistake in mistakes]
    findings = [InspectionResult(topic="settings", is_good=True, text="the settings can be used")]
    if not changes_url:
        text = "`changes_url` is not set: lost webhooks are not found, and the credentials cannot be tried"
        return [*findings, InspectionResult(topic="credentials", is_good=True, text=text)]
    answer = api.call("GET", filled_since(changes_url, _EARLIEST), headers=dict(headers))
    if is_good(answer):
        return [*findings, InspectionResult(topic="credentials", is_good=True, text="`changes_url` answers")]
    topic = "credentials" if answer.status in _REFUSED else "webhooks"
    text = f"`changes_url` {answer_text(answer, secrets)}; correct it or `auth_value`"
    return [*findings, InspectionResult(topic=topic, is_good=False, text=text)]
