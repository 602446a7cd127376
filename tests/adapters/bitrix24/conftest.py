"""The portal that every test of the Bitrix24 adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.bitrix24.fake import (
    LINH,
    MAREK,
    FakePortal,
)


@pytest.fixture
def portal() -> FakePortal:
    fake = FakePortal()
    fake.users = [LINH, MAREK]
    fake.add(
        "lead:1907",
        stageId="IN_PROCESS",
        companyTitle="Halden & Sons",
        searchContent="everything",
        fm=[
            {"id": 9016, "typeId": "EMAIL", "valueType": "WORK", "value": " Ingrid.Halden@Example.com "},
            {"id": 9015, "typeId": "PHONE", "valueType": "WORK", "value": "+47 55 50 12 34"},
            {"id": 9017, "typeId": "PHONE", "valueType": "WORK", "value": "214"},
            {"id": 9018, "typeId": "EMAIL", "valueType": "WORK", "value": "none"},
        ],
    )
    fake.add("contact:642", name="Ann", email="ann@example.com")
    fake.add("contact:655", name="Bo", fm={"1": {"id": 1, "typeId": "EMAIL", "value": "bo@example.com"}})
    fake.add(
        "deal:4821",
        stageId="C5:PREPARATION",
        categoryId=5,
        leadId=1880,
        contactIds=[642, 655],
        assignedById=14,
        opportunity=48000,
    )
    return fake
