"""What a connection of the adapter `generic` can be set to: the proof, where in a body what stands, how to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.adapter_kit.contract import RATE_SETTING, Setting

PATHS: Final[Mapping[str, tuple[str, str]]] = {
    "events": ("", "JMESPath to the event or the list of events in a body; empty: the body is one, or a list"),
    "id": ("event_id", "In an event: the event's own id (not the record's), the same on every retry"),
    "at": ("at", "In an event: when it happened"),
    "sequence": ("", "In an event: a number that grows with each change, such as the record's revision"),
    "type": ("type", "In an event: what kind of event it is"),
    "object": ("object", "In an event: the kind of record"),
    "record": ("record", "In an event: the record's id"),
    "email": ("email", "In an event: the e-mail of whom it is about"),
    "phone": ("phone", "In an event: the phone number"),
    "visitor": ("visitor", "In an event: the visitor's id"),
    "stage": ("stage", "In an event: the record's stage"),
    "stage_at": ("stage_at", "In an event: since when the record is in its stage"),
    "pipeline": ("pipeline", "In an event: the stage's pipeline"),
    "owner": ("owner", "In an event: the person in charge, by id or e-mail; null or an empty text: nobody"),
    "action": ("action", "In an event: what somebody did, by our word or one that the mapping translates"),
    "page": ("page", "In an event: the address of the page on which it was done"),
    "session": ("session", "In an event: the visitor's session"),
    "deleted": ("deleted", "In an event: true where the record was deleted"),
    "changes_items": ("@", "JMESPath to the list of records in what `changes_url` answers; read as events"),
    "changes_next": ("", "JMESPath to the address of the next page there"),
}
"""Settings that are JMESPaths: their default, and what they find."""
SETTINGS: Final[Mapping[str, Setting]] = {
    "proof": Setting(description="How deliveries are proved: standard, hmac, basic or token", default="standard"),
    "secret": Setting(
        description="Its secret: `whsec_…` or `whpk_…`, the key of the HMAC, `user:password`, or the token",
        is_secret=True,
        is_required=True,
    ),
    "proof_header": Setting(description="Header of the HMAC or the token", default="X-Signature"),
    "proof_query": Setting(description="Parameter of the address that carries it where no header does", default=""),
    "algorithm": Setting(description="Of the HMAC: sha256, sha1 or sha512", default="sha256"),
    "encoding": Setting(description="Of the HMAC: hex or base64", default="hex"),
    "prefix": Setting(description="What stands before the HMAC or the token, such as `sha256=`", default=""),
    "signed": Setting(
        description="What the HMAC covers, such as `{timestamp}.{body}`; also {id}, {method}, {path}, {query}",
        default="{body}",
    ),
    "timestamp_header": Setting(
        description="Header with the time of the signature, which is checked; empty: there is none", default=""
    ),
    "timestamp_prefix": Setting(
        description="What stands before it in a header of several entries, such as `t=`", default=""
    ),
    "tolerance": Setting(description="Seconds that it may be old or ahead", default=300),
    "body": Setting(description="What bodies are: json or form", default="json"),
    **{name: Setting(description=text, default=path) for name, (path, text) in PATHS.items()},
    "id_header": Setting(description="Header with the delivery's id, the same on every retry", default=""),
    "default_object": Setting(description="The kind of record where `object` finds none", default="lead"),
    "types": Setting(description="Types that are read, others are held; empty: all", default=()),
    "ignored_types": Setting(description="Types that are ignored on purpose", default=()),
    "person_objects": Setting(description="Kinds of record that are people: two of them are never one", default=()),
    "time_format": Setting(
        description="How times are written, such as `%d.%m.%Y %H:%M`; empty: any clear way", default=""
    ),
    "zone": Setting(description="Of times that are written without one, such as Asia/Tokyo", default=""),
    "utc_offset": Setting(description="The same without summer time, where `zone` is empty: +09:00", default="+00:00"),
    "owner_ids": Setting(description="Persons in charge, as `17=hana@example.com`; empty: by e-mail", default=()),
    "stage_field": Setting(description="The mapping's `push` field that writes the stage", default="stage"),
    "owner_field": Setting(description="The mapping's `push` field that writes the owner", default="owner"),
    "url": Setting(description="Where updates go, with `{record.object}` and `{record.id}` filled in", default=""),
    "method": Setting(description="Its HTTP method: POST, PUT or PATCH", default="PATCH"),
    "auth_header": Setting(description="Header that carries `auth_value`", default="Authorization"),
    "auth_value": Setting(
        description="Its value, for example `Bearer …`; the newest is sent", is_secret=True, is_dictated=True
    ),
    "headers": Setting(description="More headers of each request, as `Name: value`", default=()),
    "template": Setting(description="The body in JSON; `{fields}` are the mapping's fields", default="{fields}"),
    "read_url": Setting(description="Where a record is read back, filled in as `url`. Empty: unverified", default=""),
    "read": Setting(description="JMESPath to the record in what `read_url` answers", default="@"),
    "changes_url": Setting(
        description="Where records changed since `{since}` are listed, for reconciliation; empty: nowhere", default=""
    ),
    "rate": RATE_SETTING,
}
