"""Settings: where they come from, their defaults, and the message for each way to get one wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.core.errors import WrongSetting
from connector.runtime.settings import Smtp, read_config
from connector.runtime.settings_table import TABLE

WHOLE = "a whole number from"
WRONG_IN_ENVIRONMENT = [
    ({"CONNECTOR_PORT": "abc"}, f"CONNECTOR_PORT (environment): found 'abc'; allowed: {WHOLE} 1 to 65,535"),
    ({"CONNECTOR_PORT": "0"}, f"CONNECTOR_PORT (environment): found '0'; allowed: {WHOLE} 1 to 65,535"),
    ({"CONNECTOR_WORKERS": "2.0"}, f"CONNECTOR_WORKERS (environment): found '2.0'; allowed: {WHOLE} 1 to 64"),
    ({"CONNECTOR_PROT": "1"}, "CONNECTOR_PROT (environment): not a setting; did you mean CONNECTOR_PORT?"),
    ({"CONNECTOR_REDIS_URL": "x"}, "CONNECTOR_REDIS_URL (environment): not a setting; did you mean REDIS_URL?"),
    ({"CONNECTOR_XYZZY": "x"}, "CONNECTOR_XYZZY (environment): not a setting; docs/settings.md lists them"),
    (
        {"DATABASE_URL": "mysql://u:hush@h/d"},
        (
            "DATABASE_URL (environment): found a value of 18 characters; "
            "allowed: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
        ),
    ),
    (
        {"DATABASE_URL": "sqlite://"},
        (
            "DATABASE_URL (environment): found a value of 9 characters; "
            "allowed: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
        ),
    ),
    (
        {"DATABASE_URL": "data"},
        (
            "DATABASE_URL (environment): found a value of 4 characters; "
            "allowed: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
        ),
    ),
    (
        {"REDIS_URL": "http://h"},
        "REDIS_URL (environment): found a value of 8 characters; allowed: redis://HOST:PORT/NUMBER, rediss:// or unix://",
    ),
    (
        {"CONNECTOR_LOG_FORMAT": "jsno"},
        "CONNECTOR_LOG_FORMAT (environment): found 'jsno'; allowed: one of text, json; did you mean json?",
    ),
    (
        {"CONNECTOR_SECRET_KEYS": ","},
        (
            "CONNECTOR_SECRET_KEYS (environment): found a value of 1 characters; "
            "allowed: Fernet keys, newest first, separated by commas"
        ),
    ),
    (
        {"CONNECTOR_LANES": "4"},
        (
            "CONNECTOR_LANES (environment): found '4' (SQLite has one writer at a time: 1, or use PostgreSQL); "
            f"allowed: {WHOLE} 1 to 64"
        ),
    ),
    (
        {"CONNECTOR_SMTP_HOST": "mail.example.com"},
        "smtp.sender: missing beside CONNECTOR_SMTP_HOST; allowed: an e-mail address",
    ),
    (
        {"CONNECTOR_SMTP_PASSWORD": "hush"},
        "smtp.user: missing beside CONNECTOR_SMTP_PASSWORD; allowed: text",
    ),
    (
        {"CONNECTOR_PUBLIC_URL": "connector.example.com"},
        (
            "CONNECTOR_PUBLIC_URL (environment): found 'connector.example.com'; "
            "allowed: https://HOST or https://HOST/PATH, without query"
        ),
    ),
    (
        {"CONNECTOR_DATA_DIR": "a\0b"},
        "CONNECTOR_DATA_DIR (environment): found 'a\\x00b'; allowed: the path of a folder",
    ),
]
WRONG_IN_FILE = [
    ("prot = 1", "prot (FILE): not a setting; did you mean port?"),
    ('timezone = "UTC"', "timezone (FILE): not a setting; docs/settings.md lists them"),
    ("port = true", f"port (FILE): found True; allowed: {WHOLE} 1 to 65,535"),
    ("port = 80.5", f"port (FILE): found 80.5; allowed: {WHOLE} 1 to 65,535"),
    ("workspace = 1", "workspace (FILE): found 1; allowed: a section [workspace]"),
    (
        'log_level = "inof"',
        "log_level (FILE): found 'inof'; allowed: one of debug, info, warning, error; did you mean info?",
    ),
    ('host = ""', "host (FILE): found ''; allowed: text"),
    ("data_dir = 3", "data_dir (FILE): found 3; allowed: the path of a folder"),
    ("port = ", "FILE: cannot be read: Invalid value (at end of document); allowed: a TOML file in UTF-8"),
]


def message(directory: Path, environ: dict[str, str]) -> str:
    with pytest.raises(WrongSetting) as caught:
        read_config(environ, directory)
    return str(caught.value)


def test_without_anything_every_setting_has_its_default(tmp_path: Path) -> None:
    config = read_config({"PATH": "/bin", "CONNECTOR_NO_SKIPS": "1"}, tmp_path)
    assert config.data_dir == tmp_path / "data"
    assert config.database_url == f"sqlite:///{tmp_path}/data/connector.sqlite"
    assert config.metrics_dir == tmp_path / "data" / "metrics"
    assert (config.redis_url, config.smtp, config.secret_keys, config.former) == (None, None, (), ())
    assert (config.host, config.port, config.lanes, config.is_sqlite) == ("127.0.0.1", 8080, 1, True)


@pytest.mark.parametrize(("environ", "expected"), WRONG_IN_ENVIRONMENT)
def test_a_wrong_variable_is_named_with_what_is_allowed(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    assert message(tmp_path, environ) == f"1 wrong setting:\n  {expected}"


@pytest.mark.parametrize(("text", "expected"), WRONG_IN_FILE)
def test_a_wrong_line_of_the_file_is_named_with_what_is_allowed(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "connector.toml"
    file.write_text(text, "utf-8")
    assert message(tmp_path, {}).startswith(f"1 wrong setting:\n  {expected.replace('FILE', str(file))}")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text("prot = 1\nworkers = 0\n", "utf-8")
    lines = message(tmp_path, {"CONNECTOR_PORT": "x", "CONNECTOR_XYZZY": "1"}).splitlines()
    assert [lines[0], len(lines)] == ["4 wrong settings:", 5]


def test_a_secret_is_not_shown_in_a_message_or_in_the_settings(tmp_path: Path) -> None:
    assert "hush" not in message(tmp_path, {"DATABASE_URL": "oracle://u:hush@h/d"})
    config = read_config({"REDIS_URL": "redis://:hush@h:1/0", "CONNECTOR_SECRET_KEYS": "hush"}, tmp_path)
    assert "hush" not in repr(config)


def test_the_environment_wins_over_the_file_and_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text("port = 1234\nworkers = 3\n", "utf-8")
    config = read_config({"CONNECTOR_WORKERS": "5", "CONNECTOR_PORT": ""}, tmp_path)
    assert (config.port, config.workers) == (1234, 5)


def test_the_file_may_lie_in_the_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "elsewhere"
    data.mkdir()
    (data / "connector.toml").write_text("port = 1234\n", "utf-8")
    assert read_config({"CONNECTOR_DATA_DIR": "elsewhere"}, tmp_path).port == 1234


def test_two_files_and_a_data_directory_inside_its_own_file_are_mistakes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for folder in (tmp_path, data):
        (folder / "connector.toml").write_text('data_dir = "data"\n', "utf-8")
    text = message(tmp_path, {})
    assert f"{data}/connector.toml: a second file beside {tmp_path}/connector.toml; allowed: one of the two" in text
    assert "found 'data' (not in the file that it leads to); allowed: the path of a folder" in text


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_gets_its_driver_and_four_lanes(tmp_path: Path, scheme: str) -> None:
    config = read_config({"DATABASE_URL": f"{scheme}://u:p%40@h:5433/d"}, tmp_path)
    assert (config.database_url, config.lanes) == ("postgresql+psycopg://u:p%40@h:5433/d", 4)
    assert not config.is_sqlite


def test_webhooks_go_to_the_public_address_where_one_is_set(tmp_path: Path) -> None:
    assert read_config({}, tmp_path).webhook_url("shop") == "http://127.0.0.1:8080/webhooks/shop"
    assert read_config({}, tmp_path).webhook_url("site", is_collected=True) == "http://127.0.0.1:8080/collect/site"
    for given in ("https://example.com/crm", "https://example.com/crm/"):
        config = read_config({"CONNECTOR_PUBLIC_URL": given}, tmp_path)
        assert config.webhook_url("shop") == "https://example.com/crm/webhooks/shop"


def test_what_belongs_to_the_rules_is_kept_for_the_first_start(tmp_path: Path) -> None:
    lines = ('template = "basic-1.0"', "[workspace]", 'key_pages = [{match = "glob", url = "*/p"}]')
    file = tmp_path / "connector.toml"
    file.write_text("\n".join([*lines, 'rules."latent.warm".enabled = false']), "utf-8")
    environ = {
        "CONNECTOR_ADMINISTRATORS": "a@example.com, b@example.com",
        "CONNECTOR_MAIL_ENABLED": "true",
        "CONNECTOR_SESSION_GAP_MINUTES": "45",
        "CONNECTOR_TIMEZONE": "Asia/Hanoi",
        "CONNECTOR_NOTICE_REPEAT": '{"pending.remind": "once_per_stay"}',
    }
    former = read_config(environ, tmp_path).former
    assert {one.key: one.value for one in former} == {
        "template": "basic-1.0",
        "key_pages": [{"match": "glob", "url": "*/p"}],
        "rules": {"latent.warm": {"enabled": False}},
        "administrators": ["a@example.com", "b@example.com"],
        "mail_enabled": True,
        "session_gap_minutes": 45,
        "timezone": "Asia/Hanoi",
        "notice_repeat": {"pending.remind": "once_per_stay"},
    }
    places = {one.key: one.place for one in former}
    assert places["timezone"] == "CONNECTOR_TIMEZONE (environment)"
    assert places["rules"] == f"workspace.rules ({file})"


def test_mail_is_set_up_in_its_own_section(tmp_path: Path) -> None:
    (tmp_path / "connector.toml").write_text('[smtp]\nhost = "m"\nsender = "a@example.com"\nuser = "u"\n', "utf-8")
    smtp = read_config({"CONNECTOR_SMTP_PASSWORD": "hush"}, tmp_path).smtp
    expected = Smtp(host="m", port=587, security="starttls", user="u", password="hush", sender="a@example.com")
    assert smtp == expected


def test_every_setting_says_what_it_is_for_and_what_it_takes() -> None:
    assert [setting.key for setting in TABLE if not (setting.description and setting.allowed and setting.shown)] == []
