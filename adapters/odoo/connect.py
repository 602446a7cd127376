"""Looks at a connection to Odoo: the key, what its user may do, and the rules that call the connector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from adapters.odoo.read import Source
from adapters.odoo.records import MODEL
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmRefused

_RIGHTS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "json2": ("has_access", {"operation": "write"}),
    "jsonrpc": ("check_access_rights", {"operation": "write", "raise_exception": False}),
}


def inspect(source: Source, url: str, tokens: Sequence[str]) -> list[InspectionResult]:
    """What works and what does not. Raises `CrmUnavailable` when nothing answers."""
    try:
        source.server.call("res.users", "context_get")
    except CrmRefused as error:
        return [InspectionResult(topic="credentials", is_good=False, text=str(error))]
    works = InspectionResult(
        topic="credentials", is_good=True, text="the API key works; it ends after three months at most"
    )
    return [works, _rights(source), _webhooks(source, url, tokens)]


def _rights(source: Source) -> InspectionResult:
    method, arguments = _RIGHTS[source.server.protocol]
    try:
        source.server.call(MODEL, "search_read", domain=[], fields=["id"], limit=1)
        if source.server.call(MODEL, method, **arguments):
            return InspectionResult(
                topic="scopes", is_good=True, text="the user of the API key may read and change leads"
            )
    except CrmRefused as error:
        return InspectionResult(topic="scopes", is_good=False, text=str(error))
    text = "the user of the API key may read leads, but not change them: give it the role Sales / User: All Documents"
    return InspectionResult(topic="scopes", is_good=False, text=text)


def _webhooks(source: Source, url: str, tokens: Sequence[str]) -> InspectionResult:
    domain = [["state", "=", "webhook"], ["model_id.model", "=", MODEL]]
    try:
        rows = source.server.call("ir.actions.server", "search_read", domain=domain, fields=["name", "webhook_url"])
    except CrmRefused:
        text = f"the user of the API key may not see automation rules: look whether they send to {url}?token=…"
        return InspectionResult(topic="webhooks", is_good=False, text=text)
    ours = [str(row["name"]) for row in rows if _address(row["webhook_url"]) == url]
    signed = [
        str(row["name"]) for row in rows if _address(row["webhook_url"]) == url and _token(row["webhook_url"]) in tokens
    ]
    if not ours:
        text = f"no action of an automation rule sends to {url}?token=…: make one (docs/adapters/odoo.md)"
    elif wrong := [name for name in ours if name not in signed]:
        text = f"the address of these actions lacks the token of `webhook_token`: {', '.join(wrong)}"
    else:
        return InspectionResult(topic="webhooks", is_good=True, text=f"these actions send here: {', '.join(ours)}")
    return InspectionResult(topic="webhooks", is_good=False, text=text)


def _address(url: object) -> str:
    return str(url).partition("?")[0]


def _token(url: object) -> str:
    return parse_qs(urlsplit(str(url)).query).get("token", [""])[0]
