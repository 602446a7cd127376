"""The emulated Xinnet and Youyi refuse what the real systems would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import requests

from connector.emulators.xinnet.crm import KEY, XinnetLeads
from connector.emulators.youyi.crm import ACCOUNT, COMPANY, PASSWORD, YouyiPool


def _call(method: str, url: str, body: Any = None, auth: str = "") -> tuple[int, Mapping[str, Any]]:
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, url, json=body, headers={"Authorization": auth} if auth else {}, timeout=5)
    return answer.status_code, answer.json()


def test_a_pool_is_bound_by_the_right_company_account_and_password_alone() -> None:
    with YouyiPool() as pool:
        wrong = _call("POST", f"{pool.url}/openapi/bind", {"company": COMPANY, "account": ACCOUNT, "password": "x"})
        assert (wrong[0], wrong[1]["code"]) == (200, 1001)
        for method, path in (("POST", "leads"), ("GET", "leads/1")):
            assert _call(method, f"{pool.url}/openapi/lead-pool/{path}", {}, "Bearer x")[0] == 401


@pytest.mark.parametrize(
    ("lead", "code"),
    [
        ([], 2001),
        ({"external_id": 1}, 2001),
        ({"external_id": "1", "nickname": "x"}, 2002),
        ({"external_id": "1", "name": "x"}, 2003),
        ({"external_id": "1", "email": "a@example.cn"}, 0),
        ({"external_id": "known", "email": "a@example.cn"}, 2004),
    ],
)
def test_a_pool_takes_leads_with_known_fields_and_a_way_to_reach_them_each_once(lead: Any, code: int) -> None:
    with YouyiPool() as pool:
        bound = _call(
            "POST", f"{pool.url}/openapi/bind", {"company": COMPANY, "account": ACCOUNT, "password": PASSWORD}
        )
        pool.leads["known"] = {}
        token = f"Bearer {bound[1]['data']['token']}"
        assert _call("POST", f"{pool.url}/openapi/lead-pool/leads", lead, token)[1]["code"] == code


def test_a_lead_can_be_handled_replied_to_or_made_a_customer_and_nothing_else() -> None:
    with XinnetLeads() as system:
        number = system.submit("留言互动", {"手机": "13800138000"})
        url = f"{system.url}/leads/{number}"
        assert _call("GET", url)[0] == _call("PUT", url, {}, "Bearer x")[0] == 401
        assert _call("GET", f"{system.url}/leads/1", auth=KEY)[0] == 404
        assert _call("PUT", url, {"单号": "1", "状态": "已处理"}, KEY)[0] == 400
        assert _call("PUT", f"{system.url}/leads/1", {"单号": "1", "状态": "已处理"}, KEY)[0] == 404
        for given in ({"状态": "全部线索"}, {"状态": "已处理", "手机": "1"}, {}):
            assert _call("PUT", url, {"单号": number, **given}, KEY)[0] == 422
        assert _call("PUT", url, {"单号": number, "状态": "已转为客户"}, KEY)[0] == 200
        assert system.stage_of(number) == "已转为客户"
        system.delete(number)
        assert _call("GET", url, auth=KEY)[0] == 404
