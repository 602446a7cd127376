"""The fields of leads, deals and contacts in an emulated Bitrix24: their names in both method families, and types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Entity(IntEnum):
    """The CRM object types by their `entityTypeId`."""

    LEAD = 1
    DEAL = 2
    CONTACT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field: `name` in `crm.item.*`, its type there, and what it holds while nothing is set."""

    name: str
    type: str
    default: Any = None
    is_read_only: bool = False
    is_list: bool = False

    @property
    def upper(self) -> str:
        """The name as `crm.item.fields` calls it, `ASSIGNED_BY_ID` for `assignedById`."""
        return re.sub(r"(?<!^)([A-Z])", r"_\1", self.name).upper()


_DEFAULTS: Final = {
    "companyId": 0,
    "contactId": 0,
    "webformId": 0,
    "opened": "Y",
    "opportunity": 0,
    "taxValue": 0,
    "currencyId": "EUR",
    "isManualOpportunity": "N",
    "isNew": "N",
    "isRecurring": "N",
    "isReturnCustomer": "N",
    "isRepeatedApproach": "N",
    "hasImol": "N",
    "export": "N",
    "typeId": "SALE",
    "skype": None,
    "observers": (),
    "contactIds": (),
}


def _fields(text: str) -> dict[str, Field]:
    found = {}
    for word in text.split():
        name, _, type_name = word.partition(":")
        found[name] = Field(
            name=name,
            type=type_name.rstrip("!*"),
            default=_DEFAULTS.get(name),
            is_read_only=type_name.endswith("!"),
            is_list=type_name.endswith("*"),
        )
    return found


_HEAD: Final = """
 id:integer! createdTime:datetime! dateCreateShort:string! updatedTime:datetime! dateModifyShort:string!
 createdBy:user! updatedBy:user! assignedById:user opened:boolean """
_UTM: Final = " utmSource:string utmMedium:string utmCampaign:string utmContent:string utmTerm:string"
_MOVED: Final = " movedBy:user! movedTime:datetime! lastActivityBy:user! lastActivityTime:datetime! "
_PHONES: Final = """ phoneMobile:string! phoneWork:string! phoneMailing:string! emailHome:string! emailWork:string!
 emailMailing:string! skype:string! icq:string! imol:string! email:string! phone:string! fm:crm_multifield """

FIELDS: Final[Mapping[Entity, Mapping[str, Field]]] = {
    Entity.LEAD: _fields(
        _HEAD
        + """companyId:crm_company contactId:crm_contact stageId:crm_status isConvert:boolean! statusDescription:text
        stageSemanticId:string! productId:string! opportunity:double currencyId:crm_currency sourceId:crm_status
        sourceDescription:text title:string name:string lastName:string secondName:string shortName:string!
        companyTitle:string post:string address:string! comments:text webformId:integer originatorId:string
        originId:string dateClosed:datetime! birthdate:date honorific:crm_status hasPhone:boolean! hasEmail:boolean!
        hasImol:boolean! login:string! isReturnCustomer:boolean! searchContent:text! isManualOpportunity:boolean"""
        + _MOVED
        + _PHONES
        + _UTM
        + " observers:user* contactIds:crm_contact*"
    ),
    Entity.DEAL: _fields(
        _HEAD
        + """leadId:crm_lead companyId:crm_company contactId:crm_contact quoteId:crm_quote title:string
        productId:string! categoryId:crm_category stageId:crm_status stageSemanticId:string! isNew:boolean!
        isRecurring:boolean isReturnCustomer:boolean! isRepeatedApproach:boolean! closed:boolean! typeId:crm_status
        opportunity:double isManualOpportunity:boolean taxValue:double currencyId:crm_currency probability:integer
        comments:text begindate:date begindateShort:string! closedate:date closedateShort:string! eventDate:datetime!
        eventDateShort:string! eventId:string! eventDescription:string! locationId:location webformId:integer
        sourceId:crm_status sourceDescription:text originatorId:string originId:string additionalInfo:string
        searchContent:text! orderStage:string!"""
        + _MOVED
        + "isWork:boolean! isWon:boolean! isLose:boolean! receivedAmount:double! lostAmount:double! "
        + "hasProducts:boolean!"
        + _UTM
        + " observers:user* contactIds:crm_contact*"
    ),
    Entity.CONTACT: _fields(
        _HEAD
        + """honorific:crm_status name:string secondName:string lastName:string photo:file birthdate:date
        typeId:crm_status sourceId:crm_status sourceDescription:text post:string comments:text export:boolean
        companyId:crm_company leadId:crm_lead originatorId:string originId:string originVersion:string
        hasPhone:boolean! hasEmail:boolean! hasImol:boolean! searchContent:text! webformId:integer
        lastActivityBy:user! lastActivityTime:datetime!"""
        + _PHONES
        + _UTM
        + " observers:user*"
    ),
}
"""In the order in which `crm.item.get` shows them; `!` is read-only, `*` a list."""

RENAMED: Final = {
    "DATE_CREATE": "createdTime",
    "DATE_MODIFY": "updatedTime",
    "CREATED_BY_ID": "createdBy",
    "MODIFY_BY_ID": "updatedBy",
    "MOVED_BY_ID": "movedBy",
    "STATUS_ID": "stageId",
    "STATUS_SEMANTIC_ID": "stageSemanticId",
}
_ADDRESS: Final = """ADDRESS ADDRESS_2 ADDRESS_CITY ADDRESS_POSTAL_CODE ADDRESS_REGION ADDRESS_PROVINCE ADDRESS_COUNTRY
 ADDRESS_COUNTRY_CODE ADDRESS_LOC_ADDR_ID """
_OLD_UTM: Final = "UTM_SOURCE UTM_MEDIUM UTM_CAMPAIGN UTM_CONTENT UTM_TERM "


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


OLD_KEYS: Final[Mapping[Entity, tuple[str, ...]]] = {
    Entity.LEAD: _names(
        """ID TITLE HONORIFIC NAME SECOND_NAME LAST_NAME COMPANY_TITLE COMPANY_ID CONTACT_ID IS_RETURN_CUSTOMER
        BIRTHDATE SOURCE_ID SOURCE_DESCRIPTION STATUS_ID STATUS_DESCRIPTION POST COMMENTS CURRENCY_ID OPPORTUNITY
        IS_MANUAL_OPPORTUNITY HAS_PHONE HAS_EMAIL HAS_IMOL ASSIGNED_BY_ID CREATED_BY_ID MODIFY_BY_ID DATE_CREATE
        DATE_MODIFY DATE_CLOSED STATUS_SEMANTIC_ID OPENED ORIGINATOR_ID ORIGIN_ID MOVED_BY_ID MOVED_TIME """
        + _ADDRESS
        + _OLD_UTM
        + "LAST_ACTIVITY_BY LAST_ACTIVITY_TIME"
    ),
    Entity.DEAL: _names(
        """ID TITLE TYPE_ID STAGE_ID PROBABILITY CURRENCY_ID OPPORTUNITY IS_MANUAL_OPPORTUNITY TAX_VALUE LEAD_ID
        COMPANY_ID CONTACT_ID QUOTE_ID BEGINDATE CLOSEDATE ASSIGNED_BY_ID CREATED_BY_ID MODIFY_BY_ID DATE_CREATE
        DATE_MODIFY OPENED CLOSED COMMENTS ADDITIONAL_INFO LOCATION_ID CATEGORY_ID STAGE_SEMANTIC_ID IS_NEW
        IS_RECURRING IS_RETURN_CUSTOMER IS_REPEATED_APPROACH SOURCE_ID SOURCE_DESCRIPTION ORIGINATOR_ID ORIGIN_ID
        MOVED_BY_ID MOVED_TIME LAST_ACTIVITY_TIME """
        + _OLD_UTM
        + "LAST_ACTIVITY_BY"
    ),
    Entity.CONTACT: _names(
        """ID POST COMMENTS HONORIFIC NAME SECOND_NAME LAST_NAME PHOTO LEAD_ID TYPE_ID SOURCE_ID SOURCE_DESCRIPTION
        COMPANY_ID BIRTHDATE EXPORT HAS_PHONE HAS_EMAIL HAS_IMOL DATE_CREATE DATE_MODIFY ASSIGNED_BY_ID
        CREATED_BY_ID MODIFY_BY_ID OPENED ORIGINATOR_ID ORIGIN_ID ORIGIN_VERSION FACE_ID LAST_ACTIVITY_TIME """
        + _ADDRESS
        + _OLD_UTM
        + "LAST_ACTIVITY_BY"
    ),
}
"""The keys of `crm.lead.get`, `crm.deal.get` and `crm.contact.get`, in their order; custom and multi-fields follow."""


def item_name(old: str) -> str:
    """The `crm.item.*` name of an old method's key, `sourceId` for `SOURCE_ID`."""
    return RENAMED.get(old) or re.sub(r"_(\w)", lambda match: match[1].upper(), old.lower())


def custom_item_name(original: str) -> str:
    """The `crm.item.*` name of a custom field: `ufCrm_1769000999`, `ufCrm2_1639669411830`, `ufCrmAbmStatus`."""
    if match := re.fullmatch(r"UF_CRM_(\d+)", original):
        return f"ufCrm_{match[1]}"
    if match := re.fullmatch(r"UF_CRM_(\d+)_(\d+)", original):
        return f"ufCrm{match[1]}_{match[2]}"
    return item_name(original)
