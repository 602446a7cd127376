"""Wrong uses of the command line get a sentence that says what to do, exit code 2, and no traceback.

What is begun is completed by the shell.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from connector.runtime.parts import Runtime
from tests.cli.conftest import Cli
from tests.flow.senders import SECRET, add_connection

ADD = ("connection", "add", "new", "--adapter", "standard")
GOOD = (*ADD, "--secret", "secret=@env:THE_SECRET")
WRONG: list[tuple[tuple[str, ...], str]] = [
    (("accuont",), "No such command 'accuont'. Did you mean 'account'?"),
    (("mapping", "chek"), "No such command 'chek'. Did you mean 'check'?"),
    (("delivery", "list", "--outcom", "dead"), "No such option '--outcom'. Did you mean '--outcome'?"),
    (("connection", "add", "new"), "Missing option '--adapter'"),
    (("connection", "add", "new", "--adapter", "bitrix"), "there is no adapter 'bitrix'; did you mean bitrix24?"),
    (("connection", "add", "New", "--adapter", "standard"), "'New' cannot be a connection's name; allowed: 1 to 63"),
    (("connection", "add", "console", "--adapter", "standard"), "choose another"),
    (("connection", "add", "shop", *GOOD[3:], "--region", "JP"), "there is a connection 'shop' already"),
    (ADD, "secret: missing; give it by --secret secret=@env:VARIABLE, secret=@file:PATH or secret=@prompt"),
    ((*ADD, "--secret", "secret=abc"), "secret: a secret is never taken from an argument"),
    ((*ADD, "--secret", "secret=@env:NOT_THERE"), "the environment variable NOT_THERE is not set, or empty"),
    ((*ADD, "--secret", "secret=@file:no.key"), "the file no.key cannot be read: No such file or directory"),
    ((*ADD, "--secret", "secret=@file:."), "the file . cannot be read: Is a directory"),
    ((*ADD, "--set", "secret=abc"), "secret: is a secret, which is never taken from an argument"),
    ((*GOOD, "--secret", "url=@env:THE_SECRET"), "url: is no secret; give it by --set url=VALUE"),
    ((*GOOD, "--set", "metod=PUT"), "the adapter standard has no such setting; did you mean method?"),
    ((*GOOD, "--secret", "secrte=@env:THE_SECRET"), "did you mean secret?"),
    ((*GOOD, "--set", "rate=fast"), "rate: found 'fast'; allowed: a whole number"),
    ((*GOOD, "--set", "method"), "--set: found 'method'; allowed: KEY=VALUE"),
    ((*GOOD, "--set", "method=PUT", "--set", "method=POST"), "method: given 2 times; give it once"),
    ((*GOOD, "--set", f"url={'x' * 5000}"), "url: found 5000 characters; allowed: up to 4096"),
    ((*GOOD, "--mapping", "no.yaml"), "no.yaml cannot be read: No such file or directory"),
    ((*GOOD, "--mapping", "bitrix.yaml"), "is for the adapter bitrix24; the connection's is standard"),
    ((*GOOD, "--mapping", "bad.yaml"), "bad.yaml:2:"),
    ((*GOOD, "--set", "method=PTU"), "the connection's setting `method` is 'PTU'; it must be one of POST, PUT, PATCH"),
    ((*GOOD, "--set", "read_status=a["), "the connection's setting `read_status` ('a[') cannot be used"),
    ((*ADD, "--secret", "secret=@env:HOME_OF_IT"), "secret is neither `whsec_` nor `whpk_` and base64 of a key"),
    (("connection", "change", "shop", "--set", "method=PTU"), "the connection's setting `method` is 'PTU'"),
    (("connection", "rotate", "shop", "--secret", "secret=@env:HOME_OF_IT"), "secret is neither `whsec_` nor"),
    (("connection", "add", "b24", "--adapter", "bitrix24"), "webhook_url (https://<portal>/rest/<user id>/<secret>/)"),
    (
        ("connection", "add", "b24", "--adapter", "bitrix24", "--secret", "webhook_url=@env:HOME_OF_IT"),
        "webhook_url (https://<portal>/rest/<user id>/<secret>/), or client_id for OAuth",
    ),
    (
        ("connection", "add", "qr", "--adapter", "cocoar", *GOOD[5:], "--set", "proof=tokn"),
        "proof is 'tokn'; it must be token or hmac",
    ),
    (("connection", "show", "shpo"), "there is no connection 'shpo'; did you mean shop? There are: shop"),
    (("connection", "pause", "nope"), "there is no connection 'nope'. There are: shop"),
    (("connection", "change", "shop"), "nothing to change; give --set KEY=VALUE"),
    (("connection", "rotate", "shop"), "no secret given; give --secret KEY=SOURCE"),
    (("delivery", "show", "01ABC"), "there is no delivery '01ABC'; `connector delivery list` shows them"),
    (("delivery", "list", "--outcome", "lost"), "'lost' is not one of 'applied'"),
    (("delivery", "list", "--connection", "nope"), "there is no connection 'nope'"),
    (("delivery", "replay"), "give ids, or --connection NAME and --outcome WORD"),
    (("delivery", "replay", "--connection", "shop"), "give ids, or --connection NAME and --outcome WORD"),
    (("delivery", "verify", "nope"), "there is no connection 'nope'"),
    (("delivery", "quarantine", "--connection", "nope"), "there is no connection 'nope'"),
    (("subject", "show", "who@example.jp"), "there is no subject 'who@example.jp'; allowed: an e-mail, a phone"),
    (("subject", "list", "--status", "orderd"), "did you mean order?"),
    (("subject", "set-status", "v-1", "orderd"), "did you mean order?"),
    (("subject", "set-owner", "v-1", "kim"), "'kim' cannot be an owner; allowed: an e-mail address, or none"),
    (("subject", "tag", "v-1", "set", "vip"), "'set' is not one of 'add', 'remove'"),
    (("subject", "tag", "v-1", "add", " "), "cannot be a tag; allowed: 1 to 63 printable characters"),
    (("mapping", "publish", "nope", "bad.yaml"), "there is no connection 'nope'"),
    (("mapping", "show", "nope"), "there is no connection 'nope'"),
    (("mapping", "check", "no.yaml"), "no.yaml cannot be read"),
    (("outbox", "retry", "01ABC"), "not among the dead: 01ABC; `connector outbox list --outcome dead` shows them"),
    (("outbox", "retry", "01ABC", "--connection", "shop"), "give ids, --connection NAME or --all"),
    (("outbox", "retry"), "give ids, --connection NAME or --all"),
    (("outbox", "retry", "--connection", "nope"), "there is no connection 'nope'"),
    (("outbox", "list", "--connection", "nope"), "there is no connection 'nope'"),
    (("sweep", "--as-of", "yesterday"), "'yesterday' does not match the format '%Y-%m-%d'"),
    (("reconcile", "nope"), "there is no connection 'nope'"),
    (("worker", "--queues", "fast"), "'fast' is not one of 'process', 'push', 'notify', 'maintenance'"),
]


@pytest.fixture
def shop(cli: Cli, server: Runtime) -> Cli:
    """The command line with one connection, and some files."""
    add_connection(server)
    cli = replace(cli, environ={**cli.environ, "HOME_OF_IT": "https://portal.example/tse/1/abcdefgh/"})
    (cli.folder / "bitrix.yaml").write_text("adapter: bitrix24\n")
    (cli.folder / "bad.yaml").write_text("adapter: standard\nnope: 1\n")
    return cli


@pytest.mark.parametrize(("words", "said"), WRONG, ids=[" ".join(words)[:60] for words, _ in WRONG])
def test_a_wrong_use_is_answered_by_a_sentence(shop: Cli, words: tuple[str, ...], said: str) -> None:
    assert said in shop.error(*words)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("connector st", {"status"}),
        ("connector mapping ch", {"check"}),
        ("connector delivery list --out", {"--outcome"}),
        ("connector delivery list --outcome d", {"duplicate", "dead"}),
    ],
)
def test_a_shell_completes_what_is_begun(words: str, wanted: set[str]) -> None:
    count = str(len(words.split()) - 1)
    environ = {"_CONNECTOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count}
    command = [sys.executable, "-m", "connector.cli"]
    said = subprocess.run(command, env={**os.environ, **environ}, check=True, capture_output=True, text=True).stdout
    assert {line.partition(",")[2] for line in said.splitlines()} == wanted


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_what_makes_it_complete(empty_cli: Cli, shell: str) -> None:
    assert f"_CONNECTOR_COMPLETE={shell}_complete" in empty_cli("completion", shell).stdout


def test_all_mistakes_are_named_at_once(shop: Cli) -> None:
    said = shop.error(*ADD, "--set", "metod=1", "--set", "url", "--secret", "auth_value=x", "--secret", "push_secret=y")
    assert said.startswith("Error: 5 mistakes in the settings of the adapter standard:\n")
    for name in ("metod", "--set", "auth_value", "push_secret", "secret: missing"):
        assert name in said


def test_what_may_be_a_secret_is_never_repeated(shop: Cli) -> None:
    for typed in (SECRET, f"secret={SECRET}", f"{SECRET}={SECRET}", f"={SECRET}"):
        assert SECRET.rstrip("=") not in shop.error(*ADD, "--secret", typed)


def test_a_file_that_is_no_text_is_no_secret(shop: Cli) -> None:
    for content in (b"", b" \n", b"\xff\xfe", b"x" * 70_000):
        (shop.folder / "key").write_bytes(content)
        assert "holds no text of 1 to 65536 bytes" in shop.error(*ADD, "--secret", "secret=@file:key")


def test_without_any_connection_the_sentence_says_how_to_add_one(cli: Cli) -> None:
    assert "There is none yet; add one by `connector connection add`" in cli.error("connection", "show", "shop")


def test_a_wrong_setting_is_named(cli: Cli) -> None:
    assert "CONNECTOR_PORT (environment): found 'x'" in cli.error("account", CONNECTOR_PORT="x")


def test_a_database_that_is_away_is_named_without_its_password(cli: Cli) -> None:
    said = cli.error("account", code=1, DATABASE_URL="postgresql://me:hidden@127.0.0.1:9/none")
    assert "cannot be used" in said
    assert "check DATABASE_URL" in said
    assert "hidden" not in said


def test_who_uses_a_database_without_tables_is_asked_to_migrate_it(empty_cli: Cli) -> None:
    (empty_cli.folder / "data").mkdir()
    (empty_cli.folder / "data" / "connector.sqlite").touch()
    assert "run `connector migrate`" in empty_cli.error("subject", "list", code=1)


@pytest.mark.parametrize("name", ["worker", "scheduler"])
def test_a_part_that_needs_redis_says_so(cli: Cli, name: str) -> None:
    assert "set REDIS_URL, or start everything with `connector up`" in cli.error(name, REDIS_URL="")


def test_redis_away_is_a_warning_and_nothing_is_lost(cli: Cli, server: Runtime) -> None:
    add_connection(server)
    result = cli("connection", "resume", "shop", REDIS_URL="redis://127.0.0.1:9/0")
    assert result.stdout == "shop was not paused.\n"
    assert "redis is away" in result.stderr
