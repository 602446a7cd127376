"""The country of phone numbers that are written without theirs: whether a mapping lacks it, and the mapping with it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from phonenumbers import SUPPORTED_REGIONS

from connector.core.errors import WrongSetting
from connector.core.mapping import MappingRules
from connector.mapping.field_types import FieldType, Typed

_ADAPTER: Final = re.compile(r"^(adapter[ \t]*:.*)$", re.MULTILINE)


def lacks_region(rules: MappingRules) -> bool:
    """Whether a mapping reads phone numbers and does not say of which country they are."""
    reads = [field.read for field in rules.fields]
    return rules.region is None and any(isinstance(read, Typed) and read.type is FieldType.PHONE for read in reads)


def check_region(text: str) -> str:
    """A country's two letters, in capitals. Raises `WrongSetting`."""
    region = text.strip().upper()
    if region not in SUPPORTED_REGIONS:
        message = f"{text!r} is no country; allowed: two letters (ISO 3166-1), such as JP, VN or US"
        raise WrongSetting(message)
    return region


def with_region(text: str, region: str) -> str:
    """A mapping's text without a region, with `region` below the adapter."""
    return _ADAPTER.sub(rf"\1\nregion: {region}", text, count=1)


def in_region(rules: MappingRules, region: str | None) -> MappingRules:
    """A mapping whose phone numbers are of the workspace's `region`, unless it names one itself."""
    if region is None or rules.region is not None:
        return rules
    fields = [
        replace(field, read=replace(field.read, region=region)) if isinstance(field.read, Typed) else field
        for field in rules.fields
    ]
    return replace(rules, region=region, fields=tuple(fields))
