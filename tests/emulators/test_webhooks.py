"""How the emulated kintone, Jira and Odoo send their webhooks: what they repeat, drop, and keep silent on."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from connector.emulators.jira.crm import MOST_RETRIES, JiraCrm
from connector.emulators.kintone.crm import LOGIN, MOST_NOTICES, PASSWORD, KintoneCrm
from connector.emulators.kintone.state import APP
from connector.emulators.odoo.crm import KEY, OdooCrm
from tests.emulators.inbox import Inbox

NOW = datetime(2026, 3, 4, 5, 6, 20, tzinfo=UTC)


def _now() -> datetime:
    return NOW


@pytest.mark.parametrize(("status", "times"), [(202, 1), (400, 1), (401, 1), (503, 1 + MOST_RETRIES), (429, 6)])
def test_jira_sends_again_after_some_answers_only_and_under_the_same_identifier(
    inbox: Inbox, status: int, times: int
) -> None:
    inbox.status = status
    with JiraCrm(now=_now) as jira:
        jira.subscribe(inbox.url)
        jira.add("a@customer.example")
        assert jira.drain(10)
    assert len(inbox.got) == times
    assert len({got.headers["X-Atlassian-Webhook-Identifier"] for got in inbox.got}) == 1
    assert [got.headers.get("X-Atlassian-Webhook-Retry") for got in inbox.got][1:] == [
        str(number) for number in range(1, times)
    ]


def test_kintone_drops_what_comes_after_sixty_notices_in_a_minute(inbox: Inbox) -> None:
    with KintoneCrm(now=_now) as kintone:
        kintone.subscribe(inbox.url)
        for number in range(MOST_NOTICES + 3):
            kintone.add(f"{number}@customer.example")
        assert kintone.drain(30)
        assert (len(inbox.got), kintone.tally["webhooks.dropped"]) == (MOST_NOTICES, 3)


def test_kintone_tells_of_one_record_and_is_silent_on_several(inbox: Inbox) -> None:
    with KintoneCrm(now=_now) as kintone:
        kintone.subscribe(inbox.url)
        ids = [int(kintone.add(f"{name}@customer.example")) for name in "ab"]

        def put(path: str, **body: Any) -> requests.Response:
            return requests.put(f"{kintone.url}/k/v1/{path}", json={"app": APP, **body}, auth=_login, timeout=5)

        entries = [{"id": one, "action": "商談を始める", "revision": 1} for one in ids]
        assert [one["revision"] for one in put("records/status.json", records=entries).json()["records"]] == ["3", "3"]
        assert put("records/status.json", records=entries).json()["code"] == "GAIA_CO02"
        assert put("record.json", id=ids[0], record={"氏名": {"value": "愛子"}}).json() == {"revision": "4"}
        wrong = put("record.json", id=ids[0], record={"更新日時": {"value": "x"}, "見込金額": {"value": "x"}})
        assert set(wrong.json()["errors"]) == {"record.更新日時.value", "record.見込金額.value"}
        kintone.delete(str(ids[1]))
        assert kintone.drain(10)
    told = Counter(got.json()["type"] for got in inbox.got)
    assert told == {"ADD_RECORD": 2, "UPDATE_RECORD": 1, "DELETE_RECORD": 1}


def _login(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    prepared.headers["X-Cybozu-Authorization"] = b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    return prepared


def test_odoo_sends_once_whatever_is_answered_and_a_deleted_lead_shows_its_id_only(inbox: Inbox) -> None:
    inbox.status = 500
    with OdooCrm(now=_now) as odoo:
        odoo.subscribe(inbox.url)
        odoo.delete(odoo.add("a@customer.example", owner="9"))
        assert odoo.drain(10)
    made, deleted = sorted((got.json() for got in inbox.got), key=len, reverse=True)
    assert (made["user_id"], made["lost_reason_id"], made["write_date"]) == (9, False, "2026-03-04 05:06:20")
    assert set(deleted) == {"_action", "_id", "_model"}


def test_odoo_refuses_wrong_keys_fields_and_relations() -> None:
    with OdooCrm(now=_now) as odoo:
        lead = int(odoo.add("a@customer.example"))

        def call(body: Any, key: str = KEY) -> tuple[int, str]:
            headers = {"Authorization": f"bearer {key}", "X-Odoo-Database": "example-prod"}
            answer = requests.post(f"{odoo.url}/json/2/crm.lead/write", json=body, headers=headers, timeout=5)
            return answer.status_code, answer.json()["name"] if answer.status_code != 200 else ""

        assert call({"ids": [lead], "vals": {"phone": "1"}}) == (200, "")
        assert call({}, key="wrong") == (401, "werkzeug.exceptions.Unauthorized")
        assert call([]) == (400, "werkzeug.exceptions.BadRequest")
        assert call({"ids": [lead], "vals": {"stage_id": 99}}) == (422, "odoo.exceptions.ValidationError")
        assert call({"ids": [lead], "vals": {"nowhere": 1}}) == (500, "builtins.ValueError")
        assert call({"ids": [1], "vals": {}}) == (404, "odoo.exceptions.MissingError")
