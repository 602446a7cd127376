"""The `batch` method of an emulated Bitrix24: up to 50 commands, always 200, references to earlier results."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from connector.emulators.bitrix24.items import Found
from connector.emulators.bitrix24.methods import error_body
from connector.emulators.bitrix24.php import Array, as_array, as_json, parse_query
from connector.emulators.bitrix24.records import Refused

Run: TypeAlias = Callable[[str, Mapping[str, Any]], Found]
LONGEST: Final = 50
_REFERENCE: Final = re.compile(r"\$result((?:\[[^\[\]]*\])+)")


def run_batch(params: Mapping[str, Any], run: Run, time_block: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The `result` of a batch; `run` does one command. Empty parts are `[]`, as PHP has it."""
    parts: dict[str, Array] = {name: {} for name in ("", "_error", "_total", "_next", "_time")}
    for place, (key, command) in enumerate(as_array(params.get("cmd")).items()):
        try:
            found = _command(str(command), place, parts[""], run)
        except Refused as error:
            parts["_error"][key] = error_body(error)
            if str(params.get("halt", 0)).lower() in {"1", "true", "y"}:
                break
            continue
        parts[""][key] = found.result
        parts["_time"][key] = time_block()
        for name, number in (("_total", found.total), ("_next", found.next)):
            if number is not None:
                parts[name][key] = number
    return {f"result{name}": as_json(part) for name, part in parts.items()}


def _command(command: str, place: int, results: Array, run: Run) -> Found:
    method, _, query = command.partition("?")
    if place >= LONGEST:
        raise Refused(code="ERROR_BATCH_LENGTH_EXCEEDED", text="Max batch length exceeded")
    if method.lower() == "batch":
        raise Refused(code="ERROR_BATCH_METHOD_NOT_ALLOWED", text="Method is not allowed for batch usage", status=405)
    params: Array = _filled(parse_query(query), results)
    return run(method, params)


def _filled(value: Any, results: Array) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, results) for key, inner in value.items()}
    if match := _REFERENCE.fullmatch(value):
        return _look_up(match[1], results)
    return _REFERENCE.sub(lambda match: str(_look_up(match[1], results)), value)


def _look_up(path: str, results: Array) -> Any:
    found: Any = results
    for key in re.findall(r"\[([^\[\]]*)\]", path):
        found = as_array(found).get(key, "")
    return found
