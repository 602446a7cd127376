"""`connector import --csv` of files that people made: headings, dates, numbers and marks as they leave them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli, opened
from tests.conftest import put_in_force
from tests.flow.senders import MAPPING, add_connection

FIELDS = MAPPING.replace(
    "fields: {company: company}",
    """fields:
  company: COMPANY_TITLE
  email: {from: "EMAIL[0].VALUE", type: email}
  phone: {from: "PHONE[0].VALUE", type: phone}
  name: '"Full name" || nickname'
  custom.note: note
  custom.birthday: {from: birthday, type: date}
  custom.met: {from: met, type: datetime}""",
)


@pytest.fixture
def shop(server: Runtime) -> Runtime:
    add_connection(server, mapping=FIELDS)
    return server


def _write(cli: Cli, *rows: Sequence[str] | str, name: str = "leads.csv") -> str:
    path = cli.folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows:
            if isinstance(row, str):
                file.write(row + "\n")
            else:
                csv.writer(file).writerow(row)
    return str(path)


def _import(cli: Cli, *rows: Sequence[str] | str, words: Sequence[str] = (), code: int = 0) -> Any:
    return cli.json("import", "shop", "--csv", _write(cli, *rows), *words, code=code)


def _events(server: Runtime) -> int:
    with server.database.read() as connection:
        return int(connection.execute(text("select count(*) from events")).scalar_one())


def _show(cli: Cli, who: str = "shop:lead:7") -> Any:
    return cli.json("subject", "show", who)


def _identities(found: Any) -> set[tuple[str, str]]:
    return {(one["kind"], one["value"]) for one in found["identities"] if one["kind"] != "record"}


@pytest.mark.parametrize(
    "header",
    [
        ("ID", "Email", "Stage", "Mobile", "Phone", "Company", "Name"),
        ("\ufeffid", " E-MAIL ", "stage", "MOBILE PHONE", "tel", "company name", "full name"),
        ("ＩＤ", "メールアドレス", "ステータス", "携帯", "電話番号", "会社名", "お名前"),
        ("ID", "Email", "Giai đoạn", "Di động", "Điện thoại", "Công ty", "Họ và tên"),
        ("id", "dia chi email", "giai doan", "di dong", "dien thoai", "cong ty", "ho ten"),
        ("ID", "邮箱", "阶段", "手机", "电话", "公司名称", "联系人"),
    ],
)
def test_the_usual_headings_are_read_in_four_languages(cli: Cli, shop: Runtime, header: tuple[str, ...]) -> None:
    del shop
    row = ("7", "aiko@customer.example", "talking", "+81 90-1111-2222", "+81 3-1111-2222", "例", "Aiko")
    done = _import(cli, header, row)
    assert (done["tally"], done["unread"]) == ({"applied": 1}, [])
    found = _show(cli)
    assert (found["status"], found["profile"]) == (
        "appointment_prospect",
        {"email": "aiko@customer.example", "phone": "+819011112222", "company": "例", "name": "Aiko"},
    )
    assert _identities(found) >= {("email", "aiko@customer.example"), ("phone", "+81311112222")}
    assert len(found["identities"]) == 4


def test_what_is_not_read_is_listed_before_anything_is_stored(cli: Cli, shop: Runtime) -> None:
    path = _write(cli, ("ID", "Email", "Fax", "Colour", "EMAIL[0].TYPE"), ("7", "a@x.example", "1", "red", "WORK"))
    told = cli("import", "shop", "--csv", path).stdout.splitlines()
    assert told == [
        "Columns: id = ID, email = Email.",
        "Not read: Fax, Colour, EMAIL[0].TYPE. --column WHAT=HEADING or the mapping's fields read more.",
        "shop: 1 rows, 1 applied",
    ]
    del told
    seen: list[int] = []
    with Path(path).open("rb") as stream:
        import_csv(shop, "shop", stream, path, CsvOptions(), actor="t", announce=lambda _: seen.append(_events(shop)))
    assert seen == [1]


def test_a_file_of_which_no_column_identifies_anybody_is_not_taken_and_says_what_to_give(
    cli: Cli, shop: Runtime
) -> None:
    rows = (("客户", "Nơi gửi thư", "số liên lạc", "no"), ("A", "a@x.example", "090 1111 2222", "K-1"))
    said = cli.error("import", "shop", "--csv", _write(cli, *rows))
    assert "Its columns: 客户, Nơi gửi thư, số liên lạc, no." in said
    assert "--column email='Nơi gửi thư' or --column phone='số liên lạc' or --column id=no" in said
    assert _events(shop) == 0
    done = _import(cli, *rows, words=("--column", "email=nơi gửi thư", "--column", "phone=số liên lạc"))
    assert done["tally"] == {"applied": 1}
    empty = cli.error("import", "shop", "--csv", _write(cli, ("客户", "x"), ("A", "")))
    assert "by --column id=HEADING or --column email=HEADING or --column phone=HEADING" in empty


def test_a_person_s_word_counts_before_headings_and_may_be_that_no_column_has_it(cli: Cli, shop: Runtime) -> None:
    del shop
    rows = (("id", "status", "Email", "Owner's mail", "Firm"), ("7", "won", "a@x.example", "b@x.example", "例"))
    words = ("--column", "stage=", "--column", "email=Owner's mail", "--column", "company=Firm")
    done = _import(cli, *rows, words=words)
    assert done["columns"] == {"id": "id", "email": "Owner's mail", "company": "Firm"}
    found = _show(cli)
    assert (found["status"], found["profile"]) == ("not_set", {"email": "b@x.example", "company": "例"})
    assert _identities(found) == {("email", "b@x.example")}
    said = cli.error("import", "shop", "--csv", "leads.csv", "--column", "email", "--column", "x=id")
    assert "--column email: allowed: WHAT=HEADING" in said
    assert "x: is nothing that a column says" in cli.error("import", "shop", "--csv", "leads.csv", "--column", "x=id")


def test_a_mapping_s_columns_are_read_without_an_option(cli: Cli, server: Runtime) -> None:
    columns = """
columns:
  id: [Nr, 番号]
  phone: [連絡先1, 連絡先2]
  stage: 段
  made: 開始
  owner: []
  fields: {company: 取引先, custom.birthday: 誕生}
  date_format: DD/MM/YYYY
"""
    add_connection(server, mapping=FIELDS + columns)
    header = ("番号", "連絡先1", "連絡先2", "段", "開始", "取引先", "誕生", "Mobile", "Owner")
    row = ("7", "+81 90-1111-2222", "+81 3-1111-2222", "won", "04/03/2026", "例", "05/06/1990", "+81 90-9999-9999", "x")
    done = _import(cli, header, row)
    assert done["unread"] == ["Mobile", "Owner"]
    found = _show(cli)
    assert found["decisions"][0]["at"] == "2026-03-03T15:00:00+00:00"
    assert (found["status"], found["profile"]["company"]) == ("order", "例")
    assert found["profile"]["custom.birthday"] == "1990-06-05"
    assert len(found["identities"]) == 3
    other = _import(cli, ("ID", "Phone"), ("8", "+81 90-3333-4444"))
    assert other["columns"] == {"id": "ID", "phone": "Phone"}


@pytest.mark.parametrize(
    ("texts", "words", "at"),
    [
        (["04/03/2026 08:00", "13/03/2026"], (), "2026-03-03T23:00:00+00:00"),
        (["04/03/2026 08:00"], ("--date-format", "DD/MM/YYYY"), "2026-03-03T23:00:00+00:00"),
        (["04/03/2026 08:00"], ("--date-format", "MM/DD/YYYY"), "2026-04-02T23:00:00+00:00"),
        (["2026年3月4日 10時05分"], (), "2026-03-04T01:05:00+00:00"),
        (["20.11.2025"], (), "2025-11-19T15:00:00+00:00"),
        (["2025/11/20"], (), "2025-11-19T15:00:00+00:00"),
    ],
)
def test_dates_are_read_as_people_write_them(
    cli: Cli, shop: Runtime, texts: list[str], words: tuple[str, ...], at: str
) -> None:
    del shop
    rows = [(str(number), "new", text) for number, text in enumerate(texts, 7)]
    _import(cli, ("id", "stage", "Created"), *rows, words=words)
    assert _show(cli)["decisions"][0]["at"] == at


def test_a_date_that_may_be_two_days_is_refused_with_what_to_give_and_never_guessed(cli: Cli, shop: Runtime) -> None:
    path = _write(cli, ("id", "stage", "Created"), ("7", "new", "04/03/2026 08:00"))
    said = cli.error("import", "shop", "--csv", path)
    assert "row 2, Created, '04/03/2026 08:00' may be read in more than one way" in said
    assert "--date-format DD/MM/YYYY or --date-format MM/DD/YYYY" in said
    assert "'soon' is no format of dates" in cli.error("import", "shop", "--csv", path, "--date-format", "soon")
    assert _events(shop) == 0


def test_the_workspace_s_rules_may_say_the_order_of_dates(cli: Cli) -> None:
    cli("migrate")
    server = opened(cli)
    add_connection(server)
    server.close()
    rules = cli("rules", "export").stdout + "date_order: dmy\n"
    (cli.folder / "rules.yaml").write_text(rules)
    cli("rules", "publish", "rules.yaml")
    _import(cli, ("id", "stage", "Created"), ("7", "new", "04/03/2026 08:00"))
    assert _show(cli)["decisions"][0]["at"] == "2026-03-03T23:00:00+00:00"


def test_a_row_whose_date_is_none_in_the_order_of_the_file_is_refused(cli: Cli, shop: Runtime) -> None:
    del shop
    rows = (("id", "Created"), ("7", "13/04/2026"), ("8", "04/13/2026"))
    done = _import(cli, *rows, words=("--date-format", "DD/MM/YYYY"), code=1)
    reason = "Created is '04/13/2026'; it must be a time, such as 04/03/2026 14:05 (day first)"
    assert done["refused"] == [{"row": 3, "reason": reason}]


def test_dates_of_fields_are_read_as_those_of_rows(cli: Cli, shop: Runtime) -> None:
    del shop
    _import(cli, ("id", "birthday", "met"), ("7", "13/04/1990", "2026年3月4日 10時05分"), ("8", "1.2.1990", ""))
    found = _show(cli)["profile"]
    assert (found["custom.birthday"], found["custom.met"]) == ("1990-04-13", "2026-03-04T01:05:00+00:00")
    assert _show(cli, "shop:lead:8")["profile"]["custom.birthday"] == "1990-02-01"


def test_ids_that_a_spreadsheet_wrote_anew_are_read_as_they_were_or_refused(cli: Cli, shop: Runtime) -> None:
    del shop
    rows = [("id", "stage")] + [(text, "new") for text in ("1001.0", "１００２", "ＸＳ１", "1.0E+3", "1,23E+05")]
    done = _import(cli, *rows, code=1)
    assert done["tally"] == {"applied": 3, "refused": 2}
    assert [row["row"] for row in done["refused"]] == [5, 6]
    assert "the id is '1.0E+3': a spreadsheet has rounded it, and the id is lost" in done["refused"][0]["reason"]
    assert [_show(cli, f"shop:lead:{one}")["status"] for one in ("1001", "1002", "XS1")] == ["latent"] * 3


def test_a_bad_e_mail_or_phone_is_left_out_and_said_and_its_row_counts(cli: Cli, shop: Runtime) -> None:
    del shop
    rows = (("id", "email", "phone", "stage"), ("7", "n/a", "call me", "won"), ("8", "a@x.example", "", ""))
    done = _import(cli, *rows)
    assert done["tally"] == {"applied": 2}
    assert done["left_out"] == {
        "count": 2,
        "first": [
            {"row": 2, "reason": "'n/a' is no e-mail address and was left out"},
            {"row": 2, "reason": "'call me' is no phone number and was left out"},
        ],
    }
    assert (_show(cli)["status"], _identities(_show(cli))) == ("order", set())
    many = [("id", "email"), *((str(number), "none") for number in range(1, 13))]
    assert "2 more values were left out." in cli("import", "shop", "--csv", _write(cli, *many)).stderr


def test_an_e_mail_or_phone_that_is_nobodys_is_left_out_and_said(cli: Cli, shop: Runtime) -> None:
    put_in_force(shop, region="JP", placeholders={"addresses": ["front@desk.example"], "domains": [], "numbers": []})
    rows = (
        ("id", "email", "phone", "stage"),
        ("7", "noemail@noemail.com", "000-0000-0000", "won"),
        ("8", "Front@desk.example", "0901", ""),
        ("", "no-reply@x.example", "", ""),
        ("9", "a@x.example", "090-1111-2222", ""),
        ("10", "", "090-1111-222233334444", ""),
    )
    done = _import(cli, *rows, code=1)
    assert done["tally"] == {"applied": 4, "refused": 1}
    assert [(one["row"], one["reason"]) for one in done["left_out"]["first"]] == [
        (2, "'noemail@noemail.com' is nobody's e-mail address and was left out"),
        (2, "'000-0000-0000' is nobody's phone number and was left out"),
        (3, "'Front@desk.example' is nobody's e-mail address and was left out"),
        (3, "'0901' is no phone number and was left out"),
        (6, "'090-1111-222233334444' is nobody's phone number and was left out"),
    ]
    (refused,) = done["refused"]
    assert (refused["row"], refused["reason"]) == (
        4,
        "says about nobody: it has neither an id nor an e-mail nor a phone number that is somebody's",
    )
    assert _identities(_show(cli, "shop:lead:9")) == {("email", "a@x.example"), ("mobile", "+819011112222")}


def test_rows_are_counted_as_rows_and_add_up(cli: Cli, shop: Runtime) -> None:
    del shop
    header = ("id", "email", "stage", "owner")
    rows = [
        ("7", "a@x.example", "unheard-of", "Nobody"),
        ("8", "b@x.example", "new", "Nobody"),
        ("9", "c@x.example", "new", ""),
        ("9", "c@x.example", "new", ""),
        ("", "", "new", ""),
    ]
    told = cli("import", "shop", "--csv", _write(cli, header, *rows), code=1).stdout
    assert told.splitlines()[-1] == "shop: 5 rows, 1 applied, 2 held, 1 refused, 1 unchanged"


def test_refused_rows_are_safe_to_open_and_are_imported_as_they_were(cli: Cli, shop: Runtime) -> None:
    del shop
    attack = "=cmd|' /C calc'!A0"
    path = _write(cli, ("id", "note", "Created"), ("7", attack, "then"), ("8", "+1", "then"))
    cli("import", "shop", "--csv", path, "--errors", "bad.csv", code=1)
    bad = cli.folder / "bad.csv"
    assert f"'{attack}" in bad.read_text("utf-8-sig")
    bad.write_text(bad.read_text("utf-8-sig").replace("then", "2026-03-04"), encoding="utf-8")
    assert cli.json("import", "shop", "--csv", str(bad))["tally"] == {"applied": 2}
    assert _show(cli)["profile"]["custom.note"] == attack
    assert _show(cli, "shop:lead:8")["profile"]["custom.note"] == "+1"


def test_a_missing_end_quote_is_said_with_its_line_and_the_other_rows_are_taken(cli: Cli, shop: Runtime) -> None:
    del shop
    done = _import(cli, "sep=;", "id;note;stage", '7;"Aiko;new', '8;"Ken";won', "9;Mio;won", code=1)
    reason = "has a quotation mark in line 3 of the file that is not closed"
    assert (done["tally"], done["refused"]) == ({"applied": 2, "refused": 1}, [{"row": 2, "reason": reason}])
    assert [_show(cli, f"shop:lead:{one}")["status"] for one in (8, 9)] == ["order", "order"]


def test_a_third_file_that_says_what_the_first_said_is_no_duplicate(cli: Cli, shop: Runtime) -> None:
    header = ("id", "stage", "Updated")
    for stage, status in (("won", "order"), ("bad", "not_targeted"), ("won", "order")):
        assert _import(cli, header, ("7", stage, "2026-03-04"))["tally"] == {"applied": 1}
        found = _show(cli)
        assert (found["status"], found["records"][0]["stage"]) == (status, stage)
    with shop.database.read() as connection:
        stored = connection.execute(text("select event from events")).scalars().all()
    assert (len(stored), all('"read_at"' in str(event) for event in stored)) == (3, True)


def test_emptied_cells_empty_what_the_mapping_reads_and_take_the_owner_back(cli: Cli, shop: Runtime) -> None:
    del shop
    header = ("id", "email", "note", "stage", "owner", "Company", "birthday", "other")
    _import(cli, header, ("7", "a@x.example", "vip", "won", "hana@example.jp", "例", "1990-01-02", "x"))
    assert (_show(cli)["owner"], _show(cli)["profile"]["custom.note"]) == ("hana@example.jp", "vip")
    _import(cli, ("id", "stage"), ("7", "won"))
    assert (_show(cli)["owner"], _show(cli)["profile"]["custom.note"]) == ("hana@example.jp", "vip")
    _import(cli, header, ("7", "", "", "", "", "", "", ""))
    found = _show(cli)
    assert (found["owner"], found["status"], list(filter(None, found["profile"].values()))) == (None, "order", [])
    assert ("email", "a@x.example") in _identities(found)


def test_a_file_whose_columns_are_read_anew_is_no_file_that_says_the_same(cli: Cli, shop: Runtime) -> None:
    del shop
    rows = (("id", "Firm"), ("7", "例"))
    assert _import(cli, *rows)["unread"] == ["Firm"]
    assert _import(cli, *rows)["tally"] == {"unchanged": 1}
    assert _import(cli, *rows, words=("--column", "company=Firm"))["tally"] == {"applied": 1}
    assert _show(cli)["profile"]["company"] == "例"


def test_errors_that_cannot_be_written_are_said(cli: Cli, shop: Runtime) -> None:
    del shop
    path = _write(cli, ("id",), ("1", "2"))
    assert "cannot be written" in cli("import", "shop", "--csv", path, "--errors", "nowhere/bad.csv", code=2).stderr


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (("ID", "STAGE_ID", "CATEGORY_ID"), ("7", "C7:WON", "7")),
        (("ID", "STAGE_ID", "CATEGORY_ID"), ("7", "WON", "7")),
        (("ID", "STAGE_ID"), ("7", "C7:WON")),
        (("id", "Stage_Id", "Category_Id"), ("7.0", "C7:WON", "7.0")),
    ],
)
def test_deals_of_bitrix24_have_the_pipeline_that_their_file_says(
    cli: Cli, server: Runtime, header: Sequence[str], row: Sequence[str]
) -> None:
    mapping = "adapter: bitrix24\nstages: {deal: {0: {WON: project}, 7: {WON: order}}}\n"
    add_connection(server, "shop", adapter="bitrix24", secrets={"application_tokens": ["x" * 32]}, mapping=mapping)
    _import(cli, header, row, words=("--object", "deal"))
    assert _show(cli, "shop:deal:7")["status"] == "order"
