"""What a connection to AMIS asks for, and what holds where nothing is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from adapters.amis.records import CONTACTS, CUSTOMERS, ORDERS
from connector.adapter_kit.contract import RATE_SETTING, Setting

URL: Final = "https://crmconnect.misa.vn/api/v2"
ALL: Final = (CUSTOMERS, CONTACTS, ORDERS)
FOUND_BY: Final = ("email", "office_email", "mobile", "phone")
SETTINGS: Final[Mapping[str, Setting]] = {
    "client_id": Setting(description="AppID that was made in AMIS CRM", is_required=True, default=""),
    "client_secret": Setting(
        description="Secret code of the AppID", is_secret=True, is_dictated=True, is_required=True
    ),
    "webhook_token": Setting(
        description="What the webhook's address has as ?token=…; empty: webhooks are refused", is_secret=True
    ),
    "signing_secret": Setting(
        description="Checks the HMAC-SHA256 of the body besides; empty: not checked", is_secret=True, is_dictated=True
    ),
    "signature_header": Setting(description="Header that has the HMAC in hex", default="X-Signature"),
    "url": Setting(description="Base address of Open API v2", default=URL),
    "resources": Setting(description="What is polled: Customers, Contacts, SaleOrders", default=ALL),
    "stage_field": Setting(
        description="Field of customers and contacts with the life-cycle stage", default="custom_field1"
    ),
    "owners": Setting(description="Owners, e-mail=name as AMIS writes owner_name", default=()),
    "subjects": Setting(description="Who is one subject: each person, or a whole company", default="person"),
    "found_by": Setting(description="Fields whose e-mails and phones find a subject", default=FOUND_BY),
    "form_layout": Setting(description="Form layout that is sent with updates; empty: none", default="Mẫu tiêu chuẩn"),
    "first_page": Setting(description="Number of the first page: 0 or 1", default=0),
    "pages": Setting(description="Pages of 100 records that a poll reads at most", default=100),
    "overlap_minutes": Setting(description="How far a poll looks back beyond the last one, in minutes", default=10),
    "zone": Setting(description="Time zone of times that are written without one", default="Asia/Ho_Chi_Minh"),
    "keys": Setting(
        description="Further keys of webhooks: event, data, id, stage or time=key, such as stage=ContactStage",
        default=(),
    ),
    "rate": RATE_SETTING,
}
