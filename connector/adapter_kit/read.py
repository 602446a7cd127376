"""What reading has in common in most systems: records by their ids, events of each, and what is remembered a while."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import ParamSpec, TypeVar

from connector.adapter_kit.contract import Api
from connector.adapter_kit.rest import RecordGone, chunks
from connector.core.errors import BadPayload, CrmError
from connector.core.event import Event

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Q = ParamSpec("Q")


def records_by_id(
    ids: Iterable[K], many: Callable[[list[K]], Mapping[K, T]], single: Callable[[K], T | None], *, size: int
) -> dict[K, T | CrmError | None]:
    """The records by id, `size` at a time; None: gone; in the place of one that cannot be read its error.

    A call for many leaves out what is gone and what may not be seen alike: only `single` tells which. It gives None or
    raises `RecordGone` for what is gone.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[K, T] = {}
    for chunk in chunks(wanted, size):
        found |= many(chunk)
    return {id_: found[id_] if id_ in found else _alone(single, id_) for id_ in wanted}


def ids_by_object(names: Iterable[str]) -> dict[str, list[str]]:
    """The ids of records by their objects, each once: `lead:7` is the id `7` of the object `lead`."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for name in names:
        record_object, _, record_id = name.partition(":")
        found[record_object][record_id] = None
    return {record_object: list(ids) for record_object, ids in found.items()}


def present(record: T | CrmError | None) -> T:
    """The record that `records_by_id` found. Raises `RecordGone`, or the error in its place."""
    if record is None:
        raise RecordGone
    if isinstance(record, CrmError):
        raise record
    return record


def readable(read: Callable[Q, Iterable[Event]], *args: Q.args, **kwargs: Q.kwargs) -> Iterator[Event]:
    """The events that `read` gives of a record; none where it cannot be read.

    One such record does not end a run through all; a webhook about it is set aside with the reason.
    """
    try:
        yield from read(*args, **kwargs)
    except BadPayload:
        return


def remembered(api: Api, name: str, read: Callable[[], T], *, is_fresh: bool = False) -> T:
    """What `read` gives, for some minutes the same in this process, unless it is to be fresh."""
    if is_fresh or name not in api.memo:
        api.memo[name] = read()
    found: T = api.memo[name]
    return found


def _alone(single: Callable[[K], T | None], id_: K) -> T | CrmError | None:
    try:
        return single(id_)
    except RecordGone:
        return None
    except CrmError as error:
        return error
