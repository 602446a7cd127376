"""Access tokens that all processes share, and what happens when two of them renew one at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.adapter_kit.oauth import ACCESS, Tokens, refresh_token, rotate
from connector.core.errors import AccessRefused, CrmRefused, CrmUnavailable
from tests.adapters.support import FakeApi


def _tokens(*given: str) -> tuple[FakeApi, Tokens]:
    api, left = FakeApi(answers=[]), list(given)
    return api, Tokens(api=api, issue=lambda: left.pop(0))


def test_a_token_is_asked_for_once_and_used_by_every_process() -> None:
    api, tokens = _tokens("first")
    assert [tokens.token(), tokens.token()] == ["first", "first"]
    api.memo.clear()
    assert (tokens.token(), api.memo, api.keeps) == ("first", {ACCESS: "first"}, {ACCESS: "first"})


def test_a_refused_token_is_renewed_once() -> None:
    api, tokens = _tokens("old", "new")
    sent: list[str] = []

    def send(token: str) -> int:
        sent.append(token)
        return 401

    assert tokens.send(send, lambda status: status == 401) == 401
    assert (sent, api.keeps[ACCESS]) == (["old", "new"], "new")
    assert tokens.send(send, lambda _: False) == 401
    assert sent == ["old", "new", "new"]


def test_a_token_that_another_process_has_renewed_is_used() -> None:
    api, tokens = _tokens("old")
    assert tokens.token() == "old"
    api.set_secret(ACCESS, "theirs")
    assert (tokens.renewed("old"), api.memo[ACCESS]) == ("theirs", "theirs")


@pytest.mark.parametrize(("good", "expected"), [("theirs", ["old", "theirs"]), ("new", ["old", "theirs", "new"])])
def test_what_another_process_kept_is_tried_before_a_new_token_is_asked_for(good: str, expected: list[str]) -> None:
    api, tokens = _tokens("new")
    api.memo[ACCESS] = "old"
    api.set_secret(ACCESS, "theirs")
    sent: list[str] = []

    def send(token: str) -> bool:
        sent.append(token)
        return token == good

    assert tokens.send(send, lambda is_taken: not is_taken)
    assert sent == expected


@pytest.mark.parametrize(
    ("meanwhile", "expected"), [(lambda api: api.set_secret(ACCESS, "theirs"), "theirs"), (lambda _: None, None)]
)
def test_a_renewal_that_is_refused_takes_what_another_process_kept_meanwhile(
    meanwhile: Callable[[FakeApi], None], expected: str | None
) -> None:
    api = FakeApi(answers=[], keeps={ACCESS: "old"})

    def issue() -> str:
        meanwhile(api)
        message = "that refresh token was used"
        raise CrmRefused(message)

    tokens = Tokens(api=api, issue=issue)
    if expected is None:
        with pytest.raises(AccessRefused, match="that refresh token was used"):
            tokens.renewed("old")
    else:
        assert tokens.renewed("old") == expected


def test_a_renewal_that_nobody_answers_is_tried_later() -> None:
    def issue() -> str:
        message = "away"
        raise CrmUnavailable(message)

    with pytest.raises(CrmUnavailable, match="away"):
        Tokens(api=FakeApi(answers=[]), issue=issue).token()


def test_a_refresh_token_is_replaced_by_the_one_that_was_handed_out_last() -> None:
    api = FakeApi(answers=[])
    rotate(api, "entered", None)
    assert (refresh_token(api, "entered"), api.keeps) == ("entered", {})
    rotate(api, "entered", "second")
    assert (refresh_token(api, "entered"), refresh_token(api, "another")) == ("second", "another")
    (name,) = api.keeps
    assert name.startswith("rotated:")
    assert "entered" not in name
