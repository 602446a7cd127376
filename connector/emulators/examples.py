"""Webhooks to try a connection with: examples of each system's own requests, proved by the connection's own secrets."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from string import Template
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from adapters.cocoar import BEARER
from adapters.hubspot.webhook import sign_old, sign_request
from connector.adapter_kit.contract import Adapter, Delivery
from connector.adapter_kit.signatures import compute_hmac, sign_webhook, signed_content
from connector.core.errors import NotFound, WrongSetting

PERSON: Final = "mai@example.com"
"""Whom the examples are about, where a system's webhook says it."""
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_STANDARD: Final = '{"events": [{"id": "$number", "at": "$iso", "subject": {"email": "$person"}, %s}]}'
_SEGMENT: Final = '{"type": "%s", "messageId": "$number", "anonymousId": "$visitor", "timestamp": "$iso", %s}'
_TRACKER: Final = (
    '{"id": "$number", "visitor": "$visitor", "sent": $milliseconds, "events": [{"id": "$visitor", "type": "%s", '
    '"at": $milliseconds, "session": "$visitor", "page": "$page"}]}'
)
_SEGMENT_EXAMPLES: Final[Mapping[str, str]] = {
    "identify": _SEGMENT % ("identify", '"userId": "test", "traits": {"email": "$person"}'),
    "page": _SEGMENT % ("page", '"properties": {"url": "$page"}'),
}
EXAMPLES: Final[Mapping[str, Mapping[str, str]]] = {
    "amis": {
        "contact": '{"event_type": "contact.updated", "data": {"contact_id": 1, "email": "$person"}}',
        "ping": '{"event_type": "ping", "data": {}}',
    },
    "bitrix24": {
        "lead": "event=ONCRMLEADUPDATE&data%5BFIELDS%5D%5BID%5D=1&ts=$seconds",
        "deal": "event=ONCRMDEALUPDATE&data%5BFIELDS%5D%5BID%5D=1&ts=$seconds",
    },
    "bownow": {"lead": '{"type": "lead_update", "sid": "sid_1", "items": ["status"]}'},
    "cocoar": {"scan": '{"id": "$number", "visitor_id": "$visitor", "content_id": "test", "time": "$iso"}'},
    "generic": {
        "stage": '{"event_id": "$number", "at": "$iso", "record": "test", "email": "$person", "stage": "visited"}',
        "identify": '{"event_id": "$number", "at": "$iso", "record": "test", "email": "$person"}',
    },
    "hubspot": {
        "contact": '[{"eventId": $seconds, "portalId": "$portal_id", "occurredAt": $milliseconds, "attemptNumber": 0, '
        '"subscriptionType": "contact.creation", "objectId": 1}]',
        "deal": '[{"eventId": $seconds, "portalId": "$portal_id", "occurredAt": $milliseconds, "attemptNumber": 0, '
        '"subscriptionType": "deal.creation", "objectId": 1}]',
    },
    "jira": {
        "deleted": '{"timestamp": $milliseconds, "webhookEvent": "jira:issue_deleted", '
        '"issue": {"id": "1", "key": "TEST-1"}}'
    },
    "kintone": {
        "comment": '{"id": "$number", "type": "ADD_RECORD_COMMENT", "app": {"id": "$app"}, "recordId": "1"}',
        "deleted": '{"id": "$number", "type": "DELETE_RECORD", "app": {"id": "$app"}, "recordId": "1", '
        '"deletedAt": "$iso"}',
    },
    "odoo": {"lead": '{"_model": "crm.lead", "_id": 1, "id": 1, "type": "opportunity", "write_date": "$spaced"}'},
    "pipedrive": {
        "deleted": '{"data": null, "previous": {"id": 1}, "meta": {"action": "delete", "entity": "deal", '
        '"entity_id": "1", "id": "$number", "timestamp": "$iso", "version": "2.0"}}'
    },
    "posthog": {
        "page": '{"event": {"uuid": "$number", "event": "$$pageview", "distinct_id": "$visitor", "timestamp": "$iso", '
        '"properties": {"$$current_url": "$page"}}}',
        "identify": '{"event": {"uuid": "$number", "event": "$$identify", "distinct_id": "test", "timestamp": "$iso", '
        '"properties": {"$$anon_distinct_id": "$visitor", "$$set": {"email": "$person"}}}}',
    },
    "rudderstack": _SEGMENT_EXAMPLES,
    "salesforce": {
        "lead": '{"payload": {"ChangeEventHeader": {"entityName": "Lead", "recordIds": ["00Q000000000001EAA"], '
        '"changeType": "UPDATE", "transactionKey": "$number", "sequenceNumber": 1, "commitTimestamp": $milliseconds, '
        '"commitNumber": $milliseconds, "changedFields": []}}}'
    },
    "segment": _SEGMENT_EXAMPLES,
    "standard": {
        "stage": _STANDARD % '"type": "stage", "object": "lead", "stage": "visited"',
        "action": _STANDARD % '"type": "action", "action": "site_access"',
        "identify": _STANDARD % '"type": "identify"',
    },
    "tracker": {"page": _TRACKER % "page", "login": _TRACKER % "login"},
    "xinnet": {"lead": '{"event": "新线索", "lead": {"单号": "TEST1", "邮箱": "$person", "提交时间": "$spaced"}}'},
    "zoho": {
        "deleted": '{"server_time": $milliseconds, "module": "Leads", "operation": "delete", "ids": ["1"], '
        '"channel_id": "$channel_id"}'
    },
}
"""Adapter → example → its body, the usual one first; `$` names what each request has anew, or a setting."""
_HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "bitrix24": {"content-type": FORM},
    "tracker": {"content-type": "text/plain;charset=UTF-8"},
}
Proof: TypeAlias = Callable[[Any, Delivery, datetime], Delivery]


def example(adapter: Adapter, name: str | None, path: str, now: datetime) -> Delivery:
    """An example as the system would send it to that path at this moment; `name` None: the usual one.

    Raises `NotFound` where there is none, and `WrongSetting` where the connection has no secret to prove it with.
    """
    known = EXAMPLES.get(adapter.NAME, {})
    if not known:
        message = f"there is no example for {adapter.NAME}: it sends no webhooks"
        raise NotFound(message)
    if name is not None and name not in known:
        message = f"{adapter.NAME} has no example {name!r}; there are: {', '.join(known)}"
        raise NotFound(message)
    plain = {key: getattr(adapter, key) for key, setting in adapter.SETTINGS.items() if not setting.is_secret}
    body = Template(known[name or next(iter(known))]).substitute({**plain, **_fresh(adapter, now)})
    headers = {"content-type": JSON, **_HEADERS.get(adapter.NAME, {}), "user-agent": "connector delivery send"}
    delivery = Delivery(method="POST", query=(), headers=headers, body=body.encode(), received_at=now, path=path)
    return _PROOFS[adapter.NAME](adapter, delivery, now)


def _fresh(adapter: Adapter, now: datetime) -> dict[str, Any]:
    return {
        "number": secrets.token_hex(16),
        "visitor": secrets.token_hex(16),
        "person": PERSON,
        "page": f"{next(iter(getattr(adapter, 'sites', ())), 'https://www.example.com')}/test",
        "iso": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "spaced": now.strftime("%Y-%m-%d %H:%M:%S"),
        "seconds": int(now.timestamp()),
        "milliseconds": round(now.timestamp() * 1000),
    }


def _secret(adapter: Any, name: str) -> str:
    """The newest secret of that name. Raises `WrongSetting` when there is none."""
    found = next(iter(getattr(adapter, name)), "")
    if not found:
        message = (
            f"the connection has no secret {name}, so that nothing proves a webhook: `connector connection rotate`"
        )
        raise WrongSetting(message)
    return str(found)


def _with_headers(delivery: Delivery, **headers: str) -> Delivery:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return replace(delivery, headers={**delivery.headers, **named})


def _with_query(delivery: Delivery, **query: str) -> Delivery:
    pairs = (*delivery.query, *query.items())
    return replace(delivery, query=pairs, query_string=urlencode(pairs))


def _by_address(key: str, parameter: str = "token") -> Proof:
    """A token in the address."""
    return lambda adapter, delivery, _now: _with_query(delivery, **{parameter: _secret(adapter, key)})


def _by_header(key: str, header: str | None = None) -> Proof:
    """A token in a header; None: in the one that the setting `header` names."""

    def prove(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
        return _with_headers(delivery, **{header or adapter.header: _secret(adapter, key)})

    return prove


def _by_hmac(key: str, header: str, digest: str = "sha256", prefix: str = "") -> Proof:
    """An HMAC of the body in hex."""

    def prove(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
        return _with_headers(delivery, **{header: prefix + _mac(_secret(adapter, key), delivery.body, digest)})

    return prove


def _mac(secret: str, content: bytes, digest: str = "sha256", encoding: str = "hex") -> str:
    return compute_hmac(secret.encode(), content, digest, encoding).decode()


def _basic(credentials: str) -> str:
    return f"Basic {b64encode(credentials.encode()).decode()}"


def _amis(adapter: Any, delivery: Delivery, now: datetime) -> Delivery:
    proved = _by_address("webhook_token")(adapter, delivery, now)
    if not adapter.signing_secret:
        return proved
    return _by_hmac("signing_secret", adapter.signature_header)(adapter, proved, now)


def _bitrix24(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
    auth = {"auth[application_token]": _secret(adapter, "application_tokens")}
    if adapter.member_id:
        auth["auth[member_id]"] = adapter.member_id
    return replace(delivery, body=delivery.body + b"&" + urlencode(auth).encode())


def _cocoar(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
    secret = _secret(adapter, "secret")
    if adapter.proof == "hmac":
        mac = adapter.signature_prefix + _mac(secret, delivery.body)
        return _with_headers(delivery, **{adapter.signature_header: mac})
    return _with_headers(delivery, **{adapter.token_header: BEARER + secret})


def _generic(adapter: Any, delivery: Delivery, now: datetime) -> Delivery:
    secret = _secret(adapter, "secret")
    if adapter.proof == "standard":
        return _standard(adapter, delivery, now)
    if adapter.proof == "basic":
        return _with_headers(delivery, authorization=_basic(secret))
    if adapter.proof == "hmac":
        number, stamp = secrets.token_hex(16), str(int(now.timestamp()))
        given = {adapter.id_header: number, adapter.timestamp_header: adapter.timestamp_prefix + stamp}
        delivery = _with_headers(delivery, **{header: value for header, value in given.items() if header})
        texts = {"id": number, "timestamp": stamp, "method": "POST", "path": delivery.path, "query": ""}
        values = {"body": delivery.body, **{name: text.encode() for name, text in texts.items()}}
        content = signed_content(adapter.signed.replace("\\n", "\n"), values)
        secret = _mac(secret, content, adapter.algorithm, adapter.encoding)
    if adapter.proof_header:
        return _with_headers(delivery, **{adapter.proof_header: adapter.prefix + secret})
    return _with_query(delivery, **{adapter.proof_query: adapter.prefix + secret})


def _hubspot(adapter: Any, delivery: Delivery, now: datetime) -> Delivery:
    secret, url = _secret(adapter, "client_secret"), adapter.webhook_url
    return _with_headers(
        delivery, **(sign_request(delivery, url, secret, now) if url else sign_old(delivery, "", secret, "v1"))
    )


def _pipedrive(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
    return _with_headers(delivery, authorization=_basic(f"{adapter.http_user}:{_secret(adapter, 'http_password')}"))


def _standard(adapter: Any, delivery: Delivery, now: datetime) -> Delivery:
    number = f"msg_{secrets.token_hex(8)}"
    return _with_headers(delivery, **sign_webhook(number, delivery.body, [_secret(adapter, "secret")], now))


def _tracker(adapter: Any, delivery: Delivery, now: datetime) -> Delivery:
    proved = _by_address("site_keys", "key")(adapter, delivery, now)
    return _with_headers(proved, origin=next(iter(adapter.sites), ""))


def _zoho(adapter: Any, delivery: Delivery, _now: datetime) -> Delivery:
    body = {**json.loads(delivery.body), "token": _secret(adapter, "token")}
    return replace(delivery, body=json.dumps(body).encode())


_PROOFS: Final[Mapping[str, Proof]] = {
    "amis": _amis,
    "bitrix24": _bitrix24,
    "bownow": _by_address("webhook_token"),
    "cocoar": _cocoar,
    "generic": _generic,
    "hubspot": _hubspot,
    "jira": _by_hmac("webhook_secret", "x-hub-signature", prefix="sha256="),
    "kintone": _by_address("webhook_token"),
    "odoo": _by_address("webhook_token"),
    "pipedrive": _pipedrive,
    "posthog": _by_header("token"),
    "rudderstack": _by_header("token"),
    "salesforce": _by_address("token"),
    "segment": _by_hmac("secret", "x-signature", digest="sha1"),
    "standard": _standard,
    "tracker": _tracker,
    "xinnet": _by_header("token", "x-token"),
    "zoho": _zoho,
}
"""Adapter → what the system adds to a request so that it is taken for its own."""
