"""The AMIS adapter's calls: failures behind a 200, tokens, settings, directories, inspection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.amis.records import REVENUE, STAGES
from connector.adapter_kit.contract import Answer, Person
from connector.core.errors import CrmRefused, CrmUnavailable
from tests.adapters.amis.fake import AMIS, LAN, SINCE, FakeAmis, good, notice, reply

EXPIRED = reply({"success": False, "ErrorCode": "ExpiredToken", "UserMsg": "Token has expired"})


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (reply({"success": False, "user_msg": "Không có quyền"}), CrmRefused, "answered 200: Không có quyền"),
        (reply({"code": 400, "error_message": "bad"}), CrmRefused, "answered 200: 400: bad"),
        (reply({"ErrorCode": "Exception", "DevMsg": "x"}), CrmUnavailable, "answered 200: Exception: x"),
        (reply({"ErrorCode": "AppIDDisconnect"}, 403), CrmRefused, "the AppID was disconnected"),
        (Answer(status=404, headers={}, body=b"<html>"), CrmRefused, "GET /Contacts: answered 404"),
        (Answer(status=200, headers={}, body=b"<html>"), CrmUnavailable, "is not JSON"),
        (reply("text", 400), CrmRefused, "answered 400"),
    ],
)
def test_a_failure_is_seen_whatever_its_status(api: FakeAmis, answer: Answer, error: type, text: str) -> None:
    api.answers["GET /Contacts"] = [answer]
    with pytest.raises(error) as caught:
        list(replace(AMIS, resources=("Contacts",)).changes(SINCE, api))
    assert text in str(caught.value)


@pytest.mark.parametrize("data", [{"data": [{"id": 5}]}, {"id": 5}])
def test_rows_may_stand_one_level_deeper(api: FakeAmis, data: Any) -> None:
    api.answers["GET /Contacts/id"] = [good(data)]
    assert AMIS.fetch([notice("contact.updated", id=5)], api) == {"Contacts:5": {"id": 5}}


def test_an_answer_may_be_a_bare_list_or_hold_no_rows(api: FakeAmis) -> None:
    api.answers["GET /Contacts/id"] = [reply([{"id": 5}]), good("x"), good(None)]
    assert AMIS.fetch([notice("contact.updated", id=5)], api) == {"Contacts:5": {"id": 5}}
    assert AMIS.fetch([notice("contact.updated", id=5)], api) == {"Contacts:5": None}


def test_a_token_is_fetched_once_and_kept_for_every_process(api: FakeAmis) -> None:
    AMIS.fetch([notice("contact.updated", id=17)], api)
    AMIS.fetch([notice("contact.updated", id=17)], api)
    assert api.calls[0] == ("POST /Account", {"client_id": "app", "client_secret": "s1"})
    assert (api.lines().count("POST /Account"), api.keeps["access_token"]) == (1, "t1")
    other = FakeAmis()
    other.keeps = dict(api.keeps)
    AMIS.fetch([notice("contact.updated", id=17)], other)
    assert "POST /Account" not in other.lines()


@pytest.mark.parametrize("refusal", [EXPIRED, reply({}, 401), reply({"ErrorCode": "InvalidToken"}, 401)])
def test_a_token_that_ran_out_is_fetched_anew_once(api: FakeAmis, refusal: Answer) -> None:
    api.keeps["access_token"] = "old"
    api.answers["GET /Contacts/id"] = [refusal]
    AMIS.fetch([notice("contact.updated", id=17)], api)
    assert api.tokens[0] == "Bearer old"
    assert api.keeps["access_token"] != "old"
    api.answers["GET /Contacts/id"] = [EXPIRED, EXPIRED]
    with pytest.raises(CrmRefused, match="ExpiredToken"):
        AMIS.fetch([notice("contact.updated", id=17)], api)


def test_a_token_that_another_process_fetched_is_taken(api: FakeAmis) -> None:
    api.memo["access_token"], api.keeps["access_token"] = "old", "new"
    api.answers["GET /Contacts/id"] = [EXPIRED]
    AMIS.fetch([notice("contact.updated", id=17)], api)
    assert api.tokens == ["Bearer old", "Bearer new"]


def test_without_a_token_it_is_said_what_to_check_and_no_secret(api: FakeAmis) -> None:
    bad = reply({"success": False, "ErrorCode": "InvalidAppID", "UserMsg": "s1 is wrong"})
    api.answers["POST /Account"] = [bad, reply({"success": True, "data": None})]
    two = replace(AMIS, client_secret=("s1", "s0"))
    with pytest.raises(CrmRefused, match="POST /Account: the answer has no token; check client_id and client_secret"):
        two.fetch([notice("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [bad]
    with pytest.raises(CrmRefused) as caught:
        AMIS.fetch([notice("contact.updated", id=17)], api)
    assert "InvalidAppID: *** is wrong: check client_id" in str(caught.value)
    with pytest.raises(CrmRefused, match="no client_secret is set"):
        replace(AMIS, client_secret=()).fetch([notice("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [reply({"ErrorCode": "Exception"})]
    with pytest.raises(CrmUnavailable):
        AMIS.fetch([notice("contact.updated", id=17)], api)
    api.answers["POST /Account"] = [reply([])]
    with pytest.raises(CrmRefused, match="has no token"):
        AMIS.fetch([notice("contact.updated", id=17)], api)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"client_id": ""}, "client_id (missing)"),
        ({"resources": ("Leads",)}, "resources (Customers, Contacts, SaleOrders)"),
        ({"subjects": "all"}, "subjects (person or company)"),
        ({"first_page": 2}, "first_page (0 or 1)"),
        ({"pages": 0}, "pages (1 or more)"),
        ({"keys": ("x=y",)}, "keys (event, data, id, stage or time, = and a key)"),
        ({"keys": ("event",)}, "keys (event, data, id, stage or time, = and a key)"),
        ({"owners": ("lan@example.vn",)}, "owners (e-mail=name)"),
        ({"zone": "Mars"}, "zone ('Mars' is no"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(CrmRefused) as caught:
        replace(AMIS, **settings).catalog(FakeAmis())
    assert text in str(caught.value)


def test_the_catalogue_has_the_seven_stages_the_states_of_revenue_and_the_owners_of_the_settings(api: FakeAmis) -> None:
    catalog = AMIS.catalog(api)
    assert list(catalog.stages["Contacts"][""]) == list(STAGES)
    assert list(catalog.stages["SaleOrders"][""]) == list(REVENUE)
    assert set(catalog.stages) == {"Customers", "Contacts", "SaleOrders", "aiMarketing"}
    assert catalog.owners[0] == Person(id="Trần Thị Lan", email=LAN, name="Trần Thị Lan")


def test_inspection_says_what_can_be_read_and_what_is_missing(api: FakeAmis) -> None:
    api.answers["GET /SaleOrders"] = [reply({"success": False, "user_msg": "no right"}, 403)]
    found = AMIS.inspect("https://connector.example/webhooks/amis", api)
    assert [(one.topic, one.is_good) for one in found] == [
        ("scopes", True),
        ("fields", False),
        ("scopes", True),
        ("scopes", False),
        ("webhooks", True),
        ("fields", True),
    ]
    assert "Customers show no field custom_field1" in found[1].text
    api.rows.clear()
    bare = replace(AMIS, owners=(), webhook_token=()).inspect("https://connector.example/webhooks/amis", api)
    assert [one.is_good for one in bare] == [True, True, True, False, False]
