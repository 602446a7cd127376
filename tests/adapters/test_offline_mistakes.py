"""What is wrong with a connection's settings, as far as that shows without asking the system."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters import ADAPTERS
from connector.adapter_kit.settings import mistakes_of
from connector.emulators.systems import CRMS, SITES
from tests.adapters.support import signing_of

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("amis", {"subjects": "persons"}, "subjects (person or company)"),
    ("bitrix24", {"webhook_url": ("https://portal.example/1/secret/",)}, "webhook_url (https://<portal>/rest/"),
    ("bitrix24", {"webhook_url": (), "client_id": "local.1", "portal_url": "https://portal.example"}, "client_secret"),
    ("bownow", {"order": "newest"}, "order (created or updated)"),
    ("cocoar", {"proof": "tokn"}, "proof is 'tokn'; it must be token or hmac"),
    ("generic", {"proof": "tokn"}, "`proof` is 'tokn'; it must be one of standard, hmac"),
    ("generic", {"email": "contact.["}, "`email` ('contact.[') cannot be used"),
    ("generic", {"read": "a["}, "`read` ('a[') cannot be used"),
    ("hubspot", {"contacts": "frist"}, "contacts (all or first)"),
    ("jira", {"stages_by": "names"}, "stages_by"),
    ("kintone", {"app": "Leads"}, "app (its number)"),
    ("matomo", {"batch": 0}, "batch (1 to 500)"),
    ("odoo", {"protocol": "xmlrpc"}, "protocol (json2 or jsonrpc)"),
    ("pipedrive", {"objects": ("deals",)}, "objects (deal, person, lead)"),
    ("salesforce", {"history": "maybe"}, "history"),
    ("standard", {"secret": ("whsec_c2hvcnQ=",)}, "secret is neither `whsec_` nor `whpk_`"),
    ("standard", {"read_status": "a["}, "`read_status` ('a[') cannot be used"),
    ("standard", {"url": "https://crm.example", "method": "PTU"}, "`method` is 'PTU'"),
    ("xinnet", {"url": "https://crm.example", "method": "PTU"}, "`method` is 'PTU'"),
    ("zoho", {"data_center": "jpn"}, "data_center (com, eu"),
]


def _built(system: str, **more: Any) -> Any:
    """A connection to the emulated system; of one without, as its deliveries are proved."""
    emulated: Any = {**CRMS, **SITES}.get(system)
    if emulated is None:
        signing = signing_of(system)
        adapter: Any = signing.build(signing.secrets)
        fields = {key: getattr(adapter, key) for key in adapter.SETTINGS}
    else:
        with emulated(now=lambda: datetime.now(UTC)) as served:
            settings, secrets = served.connection()
        fields = {**settings, **{name: tuple(values) for name, values in secrets.items()}}
    build: Any = ADAPTERS[system]
    return build(**{**fields, **more})


@pytest.mark.parametrize("system", sorted(ADAPTERS))
def test_a_connection_that_works_has_no_mistake(system: str) -> None:
    assert list(mistakes_of(_built(system))) == []


@pytest.mark.parametrize(("system", "settings", "said"), WRONG)
def test_a_mistake_shows_without_asking_the_system(system: str, settings: dict[str, Any], said: str) -> None:
    (mistake,) = mistakes_of(_built(system, **settings))
    assert said in mistake


def test_a_kintone_connection_that_only_listens_needs_no_account() -> None:
    signing = signing_of("kintone")
    assert list(mistakes_of(signing.build(signing.secrets))) == []
