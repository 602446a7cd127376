"""Which leads a message of BowNow is about: none, one, or up to a thousand sids, wherever its body has them.

https://manual.bow-now.jp/basic/configuration/webhook_configuration/ (the keys of the body are not published)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from connector.adapter_kit.contract import Delivery
from connector.adapter_kit.payload import Part, read_json_or_form


def read_sids(delivery: Delivery, keys: Collection[str]) -> list[str]:
    """The sids under any of the keys, each once, in order; none: something changed. Raises `BadPayload`."""
    root = read_json_or_form(delivery.body)
    return list(dict.fromkeys(_found(root, frozenset(keys), is_sid=False)))


def _found(part: Part, keys: frozenset[str], *, is_sid: bool) -> Iterator[str]:
    """The sids in a value; `is_sid`: it stands under one of the keys, so that each text in it is one."""
    if isinstance(part.value, dict):
        for name in part.value:
            child = Part(part.value[name], f"{part.path}.{name[:60]}")
            yield from _found(child, keys, is_sid=name in keys)
    elif isinstance(part.value, list):
        for item in part.items():
            yield from _found(item, keys, is_sid=is_sid)
    elif is_sid and part.exists and part.value != "":
        sid = part.identifier(100)
        if ":" in sid or "/" in sid:
            part.refuse("a sid, without colon and slash")
        yield sid
