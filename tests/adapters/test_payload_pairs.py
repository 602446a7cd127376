"""Every captured request of every system is verified, has a key, and becomes the events that stand beside it."""

from __future__ import annotations

import json

import pytest

from connector.core.errors import BadSignature
from tests.adapters.support import Case, cases, payloads_of, shown


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.system}/{case.name}")
def test_a_captured_request_is_verified_and_becomes_its_events(case: Case) -> None:
    adapter, delivery = case.adapter(), case.delivery()
    adapter.verify(delivery, case.now())
    assert shown(adapter.parse(delivery, case.fetched())) == case.events()


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.system}/{case.name}")
def test_a_captured_request_has_a_key_a_lane_and_an_acknowledgement(case: Case) -> None:
    adapter, delivery = case.adapter(), case.delivery()
    received = adapter.receive(delivery)
    assert 1 <= len(received.key) <= 255
    assert isinstance(received.lane, str)
    assert 200 <= received.reply.status < 300


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.system}/{case.name}")
def test_a_captured_request_is_refused_without_the_secrets(case: Case) -> None:
    secrets = dict.fromkeys(case.connection().get("secrets", {}), ())
    closed = type(case.adapter())(**case.connection().get("settings", {}), **secrets)
    with pytest.raises(BadSignature):
        closed.verify(case.delivery(), case.now())


@pytest.mark.parametrize("system", sorted({case.system for case in cases()}))
def test_every_file_in_a_system_s_folder_belongs_to_a_request(system: str) -> None:
    names = {path.name.split(".")[0] for path in payloads_of(system).iterdir()} - {"connection", "README"}
    assert names == {case.name for case in cases() if case.system == system}


def test_a_case_without_events_is_told_from_a_case_that_was_forgotten() -> None:
    assert all(isinstance(json.loads((case.folder / f"{case.name}.events.json").read_text()), list) for case in cases())
