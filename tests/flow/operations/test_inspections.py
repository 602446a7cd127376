"""`connection test`: what works and what does not is told in words, from the system and from what the store knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Any, ClassVar

import pytest
import responses
from sqlalchemy import delete

from connector.adapter_kit.contract import Api, Catalog, InspectionResult, Person
from connector.core.errors import CrmRefused, CrmUnavailable
from connector.operations import connections as operations
from connector.operations.inspections import MOST_SHOWN, inspect
from connector.operations.subscriptions import subscribe_all
from connector.runtime.parts import Runtime
from connector.store.tables import mapping_versions
from tests.conftest import NOW, Clock
from tests.flow.scripted_adapter import Script, ScriptedAdapter, add_scripted
from tests.flow.senders import Sender, drain

GOOD = InspectionResult(topic="credentials", is_good=True, text="the key is good")
REGISTERED = InspectionResult(topic="webhooks", is_good=True, text="registered")


class Mute(ScriptedAdapter):
    """A system that sends no webhooks."""

    EVENTS: ClassVar[frozenset[str]] = frozenset()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def script(runtime: Runtime) -> Script:
    _reach(runtime, "https://connector.example.com")
    return _good(add_scripted(runtime))


def _good(script: Script) -> Script:
    script.inspect = lambda *_: [GOOD]
    return script


def _reach(runtime: Runtime, url: str | None) -> None:
    runtime.config = replace(runtime.config, public_url=url)


def _said(runtime: Runtime, topic: str) -> list[tuple[bool, str]]:
    return [(one.is_good, one.text) for one in inspect(runtime, "scripted") if one.topic == topic]


def _answer(headers: dict[str, str]) -> None:
    """The system answers each call with these headers."""
    responses.get("https://crm.example", headers=headers)


def test_what_the_adapter_finds_comes_first_and_it_is_asked_for_the_public_address(
    runtime: Runtime, script: Script
) -> None:
    asked: list[str] = []

    def inspects(url: str, api: Api) -> Sequence[InspectionResult]:
        asked.append(url)
        api.set_secret("token", "t")
        assert api.get_secret("token") == "t"
        assert api.memo == {}
        return [GOOD, InspectionResult(topic="scopes", is_good=False, text="crm is missing")]

    script.inspect = inspects
    found = inspect(runtime, "scripted")
    assert [(one.topic, one.is_good) for one in found[:2]] == [("credentials", True), ("scopes", False)]
    assert asked == ["https://connector.example.com/webhooks/scripted"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CrmUnavailable("no answer"), "the system did not answer: no answer; try again later"),
        (
            CrmRefused("wrong key"),
            "the system refused: wrong key; check the connection's settings and secrets",
        ),
    ],
)
def test_a_system_that_does_not_answer_or_refuses_is_shown(
    runtime: Runtime, script: Script, error: Exception, said: str
) -> None:
    def inspects(_url: str, _api: Api) -> Sequence[InspectionResult]:
        raise error

    script.inspect = inspects
    assert _said(runtime, "credentials") == [(False, said)]
    assert _said(runtime, "mapping") == [(True, "version 1 fits what the system has, as far as it says")]


def test_without_an_inspection_the_catalogue_shows_whether_the_system_answers(runtime: Runtime, script: Script) -> None:
    script.inspect = lambda *_: []
    ((is_good, text),) = _said(runtime, "credentials")
    assert (is_good, text.partition(";")[0]) == (
        True,
        "the system has no call that would show whether the credentials are good",
    )
    people = (Person(id="1", email="a@example.com", name="A"),)
    script.catalog = lambda: Catalog(owners=people, fields={"lead": {"company": "C"}})
    assert _said(runtime, "credentials") == [(True, "the system answers: 0 stages, 1 persons, 1 fields")]


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (0, [(True, "the system's clock and ours differ by 0 s")]),
        (-60, [(True, "the system's clock and ours differ by 60 s")]),
        (90, [(False, "the system's clock is 90 s ahead of ours")]),
        (-90, [(False, "the system's clock is 90 s behind ours")]),
    ],
)
@responses.activate
def test_the_system_s_clock_is_held_against_ours(
    runtime: Runtime, script: Script, ahead: int, expected: list[tuple[bool, str]]
) -> None:
    script.inspect = lambda _, api: [GOOD] if api.call("GET", "https://crm.example") else []
    _answer({"date": format_datetime(NOW + timedelta(seconds=ahead), usegmt=True)})
    assert [(is_good, text.partition(";")[0]) for is_good, text in _said(runtime, "clock")] == expected


@pytest.mark.parametrize("given", [{}, {"Date": "yesterday"}, {"Date": "Mon, 01 Jan 2026 00:00:00 -0000"}])
@responses.activate
def test_no_readable_date_is_no_finding(runtime: Runtime, script: Script, given: dict[str, str]) -> None:
    script.inspect = lambda _, api: [GOOD] if api.call("GET", "https://crm.example") else []
    _answer(given)
    assert _said(runtime, "clock") == []


def test_the_last_webhook_is_shown_and_one_that_never_came_is_wrong_unless_it_is_registered(
    runtime: Runtime, script: Script
) -> None:
    ((is_good, text),) = _said(runtime, "webhooks")
    assert is_good is False
    assert text.startswith("none has come yet; they go to https://connector.example.com/webhooks/scripted")
    script.inspect = lambda *_: [GOOD, REGISTERED]
    assert [is_good for is_good, _ in _said(runtime, "webhooks")] == [True, True]
    line: dict[str, Any] = {"id": "e", "at": NOW.isoformat(), "type": "identify", "subject": {"email": "a@example.com"}}
    assert Sender(runtime, "scripted").send(line).status_code == 202
    drain(runtime)
    script.inspect = lambda *_: [GOOD]
    assert _said(runtime, "webhooks") == [(True, "the last one came at 2026-04-01 03:00:00Z")]
    _reach(runtime, None)
    assert [is_good for is_good, _ in _said(runtime, "webhooks")] == [True, True]


def test_without_a_public_address_nothing_is_sure_to_come(runtime: Runtime, script: Script) -> None:
    del script
    _reach(runtime, None)
    first, second = _said(runtime, "webhooks")
    assert first == (
        False,
        "CONNECTOR_PUBLIC_URL is not set: only this machine is sure to reach http://127.0.0.1:8080/webhooks/scripted",
    )
    assert second[0] is False


def test_the_next_renewal_is_shown_and_a_registration_that_failed(runtime: Runtime, script: Script) -> None:
    script.subscribe = lambda *_: NOW + timedelta(days=1)
    subscribe_all(runtime, lambda: True)
    is_good, text = _said(runtime, "webhooks")[0]
    assert (is_good, text.endswith("/webhooks/scripted again at 2026-04-02 03:00:00Z")) == (True, True)

    def refuses(*_: object) -> None:
        message = "no right"
        raise CrmRefused(message)

    script.subscribe = refuses
    operations.change(runtime, "scripted", {"method": "PUT"}, actor="test")
    subscribe_all(runtime, lambda: True)
    is_good, text = _said(runtime, "webhooks")[0]
    assert (is_good, text.endswith("the log says why; it is tried again at 2026-04-01 09:00:00Z")) == (False, True)


def test_a_delivery_that_could_not_be_authenticated_since_is_shown(runtime: Runtime, script: Script) -> None:
    del script
    line = {"id": "e", "at": NOW.isoformat(), "type": "identify", "subject": {"email": "a@example.com"}}
    operations.rotate(
        runtime,
        "scripted",
        {"secret": ("whsec_ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=",)},
        keeps_old=False,
        actor="t",
    )
    assert Sender(runtime, "scripted").send(line).status_code == 401
    is_good, text = _said(runtime, "webhooks")[-1]
    assert is_good is False
    assert "connector delivery verify scripted" in text


def test_where_mapping_and_system_differ_is_shown_and_much_of_it_in_one_line(
    runtime: Runtime, script: Script, clock: Clock
) -> None:
    fields = {"lead": {name: name for name in ("STAGE", "SHOWN", "OWNER")}}
    stages = {f"s{number}": "S" for number in range(40)}
    script.catalog = lambda: Catalog(stages={"lead": {"": stages}}, fields=fields)
    told = _said(runtime, "mapping")
    assert len(told) == MOST_SHOWN + 1
    assert {is_good for is_good, _ in told} == {False}
    assert told[-1][1].endswith("more: `connector mapping drift scripted`")
    clock.forward(hours=1)
    script.catalog = lambda: Catalog(fields=fields)
    assert [is_good for is_good, _ in _said(runtime, "mapping")] == [True]
    clock.forward(hours=1)
    script.catalog = lambda: Catalog(fields={"lead": {**fields["lead"], "budget": "Budget"}})
    ((is_good, text),) = _said(runtime, "mapping")
    assert is_good is True
    assert "since lately" in text


def test_a_catalogue_that_is_refused_and_a_missing_mapping_are_shown(runtime: Runtime, script: Script) -> None:
    def refuse() -> Catalog:
        message = "no right"
        raise CrmRefused(message)

    script.catalog = refuse
    assert _said(runtime, "mapping")[0] == (
        False,
        "the catalogue was not read: the system refused: no right; check the connection's settings and secrets",
    )
    with runtime.database.write() as connection:
        connection.execute(delete(mapping_versions))
    runtime.connections.forget()
    assert _said(runtime, "mapping") == [(False, "there is no mapping: `connector mapping publish scripted FILE`")]


def test_a_paused_connection_and_a_system_without_webhooks_are_shown(runtime: Runtime) -> None:
    _good(add_scripted(runtime, adapter=Mute))
    operations.set_paused(runtime, "scripted", is_paused=True, actor="test")
    assert _said(runtime, "connection") == [
        (False, "the connection is paused; `connector connection resume scripted` goes on with it")
    ]
    assert _said(runtime, "webhooks") == [(True, "the system sends none; reconciliation asks it what changed")]
