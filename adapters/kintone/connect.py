"""Looks at a connection to a kintone app: credentials, the fields that stand for stage and owner, the directory."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.kintone.read import Source
from adapters.kintone.records import code_of
from connector.adapter_kit.contract import InspectionResult
from connector.core.errors import CrmRefused


def inspect(source: Source) -> Iterator[InspectionResult]:
    """What works and what does not. Raises `CrmUnavailable` when nothing answers."""
    try:
        fields = source.fields()
        source.site.query("order by $id desc limit 1")
    except CrmRefused as error:
        yield InspectionResult(topic="credentials", is_good=False, text=str(error))
        return
    yield InspectionResult(topic="credentials", is_good=True, text=f"app {source.site.app} can be read")
    shape = source.shape
    for setting, code in (("stage_field", shape.stage), ("owner_field", shape.owner)):
        if code and code not in fields:
            text = f"the app has no field with the code {code!r}: correct the setting `{setting}`"
            yield InspectionResult(topic="fields", is_good=False, text=text)
    if code_of("UPDATED_TIME", fields) is None:
        text = "the app's form shows no updated time: what webhooks missed cannot be found"
        yield InspectionResult(topic="fields", is_good=False, text=text)
    if not shape.stage and not source.process().get("enable"):
        text = "the process management of the app is off: turn it on, or name a drop-down in `stage_field`"
        yield InspectionResult(topic="fields", is_good=False, text=text)
    yield _directory(source)


def _directory(source: Source) -> InspectionResult:
    try:
        people = source.people()
    except CrmRefused as error:
        return InspectionResult(topic="scopes", is_good=False, text=f"the users cannot be read: {error}")
    if not people:
        text = "an API token shows no users: set `login` and `password`, or `people`, else owners stay unknown"
        return InspectionResult(topic="scopes", is_good=False, text=text)
    return InspectionResult(topic="scopes", is_good=True, text=f"{len(people)} users are known")
