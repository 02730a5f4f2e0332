"""Who may reach the app: the host names it answers to, and the judgement of one request.

A browser sends the name it believes to talk to (Host) and the page that asks (Origin). A page of
another site can make its own name lead to this machine (DNS rebinding), but not change either
header: so names that are not ours are refused, whatever address the request came in by.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Collection, Sequence
from contextlib import suppress

from vocabtrim_core.errors import InputError

VARIABLE = "VOCABTRIM_ALLOWED_HOSTS"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*")
AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)")
PORTS = {"http": 80, "https": 443}


def allowed_hosts() -> frozenset[str]:
    """Names the app answers to: this machine's own, and those of $VOCABTRIM_ALLOWED_HOSTS.

    The variable holds host names and IP addresses, separated by commas or spaces, in the spelling a
    browser sends: no scheme, port, path or wildcard. Returns lower-case names, IPv6 without
    brackets. InputError names the first entry that is none.
    """
    given = re.split(r"[\s,]+", os.environ.get(VARIABLE, "").strip().lower())
    return LOOPBACK.union(_named(entry) for entry in given if entry)


def _named(entry: str) -> str:
    bare = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
    with suppress(ValueError):
        if "%" not in bare:  # a zone means something on one machine only
            return str(ipaddress.ip_address(bare))
    # A browser takes a name that ends in a number for an IPv4 address, in any notation.
    if NAME.fullmatch(entry) and not re.search(r"(^|\.)(\d+|0x[0-9a-f]*)\Z", entry):
        return entry
    raise InputError(
        f"{VARIABLE}: {entry!r} is not a host name or an IP address; give names such as "
        "gpu-box.example or 10.0.0.5, separated by commas, without scheme, port or wildcard."
    )


def refusal(
    hosts: Sequence[bytes], origins: Sequence[bytes], allowed: Collection[str], *, websocket: bool
) -> str | None:
    """Why a request must be refused, in one sentence; None for one that may pass.

    hosts, origins: the values of all its Host and Origin headers.  allowed: see `allowed_hosts`.
    websocket: whether it asks for a websocket, which a browser never does without an Origin.

    One Host of an allowed name, any port; an Origin, where there is one, of the same host and port.
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
    """Whether an Origin is the page at this Host; the scheme says which port may be left out."""
    found = ORIGIN.fullmatch(origin.decode("latin-1").lower())
    if not found or (asking := _split(found["authority"].encode("latin-1"))) is None:
        return False
    usual = PORTS[found["scheme"]]
    return (asking[0], asking[1] or usual) == (host[0], host[1] or usual)


def _split(authority: bytes) -> tuple[str, int | None] | None:
    """Host and port of HOST[:PORT], IPv6 in its shortest form; None for anything else."""
    found = AUTHORITY.fullmatch(authority.decode("latin-1").lower())
    if not found:
        return None
    host, port = found["host"], found["port"]
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    if port and not 0 < int(port) < 2**16:
        return None
    return host, int(port) if port else None
