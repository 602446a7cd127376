"""Reads the body of a request to its end or to a limit."""

from __future__ import annotations

from typing import Final

from flask import request
from werkzeug.exceptions import ClientDisconnected

from connector.web.problems import TooLarge, Truncated

_CHUNK: Final = 64 * 1024


def read_body(most: int) -> bytes:
    """The body, read to its end or one byte above the limit. Raises `TooLarge` and `Truncated`.

    Some servers say nothing when a body ends early, so its length is compared; one in chunks has none to compare.
    """
    told, size, parts = request.content_length, 0, []
    try:
        while size <= most >= (told or 0) and (part := request.stream.read(min(_CHUNK, most + 1 - size))):
            parts.append(part)
            size += len(part)
    except ClientDisconnected as error:
        message = "the request ended before its body did; send it again"
        raise Truncated(message) from error
    if max(size, told or 0) > most:
        message = f"the body is larger than {most} bytes; send less at once"
        raise TooLarge(message)
    if told is not None and size < told:
        message = f"{size} bytes of {told} arrived; send it again"
        raise Truncated(message)
    return b"".join(parts)
