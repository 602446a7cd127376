"""What Youyi is asked, and what of its answers counts as done, later or refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.youyi import Youyi
from connector.adapter_kit.contract import Answer, PushOutcome, Update
from connector.core.errors import CrmUnavailable
from connector.core.event import RecordRef
from tests.adapters.support import FakeApi, answer

AT = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
BOUND = Youyi(url="https://youyi.example/", company="例", account="admin", password=("secret", "old"))
LEAD = {"external_id": "S1", "name": "佐藤", "mobile": "13800138000"}


def _update(**fields: Any) -> Update:
    given = fields or {"name": "佐藤", "mobile": "13800138000", "title": ""}
    record = RecordRef(object="lead", id="S1")
    return Update(key="k1", record=record, status="latent", label="Latent", since=AT, fields=given)


def _answer(data: Any = None, *, code: int = 0, status: int = 200, message: str = "") -> Answer:
    return answer(status, json.dumps({"code": code, "message": message, "data": data}).encode())


TOKEN = _answer({"token": "t1"})
MISSING = _answer(code=2005, status=404)


def _push(api: FakeApi, adapter: Youyi = BOUND, **fields: Any) -> tuple[PushOutcome, str | None]:
    (pushed,) = adapter.push([_update(**fields)], api)
    return pushed.outcome, pushed.reason


def test_a_lead_is_bound_for_looked_for_made_and_read_back() -> None:
    api = FakeApi(answers=[TOKEN, MISSING, _answer({"id": "1"}), _answer(LEAD)])
    assert _push(api) == (PushOutcome.DONE, None)
    assert [(call["method"], call["url"]) for call in api.calls] == [
        ("POST", "https://youyi.example/openapi/bind"),
        ("GET", "https://youyi.example/openapi/lead-pool/leads/S1"),
        ("POST", "https://youyi.example/openapi/lead-pool/leads"),
        ("GET", "https://youyi.example/openapi/lead-pool/leads/S1"),
    ]
    assert api.calls[0]["json"] == {"company": "例", "account": "admin", "password": "secret"}
    assert api.calls[2]["json"] == LEAD
    assert api.calls[2]["headers"] == {"Authorization": "Bearer t1"}
    assert api.keeps == {"access_token": "t1"}


def test_a_lead_that_is_there_already_is_not_made_again() -> None:
    api = FakeApi(answers=[_answer(LEAD)], keeps={"access_token": "t0"})
    assert _push(api) == (PushOutcome.DONE, None)


def test_a_token_that_is_not_known_any_more_is_replaced() -> None:
    api = FakeApi(answers=[_answer(code=1002, status=401), TOKEN, _answer(LEAD)], keeps={"access_token": "t0"})
    assert _push(api) == (PushOutcome.DONE, None)
    assert api.keeps == {"access_token": "t1"}


def test_without_a_call_to_ask_for_a_lead_it_is_not_read_back() -> None:
    blind = Youyi(url="https://y.example", company="c", account="a", password=("p",), find_path="")
    api = FakeApi(answers=[TOKEN, _answer()])
    assert _push(api, blind) == (PushOutcome.DONE, "not read back")


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        ([MISSING, _answer(), MISSING], PushOutcome.REFUSED, "is not in the lead pool"),
        (
            [MISSING, _answer(), _answer({**LEAD, "name": "x"})],
            PushOutcome.REFUSED,
            "name shows 'x' in place of '佐藤'",
        ),
        ([_answer("no lead"), _answer(), _answer("none")], PushOutcome.REFUSED, "is not in the lead pool"),
        ([MISSING, _answer(code=2002, message="未知字段: secret")], PushOutcome.REFUSED, "code 2002: 未知字段: ***"),
        ([answer(200, b"[]")], PushOutcome.REFUSED, "answered 200, code None: []"),
        ([answer(200, b"<html>")], PushOutcome.LATER, "not JSON"),
        ([CrmUnavailable("away", 7.0)], PushOutcome.LATER, "away"),
        (
            [_answer(status=401), _answer(code=1001, message="密码不正确")],
            PushOutcome.NO_ACCESS,
            "code 1001: 密码不正确",
        ),
        ([_answer(status=401), _answer()], PushOutcome.NO_ACCESS, "without a token"),
        ([_answer(status=401), _answer({"token": ""})], PushOutcome.NO_ACCESS, "without a token"),
    ],
)
def test_what_does_not_end_in_the_pool_is_refused_or_tried_later(
    answers: list[Answer | Exception], outcome: PushOutcome, reason: str
) -> None:
    found, why = _push(FakeApi(answers=answers, keeps={"access_token": "t"}))
    assert found is outcome
    assert reason in (why or "")


def test_a_lead_of_whom_nothing_is_known_and_a_connection_that_is_not_bound_are_refused() -> None:
    assert "nothing is known" in str(_push(FakeApi(answers=[]), name=""))
    assert "not bound" in str(_push(FakeApi(answers=[]), Youyi()))
    assert [Youyi().takes_updates, BOUND.takes_updates] == [False, True]


def test_a_look_at_the_connection_binds_anew() -> None:
    (good,) = BOUND.inspect("", FakeApi(answers=[TOKEN]))
    (bad,) = BOUND.inspect("", FakeApi(answers=[_answer(code=1001, message="企业名称不正确")]))
    assert (good.is_good, good.text) == (True, "bound to the company 例 by the account admin")
    assert (bad.is_good, "企业名称不正确" in bad.text) == (False, True)
