"""What is no YAML: the line that did it is named and shown, and what a keyboard, Excel or a missing quote did there."""

from __future__ import annotations

import time

import pytest

from connector.mapping import check_mapping
from tests.mapping.whole_mapping import mistakes_in

HEAD = "adapter: standard\n"
STAGES = f"{HEAD}stages:\n  lead:\n    NEW: latent\n"
WRONG: dict[str, tuple[str, str]] = {
    "a full-width colon after a section": (
        f"{HEAD}stages：\n  lead: {{a: latent}}\n",
        "2:7: here is a full-width colon; write `: `: 'stages：'",
    ),
    "a full-width colon among stages": (
        f"{STAGES}    WON： order\n    B: latent\n",
        "5:8: here is a full-width colon; write `: `: 'WON： order'",
    ),
    "a full-width colon in braces": (
        f"{HEAD}stages:\n  lead: {{A： latent, B: order\n",
        "3:11: here is a full-width colon; write `: `",
    ),
    "a full-width space after the colon": (f"{HEAD}region:\u3000JP\n", "2:8: here is a full-width space"),
    "a full-width space for indentation": (
        f"{HEAD}stages:\n\u3000lead: {{A: latent}}\n",
        "3:1: the key '\\u3000lead' begins with a space that is no ordinary one",
    ),
    "a full-width comma": (f"{HEAD}stages:\n  lead: {{A: latent， B: order}}\n", "3:19: here is a full-width comma"),
    "full-width braces": (f"{HEAD}stages:\n  lead: ｛A: latent｝\n", "3:9: here is a full-width brace or bracket"),
    "a space of a web page": (f"{HEAD}region:\u00a0JP\n", "2:8: here is a space that does not break"),
    "no space after the first colon": ("adapter:standard\nstages:\n", "1:9: a space is missing after the colon"),
    "no space after a colon below": (f"{STAGES}    WON:order\n    B: latent\n", "5:9: a space is missing after the"),
    "an indentation of three": (
        f"{STAGES}   WON: order\n",
        "5:4: this line begins with 3 spaces, those before it with 0, 2, 4; they must agree: 'WON: order'",
    ),
    "an indentation of five": (f"{STAGES}     WON: order\n", "5:6: this line begins with 5 spaces"),
    "a quotation mark that is not closed": (
        f"{HEAD}triggers:\n  - id: x\n    when: \"a == '1'\n    jump_to: visited\nfields:\n  a: b\n",
        "4:11: the quotation mark that begins here is never closed",
    ),
    "a brace that is not closed": (
        f"{HEAD}stages:\n  lead: {{A: latent\nfields:\n  a: b\n",
        "3:9: the { that begins here is not closed, or a comma is missing after it",
    ),
    "a colon in a value": (f"{HEAD}fields:\n  email: a: b\n", "3:11: a value that has a colon and a space in it must"),
    "a table with tabs": ("adapter\tstandard\nstages\tlead\n", "1:1: this looks like a table that a spreadsheet saved"),
    "lines in quotes": ('"adapter: standard"\n"stages:"\n', "1:1: this looks like a table that a spreadsheet saved"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_the_line_that_did_it_is_named_and_what_was_done(text: str, said: str) -> None:
    assert any(mistake.startswith(said) for mistake in mistakes_in(text))


@pytest.mark.parametrize("stage", ["商談：初回", "受注　済", "“A”", "見込，A", "C5:WON"])
def test_full_width_signs_in_the_names_of_stages_are_no_mistake(stage: str) -> None:
    assert mistakes_in(f"{STAGES}    {stage}: order\n") == []
    (mistake,) = mistakes_in(f"{STAGES}    {stage}: order\n   WON: order\n")
    assert mistake.startswith("6:4: this line begins with 3 spaces")


@pytest.mark.parametrize("sign", ["{", "：", '"', "a:b", "a,", ": ", "［{，"])
def test_a_long_line_is_explained_as_fast_as_a_short_one(sign: str) -> None:
    begun = time.process_time()
    check_mapping(f"{HEAD}a: {{\n" + "\n".join([sign * (20_000 // len(sign))] * 12), "x.yaml")
    assert time.process_time() - begun < 5
