"""Headings are recognised whatever their case, width, accents and blanks, in four languages."""

from __future__ import annotations

import pytest

from connector.mapping.schema import COLUMNS
from connector.operations.imports.headings import RANKS, rank


@pytest.mark.parametrize(
    ("heading", "what"),
    [
        *((heading, "id") for heading in ("ID", "Record ID", "ｉｄ", "レコード番号", "mã bản ghi", "记录编号")),
        *(
            (heading, "email")
            for heading in ("Email", " E-MAIL ", "\ufeffemail", "Ｅ－ｍａｉｌ", "e_mail", "Email (work)")
        ),
        *(
            (heading, "email")
            for heading in ("メール", "ﾒｰﾙ", "メールアドレス1", "Địa chỉ email", "dia chi email", "邮箱", "電子郵件")
        ),
        *((heading, "phone") for heading in ("Phone", "PHONE NUMBER", "Mobile", "Phone 2", "Tel.", "電話番号", "携帯")),
        *(
            (heading, "phone")
            for heading in ("電話番号（携帯）", "Điện thoại", "dien thoai", "SĐT", "手机", "联系电话")
        ),
        *((heading, "stage") for heading in ("Stage", "Lead Status", "ステータス", "Giai đoạn", "阶段")),
        *((heading, "owner") for heading in ("Owner", "担当者", "Người phụ trách", "负责人")),
        *((heading, "made") for heading in ("Created At", "登録日", "Ngày tạo", "创建时间")),
        *((heading, "at") for heading in ("Last Modified", "更新日時", "Ngày cập nhật", "更新时间")),
        *((heading, "company") for heading in ("Company", "会社名", "Công ty", "公司名称")),
        *((heading, "name") for heading in ("Full Name", "お名前", "Họ và tên", "联系人")),
    ],
)
def test_a_usual_heading_is_recognised(heading: str, what: str) -> None:
    assert [one for one in RANKS if rank(one, heading) is not None] == [what]


@pytest.mark.parametrize(
    "heading", ["", "Email opt out", "メール配信", "Fax", "Paid", "Phone model", "客户", "No.", "12"]
)
def test_what_only_looks_like_one_is_not(heading: str) -> None:
    assert [one for one in RANKS if rank(one, heading) is not None] == []


def test_no_heading_means_two_things_and_each_thing_has_some() -> None:
    words = [word for ranks in RANKS.values() for word in ranks]
    assert sorted(words) == sorted(set(words))
    assert set(COLUMNS) <= set(RANKS)
