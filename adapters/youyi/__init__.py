"""Youyi cloud sales (有翼云销): each new lead goes once into the lead pool (线索池) of the company that is bound.

No interface of Youyi is published. What is known is the binding of 企业建站线索管理使用手册 (新网, 2019-11-28): company
name, administrator's account and password. Addresses are settings; docs/adapters/youyi.md says what is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final
from urllib.parse import quote

from connector.adapter_kit import defaults
from connector.adapter_kit.contract import RATE_SETTING, Answer, Api, InspectionResult, Pushed, Setting, Update
from connector.adapter_kit.oauth import Tokens
from connector.adapter_kit.push_in_batches import Plan, each, push_in_batches
from connector.adapter_kit.rest import as_object, excerpt, is_good, refused
from connector.core.errors import CrmRefused

TAKEN: Final = 0
"""The `code` of an answer that did what it was asked."""
UNKNOWN_TOKEN: Final = 401
MISSING: Final = 404
EXTERNAL_ID: Final = "external_id"
"""The pool's field of the lead's id here, by which it is found again and never made twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Youyi:
    """A connection to the lead pool of one company."""

    NAME: ClassVar[str] = "youyi"
    SETTINGS: ClassVar[Mapping[str, Setting]] = {
        "url": Setting(description="Address of Youyi's interface, as https://host", is_required=True, default=""),
        "company": Setting(description="Name of the company (企业名称), as Youyi has it", is_required=True, default=""),
        "account": Setting(
            description="Account of the company's administrator (云销企业管理员账号)", is_required=True, default=""
        ),
        "password": Setting(
            description="Password of that account (云销企业管理员密码)",
            is_secret=True,
            is_dictated=True,
            is_required=True,
        ),
        "bind_path": Setting(description="Path that binds and gives a token", default="/openapi/bind"),
        "lead_path": Setting(description="Path that takes a new lead", default="/openapi/lead-pool/leads"),
        "find_path": Setting(
            description="Path that shows a lead; `{external_id}` is filled in. Empty: leads are not read back",
            default="/openapi/lead-pool/leads/{external_id}",
        ),
        "rate": RATE_SETTING,
    }
    CONTENT_TYPES: ClassVar[frozenset[str]] = frozenset()
    SECRET_KEYS: ClassVar[frozenset[str]] = frozenset({"password", "token"})
    RATE: ClassVar[tuple[int, int]] = (5, 1)
    ECHOES: ClassVar[Mapping[str, str]] = {}
    EVENTS: ClassVar[frozenset[str]] = frozenset()

    url: str = ""
    company: str = ""
    account: str = ""
    password: tuple[str, ...] = field(default=(), repr=False)
    bind_path: str = "/openapi/bind"
    lead_path: str = "/openapi/lead-pool/leads"
    find_path: str = "/openapi/lead-pool/leads/{external_id}"
    rate: int = 0

    @property
    def takes_updates(self) -> bool:
        """Only while it is bound."""
        return bool(self.url and self.company and self.account and self.password)

    greet = defaults.greet
    verify = defaults.verify
    receive = defaults.receive
    fetch = defaults.fetch
    parse = defaults.parse
    changes = defaults.changes

    def push(self, updates: Sequence[Update], api: Api) -> Sequence[Pushed]:
        """One request for each lead, as no other is known; a lead that is in the pool already is not made again."""
        read = each(lambda plan: self._read(plan, api)) if self.find_path else None
        return push_in_batches(updates, self._plan, each(lambda plan: self._write(plan, api)), read)

    catalog = defaults.catalog

    def inspect(self, url: str, api: Api) -> Sequence[InspectionResult]:
        """Binds anew: whether company, account and password are right."""
        del url
        try:
            self._bind(api)
        except CrmRefused as error:
            return (InspectionResult(topic="credentials", is_good=False, text=str(error)),)
        text = f"bound to the company {self.company} by the account {self.account}"
        return (InspectionResult(topic="credentials", is_good=True, text=text),)

    subscribe = defaults.subscribe

    def _plan(self, update: Update) -> Plan:
        wanted = {name: value for name, value in update.fields.items() if value not in {None, ""}}
        if not wanted:
            message = "nothing is known of the lead that the mapping's `push` could send"
            raise CrmRefused(message)
        return Plan(update=update, wanted=wanted, secrets=self.password)

    def _write(self, plan: Plan, api: Api) -> Plan | None:
        """A lead that is there already is judged as it is."""
        if shown := self._find(plan.id, api):
            return replace(plan, result=plan.judged(shown))
        self._body(self._call("POST", self.lead_path, {EXTERNAL_ID: plan.id, **plan.wanted}, api))
        return None

    def _read(self, plan: Plan, api: Api) -> Mapping[str, Any]:
        if shown := self._find(plan.id, api):
            return shown
        message = "the lead was answered as taken and is not in the lead pool"
        raise CrmRefused(message)

    def _find(self, external_id: str, api: Api) -> Mapping[str, Any] | None:
        """The lead as the pool shows it; None: it is not there, or there is no call to ask for it."""
        if not self.find_path:
            return None
        path = self.find_path.replace("{external_id}", quote(external_id, safe=""))
        answer = self._call("GET", path, None, api)
        if answer.status == MISSING:
            return None
        data = self._body(answer).get("data")
        return data if isinstance(data, Mapping) else None

    def _call(self, method: str, path: str, content: Mapping[str, Any] | None, api: Api) -> Answer:
        """With the token that is kept; with a new one where that is not known any more."""

        def send(token: str) -> Answer:
            return api.call(method, self._at(path), json=content, headers={"Authorization": f"Bearer {token}"})

        tokens = Tokens(api=api, issue=lambda: self._bind(api))
        return tokens.send(send, lambda answer: answer.status == UNKNOWN_TOKEN)

    def _bind(self, api: Api) -> str:
        """A new token. Raises `CrmRefused`: company, account or password are wrong."""
        if not self.takes_updates:
            message = "not bound: set `url`, `company`, `account` and the secret `password`"
            raise CrmRefused(message)
        content = {"company": self.company, "account": self.account, "password": self.password[0]}
        body = self._body(api.call("POST", self._at(self.bind_path), json=content))
        token = as_object(body.get("data")).get("token")
        if not isinstance(token, str) or not token:
            message = "the binding was answered without a token (`data.token`)"
            raise CrmRefused(message)
        return token

    def _body(self, answer: Answer) -> Mapping[str, Any]:
        """The answer's body. Raises `CrmRefused` with the system's own words when it did not do what it was asked."""
        content = answer.json()
        body = as_object(content)
        code = body.get("code")
        if is_good(answer) and code == TAKEN:
            return body
        words = body.get("message") if body else content
        message = f"answered {answer.status}, code {code}: {excerpt(str(words), self.password)}"
        raise refused(answer.status, message)

    def _at(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{path.lstrip('/')}"
