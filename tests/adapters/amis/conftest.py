"""The system that every test of the AMIS adapter may ask for."""

from __future__ import annotations

import pytest

from tests.adapters.amis.fake import FakeAmis


@pytest.fixture
def api() -> FakeAmis:
    fake = FakeAmis()
    contact = {"contact_code": "LH1", "account_name": "KH1", "email": "Hoa@Example.vn", "mobile": "0912 345 678"}
    fake.add("Contacts:17", **contact, custom_field1="MQL", custom_field2=None, owner_name="Trần Thị Lan")
    fake.add("Customers:3", account_number="KH1", office_email="info@example.vn", owner_name=None, custom_field2=None)
    fake.add("SaleOrders:9", sale_order_no="DH1", contact_name="LH1", account_name="KH1", revenue_status="Đã ghi")
    return fake
