"""The log: one line per entry in both forms, with the context, and no secret in any of them."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from connector.runtime.log import configure_log, is_secret, mask, mask_entry
from tests.conftest import plain_log


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    plain_log()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_entries_carry_time_level_event_and_what_is_bound() -> None:
    stream = io.StringIO()
    configure_log(level="info", form="json", stream=stream)
    with structlog.contextvars.bound_contextvars(connection="bitrix24-tokyo", delivery="01J"):
        structlog.get_logger().info("delivery accepted", lane=3)
    (entry,) = entries(stream)
    assert entry.pop("at").endswith("Z")
    expected = {
        "level": "info",
        "event": "delivery accepted",
        "lane": 3,
        "connection": "bitrix24-tokyo",
        "delivery": "01J",
    }
    assert entry == expected


def test_libraries_and_warnings_write_into_the_same_log() -> None:
    stream = io.StringIO()
    configure_log(level="info", form="json", stream=stream)
    logging.getLogger("_granian").info("listening at %s", "http://127.0.0.1")
    logging.getLogger("rq.worker").info("one line per job is too much")
    logging.getLogger("alembic.runtime").info("so is this")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert [entry["event"][:20] for entry in entries(stream)] == ["listening at http://", __file__[:20]]


def test_debug_shows_what_is_quiet_otherwise() -> None:
    stream = io.StringIO()
    configure_log(level="debug", form="json", stream=stream)
    logging.getLogger("rq.worker").info("a job")
    structlog.get_logger().debug("a detail")
    assert [entry["event"] for entry in entries(stream)] == ["a job", "a detail"]


def test_an_entry_below_the_level_is_not_written() -> None:
    stream = io.StringIO()
    configure_log(level="warning", form="text", stream=stream)
    structlog.get_logger().info("nothing")
    assert stream.getvalue() == ""


def test_a_text_entry_is_one_line_whatever_is_in_it() -> None:
    stream = io.StringIO()
    configure_log(level="info", form="text", stream=stream)
    try:
        int("x")
    except ValueError:
        structlog.get_logger().exception("broken\r\n\x1b[2J\u2028", path="a b", empty="", rows=[1, {"x": b"\x00"}])
    (line,) = stream.getvalue().splitlines()
    assert line.isprintable()
    assert r'error    broken\r\n\x1b[2J\u2028 path="a b" empty="" rows=[1, {"x": "b' in line
    assert r"ValueError: invalid literal for int() with base 10: 'x'" in line


def test_text_is_coloured_on_a_terminal_only() -> None:
    plain, terminal = io.StringIO(), Terminal()
    for stream in (plain, terminal):
        configure_log(level="info", form="text", stream=stream)
        structlog.get_logger().warning("careful")
        structlog.get_logger().info("fine")
    assert ["\x1b" in line for line in plain.getvalue().splitlines()] == [False, False]
    assert ["\x1b" in line for line in terminal.getvalue().splitlines()] == [True, False]


@pytest.mark.parametrize(
    "name",
    ["token", "accessToken", "X-Api-Key", "client_secret", "auth", "Authorization", "webhook-signature", "Set-Cookie"],
)
def test_a_name_that_says_secret_is_one(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["key_pages", "event", "author", "connection", "", "secretary", "monkey"])
def test_an_ordinary_name_is_none(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql://***@h/d"),
        ("redis://:hush@127.0.0.1:6379/0", "redis://***@127.0.0.1:6379/0"),
        ("POST https://x.bitrix24.com/rest/1/hush/crm.item.get", "POST https://x.bitrix24.com/rest/1/***/crm.item.get"),
        ("/webhooks/b?id=4&application_token=hush&x=1", "/webhooks/b?id=4&application_token=***&x=1"),
        ("auth[application_token]=hush", "auth[application_token]=***"),
        ("Authorization: Basic aHVzaA==", "Authorization: Basic ***"),
        ("sent with Bearer hu.sh-1", "sent with Bearer ***"),
        ("whsec_MfKQ9r8G is no key", "*** is no key"),
        ('{"client_secret": "hu\\"sh", "id": 1}', '{"client_secret": "***", "id": 1}'),
        ("{'api_key': 'hush'}", "{'api_key': '***'}"),
        ("a bad signature: the header is missing", "a bad signature: the header is missing"),
        ("the template Basic (ver.2.0)", "the template Basic (ver.2.0)"),
    ],
)
def test_secrets_inside_a_text_are_masked_and_the_rest_stays(text: str, expected: str) -> None:
    assert mask(text) == expected


def test_values_are_masked_at_any_depth_and_empty_ones_stay() -> None:
    entry = {
        "a": [{"token": "hush", "n": 1, "x": None}],
        "pin_key": 17,
        "has_token": True,
        "secret": "",
        "u": ("://h@x",),
    }
    expected = {
        "a": [{"token": "***", "n": 1, "x": None}],
        "pin_key": "***",
        "has_token": True,
        "secret": "",
        "u": ["://***@x"],
    }
    assert mask_entry(None, "info", entry) == expected


def test_what_refers_to_itself_ends() -> None:
    knot: dict[str, Any] = {}
    knot["again"] = knot
    assert "again" in mask_entry(None, "info", {"knot": knot})["knot"]


SECRETS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=30).map(lambda text: f"Zq{text}")
PLACES = st.sampled_from(
    [
        "https://user:{}@host/x",
        "https://p.bitrix24.com/rest/12/{}/crm.lead.get.json",
        "x=1&auth[access_token]={}&y=2",
        "'Authorization': 'Bearer {}'",
        '{{"password": "{}"}}',
        "Authorization: Bearer {}",
        "authorization={}",
        "whsec_{}",
    ]
)


@given(secret=SECRETS, place=PLACES, before=st.text(max_size=30), form=st.sampled_from(["text", "json"]))
def test_no_secret_gets_into_the_log(secret: str, place: str, before: str, form: str) -> None:
    stream = io.StringIO()
    configure_log(level="info", form=form, stream=stream)
    text = f"{before} {place.format(secret)}"
    structlog.get_logger().info(text, deep=[{"url": text}], token=secret)
    logging.getLogger("library").warning("%s", text)
    assert secret not in stream.getvalue()
