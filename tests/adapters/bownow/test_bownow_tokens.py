"""The tokens of the BowNow adapter: issued once for all processes, renewed, and said without the secret."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.adapter_kit.contract import Answer, PushOutcome
from connector.core.errors import AccessRefused, CrmRefused
from tests.adapters.bownow.fake import BOW, FakeBowNow, reply, update
from tests.adapters.builders import outcomes


def test_tokens_are_issued_once_and_kept_for_every_process(api: FakeBowNow) -> None:
    BOW.catalog(api)
    assert api.keeps == {"access_token": "a1", "refresh_token": "r1", "client_token": "c1"}
    other = FakeBowNow()
    other.keeps = dict(api.keeps)
    BOW.catalog(other)
    assert "POST /auth/token" not in other.lines()
    assert other.calls[0][2] == {"Tracking-ID": "UTC-1", "Client-Token": "c1", "Authorization": "Bearer a1"}


def test_an_access_token_that_ran_out_is_renewed_by_the_refresh_token(api: FakeBowNow) -> None:
    api.keeps = {"access_token": "a0", "refresh_token": "r0", "client_token": "c0"}
    api.answers["POST /statuses/search"] = [reply({}, 401)]
    api.answers["POST /auth/refresh"] = [reply({"access_token": "a2"})]
    BOW.catalog(api)
    assert api.calls[1] == (
        "POST /auth/refresh",
        {"refresh_token": "r0"},
        {"Tracking-ID": "UTC-1", "Client-Token": "c0"},
    )
    assert api.keeps == {"access_token": "a2", "refresh_token": "r0", "client_token": "c0"}


@pytest.mark.parametrize("answer", [reply({}, 404), reply([]), reply({"access_token": None})])
def test_without_a_good_refresh_token_the_api_key_gives_new_tokens(api: FakeBowNow, answer: Answer) -> None:
    api.keeps = {"access_token": "a0", "refresh_token": "r0", "client_token": "c0"}
    api.answers["POST /statuses/search"] = [reply({}, 401)]
    api.answers["POST /auth/refresh"] = [answer]
    BOW.catalog(api)
    assert api.keeps["access_token"] == "a1"


def test_what_another_process_renewed_is_taken_and_not_renewed_again(api: FakeBowNow) -> None:
    api.memo["tokens"] = ("a0", "c0")
    api.keeps = {"access_token": "a5", "client_token": "c5"}
    api.answers["POST /statuses/search"] = [reply({}, 401)]
    BOW.catalog(api)
    assert api.memo["tokens"] == ("a5", "c5")
    assert not [line for line in api.lines() if "auth" in line]


def test_without_any_refresh_token_the_api_key_is_used(api: FakeBowNow) -> None:
    api.memo["tokens"] = ("a0", "c0")
    api.answers["POST /statuses/search"] = [reply({}, 401)]
    BOW.catalog(api)
    assert api.lines()[1] == "POST /auth/token"


def test_bad_credentials_are_said_without_the_secret(api: FakeBowNow) -> None:
    two = replace(BOW, api_key=("k1-secret", "k0-secret"))
    api.answers["POST /auth/token"] = [
        reply({"message": "bad k1-secret"}, 401),
        reply({"message": "bad k0-secret"}, 403),
    ]
    with pytest.raises(CrmRefused) as caught:
        two.catalog(api)
    assert str(caught.value) == (
        'no token, POST /auth/token: answered 403: {"message": "bad ***"}; check tracking_id and api_key'
    )
    with pytest.raises(CrmRefused, match="no api_key is set; check tracking_id and api_key"):
        replace(BOW, api_key=()).catalog(api)


def test_a_fresh_token_that_is_refused_ends_it(api: FakeBowNow) -> None:
    api.answers["POST /statuses/search"] = [reply({}, 401), reply({}, 401)]
    with pytest.raises(CrmRefused, match=r"POST /statuses/search: answered 401: \{\}; check tracking_id and api_key"):
        BOW.catalog(api)


def test_an_update_that_the_credentials_no_longer_allow_waits_for_them(api: FakeBowNow) -> None:
    api.answers["PATCH /leads/sid_1"] = [reply({}, 401), reply({}, 401)]
    assert outcomes(BOW.push([update(status_id=4)], api))[0][0] is PushOutcome.NO_ACCESS


def test_an_owner_whom_nobody_may_look_up_for_want_of_credentials_waits_too(api: FakeBowNow) -> None:
    api.answers["POST /accounts/search"] = [reply({}, 401), reply({}, 401)]
    with pytest.raises(AccessRefused, match="answered 401"):
        BOW.push([update(owner="aiko@example.jp", owner_field="staff_ids")], api)
