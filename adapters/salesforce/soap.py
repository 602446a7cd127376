"""Reads Salesforce's outbound messages, which are SOAP, without ever letting a document type in, and acknowledges them.

https://developer.salesforce.com/docs/platform/api/guide/sforce-api-om-outboundmessaging-wsdl.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers.expat import ExpatError, ParserCreate

from connector.adapter_kit.payload import MAX_BYTES, Part
from connector.core.errors import BadPayload

OUTBOUND: Final = "http://soap.sforce.com/2005/09/outbound"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ACK: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="{SOAP}"><soapenv:Body>'
    f'<notificationsResponse xmlns="{OUTBOUND}"><Ack>true</Ack></notificationsResponse>'
    "</soapenv:Body></soapenv:Envelope>"
).encode()
"""The only answer that stops the retries; it covers all notifications of the message."""
_TYPE: Final = "http://www.w3.org/2001/XMLSchema-instance type"
_SOBJECT: Final = "urn:sobject."
"""The namespaces of fields are `urn:sobject.enterprise.soap.sforce.com` and `urn:sobject.partner.soap.sforce.com`."""
_DEPTH: Final = 12
_ELEMENTS: Final = 20_000
"""A hundred notifications with two hundred fields each."""


@dataclass(slots=True, kw_only=True)
class _Element:
    """An element; `name` is `<namespace> <local name>`."""

    name: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list)
    children: list[_Element] = field(default_factory=list)

    def all(self, namespace: str, local: str) -> Iterator[_Element]:
        return (one for one in self.children if one.name == f"{namespace} {local}")

    def value(self, namespace: str, local: str) -> str | None:
        """The text of a child; None: it is missing, empty, or `xsi:nil`."""
        found = next(self.all(namespace, local), None)
        return found.text() or None if found else None

    def text(self) -> str:
        """The text between its tags, trimmed."""
        return "".join(self.texts).strip()


@dataclass(slots=True)
class _Tree:
    """Builds the elements of a document while it is read."""

    root: _Element | None = None
    _open: list[_Element] = field(default_factory=list)
    _count: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        element = _Element(name=name, attributes=attributes)
        self._count += 1
        if len(self._open) >= _DEPTH or self._count > _ELEMENTS:
            message = f"the XML is nested deeper than {_DEPTH} levels or has more than {_ELEMENTS} elements"
            raise BadPayload(message)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].texts.append(text)


def read_envelope(body: bytes) -> Part:
    """An outbound message as `{OrganizationId, Notification: [{Id, object, sObject: {Id}}]}`; what is nil is None.

    Raises `BadPayload`: not XML, not such a message, too big, nested too deep, or a document type, with or without
    entities, which no genuine message has.
    """
    root = _parsed(body)
    soap_body = next(root.all(SOAP, "Body"), None) if root.name == f"{SOAP} Envelope" else None
    message = next(soap_body.all(OUTBOUND, "notifications"), None) if soap_body else None
    if message is None:
        what = f"the XML is no outbound message: it must be a SOAP 1.1 envelope with notifications of {OUTBOUND}"
        raise BadPayload(what)
    notifications = [_notification(one) for one in message.all(OUTBOUND, "Notification")]
    content = {"OrganizationId": message.value(OUTBOUND, "OrganizationId"), "Notification": notifications}
    return Part(content, "$.Envelope.Body.notifications")


def _notification(element: _Element) -> dict[str, object]:
    record = next(element.all(OUTBOUND, "sObject"), None)
    if record is None:
        return {"Id": element.value(OUTBOUND, "Id")}
    ids = (one.text() for one in record.children if one.name.startswith(_SOBJECT) and one.name.endswith(" Id"))
    return {
        "Id": element.value(OUTBOUND, "Id"),
        "object": record.attributes.get(_TYPE, "").rpartition(":")[2] or None,
        "sObject": {"Id": next(ids, None)},
    }


def _parsed(body: bytes) -> _Element:
    if len(body) > MAX_BYTES:
        message = f"the body has {len(body)} bytes; at most {MAX_BYTES} are read"
        raise BadPayload(message)
    tree = _Tree()
    parser = ParserCreate("UTF-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.text
    # Called before anything inside of it is read: no entity is ever declared, and so none expands.
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(body, True)  # noqa: FBT003 - the parser takes it by place only
    except ExpatError as error:
        message = f"the body is not XML: {error}"
        raise BadPayload(message) from error
    if tree.root is None:  # pragma: no cover - the parser refuses a document without an element
        message = "the body is empty"
        raise BadPayload(message)
    return tree.root


def _refuse_document_type(*_declared: object) -> NoReturn:
    message = "the XML holds a document type (DOCTYPE), which is refused with all its entities"
    raise BadPayload(message)
