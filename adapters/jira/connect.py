"""Looks at a connection to Jira: credentials, permissions, and the webhooks that send to the connector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from adapters.jira.read import Source
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmRefused

PERMISSIONS: Final = ("BROWSE_PROJECTS", "EDIT_ISSUES", "TRANSITION_ISSUES", "ASSIGN_ISSUES")
NEEDED: Final = frozenset({"jira:issue_created", "jira:issue_updated", "jira:issue_deleted"})


def inspect(source: Source, url: str) -> Iterator[InspectionResult]:
    """What works and what does not. Raises `CrmUnavailable` when nothing answers."""
    try:
        name = source.site.get("/rest/api/3/myself").get("displayName")
    except CrmRefused as error:
        yield InspectionResult(topic="credentials", is_good=False, text=str(error))
        return
    yield InspectionResult(topic="credentials", is_good=True, text=f"the API token is that of {name}")
    for project in source.projects or ("",):
        yield _permissions(source, project)
    yield _webhooks(source, url)


def _permissions(source: Source, project: str) -> InspectionResult:
    where = {"projectKey": project} if project else {}
    place = f"in the project {project}" if project else "in some project"
    try:
        reply = source.site.get("/rest/api/3/mypermissions", permissions=",".join(PERMISSIONS), **where)
    except CrmRefused as error:
        return InspectionResult(topic="scopes", is_good=False, text=f"permissions {place}: {error}")
    found = reply["permissions"]
    if missing := [name for name in PERMISSIONS if not found.get(name, {}).get("havePermission")]:
        text = f"the connector's user lacks {', '.join(missing)} {place}"
        return InspectionResult(topic="scopes", is_good=False, text=text)
    return InspectionResult(
        topic="scopes", is_good=True, text=f"issues can be read, changed, moved and assigned {place}"
    )


def _webhooks(source: Source, url: str) -> InspectionResult:
    try:
        rows = source.site.get("/rest/webhooks/1.0/webhook")
    except CrmRefused:
        text = f"only an administrator sees the webhooks: look under System, WebHooks, whether one sends to {url}"
        return InspectionResult(topic="webhooks", is_good=False, text=text)
    ours = [row for row in rows if str(row.get("url")).partition("?")[0] == url and row.get("enabled", True)]
    missing = sorted(NEEDED - {event for row in ours for event in row.get("events", ())})
    if not ours:
        text = f"no webhook sends to {url}: make one with a secret (docs/adapters/jira.md)"
    elif missing:
        text = f"the webhook lacks the events {', '.join(missing)}"
    else:
        return InspectionResult(topic="webhooks", is_good=True, text=f"{len(ours)} webhook sends to {url}")
    return InspectionResult(topic="webhooks", is_good=False, text=text)
