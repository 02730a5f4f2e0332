"""Addresses of servers, and which of them may be sent a key of the environment."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from urllib.parse import urlsplit

from vocabtrim_core.access import LOOPBACK
from vocabtrim_core.errors import InputError

SGLANG_KEY = "SGLANG_API_KEY"
OPENAI_KEY, OPENAI_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
OPENAI_DEFAULT = "https://api.openai.com/v1"  # what OPENAI_API_KEY is for without OPENAI_BASE_URL


def checked_url(url: str) -> str:
    """Check the URL of a server.

    Args:
        url: The URL, with http or https.

    Returns:
        The URL without a final slash or /v1.

    Raises:
        InputError: It is no http(s) URL, or holds a password or a query.
    """
    import httpx

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{url!r} is no URL; give one such as http://gpu-host:30000.") from error
    if parsed.userinfo or parsed.query:
        raise InputError(
            f"The URL of {parsed.host} must not hold a password or a query, since it is written "
            "into results; put the key into a variable."
        )
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{url!r} is no http(s) URL; give one such as http://gpu-host:30000.")
    return str(parsed).rstrip("/").removesuffix("/v1")


def is_loopback(url: str) -> bool:
    """Whether a server is on this machine.

    Args:
        url: Its URL.

    Returns:
        Whether its host is localhost, or an address of the loopback interface.
    """
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host in LOOPBACK


def is_private_way(url: str) -> bool:
    """Whether a secret may be sent to a server: by https, or within this machine.

    Args:
        url: Its URL.

    Returns:
        Whether nobody on the way can read it.
    """
    return urlsplit(url).scheme == "https" or is_loopback(url)


def key_for(url: str, variable: str) -> tuple[str | None, str]:
    """The key for a server that was identified as, or named to be, one that a variable is for.

    Args:
        url: URL of the server.
        variable: Environment variable with the key.

    Returns:
        The key, None where there is none or it must not be sent; and what to do where the server
        refuses, as the second half of a sentence.
    """
    key = os.environ.get(variable)
    if not key:
        return None, f"put it into ${variable}."
    if not is_private_way(url):
        return None, (
            f"${variable} is not sent over http to another machine, since others could read it on "
            "the way: use https, or a tunnel to this machine."
        )
    return key, f"it does not accept that of ${variable}."


def openai_key_for(url: str) -> tuple[str | None, str]:
    """The key of $OPENAI_API_KEY for the server that $OPENAI_BASE_URL names, and no other.

    Args:
        url: URL of the server.

    Returns:
        As `key_for`.
    """
    named = os.environ.get(OPENAI_URL) or OPENAI_DEFAULT
    if _origin(url) != _origin(named):
        return None, (
            f"${OPENAI_KEY} is sent only to the server that ${OPENAI_URL} names (now {named}); "
            "set both for this server."
        )
    return key_for(url, OPENAI_KEY)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)
