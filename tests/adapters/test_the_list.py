"""What every system needs, by `adapters/README.md`: one test for each line of its list."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from adapters import ADAPTERS
from connector.adapter_kit.contract import Adapter
from connector.core.rules import TEMPLATES
from connector.emulators.systems import CRMS, SITES, WITHOUT
from connector.mapping import parse_mapping
from tests.adapters.support import payloads_of, signing_of

ROOT = Path(__file__).parents[2]
SYSTEMS = sorted(ADAPTERS)


def _slug(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")


@pytest.mark.parametrize("system", SYSTEMS)
def test_its_fields_are_its_settings(system: str) -> None:
    adapter: Any = ADAPTERS[system]
    assert isinstance(adapter(), Adapter)
    assert system == adapter.NAME
    assert {one.name for one in fields(adapter)} == set(adapter.SETTINGS)
    for one in fields(adapter):
        setting = adapter.SETTINGS[one.name]
        assert one.default is not MISSING
        assert one.default == (() if setting.is_secret else setting.default)
        assert one.repr is not setting.is_secret, f"{one.name}: a secret is not shown"


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_event_word_has_a_captured_request(system: str) -> None:
    names = {_slug(path.stem) for path in payloads_of(system).glob("*.http")}
    missing = [word for word in sorted(ADAPTERS[system].EVENTS) if not any(_slug(word) in name for name in names)]
    assert missing == []
    assert bool(names) is not signing_of(system).is_deaf


@pytest.mark.parametrize("system", SYSTEMS)
def test_nothing_of_its_skeleton_is_still_to_be_done(system: str) -> None:
    places = ("adapters/{}/*.py", "connector/emulators/{}/*.py", "docs/adapters/{}.md", "mappings/{}.yaml")
    files = [path for place in places for path in ROOT.glob(place.format(system))]
    left = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(files)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if "STILL TO BE DONE" in line
    ]
    left += [text for text in [WITHOUT.get(system, "")] if "STILL TO BE DONE" in text]
    assert not left, "\n".join(left)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_mapping_comes_along(system: str) -> None:
    path = ROOT / "mappings" / f"{system}.yaml"
    rules = parse_mapping(path.read_text(), path.name, tuple(next(iter(TEMPLATES.values())).statuses))
    assert rules.adapter == system
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_has_an_emulator_or_says_why_not(system: str) -> None:
    assert [system in CRMS, system in SITES, system in WITHOUT].count(True) == 1


@pytest.mark.parametrize("system", SYSTEMS)
def test_its_page_names_every_setting_and_what_the_system_lacks(system: str) -> None:
    page = (ROOT / "docs" / "adapters" / f"{system}.md").read_text()
    assert [name for name in ADAPTERS[system].SETTINGS if f"`{name}`" not in page] == []
    for heading in ("## Connect", "## What comes in", "## What goes out", " lacks\n", "Sources"):
        assert heading in page
    assert f"({system}.md)" in (ROOT / "docs" / "adapters" / "README.md").read_text()
