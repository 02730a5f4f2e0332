"""Connect to the server at a URL with the client of its engine, which is told without a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.server_addresses import is_private_way, key_for
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.connection import (
    STALL_SECONDS,
    Connection,
    UnreachableError,
)
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.llama_cpp.http import LlamaHttp
from vocabtrim_core.serving.engines.recognition import (
    METRICS,
    PAGES,
    TITLES,
    UNNAMED,
    recognise,
)
from vocabtrim_core.serving.engines.sglang.http import SglangHttp
from vocabtrim_core.serving.engines.vllm.http import VllmHttp

CLIENTS: Mapping[str, type[EngineHttp]] = {
    client.engine: client for client in (SglangHttp, VllmHttp, LlamaHttp)
}
SECONDS = 10.0


def connect(
    url: str,
    *,
    engine: str | None = None,
    headers: Mapping[str, str] | None = None,
    stall: float = STALL_SECONDS,
) -> EngineHttp:
    """Connect to a server with the client of its engine.

    The key of an engine ($SGLANG_API_KEY and so on) is sent to a server that was identified without
    it or that the user named to be of this engine, by https or within this machine.

    Args:
        url: URL of the server.
        engine: The engine that it must be, None for any.
        headers: HTTP headers of every request, secrets perhaps.
        stall: Seconds without a byte after which a request fails.

    Returns:
        The client. Of a server that does not answer or does not say what it is, it is that of
        `engine` (SGLang without one), whose requests will say what is wrong.

    Raises:
        InputError: The URL is not valid, it is a server of another engine, or the headers would go
            over http to another machine.
    """
    if headers and not is_private_way(url):
        raise InputError(
            f"The values of --header are not sent over http to another machine ({url}), since "
            "others could read them on the way: use https, or a tunnel to this machine."
        )
    kind = identify(url, headers)
    if kind is not None and engine is not None and kind.engine != engine:
        raise InputError(
            f"{url} is a {kind.title} server, not one of {TITLES[engine]}; attach it with "
            f"--engine {kind.engine}."
        )
    if kind is None and engine is None:
        return SglangHttp(url, headers=headers, stall=stall, key_remedy=UNNAMED)
    client = kind or CLIENTS[engine or SglangHttp.engine]
    key, remedy = key_for(url, client.key())
    given = {"Authorization": f"Bearer {key}"} if key else {}
    return client(url, headers={**given, **(headers or {})}, stall=stall, key_remedy=remedy)


def identify(url: str, headers: Mapping[str, str] | None = None) -> type[EngineHttp] | None:
    """Find out which engine a server is of.

    Args:
        url: URL of the server.
        headers: HTTP headers of every request.

    Returns:
        The client of the engine; None where it does not answer, or says nothing that only one
        engine says.

    Raises:
        InputError: The URL is not valid.
    """
    asking, pages = Connection(url, headers=headers, stall=SECONDS), dict[str, Mapping[str, Any]]()
    try:
        for path in PAGES:
            pages[path] = _object(asking, path)
            if name := recognise(pages):
                return CLIENTS[name]
        name = recognise({}, counters.parse(asking.text(METRICS)))
        return CLIENTS[name] if name else None
    except EngineError:
        return None
    finally:
        asking.close()


def _object(asking: Connection, path: str) -> Mapping[str, Any]:
    """The object at a path; empty where the server has none there."""
    try:
        return asking.get(path)
    except UnreachableError:
        raise
    except EngineError:
        return {}
