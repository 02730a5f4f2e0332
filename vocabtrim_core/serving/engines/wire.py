"""What goes over the wire: events, and what a reply holds in words."""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Iterator

import httpx


class StoppedError(Exception):
    """Another request failed, or the user asked to stop."""


@functools.cache
def certificates() -> ssl.SSLContext:
    """The certificates, read once for all clients."""
    return httpx.create_ssl_context()


def events_of(reply: httpx.Response, stop: threading.Event) -> Iterator[bytes]:
    """Read the data of each server-sent event.

    Args:
        reply: The reply, as a stream.
        stop: Set when the answer is no longer needed; StoppedError is raised then.

    Yields:
        The data, without "data:".
    """
    incomplete = b""
    for piece in reply.iter_bytes():
        if stop.is_set():
            raise StoppedError
        *events, incomplete = (incomplete + piece).split(b"\n\n")
        for event in events:
            if event.startswith(b"data:"):
                yield event[5:].strip()


def kind_of(reply: httpx.Response) -> str:
    """Describe the content of a reply.

    Args:
        reply: The reply.

    Returns:
        "an HTML page", its text in quotes, shortened, or "nothing".
    """
    text = reply.text.strip()
    if "html" in reply.headers.get("content-type", "") or text[:1] == "<":
        return "an HTML page"
    return f"{short(text)!r}" if text else "nothing"


def short(text: str) -> str:
    """Shorten a text for a message.

    Args:
        text: The text.

    Returns:
        At most 200 characters of it, in one line, without a final stop.
    """
    return " ".join(text.split())[:200].rstrip(".")


def of_first_token(seconds: float | None, tokens: int) -> float | None:
    """The time of the first token, from the time of the first event.

    Args:
        seconds: When the first event came.
        tokens: Tokens in it.

    Returns:
        The time; None where the event held more tokens, as those of a busy server do, so that the
        first one came earlier.
    """
    return None if tokens > 1 else seconds
