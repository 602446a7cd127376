"""What Xinnet's webhook may say, and what of the answers to updates counts as done, later, refused or gone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.xinnet import Xinnet
from connector.adapter_kit.contract import Answer, Delivery, PushOutcome, Update
from connector.core.errors import BadPayload, CrmUnavailable, UnknownEvent
from connector.core.event import Event, FieldValue, Kind, RecordRef
from connector.core.mapping import translate
from connector.mapping import parse_mapping
from tests.adapters.support import FakeApi, answer
from tests.adapters.xinnet.signing import SIGNING

AT = datetime(2026, 3, 26, 8, 16, 5, tzinfo=UTC)
OUT = Xinnet(
    token=("t",),
    url="https://x.example/leads/{id}",
    method="put",
    read_url="https://x.example/r/{id}",
    auth_value=("key",),
)
MAPPING = (Path(__file__).parents[3] / "mappings" / "xinnet.yaml").read_text()


def _delivery(body: Any) -> Delivery:
    return replace(SIGNING.delivery, body=json.dumps(body).encode())


def _events(body: Any, adapter: Xinnet = OUT) -> list[Event | BadPayload]:
    return list(adapter.parse(_delivery(body), {}))


def _update(owner: str | None = None, **fields: Any) -> Update:
    record = RecordRef(object="lead", id="XS 1")
    shown: dict[str, Any] = {"key": "k", "record": record, "status": "project", "label": "Project", "since": AT}
    return Update(**shown, fields=fields, owner=owner, owner_field="负责人" if owner else None)


def _push(answers: list[Answer | Exception], update: Update, adapter: Xinnet = OUT) -> tuple[PushOutcome, str | None]:
    api = FakeApi(answers=answers)
    (pushed,) = adapter.push([update], api)
    return pushed.outcome, pushed.reason


def _shown(stage: str) -> Answer:
    return answer(200, json.dumps({"data": {"lead": {"状态": stage}}}).encode())


HANDLED = _update(状态="已处理")


def test_a_stage_is_written_with_the_lead_s_number_and_read_back() -> None:
    api = FakeApi(answers=[answer(200), _shown("已处理")])
    assert OUT.push([HANDLED], api)[0].outcome is PushOutcome.DONE
    assert [(call["method"], call["url"]) for call in api.calls] == [
        ("PUT", "https://x.example/leads/XS%201"),
        ("GET", "https://x.example/r/XS%201"),
    ]
    assert json.loads(api.calls[0]["data"]) == {"单号": "XS 1", "状态": "已处理"}
    assert api.calls[0]["headers"] == {"Content-Type": "application/json", "Authorization": "key"}


@pytest.mark.parametrize(
    ("answers", "update", "outcome", "reason"),
    [
        ([answer(200), _shown("全部线索")], HANDLED, PushOutcome.REFUSED, "状态 shows '全部线索' in place of '已处理'"),
        ([answer(200), answer(200, b"[]")], HANDLED, PushOutcome.REFUSED, "状态 shows nothing"),
        ([answer(422, b"no key here")], HANDLED, PushOutcome.REFUSED, "answered 422: no *** here"),
        ([answer(404)], HANDLED, PushOutcome.GONE, "answered 404"),
        ([answer(409, b"locked")], HANDLED, PushOutcome.LATER, "answered 409: locked"),
        ([CrmUnavailable("away", 3.0)], HANDLED, PushOutcome.LATER, "away"),
        ([], _update(状态="全部线索"), PushOutcome.REFUSED, "allowed: 已处理, 已回复, 已转为客户"),
        ([], _update("a@example.cn"), PushOutcome.REFUSED, "no person in charge"),
        (
            [answer(200), _shown("已处理")],
            _update("a@example.cn", 状态="已处理"),
            PushOutcome.REFUSED,
            "no person in charge",
        ),
    ],
)
def test_what_is_not_shown_is_refused_tried_later_or_gone(
    answers: list[Answer | Exception], update: Update, outcome: PushOutcome, reason: str
) -> None:
    found, why = _push(answers, update)
    assert found is outcome
    assert reason in (why or "")


def test_without_an_address_to_read_from_nothing_is_read_back() -> None:
    blind = Xinnet(url="https://x.example/{id}")
    assert _push([answer(204)], HANDLED, blind) == (PushOutcome.DONE, "not read back")
    assert [Xinnet().takes_updates, blind.takes_updates] == [False, True]


def test_the_stages_are_there_for_the_mapping() -> None:
    assert set(OUT.catalog(FakeApi(answers=[])).stages["lead"][""]) == {"全部线索", "已处理", "已回复", "已转为客户"}


@pytest.mark.parametrize(
    ("offset", "hours"), [("+08:00", 8), ("-3:30", -3.5), (" +00:00 ", 0), ("Beijing", 8), ("+15:00", 8)]
)
def test_times_are_at_the_offset_that_is_set(offset: str, hours: float) -> None:
    lead = {"单号": "1", "提交时间": "2026-03-26 16:00:00", "QQ": "1"}
    first = _events(lead, Xinnet(utc_offset=offset))[0]
    assert isinstance(first, Event)
    assert first.at == datetime(2026, 3, 26, 16, tzinfo=UTC) - timedelta(hours=hours)


def test_what_says_no_time_is_told_apart_by_its_receipt_and_a_new_lead_by_itself() -> None:
    def both(**lead: Any) -> list[tuple[str, ...]]:
        later = [
            _delivery({"单号": "1", **lead}),
            replace(_delivery({"单号": "1", **lead}), received_at=AT + timedelta(hours=1)),
        ]
        return [(OUT.receive(one).key, *(e.key for e in OUT.parse(one, {}) if isinstance(e, Event))) for one in later]

    for once in ({}, {"event": "新线索"}, {"event": "lead_handled", "time": "2026-03-26 16:14:00"}):
        first, second = both(**once)
        assert first == second
    first, second = both(event="lead_handled")
    assert not set(first) & set(second)


def test_two_changes_of_one_second_are_two_and_the_stage_further_on_is_the_newer() -> None:
    def told(event: str, **lead: Any) -> list[Event]:
        found = _events({"event": event, "time": "2026-03-26 16:14:00", "单号": "1", **lead})
        return [one for one in found if isinstance(one, Event)]

    assert told("lead_updated", 职务="One")[0].key != told("lead_updated", 职务="Two")[0].key
    stages = [told(word)[-1] for word in ("lead_converted", "处理", "lead_replied")]
    assert [(one.stage, one.sequence) for one in stages] == [("已转为客户", 3), ("已处理", 1), ("已回复", 2)]


def test_what_is_emptied_is_shown_empty_but_for_what_was_never_filled_in_a_new_lead() -> None:
    def shown(**lead: Any) -> dict[str, Any]:
        first = _events({"单号": "1", "职务": "", "QQ": None, **lead})[0]
        assert isinstance(first, Event)
        return dict(first.data)

    assert (shown(event="lead_updated")["职务"], shown(event="lead_updated")["QQ"]) == ("", None)
    assert not {"职务", "QQ"} & set(shown())


def test_e_mail_mobile_and_phone_find_the_lead_s_person() -> None:
    first = _events({"单号": "1", "手机": "138 0013 8000", "电话": "010-6512 3456", "邮箱": "a@x.cn"})[0]
    assert isinstance(first, Event)
    found = [one.value for one in first.identities]
    assert found == ["lead:1", "a@x.cn", "13800138000", "01065123456"]


def test_words_and_times_that_are_not_known_are_told() -> None:
    with pytest.raises(UnknownEvent, match="lead_archived"):
        _events({"event": "lead_archived", "单号": "1"})
    (mistake,) = _events({"单号": "1", "提交时间": "0001-01-01 00:00:00"})
    assert "from 1970 to 2199" in str(mistake)
    with pytest.raises(BadPayload, match="a list of 1 to 200 leads"):
        _events({"leads": []})
    with pytest.raises(BadPayload, match="a list of 1 to 200 leads"):
        OUT.receive(_delivery({"leads": []}))


def _type_of(**lead: Any) -> Any:
    rules = parse_mapping(MAPPING, "xinnet.yaml")
    steps = translate(next(event for event in _events({"单号": "1", **lead}) if isinstance(event, Event)), rules)
    return steps[0].fields.get("custom.customer_type") if steps else None


def test_a_lead_with_a_company_is_an_enterprise_and_one_without_an_individual() -> None:
    assert _type_of(企业名称="北京例公司") == FieldValue(value="enterprise")
    assert _type_of(联系人="王伟") == FieldValue(value="individual")
    assert _type_of(event="lead_handled", 联系人="王伟") is None
    rules = parse_mapping(MAPPING, "xinnet.yaml")
    row = Event(key="x:1", at=AT, kind=Kind.PROFILE, data={"联系人": "王伟"})
    assert translate(row, rules)[0].fields["custom.customer_type"].value == "individual"
