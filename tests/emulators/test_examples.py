"""Examples of webhooks: each is taken for the system's own, and says something that its adapter can read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from adapters import ADAPTERS
from connector.core.errors import NotFound, WrongSetting
from connector.emulators.examples import EXAMPLES, example
from connector.emulators.systems import WITHOUT
from tests.adapters.support import signing_of

NOW: Final = datetime(2026, 11, 29, 3, 4, 5, 678000, tzinfo=UTC)
ALL: Final = [(system, name) for system, names in EXAMPLES.items() for name in names]
SETTINGS: Final[dict[str, list[dict[str, Any]]]] = {
    "amis": [{"signing_secret": ("a signing secret",)}],
    "bitrix24": [{"member_id": "7f3c9a51d20e4b6c"}],
    "cocoar": [{"proof": "hmac"}],
    "generic": [
        {"proof": "hmac", "timestamp_header": "X-Time", "signed": "{timestamp}.{method}{path}.{body}"},
        {"proof": "hmac", "id_header": "X-Id", "signed": "{id}.{body}", "encoding": "base64", "prefix": "sha256="},
        {"proof": "basic", "secret": ("user:password-of-it",)},
        {"proof": "token", "proof_header": "", "proof_query": "key"},
        {"proof": "standard", "secret": ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",)},
    ],
    "hubspot": [{"webhook_url": "", "portal_id": "48210377"}],
}
"""Connections that are proved in another way than that of `signing.py`."""


def _adapters(system: str) -> list[Any]:
    signing = signing_of(system)
    built: Any = signing.build(signing.secrets)
    fields = {key: getattr(built, key) for key in built.SETTINGS}
    return [built, *(type(built)(**{**fields, **more}) for more in SETTINGS.get(system, ()))]


@pytest.mark.parametrize(("system", "name"), ALL)
def test_an_example_is_taken_for_the_system_s_own_and_can_be_read(system: str, name: str) -> None:
    for adapter in _adapters(system):
        delivery = example(adapter, name, "/webhooks/test", NOW)
        adapter.verify(delivery, NOW)
        assert adapter.receive(delivery).reply.status < 300
        assert delivery.headers["content-type"].partition(";")[0] in adapter.CONTENT_TYPES


@pytest.mark.parametrize("system", ["cocoar", "generic", "posthog", "rudderstack", "segment", "standard", "tracker"])
def test_what_the_usual_example_says_is_an_event_of_this_moment(system: str) -> None:
    adapter = _adapters(system)[0]
    (event, *_) = adapter.parse(example(adapter, None, "", NOW), {})
    assert abs((event.at - NOW).total_seconds()) < 1


def test_two_of_the_same_example_are_two_deliveries() -> None:
    adapter = _adapters("standard")[0]
    assert len({adapter.receive(example(adapter, None, "", NOW)).key for _ in range(2)}) == 2


def test_every_system_that_sends_webhooks_has_an_example() -> None:
    laid_out = {name for name, why in WITHOUT.items() if "STILL TO BE DONE" in why}
    assert set(ADAPTERS) - set(EXAMPLES) - laid_out == {"matomo", "youyi"}


def test_what_has_no_example_or_no_secret_is_said() -> None:
    adapter = _adapters("standard")[0]
    with pytest.raises(NotFound, match="standard has no example 'stge'; there are: stage, action, identify"):
        example(adapter, "stge", "", NOW)
    with pytest.raises(NotFound, match="no example for matomo: it sends no webhooks"):
        example(_adapters("matomo")[0], None, "", NOW)
    with pytest.raises(WrongSetting, match="the connection has no secret webhook_secret"):
        example(ADAPTERS["jira"](), None, "", NOW)
