"""Which engine serves at a URL, by what its server says without a key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines.http import STALL_SECONDS, EngineHttp
from vocabtrim_core.serving.engines.llama_cpp.http import LlamaHttp
from vocabtrim_core.serving.engines.programs import TITLES
from vocabtrim_core.serving.engines.sglang.http import SglangHttp
from vocabtrim_core.serving.engines.vllm.http import VllmHttp

CLIENTS: Mapping[str, type[EngineHttp]] = {
    client.engine: client for client in (SglangHttp, VllmHttp, LlamaHttp)
}
OWNERS = {"sglang": SglangHttp, "vllm": VllmHttp, "llamacpp": LlamaHttp}
PREFIXES = {"sglang:": SglangHttp, "vllm:": VllmHttp, "llamacpp:": LlamaHttp}
SECONDS = 10.0


def connect(
    url: str,
    *,
    engine: str | None = None,
    headers: Mapping[str, str] | None = None,
    stall: float = STALL_SECONDS,
) -> EngineHttp:
    """Connect to a server with the client of its engine.

    Args:
        url: URL of the server.
        engine: The engine that it must be, None for any.
        headers: HTTP headers of every request.
        stall: Seconds without a byte after which a request fails.

    Returns:
        The client. Of a server that does not answer or does not say what it is, it is that of
        `engine` (SGLang without one), whose requests will say what is wrong.

    Raises:
        InputError: The URL is not valid, or it is a server of another engine.
    """
    kind = identify(url, headers)
    if kind is not None and engine is not None and kind.engine != engine:
        raise InputError(
            f"{url} is a {kind.title} server, not one of {TITLES[engine]}; attach it with "
            f"--engine {kind.engine}."
        )
    client = kind or CLIENTS[engine or _engine_of_key()]
    key = os.environ.get(client.key)
    given = {"Authorization": f"Bearer {key}"} if key else {}
    return client(url, headers={**given, **(headers or {})}, stall=stall)


def _engine_of_key() -> str:
    """The engine whose key is in the environment, else SGLang."""
    return next((name for name, c in CLIENTS.items() if os.environ.get(c.key)), SglangHttp.engine)


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
    asking = SglangHttp(url, headers=headers, stall=SECONDS)
    try:
        models = _object(asking, "/v1/models").get("data")
        owner = models[0].get("owned_by") if isinstance(models, list) and models else None
        if owner in OWNERS:
            return OWNERS[owner]
        if "default_generation_settings" in _object(asking, "/props"):
            return LlamaHttp
        if "model_path" in (_object(asking, "/server_info") or _object(asking, "/model_info")):
            return SglangHttp
        text = asking.text("/metrics")
        return next((kind for prefix, kind in PREFIXES.items() if f"\n{prefix}" in text), None)
    except (EngineError, AttributeError):
        return None
    finally:
        asking.close()


def _object(asking: EngineHttp, path: str) -> Mapping[str, Any]:
    """The object at a path; empty where the server has none there."""
    try:
        return asking.get(path)
    except EngineError as error:
        if "does not answer;" in str(error) or "was silent" in str(error):
            raise
        return {}
