"""An emulated HubSpot account: contacts and deals, signed batches of events, merges; its REST is beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

import orjson
from flask import Flask, Response

from adapters.hubspot.webhook import sign_old, sign_request
from connector.adapter_kit.contract import Delivery
from connector.emulators.engine.courier import Content, Message
from connector.emulators.engine.emulator import CrmEmulator
from connector.emulators.engine.shelf import Change
from connector.emulators.hubspot.directory import OWNERS
from connector.emulators.hubspot.rest import HubSpotRest, problem

SECRET: Final = "6f1d2c5a-0b7e-4c1e-9d43-2a8e5b90c7f1"  # noqa: S105 - of an account that is not real
REFRESH_TOKEN: Final = "na1-2f6c-9d01-refresh"  # noqa: S105 - of an account that is not real
PUBLIC_URL: Final = "https://connector.example.com/webhooks/hubspot"
PORTAL, APP = 48210377, 9046112
SUBSCRIBED: Final = frozenset(
    {"lifecyclestage", "hs_lead_status", "hubspot_owner_id", "email", "dealstage", "pipeline", "amount"}
)
"""The properties that the app is subscribed to."""
_PAUSES: Final = (0.05, 0.2, 0.5)


class HubSpotCrm(CrmEmulator):
    """An account whose contacts are played with; `deal` makes a deal of one."""

    NAME = "hubspot"
    OBJECT = "contact"
    STAGE = "lifecyclestage"
    OWNER = "hubspot_owner_id"
    STATUS = "abm_status"
    STAGES: ClassVar[Sequence[str]] = ("subscriber", "marketingqualifiedlead", "salesqualifiedlead", "opportunity")
    OWNERS: ClassVar[Mapping[str, str]] = {owner.id: owner.email for owner in OWNERS if not owner.is_archived}
    FIRST_ID = 112558900431

    def routes(self, app: Flask) -> None:
        """REST, of the version 2026-09."""
        self.rest = HubSpotRest(shelf=self.shelf, gate=self.gate, now=self.now, app_id=APP, portal=PORTAL)
        self.rest.refresh_token, self.rest.client_secret = REFRESH_TOKEN, SECRET
        self.rest.routes(app)

    def connection(self) -> tuple[Mapping[str, Any], Mapping[str, Sequence[str]]]:
        """An OAuth app behind a proxy: what HubSpot signs is the public address."""
        settings = {
            "api_url": self.url,
            "webhook_url": PUBLIC_URL,
            "portal_id": str(PORTAL),
            "client_id": "27a1c3d0-app",
        }
        return settings, {"client_secret": [SECRET], "refresh_token": [REFRESH_TOKEN]}

    def too_many(self) -> Response:
        """The answer when ten seconds' calls are used up."""
        body = {
            "status": "error",
            "message": "You have reached your ten_secondly_rolling limit.",
            "errorType": "RATE_LIMIT",
            "policyName": "TEN_SECONDLY_ROLLING",
        }
        return Response(orjson.dumps(body), 429, content_type="application/json")

    def unauthorized(self) -> Response:
        """The answer to a token that is not good."""
        return problem(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")

    def deal(self, contact_id: str, stage: str, *, pipeline: str = "default", at: datetime | None = None) -> str:
        """A person makes a deal of a contact; its id."""
        values = {"dealname": "Annual licence", "dealstage": stage, "pipeline": pipeline}
        deal = self.shelf.add("deal", values, at=at).id
        self.rest.contacts_of.setdefault(deal, []).append(contact_id)
        association = {"fromObjectId": int(deal), "toObjectId": int(contact_id), "associationType": "DEAL_TO_CONTACT"}
        self.send_event("deal.associationChange", at or self.now(), association | {"associationRemoved": False})
        return deal

    def merge(self, primary_id: str, other_id: str) -> str:
        """A person merges two contacts; the id of the new record, whom the old ids lead to."""
        primary, other = (self.shelf.find(self.OBJECT, record_id) for record_id in (primary_id, other_id))
        if primary is None or other is None:
            raise KeyError(primary_id if primary is None else other_id)
        emails = f"{other.fields.get('email') or ''}"
        fields = {**other.fields, **primary.fields, "hs_additional_emails": emails}
        handlers, self.handlers = self.handlers, []
        for old in (primary_id, other_id):
            self.shelf.delete(self.OBJECT, old)
        merged = {**fields, "hs_merged_object_ids": f"{primary_id};{other_id}"}
        survivor = self.shelf.add(self.OBJECT, merged)
        self.handlers = handlers
        self.rest.moved |= {primary_id: survivor.id, other_id: survivor.id}
        ids = {"primaryObjectId": int(primary_id), "mergedObjectIds": [int(other_id)], "newObjectId": int(survivor.id)}
        self.send_event(
            "contact.merge", self.now(), {"objectId": int(survivor.id), **ids, "numberOfPropertiesMoved": 2}
        )
        return survivor.id

    def messages(self, change: Change, url: str) -> Iterable[Message]:
        """One request with all events of the change."""
        kind = {"create": "creation", "delete": "deletion", "restore": "restore"}.get(change.kind)
        flag = {"creation": "CREATED", "deletion": "DELETED"}.get(kind or "")
        events = [self._event(change, f"{change.object}.{kind}", changeFlag=flag)] if kind else []
        events += [
            self._event(change, f"{change.object}.propertyChange", propertyName=name, propertyValue=value or "")
            for name, value in change.after.items()
            if name in SUBSCRIBED and change.kind != "restore" and (value or change.kind == "update")
        ]
        if events:
            yield self._message(url, f"{change.object}:{change.id}#{change.number}", events[::-1])

    def send_event(self, word: str, at: datetime, more: Mapping[str, Any]) -> None:
        """Send one event that is no change of a field."""
        number = self.tally.add("hubspot.events")
        event = {**self._common(number, at), "subscriptionType": word, "changeSource": "CRM_UI", **more}
        for url in self.handlers:
            self.courier.send(self._message(url, f"{word}#{number}", [event]))

    def _event(self, change: Change, word: str, **more: Any) -> dict[str, Any]:
        is_ours = change.origin == "api"
        return {
            **self._common(self.tally.add("hubspot.events"), change.at),
            "subscriptionType": word,
            "objectId": int(change.id),
            "changeSource": "INTEGRATION" if is_ours else "CRM_UI",
            "sourceId": str(APP) if is_ours else "userId:70311845",
            **more,
        }

    def _common(self, number: int, at: datetime) -> dict[str, Any]:
        ids = {"eventId": 2815530000 + number, "subscriptionId": 3911027, "portalId": PORTAL, "appId": APP}
        return {**ids, "occurredAt": round(at.timestamp() * 1000), "attemptNumber": 0}

    def _message(self, url: str, about: str, events: Sequence[Mapping[str, Any]]) -> Message:
        def make(attempt: int) -> Content:
            body = orjson.dumps([{**event, "attemptNumber": attempt} for event in events])
            delivery = Delivery(method="POST", query=(), headers={}, body=body, received_at=self.now())
            signed = sign_request(delivery, PUBLIC_URL, SECRET, self.now()) | sign_old(delivery, url, SECRET, "v1")
            return body, {"Content-Type": "application/json", **signed}

        return Message(url=url, about=about, make=make, pauses=_PAUSES)
