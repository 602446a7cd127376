"""The tracker's script in Chromium, on the pages of a site, against the whole product: `apt-get install chromium`."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask, Response, request
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import select

from connector.emulators.engine.loopback import Loopback
from connector.emulators.tracker.site import AGENT, SECRET, SITE_KEY, sign_token
from connector.runtime.parts import Runtime
from connector.store import subjects, tables
from connector.web.app import create_app
from tests.conftest import Clock, wait_for
from tests.flow.senders import add_connection, drain

PAGE = """<!doctype html><title>Site</title>
<script>window.abm = window.abm || function () {{ (abm.q = abm.q || []).push(arguments); }}; {early}
window.shows = []; addEventListener('pageshow', function (event) {{ shows.push(event.persisted); }});</script>
<script async src="{connector}/tracker.js"
data-connection="site" data-key="{key}" data-query="utm_medium v" {more}></script>
<form action="/thanks" method="post" data-abm="contact">
<input name="email" value="aiko@customer.example">
<input type="email" data-abm-field="mail" value="aiko@customer.example">
<input name="secret" value="unmarked-value"><select name="topic" data-abm-field><option>pricing</option></select>
<input type="password" data-abm-field="word" value="pass-word"><button>Send</button></form>
<form id="plain" action="/search"><input name="q" value="customer.example"><button>Search</button></form>
<a id="file" href="/files/catalogue.PDF?v=2" download>Catalogue</a> <a id="next" href="/next">Next</a>
"""


@dataclass(slots=True, kw_only=True)
class Site:
    """The pages of a site, the connector that they post to, and the browser."""

    runtime: Runtime
    url: str
    connector: str
    browser: Browser

    def open(self) -> BrowserContext:
        """A visitor of the site, with nothing remembered."""
        context = self.browser.new_context(user_agent=AGENT)
        context.set_default_timeout(20_000)
        return context

    def posts(self) -> list[dict[str, Any]]:
        """The bodies that were taken, each once."""
        with self.runtime.database.read() as connection:
            bodies = connection.execute(select(tables.deliveries.c.body).order_by(tables.deliveries.c.id)).scalars()
            return [json.loads(body) for body in bodies]

    def words(self) -> Counter[str]:
        """How many events of each type were taken."""
        return Counter(event["type"] for post in self.posts() for event in post["events"])

    def wait(self, **words: int) -> None:
        """Until as many events were taken, by type."""
        wait_for(lambda: self.words() == words, f"{words}")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database will do: what is tested is the script."""
    return sqlite_url


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def site(runtime: Runtime) -> Iterator[Site]:
    chromium = shutil.which("chromium") or pytest.skip("no chromium on the PATH")
    pages = Flask("site", static_folder=None)

    @pages.route("/", defaults={"path": ""})
    @pages.route("/<path:path>", methods=["GET", "POST"])
    def show(path: str) -> Response:
        if path.startswith("files/"):
            return Response(b"%PDF", content_type="application/pdf")
        early, more = request.args.get("early", ""), request.args.get("more", "")
        return Response(PAGE.format(early=early, more=more, connector=web.url, key=SITE_KEY), content_type="text/html")

    options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with Loopback(create_app(runtime.config, runtime)) as web, Loopback(pages) as served, sync_playwright() as driver:
        secrets = {"identity_secret": [SECRET]}
        settings = {"sites": [served.url], "site_keys": [SITE_KEY]}
        add_connection(
            runtime,
            "site",
            adapter="tracker",
            secrets=secrets,
            mapping="adapter: tracker\nunmapped: ignore\n",
            **settings,
        )
        browser = driver.chromium.launch(
            executable_path=chromium, args=options, ignore_default_args=["--disable-back-forward-cache"]
        )
        yield Site(runtime=runtime, url=served.url, connector=web.url, browser=browser)
        browser.close()


def _visitor(page: Page) -> str:
    return {one["name"]: one["value"] for one in page.context.cookies()}.get("abm_v", "")


def _identify(page: Page, email: str, visitor: str) -> None:
    expires = int(datetime.now(UTC).timestamp()) + 600
    page.evaluate("token => abm('identify', token)", sign_token(email, visitor, expires))


def test_what_a_visitor_does_on_a_site_is_told_once_and_becomes_the_leads(site: Site) -> None:
    page = site.open().new_page()
    page.goto(f"{site.url}/?utm_medium=email&mail=aiko%40customer.example&early=abm('login');")
    site.wait(page=1, login=1)
    page.evaluate("history.pushState({}, '', '/pricing'); location.hash = 'top'; history.replaceState({}, '', '/a')")
    page.go_back()
    page.go_back()
    site.wait(page=3, login=1)
    with page.expect_download():
        page.click("#file")
    page.click("#plain button")
    page.wait_for_url("**/search*")
    page.go_back(wait_until="commit")
    page.wait_for_url("**/?utm_medium*", wait_until="commit")
    assert page.evaluate("shows") == [False, True], "the page did not come out of the back/forward cache"
    site.wait(page=5, login=1, download=1)
    page.click("form[data-abm] button")
    page.wait_for_url("**/thanks*")
    _identify(page, "aiko@customer.example", _visitor(page))
    site.wait(page=6, login=1, download=1, form=1, identify=1)
    assert (
        re.search("unmarked|pass-word|customer.example", json.dumps([_without_tokens(one) for one in site.posts()]))
        is None
    )
    _check_what_became_of_it(site)


def _without_tokens(post: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**event, "token": None} for event in post["events"]]


def _check_what_became_of_it(site: Site) -> None:
    drain(site.runtime)
    with site.runtime.database.read() as connection:
        (subject,) = subjects.listed(connection)
        history = subjects.events_of(connection, subject.id)
    actions = Counter(step["action"] for event in history for step in event.steps if "action" in step)
    assert subject.kind == "lead"
    assert actions == {
        "email_inflow": 1,
        "site_access": 5,
        "login": 1,
        "file_download": 1,
        "email_form_submission": 1,
    }
    assert len({step["session"] for event in history for step in event.steps if "session" in step}) == 1


def test_without_consent_nothing_happens_and_what_was_not_taken_is_sent_again(site: Site) -> None:
    context = site.open()
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda one: asked.append(one.method) if "/collect/" in one.url else None)
    page.goto(f"{site.url}/?more=data-consent=required&early=abm('login');")
    page.wait_for_function("abm.isLoaded")
    page.evaluate("abm('signup'); dispatchEvent(new Event('pagehide'))")
    page.wait_for_timeout(300)
    assert (asked, context.cookies(), page.evaluate("localStorage.length")) == ([], [], 0)
    page.route("**/collect/**", lambda route: route.abort())
    page.evaluate("abm('consent', true)")
    wait_for(lambda: page.evaluate("Object.keys(localStorage).length") == 1, "what is kept")
    page.unroute("**/collect/**")
    page.evaluate(
        "for (var n in localStorage) if (/^abm_q/.test(n)) "
        'localStorage[n] = localStorage[n].replace(/"sent":\\d+/, \'"sent":1\')'
    )
    page.goto(f"{site.url}/next")
    site.wait(page=2)
    wait_for(lambda: page.evaluate("Object.keys(localStorage).length") == 0, "what was taken is forgotten")
    visitor = _visitor(page)
    for email in ("a@example.com", "b@example.com"):
        _identify(page, email, visitor)
        site.wait(page=2, identify=1)
    assert len({post["visitor"] for post in site.posts()}) == 1
    _identify(page, "b@example.com", _visitor(page))
    site.wait(page=2, identify=2)
    assert len({post["visitor"] for post in site.posts()}) == 2
    page.evaluate("abm('consent', false)")
    assert (context.cookies(), page.evaluate("localStorage.length")) == ([], 0)
    _check_that_a_signal_is_obeyed(site)


def _check_that_a_signal_is_obeyed(site: Site) -> None:
    context, before = site.open(), site.words()
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true})")
    page = context.new_page()
    page.goto(site.url)
    page.wait_for_function("abm.isLoaded")
    page.evaluate("abm('login'); dispatchEvent(new Event('pagehide'))")
    page.wait_for_timeout(300)
    assert (context.cookies(), site.words()) == ([], before)
