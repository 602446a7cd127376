"""What a delivery of kintone is about: the event's word, and the record that it tells of."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from adapters.kintone.records import number_of
from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json
from connector.core.errors import BadPayload

WITH_RECORD: Final = ("ADD_RECORD", "UPDATE_RECORD", "UPDATE_STATUS")
"""Events whose body holds the record."""
DELETED: Final = "DELETE_RECORD"
IGNORED: Final = ("ADD_RECORD_COMMENT",)


def body_with_record(delivery: Delivery) -> Part | None:
    """The body of a delivery that has a record; None: it has none, or cannot be read."""
    with suppress(BadPayload):
        body = read_json(delivery.body)
        number_in(body)
        return body if body["type"].value in WITH_RECORD else None
    return None


def number_in(body: Part) -> int:
    """The id of the record that the body is about. Raises `BadPayload`."""
    if body["record"].exists:
        return number_of(body["record"].object(), "$id")
    return body["recordId"].integer()
