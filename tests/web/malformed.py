"""A table of more than 100 malformed requests, for both systems, each with the answer that it must get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from connector.adapter_kit.signatures import sign_webhook

SECRET: Final = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
OTHER_SECRET: Final = "whsec_Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
TOKEN: Final = "k4w8zq1n6t0x5p2v9c7h3j1m8b5r6y0d"
ROBOT_TOKEN: Final = "rb-5f1c0e7a93d84b26"
MEMBER: Final = "7f3c9a51d20e4b6c8a1f5e7d90b2c364"
LIMIT: Final = 1_048_576
SHOP, PORTAL, RESTING = "shop", "portal", "resting"
"""Connections: a `standard`, a `bitrix24`, and a `standard` that is paused."""
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A request and its answer. Without more it is a good one for the connection.

    `headers` come over those of a good request; None leaves one out. `late`: how many seconds ago it was signed.
    `reason`: the problem's type behind `urn:connector:`; empty: accepted, and the lines that are wrong are refused.
    """

    name: str
    status: int
    reason: str = ""
    connection: str = SHOP
    method: str = "POST"
    path: str | None = None
    query: str = ""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes | None = None
    key: str = "msg_1"
    secret: str = SECRET
    late: int = 0

    @property
    def target(self) -> str:
        path = f"/webhooks/{self.connection}" if self.path is None else self.path
        return f"{path}?{self.query}" if self.query else path

    def content(self) -> bytes:
        if self.body is not None:
            return self.body
        return event() if self.connection == PORTAL else lines(line())

    def all_headers(self, now: datetime) -> dict[str, str]:
        good = {"content-type": FORM}
        if self.connection != PORTAL:
            at = now - timedelta(seconds=self.late)
            good = {"content-type": "application/json", **sign_webhook(self.key, self.content(), [self.secret], at)}
        return {name: value for name, value in (good | dict(self.headers)).items() if value is not None}


def line(**changes: Any) -> dict[str, Any]:
    """A good line of a standard body, with changes; None leaves a key out."""
    good = {"id": "e1", "at": "2026-03-04T05:26:07Z", "type": "action", "action": "site_access"}
    values = {**good, "subject": {"email": "a@example.jp"}, **changes}
    return {name: value for name, value in values.items() if value is not None}


def lines(*given: Any) -> bytes:
    """A standard body."""
    return json.dumps({"events": given}).encode()


def event(**changes: str | None) -> bytes:
    """A form as Bitrix24 sends it, with changes; None leaves a pair out."""
    values: dict[str, str | None] = {
        "event": "ONCRMLEADUPDATE",
        "data[FIELDS][ID]": "4821",
        "ts": "1774512963",
        "auth[member_id]": MEMBER,
        "auth[application_token]": TOKEN,
        **changes,
    }
    return urlencode({name: value for name, value in values.items() if value is not None}).encode()


def robot(*document: str) -> bytes:
    """A form as a robot sends it."""
    return urlencode([*(("document_id[]", part) for part in document), ("auth[member_id]", MEMBER)]).encode()


def _addresses() -> list[Malformed]:
    methods = ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "BREW")
    places = {
        "no connection in the address": "/webhooks",
        "an empty connection's name": "/webhooks/",
        "two slashes behind the name": "/webhooks/shop//",
        "more behind the name": "/webhooks/shop/leads",
        "another address": "/wp-login.php",
        "an unknown connection": "/webhooks/nobody",
        "the name in capitals": "/webhooks/SHOP",
        "a space behind the name": "/webhooks/shop%20",
        "NUL in the name": "/webhooks/%00",
        "a name that is not UTF-8": "/webhooks/%ff%fe",
        "a path out of the folder": "/webhooks/..%2F..%2Fetc%2Fpasswd",
        "a script as name": "/webhooks/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "SQL as name": "/webhooks/shop'%20OR%20'1'='1",
        "a very long name": f"/webhooks/{'x' * 3000}",
    }
    return [
        *(Malformed(name=f"method {m}", method=m, status=405, reason="wrong_method") for m in methods),
        Malformed(name="POST to a page of health", path="/healthz", status=405, reason="wrong_method"),
        *(Malformed(name=name, path=path, status=404, reason="not_found") for name, path in places.items()),
        Malformed(name="a paused connection", connection=RESTING, status=503, reason="paused"),
        Malformed(
            name="an unknown connection, without a body", path="/webhooks/nobody", body=b"", status=404,
            reason="not_found",
        ),
    ]  # fmt: skip


def _content_types() -> list[Malformed]:
    types: dict[str, tuple[str, str | None]] = {
        "a page": (SHOP, "text/html"),
        "a form where JSON is expected": (SHOP, FORM),
        "multipart": (SHOP, "multipart/form-data; boundary=x"),
        "two content types": (SHOP, "application/json, text/html"),
        "a content type of signs": (SHOP, "=,"),
        "no content type of a form": (PORTAL, None),
        "JSON where a form is expected": (PORTAL, "application/json"),
        "multipart where a form is expected": (PORTAL, "multipart/form-data; boundary=x"),
        "XML": (PORTAL, "application/xml"),
    }
    wrong: dict[str, Any] = {"status": 415, "reason": "wrong_content_type"}
    return [
        *(
            Malformed(name=f"content type: {name}", connection=of, headers={"content-type": given}, **wrong)
            for name, (of, given) in types.items()
        ),
        Malformed(name="compressed by gzip", headers={"content-encoding": "gzip"}, **wrong),
        Malformed(name="compressed twice", headers={"content-encoding": "br, gzip"}, **wrong),
        Malformed(name="a compressed form", connection=PORTAL, headers={"content-encoding": "deflate"}, **wrong),
        Malformed(name="one byte above the limit", body=b"[" * (LIMIT + 1), status=413, reason="too_large"),
        Malformed(
            name="a form above the limit", connection=PORTAL, body=b"a" * (LIMIT + 1), status=413, reason="too_large"
        ),
        Malformed(name="no JSON, just as large as allowed", body=b"x" * LIMIT, status=400, reason="bad_payload"),
    ]


def _signatures() -> list[Malformed]:
    headers: dict[str, Mapping[str, str | None]] = {
        "without any proof": dict.fromkeys(("webhook-id", "webhook-timestamp", "webhook-signature")),
        "without an id": {"webhook-id": None},
        "an empty id": {"webhook-id": ""},
        "without a time": {"webhook-timestamp": None},
        "without a signature": {"webhook-signature": None},
        "a time in words": {"webhook-timestamp": "yesterday"},
        "a negative time": {"webhook-timestamp": "-1"},
        "a time with an exponent": {"webhook-timestamp": "1e9"},
        "a time of 400 digits": {"webhook-timestamp": "9" * 400},
        "a time in ISO 8601": {"webhook-timestamp": "2026-03-04T05:26:07Z"},
        "the id of another message": {"webhook-id": "msg_2"},
        "an empty signature": {"webhook-signature": "v1,"},
        "a signature without version": {"webhook-signature": "dGVzdA=="},
        "a signature of signs": {"webhook-signature": "v1,!!!"},
        "only a signature of another version": {"webhook-signature": "v1a,dGVzdA=="},
        "a thousand signatures": {"webhook-signature": " ".join(["v1,dGVzdA=="] * 1000)},
        "a password in place of a signature": {"webhook-signature": None, "authorization": "Basic YTpi"},
    }
    refused: dict[str, Any] = {"status": 401, "reason": "bad_signature"}
    unreadable: dict[str, Any] = {"status": 400, "reason": "bad_payload"}
    return [
        *(Malformed(name=name, headers=given, **refused) for name, given in headers.items()),
        Malformed(name="signed 400 seconds ago", late=400, **refused),
        Malformed(name="signed 400 seconds ahead", late=-400, **refused),
        Malformed(name="signed by another secret", secret=OTHER_SECRET, **refused),
        Malformed(name="an id of 256 characters", key="m" * 256, **unreadable),
        Malformed(name="a tabulator in the id", key="msg\t1", **unreadable),
    ]


def _bodies() -> list[Malformed]:
    bodies: dict[str, bytes] = {
        "no body": b"",
        "nothing but blanks": b" \r\n ",
        "no JSON": b"hello",
        "JSON that ends early": b'{"events":[{"id":"e1"',
        "more behind the JSON": lines(line()) + b" x",
        "single quotes": b"{'events': []}",
        "a comma too many": b'{"events":[],}',
        "a comment in JSON": b'{"events":[] /* none */}',
        "NaN": b'{"events":NaN}',
        "a number of 5000 digits and a dot": b'{"events":' + b"9" * 5000 + b".}",
        "not UTF-8": b'{"events":["\xff\xfe"]}',
        "UTF-16": '{"events":[]}'.encode("utf-16"),
        "half a character": rb'{"events":["\ud800"]}',
        "NUL bytes": b"\0\0\0\0",
        "XML with an entity": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        "a form in place of JSON": event(),
        "null": b"null",
        "a number": b"1",
        "a text": b'"events"',
        "a list": b"[]",
        "an object without events": b"{}",
        "events that are null": b'{"events":null}',
        "events that are an object": b'{"events":{}}',
        "events that are a text": b'{"events":"e1"}',
        "no line at all": b'{"events":[]}',
        "501 lines": lines(*(line(id=f"e{number}") for number in range(501))),
        "100,000 open brackets": b"[" * 100_000,
        "40 levels": b'{"events":' + b"[" * 40 + b"]" * 40 + b"}",
    }
    return [
        Malformed(name=f"signed: {name}", body=body, status=400, reason="bad_payload") for name, body in bodies.items()
    ]


def _lines() -> list[Malformed]:
    wrong: dict[str, tuple[Any, ...]] = {
        "without an id": (line(id=None),),
        "without a time": (line(at=None),),
        "with a time without offset": (line(at="2026-03-04T05:26:07"),),
        "with a day that is none": (line(at="2026-02-30T05:26:07Z"),),
        "of an unknown type": (line(type="dance"),),
        "that says jump": (line(type="jump", to="order"),),
        "without anybody": (line(subject={}),),
        "with a text as subject": (line(subject="a@example.jp"),),
        "with half an e-mail address": (line(subject={"email": "a@"}),),
        "with a phone number of letters": (line(subject={"phone": "call me"}),),
        "with NUL in it": (line(action="site\0access"),),
        "that adds and removes a tag": (line(type="tag", add="vip", remove="vip"),),
        "with an id that is a list": (line(id=["e1"]),),
        "that is a number": (7,),
        "with the id of the line before": (line(), line()),
    }
    return [Malformed(name=f"a line {name}", body=lines(*given), status=202) for name, given in wrong.items()]


def _tokens() -> list[Malformed]:
    token = "auth[application_token]"
    bodies: dict[str, tuple[str, bytes]] = {
        "no form at all": ("", b""),
        "no token": ("", event(**{token: None})),
        "an empty token": ("", event(**{token: ""})),
        "a token that is not ours": ("", event(**{token: "x" * 32})),
        "the token in capitals": ("", event(**{token: TOKEN.upper()})),
        "a list of tokens": ("", event(**{token: None, f"{token}[]": TOKEN})),
        "the token with NUL behind it": ("", event(**{token: f"{TOKEN}\0"})),
        "the token in place of its parent": ("", event(**{token: None, "auth[member_id]": None, "auth": TOKEN})),
        "an event's token in the address": (f"token={TOKEN}", event(**{token: None})),
        "another portal's member_id": ("", event(**{"auth[member_id]": "0" * 32})),
        "JSON in place of a form": ("", json.dumps({"event": "ONCRMLEADUPDATE", "auth": TOKEN}).encode()),
        "percent signs that are not UTF-8": ("", event() + b"&a=%ff%fe"),
        "bytes that are not UTF-8": ("", event() + b"&a=\xff\xfe"),
        "6000 pairs": ("", event() + b"&a=1" * 6000),
        "40 levels": ("", event() + b"&a" + b"[b]" * 40 + b"=1"),
        "a robot without token": ("", robot("crm", "CCrmDocumentLead", "LEAD_1")),
        "a robot with another token": ("token=rb-0", robot("crm", "CCrmDocumentLead", "LEAD_1")),
        "a robot whose first token is wrong": (f"token=x&token={ROBOT_TOKEN}", robot("crm", "D", "LEAD_1")),
        "a robot with an event's token": (f"token={TOKEN}", robot("crm", "CCrmDocumentLead", "LEAD_1")),
        "a robot with a query that is not UTF-8": ("token=%ff%fe", robot("crm", "CCrmDocumentLead", "LEAD_1")),
    }
    return [
        Malformed(name=f"form: {name}", connection=PORTAL, query=query, body=body, status=401, reason="bad_signature")
        for name, (query, body) in bodies.items()
    ]


def _forms() -> list[Malformed]:
    of = "data[FIELDS][ID]"
    dynamic = {"event": "ONCRMDYNAMICITEMUPDATE"}
    bodies: dict[str, bytes] = {
        "without data": event(**{of: None}),
        "data that is a text": event(**{of: None, "data": "4821"}),
        "fields that are a text": event(**{of: None, "data[FIELDS]": "4821"}),
        "an empty record": event(**{of: ""}),
        "record 0": event(**{of: "0"}),
        "a negative record": event(**{of: "-4821"}),
        "a record in words": event(**{of: "all"}),
        "a record with a dot": event(**{of: "4821.5"}),
        "a record of 20 digits": event(**{of: "9" * 20}),
        "a list of records": event(**{of: None, f"{of}[]": "4821"}),
        "an event's name of 61 characters": event(event="O" * 61),
        "an event that is a list": event(**{"event": None, "event[]": "ONCRMLEADUPDATE"}),
        "an empty event": event(event=""),
        "a dynamic item without type": event(**dynamic),
        "a dynamic item of no number": event(**dynamic, **{"data[FIELDS][ENTITY_TYPE_ID]": "car"}),
        "a dynamic event with a suffix of letters": event(event="ONCRMDYNAMICITEMUPDATE_CAR"),
    }
    documents: dict[str, tuple[str, ...]] = {
        "without a document": (),
        "with half a document": ("crm", "CCrmDocumentDeal"),
        "with document 0": ("crm", "CCrmDocumentDeal", "DEAL_0"),
        "with a document in lower case": ("crm", "CCrmDocumentDeal", "deal_4821"),
        "with a document without number": ("crm", "CCrmDocumentDeal", "DEAL_"),
        "with SQL as document": ("crm", "CCrmDocumentDeal", "DEAL_1;DROP TABLE deliveries"),
    }
    unreadable: dict[str, Any] = {"connection": PORTAL, "status": 400, "reason": "bad_payload"}
    return [
        *(Malformed(name=f"form: {name}", body=body, **unreadable) for name, body in bodies.items()),
        *(
            Malformed(name=f"a robot {name}", query=f"token={ROBOT_TOKEN}", body=robot(*parts), **unreadable)
            for name, parts in documents.items()
        ),
    ]


MALFORMED: Final = (
    *_addresses(),
    *_content_types(),
    *_signatures(),
    *_bodies(),
    *_lines(),
    *_tokens(),
    *_forms(),
)
