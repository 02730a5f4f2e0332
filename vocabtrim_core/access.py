"""Access to the app: the host names it accepts, and the check of each request's headers.

A browser sends the host name it connects to (Host) and the origin of the page that makes the
request (Origin). Another site can make its own name resolve to this machine (DNS rebinding), but it
cannot change these headers. So requests with other names are refused, whatever their address.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress

from vocabtrim_core.errors import InputError

VARIABLE = "VOCABTRIM_ALLOWED_HOSTS"
TOKEN_VARIABLE = "VOCABTRIM_TOKEN"
TOKEN = "token"  # in an address; the cookie has the port in its name, since ports share cookies
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*")
AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)")
PORTS = {"http": 80, "https": 443}


def allowed_hosts() -> frozenset[str]:
    """Host names the app accepts: the loopback names, and those of $VOCABTRIM_ALLOWED_HOSTS.

    The variable holds host names and IP addresses, separated by commas or spaces, as a browser
    sends them: no scheme, port, path or wildcard.

    Returns:
        The names in lower case, IPv6 addresses without brackets.

    Raises:
        InputError: An entry is neither a host name nor an IP address.
    """
    entries = re.split(r"[\s,]+", os.environ.get(VARIABLE, "").strip().lower())
    return LOOPBACK.union(_host_name(entry) for entry in entries if entry)


def _host_name(entry: str) -> str:
    bare = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
    with suppress(ValueError):
        if "%" not in bare:  # a zone is valid on one machine only
            return str(ipaddress.ip_address(bare))
    # Browsers read a name that ends in a number as an IPv4 address, in any notation.
    if NAME.fullmatch(entry) and not re.search(r"(^|\.)(\d+|0x[0-9a-f]*)\Z", entry):
        return entry
    raise InputError(
        f"{VARIABLE}: {entry!r} is not a host name or an IP address; give names such as "
        "gpu-box.example or 10.0.0.5, separated by commas, without scheme, port or wildcard."
    )


def start_token() -> str:
    """The token of $VOCABTRIM_TOKEN that a browser must have; "" where none is asked for.

    Returns:
        The token.

    Raises:
        InputError: It is too short, or has characters that an address cannot hold.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    if token and not re.fullmatch(r"[A-Za-z0-9_-]{16,200}", token):
        raise InputError(
            f"{TOKEN_VARIABLE} must have 16 to 200 letters, digits, - or _; leave it out and start "
            "with `app --token`, which makes one."
        )
    return token


def has_token(token: str, given: Sequence[str]) -> bool:
    """Whether the right token is among those that a request carries.

    Args:
        token: The right one.
        given: What the request has as its token, in its address or its cookies.

    Returns:
        Whether one is right; the comparison takes the same time for any wrong one.
    """
    return any(hmac.compare_digest(token.encode(), text.encode()) for text in given)


def refusal(
    hosts: Sequence[bytes], origins: Sequence[bytes], allowed: Collection[str], *, websocket: bool
) -> str | None:
    """Why a request must be refused.

    A request passes with exactly one Host header of an allowed name (any port) and, where it has an
    Origin header, exactly one of the same host and port.

    Args:
        hosts: Values of all its Host headers.
        origins: Values of all its Origin headers.
        allowed: Accepted host names (see `allowed_hosts`).
        websocket: Whether it opens a websocket, for which browsers always send an Origin.

    Returns:
        The reason as one sentence, None for a request that may pass.
    """
    if len(hosts) != 1 or (host := _split(hosts[0])) is None or host[0] not in allowed:
        return (
            "Refused: this app does not answer to the host name of this request; who runs it can "
            f"allow the name with {VARIABLE} when starting it."
        )
    if not origins:
        return "Refused: a websocket needs an Origin header." if websocket else None
    if len(origins) != 1 or not _same(origins[0], host):
        return (
            "Refused: the request comes from a page of another origin; open the app at the address "
            "it is asked for, and let a proxy pass the Host header on unchanged."
        )
    return None


def _same(origin: bytes, host: tuple[str, int | None]) -> bool:
    """Whether an Origin has this host and port; a missing port is the scheme's default."""
    match = ORIGIN.fullmatch(origin.decode("latin-1").lower())
    if not match or (source := _split(match["authority"].encode("latin-1"))) is None:
        return False
    default = PORTS[match["scheme"]]
    return (source[0], source[1] or default) == (host[0], host[1] or default)


def _split(authority: bytes) -> tuple[str, int | None] | None:
    """Host and port of HOST[:PORT], IPv6 in its shortest form; None for anything else."""
    match = AUTHORITY.fullmatch(authority.decode("latin-1").lower())
    if not match:
        return None
    host, port = match["host"], match["port"]
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    if port and not 0 < int(port) < 2**16:
        return None
    return host, int(port) if port else None
