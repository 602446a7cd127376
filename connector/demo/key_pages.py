"""Publishes the key pages of the stories, as a company does before it begins."""

from __future__ import annotations

from connector.demo.life import KEY_PAGES
from connector.operations.publishing import publish
from connector.operations.rules import SHIPPED, with_settings
from connector.runtime.parts import Runtime
from connector.runtime.settings import FormerSetting
from connector.store.remaps import RULES


def publish_key_pages(runtime: Runtime) -> None:
    """Have the stories' key pages in force."""
    pages = FormerSetting(key="key_pages", value=list(KEY_PAGES), place="demo")
    publish(runtime, RULES, with_settings(SHIPPED.read_text("utf-8"), [pages]), actor="demo")
