"""Finds the owners of updates among a system's people by their e-mails, and the e-mails of owners by their ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

from connector.adapter_kit.contract import Api, Person, Update
from connector.core.errors import CrmRefused

PEOPLE: Final = "people"
"""The name in `api.memo` under which an adapter remembers its people for some minutes."""


def by_email(people: Iterable[Person], written: Callable[[str], Any] = str) -> dict[str, list[Any]]:
    """E-mail → what is written for the active people who have it; `written` makes it of a person's id."""
    found: dict[str, list[Any]] = defaultdict(list)
    for person in people:
        if person.is_active and person.email:
            found[person.email.casefold()].append(written(person.id))
    return dict(found)


def people_for(
    updates: Iterable[Update], people: Callable[..., Iterable[Person]], written: Callable[[str], Any] = str
) -> dict[str, list[Any]]:
    """`by_email` of the people that the updates need; `people(is_fresh=True)` is to find who is not there yet."""
    wanted = owners_of(updates)
    found = by_email(people(), written) if wanted else {}
    return found if wanted <= found.keys() else by_email(people(is_fresh=True), written)


def has_owner(updates: Iterable[Update]) -> bool:
    """Whether any of the updates names an owner to be written."""
    return any(update.owner and update.owner_field for update in updates)


def owners_of(updates: Iterable[Update]) -> set[str]:
    """The e-mails of the owners to be written, casefolded."""
    return {update.owner.casefold() for update in updates if update.owner and update.owner_field}


def emails_of(wanted: set[str], people: Callable[..., Iterable[Person]], api: Api) -> dict[str, str | None]:
    """Id → e-mail, as far as known; without the right to list people they stay unknown, and their events are held.

    Someone new is looked for once by `people(is_fresh=True)`.
    """
    if not wanted:
        return {}
    try:
        known = {person.id: person.email for person in people()}
        missing = wanted - set(known)
        if missing - api.memo.get("strangers", set()):
            api.memo["strangers"] = missing  # nobody is asked for again and again
            known = {person.id: person.email for person in people(is_fresh=True)}
    except CrmRefused:
        return {}
    return {id_: known[id_] for id_ in sorted(wanted) if id_ in known}
