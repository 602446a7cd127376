"""What the records of most systems have in common: calls for many by their ids, and events, times and identities."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, ParamSpec, TypeVar

from connector.adapter_kit.contract import Api
from connector.adapter_kit.identities import NORMALIZERS
from connector.adapter_kit.payload import Part
from connector.adapter_kit.placeholders import SHORTEST_PHONE
from connector.adapter_kit.rest import RecordGone, chunks
from connector.core.errors import BadPayload, CrmError
from connector.core.event import Event, Identity, IdentityKind, Kind, RecordRef

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Q = ParamSpec("Q")
_LONGEST_ID: Final = 255


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


def readable_identities(kind: IdentityKind, values: Iterable[Any]) -> Iterator[Identity]:
    """The identities of a kind, `email` or `phone`, among what people typed into fields; what cannot be read is none.

    Processing writes a phone as its country does, and leaves out what is nobody's.
    """
    for value in values:
        text = NORMALIZERS[kind](value.value if isinstance(value, Part) else value)
        if text and "://" not in text and (kind is IdentityKind.EMAIL or len(text.lstrip("+")) >= SHORTEST_PHONE):
            yield Identity(kind=kind, value=text)


def stand_in(record_object: str, identity: Identity) -> RecordRef:
    """The record of whom an identity names, where its own id is not known, as in `email:a@example.com`.

    An address that is too long to be kept as an id is a digest there.
    """
    record_id = f"{identity.kind}:{identity.value}"
    if len(record_id) > _LONGEST_ID:
        record_id = f"{identity.kind}:{hashlib.sha256(identity.value.encode()).hexdigest()}"
    return RecordRef(object=record_object, id=record_id)


def instant_in(part: Part, zone: tzinfo) -> datetime:
    """A time as aware UTC; one that is written without a zone is of that zone. Raises `BadPayload`."""
    try:
        local = datetime.fromisoformat(part.text(40))
    except ValueError:
        return part.instant()
    if local.tzinfo is not None:
        return part.instant()
    return Part(local.replace(tzinfo=zone).astimezone(UTC).isoformat(), part.path).instant()


def moment(at: datetime) -> str:
    """An instant in whole seconds of UTC, as keys hold it where a system keeps no more than that."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact(at: datetime) -> str:
    """An instant of UTC as keys hold it: whole seconds as `moment` writes them, else as far as it goes."""
    utc = at.astimezone(UTC)
    spec = "seconds" if not utc.microsecond else "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=spec).replace("+00:00", "Z")


def digest(content: Any) -> str:
    """What tells two contents apart in keys, where a system dates two changes by the same second.

    `content` is JSON-like; the order of names makes no difference.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def deleted_event(record: RecordRef, at: datetime, *others: Identity) -> Event:
    """The event of a record that is gone; `at` is when it went, or when that was seen.

    A record may be restored and deleted again: the time is part of the key. `others` say who it was merged with.
    """
    identities = tuple(dict.fromkeys((Identity(kind=IdentityKind.RECORD, value=record.name), *others)))
    key = f"{record.name}:deleted@{exact(at)}"
    return Event(key=key, at=at, kind=Kind.DELETED, record=record, is_lead=True, identities=identities)
