"""The settings that change how the rules read, checked: a mapping in, core `Settings` or all mistakes out."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import Schema, ValidationError, fields
from phonenumbers import SUPPORTED_REGIONS

from connector.adapter_kit.identities import international
from connector.core.errors import WrongSetting
from connector.core.mapping import IGNORE
from connector.core.rules import TEMPLATES, Notice, Template
from connector.core.ruleset import MATCHES, IdentityRules, KeyPage, RuleSetting, Settings
from connector.core.status import StatusInfo
from connector.i18n import LANGUAGES
from connector.i18n.statuses import DEFAULT, StatusFinder
from connector.mapping.date_order import DateOrder

REPEATS: Final = ("daily", "once_per_stay")
LONGEST_GAP: Final = 1_440
DATE_ORDERS: Final = tuple(order.value for order in DateOrder)
MOST_SHARED: Final = 100
LONGEST_LABEL: Final = 63
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_DOMAIN: Final = re.compile(r"[^@\s.]+(\.[^@\s.]+)+")
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 ().-]*")
NOT_A_KEY: Final = "not a key here"


class WrongRuleSettings(WrongSetting):
    """One or more settings are wrong; `mistakes` has a sentence each: the key, what was found, what is allowed.

    `found`: the sentences with the path of the key that each is about.
    """

    def __init__(self, found: tuple[tuple[tuple[str, ...], str], ...]) -> None:
        self.found = found
        self.mistakes = tuple(sentence for _, sentence in found)
        super().__init__("\n".join(self.mistakes))


def read_settings(raw: Mapping[str, Any], template: Template, *, mail_default: bool) -> Settings:
    """Settings out of a mapping with the keys of `mappings/rules.yaml`, all optional; `template` is only checked.

    `notice_repeat` is one word for every list notice, or {rule id: word}. `mail_default`: whether mail is on where
    `mail_enabled` is not given. Raises `WrongRuleSettings` with every mistake.
    """
    try:
        read: dict[str, Any] = _schema(template).load(raw)
    except ValidationError as error:
        found = sorted(_mistakes(error.messages, raw, ()), key=lambda one: one[1])
        raise WrongRuleSettings(tuple(found)) from error
    repeat = read.get("notice_repeat", REPEATS[0])
    repeats = dict.fromkeys(_list_notices(template), repeat) if isinstance(repeat, str) else repeat
    return Settings(
        zone=ZoneInfo(read.get("timezone", "Asia/Tokyo")),
        session_gap_minutes=read.get("session_gap_minutes", 30),
        key_pages=tuple(KeyPage(**row) for row in read.get("key_pages", ())),
        is_mail_on=read.get("mail_enabled", mail_default),
        once_per_stay=frozenset(rule for rule, word in repeats.items() if word == "once_per_stay"),
        has_fallback_to_administrators=read.get("fallback_to_administrators", False),
        administrators=tuple(read.get("administrators", ())),
        rules={
            rule: RuleSetting(is_enabled=row.get("enabled", True), has_notify=row.get("notify", True))
            for rule, row in read.get("rules", {}).items()
        },
        own_statuses=(own := tuple(_own_status(row) for row in read.get("own_statuses", ()))),
        in_progress=_code_of(read.get("in_progress"), template, own),
        identity=_identity_rules(read.get("placeholders", {}), read.get("shared_after"), read.get("region")),
        region=read.get("region"),
        date_order=read.get("date_order"),
    )


def _code_of(word: str | None, template: Template, own: tuple[StatusInfo, ...]) -> str | None:
    if word is None:
        return None
    statuses = (*template.statuses, *own)
    code = StatusFinder(statuses).code_of(word)
    if code is None:
        allowed = f"one of {', '.join(info.code for info in statuses)}"
        raise WrongRuleSettings(((("in_progress",), _sentence(allowed, word, ("in_progress",))),))
    return code


def _identity_rules(
    placeholders: Mapping[str, list[Any]], shared_after: int | None, region: str | None
) -> IdentityRules:
    words = {key: frozenset(str(word).lower() for word in found) for key, found in placeholders.items()}
    numbers = frozenset(re.sub(r"[^0-9+]", "", number) for number in words.get("numbers", ()))
    return IdentityRules(
        addresses=words.get("addresses", frozenset()),
        domains=words.get("domains", frozenset()),
        numbers=numbers | {found[1] for number in numbers if (found := international(number, region)) is not None},
        shared_after=IdentityRules().shared_after if shared_after is None else shared_after,
    )


def _own_status(row: Mapping[str, str]) -> StatusInfo:
    """A status without rank and automatic processing; in a language that is not given it has its English name."""
    names = {language: row[language] for language in LANGUAGES if language in row}
    return StatusInfo(code=row["code"], rank=None, automatic=False, names=names)


def is_email(value: object) -> bool:
    """Whether a value looks like an e-mail address; whether it exists only its server knows."""
    return isinstance(value, str) and _EMAIL.fullmatch(value) is not None


def shown(value: object) -> str:
    """A value as a mistake shows it: short, and nothing, true and false as YAML and JSON write them."""
    return json.dumps(value) if value is None or isinstance(value, bool) else _SHORT.repr(value)


class _Value(fields.Field[Any]):
    """A value that a predicate accepts; the message of a mistake is what is allowed."""

    def __init__(self, is_right: Callable[[Any], bool], allowed: str, *, required: bool = False) -> None:
        super().__init__(required=required, error_messages={"null": allowed, "required": allowed})
        self._is_right, self._allowed = is_right, allowed

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:  # noqa: ARG002 - marshmallow's
        if not self._is_right(value):
            raise ValidationError(self._allowed)
        return value


class _Keys(Schema):
    """A mapping with these keys and no other."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        keys = ", ".join(self.fields)
        self.error_messages |= {"unknown": f"{NOT_A_KEY}; allowed: {keys}", "type": f"a mapping with {keys}"}


class _OwnStatuses(fields.List[Any]):
    """Statuses of the company; a code may neither stand twice nor be one of the template's."""

    def __init__(self, template: Template) -> None:
        taken = {IGNORE, *(info.code for info in template.statuses)}
        code = _Value(
            lambda value: isinstance(value, str) and _CODE.fullmatch(value) is not None and value not in taken,
            "small letters, digits and _ (at most 63, a letter first), and none of the template's statuses",
            required=True,
        )
        labels = {language: _label(required=language == DEFAULT) for language in LANGUAGES}
        row = _Keys.from_dict({"code": code, **labels})
        allowed = f"a list of mappings with code, {', '.join(LANGUAGES)}"
        super().__init__(
            fields.Nested(row, error_messages={"null": "a mapping"}),
            error_messages={"invalid": allowed, "null": allowed},
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> list[Any]:
        rows: list[Any] = super()._deserialize(value, attr, data, **rest)
        codes = [row["code"] for row in rows]
        twice = [place for place, code in enumerate(codes) if code in codes[:place]]
        if twice:
            raise ValidationError({place: {"code": ["a code that does not stand twice"]} for place in twice})
        return rows


class _Repeat(fields.Field[Any]):
    """One word, or a mapping from rule ids to words."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self._word = _Value(_is_one_of(REPEATS), " or ".join(REPEATS))
        self._by_rule = _by_rule(rules, self._word)
        allowed = f"{' or '.join(REPEATS)}, or a mapping from rule ids to these words"
        super().__init__(error_messages={"null": allowed})
        self._by_rule.error_messages["invalid"] = allowed

    def _deserialize(self, value: Any, attr: str | None, data: Any, **rest: Any) -> Any:
        return (self._word if isinstance(value, str) else self._by_rule).deserialize(value, attr, data, **rest)


def _schema(template: Template) -> Schema:
    rules = tuple(rule.id for rule in template.rules)
    row = fields.Nested(
        _Keys.from_dict({"enabled": _switch(), "notify": _switch()}), error_messages={"null": "a mapping"}
    )
    page = _Keys.from_dict(
        {
            "match": _one_of(MATCHES, required=True),
            "url": _Value(
                lambda value: isinstance(value, str) and value != "", "text that is not empty", required=True
            ),
        }
    )
    return _Keys.from_dict(
        {
            "template": _one_of(tuple(TEMPLATES)),
            "timezone": _Value(_is_zone, "a name of the IANA time zone database, such as Asia/Tokyo"),
            "session_gap_minutes": _Value(_is_whole(1, LONGEST_GAP), f"a whole number from 1 to {LONGEST_GAP}"),
            "key_pages": _list(
                fields.Nested(page, error_messages={"null": "a mapping"}), "a list of mappings with match and url"
            ),
            "mail_enabled": _switch(),
            "notice_repeat": _Repeat(_list_notices(template)),
            "fallback_to_administrators": _switch(),
            "administrators": _list(_Value(is_email, "an e-mail address"), "a list of e-mail addresses"),
            "rules": _by_rule(rules, row),
            "own_statuses": _OwnStatuses(template),
            "in_progress": _Value(lambda value: isinstance(value, str) and value != "", "a status"),
            "placeholders": fields.Nested(_placeholders(), error_messages={"null": "a mapping"}),
            "shared_after": _Value(_is_whole(1, MOST_SHARED), f"a whole number from 1 to {MOST_SHARED}"),
            "region": _Value(
                _is_one_of(tuple(SUPPORTED_REGIONS)), "two capital letters of a country, such as JP, VN or US"
            ),
            "date_order": _one_of(DATE_ORDERS),
        }
    )()


def _placeholders() -> type[Schema]:
    return _Keys.from_dict(
        {
            "addresses": _list(_Value(is_email, "an e-mail address"), "a list of e-mail addresses"),
            "domains": _list(_Value(_is_shaped(_DOMAIN), "a domain, such as example.com"), "a list of domains"),
            "numbers": _list(
                _Value(lambda value: _is_shaped(_NUMBER)(str(value)), "a phone number, in quotes"),
                "a list of phone numbers",
            ),
        }
    )


def _list_notices(template: Template) -> tuple[str, ...]:
    return tuple(rule.id for rule in template.rules if rule.notice is Notice.LIST)


def _label(*, required: bool = False) -> _Value:
    return _Value(
        lambda value: isinstance(value, str) and 1 <= len(value.strip()) <= LONGEST_LABEL and value.isprintable(),
        f"text of 1 to {LONGEST_LABEL} letters",
        required=required,
    )


def _switch() -> _Value:
    return _Value(lambda value: isinstance(value, bool), "true or false")


def _list(inner: fields.Field[Any], allowed: str) -> fields.Field[Any]:
    return fields.List(inner, error_messages={"invalid": allowed, "null": allowed})


def _by_rule(rules: tuple[str, ...], values: fields.Field[Any]) -> fields.Field[Any]:
    allowed = "a mapping from rule ids"
    key = _Value(_is_one_of(rules), f"{NOT_A_KEY}; allowed: {', '.join(rules)}")
    return fields.Dict(keys=key, values=values, error_messages={"invalid": allowed, "null": allowed})


def _is_one_of(words: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _one_of(words: tuple[str, ...], *, required: bool = False) -> _Value:
    return _Value(_is_one_of(words), f"one of {', '.join(words)}", required=required)


def _is_shaped(shape: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and shape.fullmatch(value) is not None


def _is_whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_zone(value: Any) -> bool:
    return isinstance(value, str) and value in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _mistakes(messages: Any, found: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """One sentence, and its path, for each of marshmallow's messages, which are nested like the mapping."""
    if not isinstance(messages, Mapping):
        yield path, _sentence(messages[0], found, path)
        return
    for key, inner in messages.items():
        if key in {"_schema", "key", "value"}:
            yield from _mistakes(inner, found, path)
        else:
            yield from _mistakes(inner, _part(found, key), (*path, str(key)))


def _part(found: Any, key: Any) -> Any:
    if isinstance(found, Mapping):
        return found.get(key, _MISSING)
    return found[key]


def _sentence(allowed: str, found: Any, path: tuple[str, ...]) -> str:
    name = ".".join(path) or "settings"
    if allowed.startswith(NOT_A_KEY):
        close = difflib.get_close_matches(path[-1], allowed.partition("allowed: ")[2].split(", "), n=1)
        return f"{name}: {allowed}{_hint(close)}"
    if found is _MISSING:
        return f"{name}: missing; allowed: {allowed}"
    close = difflib.get_close_matches(str(found), _zones(), n=1) if path == ("timezone",) else []
    return f"{name}: found {shown(found)}; allowed: {allowed}{_hint(close)}"


def _hint(close: list[str]) -> str:
    return f"; did you mean {close[0]}?" if close else ""


_MISSING: Final = object()
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 2
