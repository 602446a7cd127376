"""How notices become mails: which go together, what they say, and that no name gets into a header."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.rules import Notice
from connector.core.status import STATUSES
from connector.i18n.statuses import labels_in
from connector.outbound.messages import SubjectSummary, compose, group_notices, summarize
from connector.outbound.smtp import write_mail
from connector.store.notices import NoticeEntry
from tests.conftest import NOW

LABELS = labels_in("en", STATUSES)
SENDER = "abm@connector.example"
DAY = date(2026, 4, 1).toordinal()


def notice(subject: str = "S1", *, to: str = "kim@example.jp", at: datetime = NOW, **more: Any) -> NoticeEntry:
    values: dict[str, Any] = {"rule": "quasi_explicit.key_page", "notice": Notice.SUBJECT, "day": DAY}
    values |= {"before": "quasi_explicit", "after": "explicit", "facts": {"key_pages": [{"date": "2026-04-01"}]}}
    values |= more
    return NoticeEntry(
        id=f"id-{subject}-{to}",
        key="|".join((str(values["rule"]), at.isoformat(), to, subject)),
        subject=subject,
        to=to,
        outcome="waiting",
        attempts=0,
        next_attempt_at=at,
        failing_since=None,
        created_at=at,
        **values,
    )


def reminder(subject: str, **more: Any) -> NoticeEntry:
    given = {"rule": "appointment_prospect.remind", "notice": Notice.LIST, "facts": {"status_days": 3}}
    return notice(subject, **{**given, "before": "appointment_prospect", "after": "appointment_prospect", **more})


def mail(*entries: NoticeEntry, **names: str) -> EmailMessage:
    (group,) = group_notices(entries)
    subjects = {entry.subject: named(entry.subject, names) for entry in entries}
    sent = write_mail(compose(group, subjects, LABELS, NOW), SENDER)
    received = message_from_bytes(sent.as_bytes(), policy=default)
    assert isinstance(received, EmailMessage)
    return received


def named(subject: str, names: dict[str, str]) -> SubjectSummary:
    return summarize(subject, {"name": names.get(subject, subject)}, [])


def test_a_notice_is_a_mail_that_says_who_and_why() -> None:
    found = mail(notice(), S1="Kim Lee")
    assert (found["From"], found["To"]) == (SENDER, "kim@example.jp")
    assert found["Subject"] == "Explicit: Kim Lee"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Date"].datetime == NOW
    assert (found.get_content_type(), found.get_content_charset()) == ("text/plain", "utf-8")
    assert found.get_content().replace("\r\n", "\n") == (
        "Kim Lee\n"
        "  It viewed a key page (2026-04-01): moved from Quasi-explicit to Explicit.\n"
        "  Status: Explicit\n"
        "  Subject: S1\n\n"
        "-- \n"
        "Sent by the connector on 2026-04-01 by the rule quasi_explicit.key_page.\n"
    )


def test_notices_are_mails_by_themselves_and_digests_go_by_recipient_rule_and_day() -> None:
    rows = [notice("S1"), notice("S2"), notice("S1", to="lee@example.jp"), reminder("S1"), reminder("S2")]
    rows += [reminder("S1", to="lee@example.jp"), reminder("S2", rule="pending.remind")]
    rows += [reminder("S2", at=NOW + timedelta(days=1))]
    assert [[entry.subject for entry in group.entries] for group in group_notices(rows)] == [
        *[["S1"], ["S2"], ["S1"], ["S1", "S2"], ["S1"], ["S2"], ["S2"]]
    ]


def test_a_digest_lists_its_subjects_by_name() -> None:
    found = mail(reminder("S1"), reminder("S2"), S1="zoe", S2="Abe")
    assert found["Subject"] == "Appointment prospect: 2 to look at (2026-04-01)"
    text = found.get_content().replace("\r\n", "\n")
    assert re.findall(r"^\S.*", text, re.MULTILINE)[:2] == ["Abe", "zoe"]
    assert text.count("It has been waiting for an appointment for 3 days: stayed Appointment prospect.") == 2


def test_a_digest_of_one_names_it() -> None:
    assert mail(reminder("S1"), S1="Abe")["Subject"] == "Appointment prospect: Abe"


def test_subjects_that_were_merged_are_listed_once() -> None:
    rows = [reminder("S1"), reminder("S2")]
    one = summarize("S1", {"name": "Abe"}, [])
    message = compose(group_notices(rows)[0], {"S1": one, "S2": one}, LABELS, NOW)
    assert message.title == "Appointment prospect: Abe"


def test_the_same_mail_has_the_same_id_whatever_else_is_in_it() -> None:
    first, again = mail(reminder("S1")), mail(reminder("S1"), reminder("S2"))
    assert first["Message-ID"] == again["Message-ID"]
    ids = {str(one["Message-ID"]) for one in (first, mail(notice()), mail(notice("S2")), mail(notice(to="b@c.jp")))}
    assert len(ids) == 4
    assert all(re.fullmatch(r"<[0-9a-f]{32}@connector\.example>", one) for one in ids)


@pytest.mark.parametrize(
    ("profile", "identities", "name"),
    [
        ({"name": "Kim", "company": "Acme"}, [("email", "k@a.jp")], "Kim, Acme"),
        ({"first_name": "Kim", "last_name": "Lee"}, [], "Kim Lee"),
        ({"last_name": "Lee"}, [], "Lee"),
        ({"name": " \n ", "company": "Acme"}, [], "Acme"),
        ({}, [("record", "shop:lead:1"), ("phone", "+811"), ("visitor", "v")], "+811"),
        ({}, [], "S1"),
    ],
)
def test_a_subject_is_called_by_the_best_that_is_known(
    profile: dict[str, Any], identities: list[tuple[str, str]], name: str
) -> None:
    assert summarize("S1", profile, identities).name == name


def test_a_mail_says_how_to_find_the_subject() -> None:
    identities = [("email", "k@a.jp"), ("record", "shop:lead:1"), ("visitor", "v")]
    entry = notice()
    who = summarize("S1", {"company": "Acme"}, identities)
    text = compose(group_notices([entry])[0], {"S1": who}, LABELS, NOW).text
    for line in ("Company: Acme", "E-mail: k@a.jp", "Record: shop:lead:1", "Visitor: v", "Subject: S1"):
        assert f"\n  {line}\n" in text


def test_a_company_s_own_status_is_shown_by_its_code_and_any_language_arrives() -> None:
    found = mail(notice(after="won_back"), S1="山田 太郎 📈")
    assert found["Subject"] == "won_back: 山田 太郎 📈"
    assert found.get_content().replace("\r\n", "\n").startswith("山田 太郎 📈\n")


def test_a_long_name_is_cut_in_the_subject_line_only() -> None:
    found = mail(notice(), S1="x" * 300)
    assert found["Subject"] == f"Explicit: {'x' * 79}…"
    assert "x" * 300 in found.get_content().replace("\r\n", "\n")


@given(st.text())
def test_no_name_gets_into_a_header(name: str) -> None:
    found = mail(notice(), S1=f"{name}\r\nBcc: all@example.jp\n\nHello")
    assert found.keys() == mail(notice()).keys()
    assert "\n" not in found["Subject"]
    assert found["Subject"].startswith("Explicit: ")


@pytest.mark.parametrize("to", ["", "kim", "kim@example.jp\r\nBcc: x@y.jp", "a@b.jp, c@d.jp", "Kim <k@a.jp>", "@", '"'])
def test_what_is_no_address_is_refused(to: str) -> None:
    with pytest.raises(ValueError, match="is no e-mail address"):
        mail(notice(to=to))
