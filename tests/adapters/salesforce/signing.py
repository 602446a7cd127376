"""How Salesforce's outbound messages are proven: by the token in the address, for they have no signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from adapters.salesforce import Salesforce
from connector.adapter_kit.contract import Delivery
from tests.adapters.support import Signing

ORGANIZATION = "00D5g000004XkLmEAK"
# An object that is not read: nothing has to be fetched.
BODY = f"""<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>
<notifications xmlns="http://soap.sforce.com/2005/09/outbound" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<OrganizationId>{ORGANIZATION}</OrganizationId><Notification><Id>04l5g000009aBcDAAU</Id>
<sObject xsi:type="sf:Account" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>0015g00000TyUiOAAV</sf:Id>
</sObject></Notification></notifications></soapenv:Body></soapenv:Envelope>"""


def _sign(delivery: Delivery, secret: str, _at: datetime) -> Delivery:
    return replace(delivery, query=(*delivery.query, ("token", secret)))


SIGNING = Signing(
    build=lambda secrets: Salesforce(token=secrets, organization_id=ORGANIZATION),
    delivery=Delivery(
        method="POST",
        query=(),
        headers={"content-type": "text/xml; charset=utf-8", "soapaction": '""'},
        body=BODY.encode(),
        received_at=datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC),
    ),
    sign=_sign,
    secrets=("q7h2m9x4v1c8z5k3n6b0", "u2e6g9s3k8d1q7w4z0x5"),
)
