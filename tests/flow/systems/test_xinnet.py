"""Xinnet against its emulator: leads in by webhook and file, stages both ways, duplicates, echoes, lost webhooks."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from adapters.xinnet.records import APPS, FIELDS
from connector.emulators.engine.faults import Faults
from connector.emulators.xinnet.crm import XinnetLeads
from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.operations.subjects import set_status, show
from connector.runtime.parts import Runtime
from tests.conftest import Clock
from tests.flow.end_to_end import playing

WANG = {"联系人": "王伟", "手机": "13800138000", "邮箱": "wang@example.cn", "企业名称": "北京例公司", "职务": "经理"}


@pytest.fixture
def system(clock: Clock) -> XinnetLeads:
    return XinnetLeads(now=clock, faults=Faults(seed=1))


def test_a_lead_of_an_application_comes_in_whole_and_what_is_done_with_it_goes_both_ways(
    runtime: Runtime, system: XinnetLeads, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        number = system.submit("在线询价", WANG)
        run.finish()
        found = show(runtime, "wang@example.cn")
        assert (found["status"], found["profile"]["company"]) == ("latent", "北京例公司")
        assert found["profile"]["custom.customer_type"] == "enterprise"
        clock.forward(hours=1)
        system.move(number, "已处理")
        run.finish()
        assert run.subject().status == "quasi_explicit"
        clock.forward(hours=1)
        run.set_status("project")
        run.finish()
        assert system.stage_of(number) == "已转为客户"
        assert [event.event["stage"] for event in run.events("echo")] == ["已转为客户"]
        clock.forward(hours=1)
        assert (run.finish(), run.subject().status) == (0, "project")
        assert system.customers == [
            {"手机": "13800138000", "邮箱": "wang@example.cn", "类型": "企业", "编号": "1"},
        ]


@pytest.mark.parametrize("again", [{"手机": WANG["手机"]}, {"邮箱": "Wang@Example.CN"}], ids=["mobile", "e-mail"])
def test_a_mobile_or_an_e_mail_that_is_known_makes_no_second_customer(
    runtime: Runtime, system: XinnetLeads, clock: Clock, again: dict[str, str]
) -> None:
    with playing(runtime, system) as run:
        for app, person in zip(APPS, [WANG, again], strict=False):
            clock.forward(minutes=1)
            system.submit(app, person)
        run.finish()
        assert len(run.subjects()) == 1
        clock.forward(hours=1)
        set_status(runtime, "wang@example.cn", "project", actor="test")
        run.finish()
        assert len(system.customers) == 1


def test_every_application_counts_as_a_form_and_webhooks_that_come_twice_count_once(
    runtime: Runtime, system: XinnetLeads, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        system.faults.doubled, system.faults.late_seconds = 1.0, 0.01
        for app in APPS:
            clock.forward(minutes=1)
            system.submit(app, {"手机": "13900139000"})
        run.finish()
        actions = [step for event in run.events("applied") for step in event.steps if "action" in step]
        assert [step["action"] for step in actions] == ["form_submission"] * len(APPS)
        assert {"held", "dead", "pending"}.isdisjoint(run.outcomes())


def test_a_system_that_reports_what_it_does_not_save_is_found_out(
    runtime: Runtime, system: XinnetLeads, clock: Clock
) -> None:
    with playing(runtime, system) as run:
        number = system.submit(APPS[0], WANG)
        run.finish()
        clock.forward(hours=1)
        system.faults.lying = 1.0
        run.set_status("project")
        run.finish()
        assert "状态 shows '全部线索' in place of '已转为客户'" in str(run.outbox())
        assert system.stage_of(number) == "全部线索"


def test_leads_that_were_there_before_come_by_a_file_with_their_seventeen_fields(
    runtime: Runtime, system: XinnetLeads
) -> None:
    row = {**dict.fromkeys(FIELDS, ""), **WANG, "单号": "XS1", "提交时间": "2026-03-04 15:05:06", "状态": "已回复"}
    text = io.StringIO(newline="")
    csv.writer(text).writerows([row.keys(), row.values()])
    content, options = text.getvalue().encode("gb18030"), CsvOptions(encoding="gb18030")
    with playing(runtime, system):
        done = import_csv(runtime, "xinnet", io.BytesIO(content), "线索.csv", options, actor="test").progress
        assert done.tally == {"applied": 1}
        found = show(runtime, "xinnet:lead:XS1")
        assert found["decisions"][0]["at"] == datetime(2026, 3, 4, 6, 5, 6, tzinfo=UTC)
        assert found["profile"]["custom.title"] == "经理"
        assert {one["kind"] for one in found["identities"]} == {"email", "phone", "record"}
        again = import_csv(runtime, "xinnet", io.BytesIO(content), "线索.csv", options, actor="test").progress
        assert again.tally == {"unchanged": 1}
