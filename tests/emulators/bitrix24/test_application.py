"""The application of the emulated portal: OAuth with tokens that end, handlers, scopes, the offline queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from connector.emulators.bitrix24.application import Application
from connector.emulators.bitrix24.fields import Entity
from connector.emulators.bitrix24.rest import Rest, create_app
from connector.emulators.bitrix24.state import Portal
from connector.emulators.engine.faults import Faults, Tally
from tests.conftest import Clock
from tests.emulators.bitrix24.harness import STARTED, Harness

HANDLER = "https://connector.example.com/webhooks/tokyo?token=t"


class Installed:
    """A portal with an application, and its caller."""

    def __init__(self) -> None:
        self.clock = Clock(STARTED)
        self.portal, self.faults = Portal(now=self.clock), Faults()
        self.application = Application(now=self.clock)
        self.portal.announce = self.application.announce
        rest = Rest(self.portal, secrets={}, faults=self.faults, tally=Tally(), application=self.application)
        self.client: FlaskClient = create_app(rest).test_client()
        self.access = self.application.access()

    def call(self, method: str, **params: Any) -> Any:
        content = json.dumps({"auth": self.access, **params})
        return self.client.post(f"/rest/{method}", data=content, content_type="application/json").json

    def renew(self, refresh: str, **more: str) -> tuple[int, Any]:
        params = {"grant_type": "refresh_token", "client_id": self.application.client_id, "refresh_token": refresh}
        query = {**params, "client_secret": self.application.client_secret, **more}
        response = self.client.get("/oauth/token/", query_string=query)
        return response.status_code, response.json

    def queued(self, **params: Any) -> tuple[Any, list[int]]:
        result = self.call("event.offline.get", **params)["result"]
        return result["process_id"], [row["EVENT_DATA"]["FIELDS"]["ID"] for row in result["events"]]


@pytest.fixture
def installed() -> Installed:
    return Installed()


def test_a_refresh_token_is_good_once_and_an_access_token_for_an_hour(installed: Installed) -> None:
    first = installed.application.authorize()
    status, pair = installed.renew(first)
    assert (status, pair["expires_in"], pair["scope"]) == (200, 3600, "crm,user_basic")
    assert installed.renew(first)[1]["error"] == "invalid_grant"
    assert installed.renew(pair["refresh_token"])[0] == 200
    installed.access = pair["access_token"]
    assert installed.call("profile")["result"]["ID"] == "1"
    installed.clock.forward(seconds=3600)
    assert installed.call("profile")["error"] == "expired_token"


def test_the_oauth_server_names_what_is_wrong(installed: Installed) -> None:
    refresh = installed.application.authorize()
    assert installed.renew(refresh, client_secret="wrong")[1]["error"] == "invalid_client"
    assert installed.renew(refresh, grant_type="magic")[1]["error"] == "invalid_request"
    installed.faults.has_bad_credentials = True
    assert installed.renew(refresh)[1]["error"] == "invalid_client"
    assert installed.call("profile")["error"] == "invalid_token"
    installed.faults.has_bad_credentials = False
    installed.access = "never issued"
    assert installed.call("profile")["error"] == "invalid_token"
    installed.access = ""
    assert installed.call("profile")["error"] == "NO_AUTH_FOUND"


def test_handlers_are_bound_once_listed_and_unbound(installed: Installed) -> None:
    assert installed.call("event.bind", event="onCrmLeadAdd", handler=HANDLER)["result"] is True
    assert installed.call("event.bind", event="ONCRMLEADADD", handler=HANDLER)["error_description"] == (
        "Handler already binded"
    )
    assert installed.call("event.bind", event="ONCRMLEADDELETE", event_type="offline")["result"] is True
    assert installed.call("event.bind", event="ONCRMLEADDELETE", event_type="offline")["error"] == ""
    assert installed.call("event.bind", event="ONMOON", handler=HANDLER)["error"] == "ERROR_EVENT_NOT_FOUND"
    assert installed.call("event.bind", event="ONCRMLEADADD", handler="x")["error"] == "ERROR_ARGUMENT"
    assert [(row["event"], row["offline"]) for row in installed.call("event.get")["result"]] == [
        ("ONCRMLEADADD", 0),
        ("ONCRMLEADDELETE", 1),
    ]
    assert installed.call("event.unbind", event="ONCRMLEADADD", handler=HANDLER)["result"] == {"count": 1}
    assert installed.call("event.unbind", event="ONCRMLEADADD", handler=HANDLER)["result"] == {"count": 0}


def test_the_offline_queue_keeps_one_entry_an_object_and_reserves_or_removes(installed: Installed) -> None:
    for event in ("ONCRMLEADUPDATE", "ONCRMLEADDELETE"):
        installed.call("event.bind", event=event, event_type="offline")
    one, two = (installed.portal.add(Entity.LEAD, {"title": "x"}, by=1) for _ in range(2))
    for stage in ("IN_PROCESS", "PROCESSED"):
        installed.portal.move(Entity.LEAD, one, stage, by=1)
    installed.portal.delete(Entity.LEAD, two)
    process, ids = installed.queued(clear=0)
    assert ids == [one, two]
    assert installed.queued(clear=0)[1] == []
    assert installed.queued(clear=0, process_id=process) == (process, ids)
    first = installed.call("event.offline.get", clear=0, process_id=process, limit=1)["result"]["events"][0]
    assert installed.call("event.offline.clear", process_id=process, id=[first["ID"]])["result"] is True
    assert installed.queued(clear=0, process_id=process)[1] == [two]
    assert installed.call("event.offline.clear", process_id=process)["result"] is True
    assert installed.call("event.offline.clear")["error"] == "ERROR_ARGUMENT"
    assert installed.queued(clear=0, process_id=process)[1] == []
    installed.portal.move(Entity.LEAD, one, "JUNK", by=1)
    assert installed.queued() == (None, [one])
    assert installed.queued() == (None, [])


def test_without_the_extended_plan_nothing_can_be_reserved(installed: Installed) -> None:
    assert installed.call("feature.get", CODE="rest_offline_extended")["result"] == {"value": "Y"}
    installed.application.is_extended = False
    assert installed.call("feature.get", CODE="rest_offline_extended")["result"] == {"value": "N"}
    assert installed.call("event.offline.get", clear=0)["error"] == "ACCESS_DENIED"


def test_a_webhook_has_scopes_and_no_events(harness: Harness) -> None:
    assert harness.call("scope")["result"] == ["crm", "user_basic"]
    assert harness.error("event.get")[:2] == (403, "WRONG_AUTH_TYPE")
    assert harness.client.get("/oauth/token/").status_code == 401
