"""`connector import`: the rows of a CSV file by the connection's mapping, once, silently; refused rows come back."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from adapters.standard import Standard
from connector.adapter_kit.contract import Api, Catalog, Person
from connector.cli.imports import Meter
from connector.core.errors import CrmUnavailable
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef
from connector.operations.imports.backfill import Progress, listed
from connector.operations.imports.csv_import import import_csv
from connector.operations.imports.csv_rows import CsvOptions
from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli, Terminal, ago
from tests.flow.senders import MAPPING, Sender, add_connection, drain

FIELDS = MAPPING.replace(
    "fields: {company: company}",
    'fields: {company: "\\"会社名\\"", email: {from: "EMAIL[0].VALUE", type: email}, phone: {from: TEL, type: phone}}',
).replace("owner: {match: email}", "owner: {from: OWNER, match: email}")
HEADER = ("id", "EMAIL[0].VALUE", "TEL", "会社名", "stage", "OWNER")
COLUMNS = "Columns: {}, phone = TEL, owner = OWNER, company = 会社名, email = EMAIL[0].VALUE.\n"
ROW = ("7", "Aiko@Customer.example", "+81 90-1111-2222", "株式会社例", "talking", "hana@example.jp")


@pytest.fixture
def shop(server: Runtime) -> Runtime:
    add_connection(server, mapping=FIELDS)
    return server


def _file(
    folder: Path, *rows: Sequence[str], header: Sequence[str] = HEADER, encoding: str = "utf-8", sep: str = ","
) -> str:
    path = folder / "leads.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=sep).writerows([header, *rows])
    return str(path)


def _import(cli: Cli, path: str, *words: str, code: int = 0) -> Any:
    return cli.json("import", "shop", "--csv", path, "--column", "stage=stage", *words, code=code)


@pytest.mark.parametrize(
    ("encoding", "option", "sep"),
    [("utf-8", "utf-8", ","), ("utf-8-sig", "utf-8", ";"), ("cp932", "cp932", "\t"), ("gb18030", "gb18030", ",")],
)
def test_rows_become_leads_by_the_mapping_in_any_encoding(
    cli: Cli, shop: Runtime, encoding: str, option: str, sep: str
) -> None:
    del shop
    path = _file(cli.folder, ROW, encoding=encoding, sep=sep)
    done = _import(cli, path, "--encoding", option)
    assert (done["count"], done["tally"], done["refused"]) == (1, {"applied": 1}, [])
    found = cli.json("subject", "show", "aiko@customer.example")
    assert (found["status"], found["owner"], found["kind"]) == ("appointment_prospect", "hana@example.jp", "lead")
    assert found["profile"] == {"company": "株式会社例", "email": "aiko@customer.example", "phone": "+819011112222"}
    assert {(one["kind"], one["value"]) for one in found["identities"]} == {
        ("email", "aiko@customer.example"),
        ("mobile", "+819011112222"),
        ("record", "shop:lead:7"),
    }
    (record,) = found["records"]
    assert (record["stage"], record["push"]["outcome"]) == ("talking", "waiting")


def test_the_same_file_twice_changes_nothing(cli: Cli, shop: Runtime) -> None:
    path = _file(cli.folder, ROW, ("8", "", "", "", "won", ""))
    assert _import(cli, path)["tally"] == {"applied": 2}
    before = cli.json("subject", "show", "shop:lead:7")
    assert _import(cli, path)["tally"] == {"unchanged": 2}
    assert cli.json("subject", "show", "shop:lead:7") == before
    assert [one["finished_at"] is not None for one in listed(shop, "shop")] == [True, True]


def test_a_stage_that_comes_back_counts_again_and_what_is_as_it_was_is_not_set_again(cli: Cli, shop: Runtime) -> None:
    del shop
    for stage, company in (("new", "a"), ("talking", "a"), ("new", "a")):
        _import(cli, _file(cli.folder, (*ROW[:3], company, stage, ROW[5])))
    assert cli.json("subject", "show", "shop:lead:7")["status"] == "latent"
    cli("subject", "set-status", "shop:lead:7", "explicit")
    cli("subject", "set-owner", "shop:lead:7", "ken@example.jp")
    assert _import(cli, _file(cli.folder, (*ROW[:3], "b", "new", ROW[5])))["tally"] == {"applied": 1}
    found = cli.json("subject", "show", "shop:lead:7")
    assert (found["status"], found["owner"], found["profile"]["company"]) == ("explicit", "ken@example.jp", "b")
    _import(cli, _file(cli.folder, (*ROW[:3], "b", "new", "mio@example.jp")))
    assert cli.json("subject", "show", "shop:lead:7")["owner"] == "mio@example.jp"


def test_rows_with_times_count_at_theirs_and_an_old_one_changes_nothing_newer(cli: Cli, shop: Runtime) -> None:
    del shop
    header = ("id", "stage", "更新日")
    new = _file(cli.folder, ("7", "talking", "2026/3/4 14:05"), header=header)
    _import(cli, new, "--column", "at=更新日")
    decided = cli.json("subject", "show", "shop:lead:7")["decisions"]
    assert decided[0]["at"] == "2026-03-04T05:05:00+00:00"
    old = _file(cli.folder, ("7", "new", "2026-02-01"), header=header)
    _import(cli, old, "--column", "at=更新日")
    assert cli.json("subject", "show", "shop:lead:7")["status"] == "appointment_prospect"
    _import(cli, _file(cli.folder, ("7", "talking", "2026年3月4日 14:05"), header=header), "--column", "at=更新日")
    again = _file(cli.folder, ("7", "new", "2026-02-01"), header=header)
    assert _import(cli, again, "--column", "at=更新日")["tally"] == {"applied": 1}
    assert cli.json("subject", "show", "shop:lead:7")["status"] == "appointment_prospect"


def test_bad_rows_come_back_with_the_reasons_and_the_good_ones_are_taken(cli: Cli, shop: Runtime) -> None:
    del shop
    header = (*HEADER, "at")
    rows = [
        (*ROW, "2026-03-04"),
        ("8", "not an address", "", "", "", "", ""),
        ("", "", "ext. 12", "", "", "", ""),
        ("9", "", "", "", "", "", "tomorrow"),
        ("9", *[""] * 6, "too many"),
        ("1" * 300, "", "", "", "", "", ""),
        ("10", "", "", "x\0", "", "", ""),
        (),
        ("11", "", "ext. 12", "", "", "", ""),
    ]
    path, errors = _file(cli.folder, *rows, header=header), str(cli.folder / "bad.csv")
    result = cli("import", "shop", "--csv", path, "--column", "at=at", "--errors", errors, code=1)
    assert result.stdout == (COLUMNS.format("id = id, at = at, stage = stage") + "shop: 8 rows, 3 applied, 5 refused\n")
    assert "row 3: 'not an address' is no e-mail address and was left out" in result.stderr
    assert "row 10: 'ext. 12' is no phone number and was left out" in result.stderr
    assert f"All of them are in {errors}." in result.stderr
    with Path(errors).open(encoding="utf-8-sig", newline="") as file:
        bad = list(csv.reader(file))
    assert bad[0] == [*header, "import_error"]
    assert [row[len(header)].partition(":")[0] for row in bad[1:]] == [f"row {number}" for number in (4, 5, 6, 7, 8)]
    assert "has 8 columns; the header has 7" in bad[3][len(header)]
    again = cli("import", "shop", "--csv", errors, "--column", "at=at", "--errors", str(cli.folder / "b2.csv"), code=1)
    assert "5 refused" in again.stdout
    assert (cli.folder / "b2.csv").read_text("utf-8-sig").splitlines()[0] == (cli.folder / "bad.csv").read_text(
        "utf-8-sig"
    ).splitlines()[0]


def test_bytes_of_another_encoding_come_back_as_they_were(cli: Cli, shop: Runtime) -> None:
    del shop
    path = cli.folder / "leads.csv"
    path.write_bytes("id,会社名\n1,株式会社\n2,".encode() + "株式会社".encode("cp932") + b"\n")
    result = cli("import", "shop", "--csv", str(path), "--errors", "bad.csv", code=1)
    assert "row 3: holds bytes that are no utf-8" in result.stderr
    assert "株式会社".encode("cp932") in (cli.folder / "bad.csv").read_bytes()
    path.write_bytes("id,会社名\n".encode("cp932"))
    assert "try --encoding cp932" in cli.error("import", "shop", "--csv", str(path))


def test_unknown_stages_and_owners_wait_for_the_mapping_and_the_rest_of_their_row_does_not(
    cli: Cli, shop: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shop
    people = (Person(id="17", email="hana@example.jp", name="Hana"), Person(id="18", email=None, name="Ken"))
    monkeypatch.setattr(Standard, "catalog", lambda *_: Catalog(owners=people))
    rows = [
        (*ROW[:4], "never-heard-of", "Nobody"),
        ("8", "", "", "", "", "17"),
        ("9", "", "", "", "", "Hana"),
        ("10", "", "", "", "", "a@"),
    ]
    result = cli("import", "shop", "--csv", _file(cli.folder, *rows), "--column", "stage=stage")
    assert result.stdout == COLUMNS.format("id = id, stage = stage") + "shop: 4 rows, 2 applied, 2 held\n"
    assert "connector mapping held shop" in result.stderr
    found = cli.json("subject", "show", "shop:lead:7")
    assert (found["status"], found["profile"]["company"]) == ("not_set", "株式会社例")
    assert {one["reason"] for one in found["held"]} == {"stage: lead / never-heard-of", "owner: Nobody"}
    assert [cli.json("subject", "show", f"shop:lead:{one}")["owner"] for one in (8, 9)] == ["hana@example.jp"] * 2


def test_a_directory_that_cannot_be_asked_leaves_owners_held(
    cli: Cli, shop: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    del shop

    def catalog(*_: object) -> Catalog:
        message = "away"
        raise CrmUnavailable(message)

    monkeypatch.setattr(Standard, "catalog", catalog)
    assert _import(cli, _file(cli.folder, (*ROW[:5], "17")))["tally"] == {"held": 1}


def test_columns_whose_names_are_paths_nest(cli: Cli, shop: Runtime) -> None:
    header = ("a.b", "a.c[1].d", "a.b.x", "EMAIL[0].VALUE", "a[0]")
    path = _file(cli.folder, ("1", "2", "3", "x@y.example", "4"), header=header)
    cli("import", "shop", "--csv", path)
    with shop.database.read() as connection:
        (stored,) = connection.exec_driver_sql("select event from events").scalars()
    assert '"a":{"b":"1","c":[null,{"d":"2"}]}' in stored


def test_a_lead_that_both_a_webhook_and_a_file_name_is_one(cli: Cli, shop: Runtime) -> None:
    line = {"id": "e1", "at": ago(days=1), "type": "stage", "object": "lead", "stage": "new", "kind": "lead"}
    Sender(shop).send({**line, "subject": {"email": "aiko@customer.example"}})
    drain(shop)
    _import(cli, _file(cli.folder, ROW))
    (only,) = cli.lines("subject", "list")
    assert only["status"] == "appointment_prospect"


@contextmanager
def _killed_before_progress_is_stored() -> Iterator[None]:
    """The process ends where it would store how far the import is."""

    def kill(*given: Any) -> None:
        if str(given[2]).startswith("UPDATE imports"):
            raise KeyboardInterrupt

    event.listen(Engine, "before_cursor_execute", kill)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", kill)


def test_a_killed_import_goes_on_and_counts_each_row_once(cli: Cli, shop: Runtime) -> None:
    path = Path(_file(cli.folder, ROW, ("8", "", "", "", "won", "")))
    options = CsvOptions(columns={"stage": ["stage"]})
    with _killed_before_progress_is_stored(), path.open("rb") as stream, pytest.raises(KeyboardInterrupt):
        import_csv(shop, "shop", stream, path.name, options, actor="test", batch=1)
    assert _import(cli, str(path))["tally"] == {"applied": 1, "duplicate": 1}
    assert cli.json("subject", "show", "shop:lead:7")["status"] == "appointment_prospect"


def test_who_breaks_an_import_off_learns_how_to_go_on(cli: Cli, shop: Runtime) -> None:
    del shop
    path = _file(cli.folder, ROW)
    with _killed_before_progress_is_stored():
        result = cli("import", "shop", "--csv", path, "--column", "stage=stage", code=1)
    assert "the same command again goes on" in result.stderr
    assert _import(cli, path)["tally"] == {"duplicate": 1}


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        (None, (), "cannot be read: No such file"),
        ("", (), "has no header"),
        ("id,id\n1,2\n", (), "several columns named id"),
        ("name\nx\n", ("--column", "id=nam"), "the file has no column 'nam'; did you mean name?"),
        ("id\n1\n", ("--object", "led"), "has no object 'led'; did you mean lead?"),
        ("id\n1\n", ("--object", "a:b"), "cannot be an object"),
        ("id\n1\n", ("--errors", "leads.csv"), "--errors names the file that is imported"),
        ("id\n1\n", ("--column", "ids=x"), "ids: is nothing that a column says; did you mean id?"),
        ("id\n1\n", ("--since", "2026-01-01"), "--since: not with --csv"),
        (",".join(map(str, range(501))), (), "has 501 columns"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_a_sentence(
    cli: Cli, shop: Runtime, text: str | None, words: tuple[str, ...], said: str
) -> None:
    del shop
    if text is not None:
        (cli.folder / "leads.csv").write_text(text)
    assert said in cli.error("import", "shop", "--csv", "leads.csv", *words)


def test_a_unicode_text_of_excel_and_a_file_about_nobody_are_refused(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    (cli.folder / "a.csv").write_text("id\n1\n", encoding="utf-16")
    assert "save it as CSV UTF-8" in cli.error("import", "shop", "--csv", "a.csv")
    (cli.folder / "b.csv").write_text("company\nx\n")
    assert "no column of b.csv says who a row is about" in cli.error("import", "shop", "--csv", "b.csv")
    assert "only with --csv FILE" in cli.error("import", "shop", "--errors", "x.csv")
    (cli.folder / "c.csv").write_text('"id\nof lead",x\n1,"' + "y" * 140_000 + '"\n')
    result = cli("import", "shop", "--csv", "c.csv", "--column", "id=id\nof lead", code=1)
    assert "is a quotation mark missing?" in result.stderr


def test_a_terminal_shows_how_far_it_is() -> None:
    terminal = Terminal()
    meter = Meter(terminal)
    meter(Progress(count=1500, tally={}, share=0.25))
    meter(Progress(count=2500, tally={}, reached=datetime(2026, 3, 4, tzinfo=UTC)))
    meter.end()
    meter.end()
    shown = terminal.getvalue()
    assert "25%, 1,500 read, " in shown
    assert "2,500 read, up to 2026-03-04, " in shown
    assert shown.count("\n") == 1


def test_everything_that_a_system_knows_is_taken(cli: Cli, server: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    add_connection(server)
    assert "has no call that says what it has; import a file" in cli.error("import", "shop")
    asked: list[datetime] = []
    changed = Event(
        key="s1",
        at=datetime(2025, 3, 4, tzinfo=UTC),
        kind=Kind.STAGE,
        stage="talking",
        record=RecordRef(object="lead", id="9"),
        identities=(Identity(kind=IdentityKind.RECORD, value="lead:9"),),
    )

    def changes(_self: Standard, since: datetime, _api: Api) -> Iterator[Event]:
        asked.append(since)
        return iter([changed])

    monkeypatch.setattr(Standard, "changes", changes)
    assert cli("import", "shop").stdout == "shop: 1 events, 1 applied\n"
    done = cli.json("import", "shop", "--since", "2026-01-01")
    assert (done["tally"], asked[1]) == ({"duplicate": 1}, datetime(2026, 1, 1, tzinfo=UTC))
    monkeypatch.setattr(Standard, "changes", lambda *_: iter(()))
    assert cli("import", "shop").stdout == "shop: the system told nothing\n"


def test_a_new_record_counts_when_it_was_made_and_what_changes_later_at_the_import(cli: Cli, shop: Runtime) -> None:
    del shop
    header, made = ("id", "stage", "created"), ("--column", "made=created")
    _import(cli, _file(cli.folder, ("7", "", "2026-03-04 14:05"), header=header), *made, "--stage", "new")
    first = cli.json("subject", "show", "shop:lead:7")["decisions"][0]
    assert (first["at"], first["to"]) == ("2026-03-04T05:05:00+00:00", "latent")
    _import(cli, _file(cli.folder, ("7", "talking", "2026-03-04 14:05"), header=header), *made)
    found = cli.json("subject", "show", "shop:lead:7")
    assert (found["status"], found["since"] > ago(days=1)) == ("appointment_prospect", True)


def test_a_system_s_names_of_id_stage_and_owner_need_no_option(cli: Cli, server: Runtime) -> None:
    mapping = (
        "adapter: hubspot\nstages: {contact: {customer: order}}\nowner: {match: email}\n"
        "fields: {email: {from: email, type: email}}\n"
    )
    add_connection(server, "hs", adapter="hubspot", secrets={"client_secret": ["x"]}, mapping=mapping)
    header = ("hs_object_id", "email", "lifecyclestage")
    path = _file(cli.folder, ("5001", "mai@x.example", "customer"), header=header)
    told = cli("import", "hs", "--csv", path, "--object", "contact").stdout
    assert told.startswith("Columns: id = hs_object_id, stage = lifecyclestage, email = email.")
    assert cli.json("subject", "show", "hs:contact:5001")["status"] == "order"
