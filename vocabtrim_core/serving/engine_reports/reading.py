"""Read a server by URL, or a log by path: find out which engine it is, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.server_addresses import checked_url, is_loopback, key_for
from vocabtrim_core.serving.engine_reports import llama_cpp, sglang, vllm
from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.report import EngineReport
from vocabtrim_core.serving.engines.recognition import (
    KNOWN,
    METRICS,
    MODELS,
    UNNAMED,
    first_model,
    recognise,
)
from vocabtrim_core.wording import format_bytes, listed

ENGINES: tuple[ModuleType, ...] = (sglang, vllm, llama_cpp)
NAMES = {module.NAME.lower(): module for module in ENGINES}
BY_ENGINE = {module.ENGINE: module for module in ENGINES}
SHARED = (MODELS, METRICS)
SECONDS, CONNECT_SECONDS = 30.0, 5.0
MOST_BODY, MOST_LOG = 32 << 20, 512 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Bodies:
    """The answers of one server.

    Attributes:
        url: URL of the server.
        objects: The answers that are JSON objects, by path; a JSON list under "list".
        metrics: The answer of /metrics.
        refused: Paths that want a key.
        key_remedy: What to do about that, as the second half of a sentence.
    """

    url: str
    objects: Mapping[str, Any] = field(default_factory=dict)
    metrics: ServerMetrics = field(default_factory=ServerMetrics)
    refused: tuple[str, ...] = ()
    key_remedy: str = UNNAMED


def client(url: str, key: str | None = None) -> httpx.Client:
    """Open a client of a server.

    Args:
        url: URL of the server.
        key: The key that it asks for, None for none.

    Returns:
        The client. It follows no redirects, since a key may be in its headers, and uses no proxy
        for the loopback.

    Raises:
        InputError: The URL is not valid, or holds a password or a query.
    """
    base = checked_url(url)
    return httpx.Client(
        base_url=base,
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(SECONDS, connect=CONNECT_SECONDS),
        trust_env=not is_loopback(base),
        follow_redirects=False,
    )


def connect(url: str, engine: str = "") -> tuple[httpx.Client, Bodies]:
    """Open a client of a server and ask it for everything, with a key only where it wants one.

    The key of an engine goes to a server that says without one that it is of this engine, or that
    the user named to be of it.

    Args:
        url: URL of the server.
        engine: Name of the engine that it is said to be of, "" for any.

    Returns:
        The client, which the caller closes, and the answers.

    Raises:
        InputError: The URL is not valid, or the server does not answer.
    """
    http = client(url)
    bodies = read_bodies(http)
    named = NAMES[engine.lower()].ENGINE if engine.lower() in NAMES else None
    known = recognise(bodies.objects, bodies.metrics.samples) or named
    if not bodies.refused or known is None:
        return http, bodies
    key, remedy = key_for(bodies.url, KNOWN[known].key)
    if key is None:
        return http, replace(bodies, key_remedy=remedy)
    http.close()
    http = client(url, key)
    return http, replace(read_bodies(http), key_remedy=remedy)


def read_bodies(http: httpx.Client) -> Bodies:
    """Ask a server for everything that one of the engines would tell.

    Args:
        http: A client of the server, as `client` opens it.

    Returns:
        The answers; what is not of the form that was asked for is left out.

    Raises:
        InputError: The server does not answer.
    """
    url = str(http.base_url).rstrip("/")
    objects: dict[str, Any] = {}
    metrics, refused = ServerMetrics(), list[str]()
    paths = (*(path for module in ENGINES for path in module.PATHS), *SHARED)
    for path in paths:
        code, text = _get(http, url, path)
        if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            refused.append(path)
        if code != httpx.codes.OK:
            continue
        if path == METRICS:
            metrics = ServerMetrics.of(text)
            continue
        with suppress(msgspec.DecodeError):
            value = msgspec.json.decode(text)
            if isinstance(value, dict | list):
                objects[path] = value if isinstance(value, dict) else {"list": value}
    return Bodies(url, objects, metrics, tuple(refused))


def _get(http: httpx.Client, url: str, path: str) -> tuple[int, str]:
    try:
        with http.stream("GET", path) as reply:
            content = b""
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > MOST_BODY:
                    return 0, ""
            return reply.status_code, content.decode("utf-8", "replace")
    except httpx.ConnectError as error:
        raise InputError(
            f"{url} does not answer; check the URL and that the server runs."
        ) from error
    except httpx.TimeoutException as error:
        raise InputError(
            f"{url}{path} was silent for {SECONDS:g} s; look at the server's log, or give the log "
            "in place of the URL."
        ) from error
    except httpx.HTTPError as error:
        raise InputError(
            f"{url} broke the connection off ({type(error).__name__}); check that it is an HTTP "
            "server, and http or https."
        ) from error


def engine_of(bodies: Bodies) -> ModuleType:
    """The engine whose answers these are.

    Args:
        bodies: The answers.

    Returns:
        Its module, one of ENGINES.

    Raises:
        InputError: They are no known engine's.
    """
    name = recognise(bodies.objects, bodies.metrics.samples)
    if name is not None:
        return BY_ENGINE[name]
    if bodies.refused:
        raise InputError(
            f"{bodies.url} wants a key for {listed(list(bodies.refused))}; {bodies.key_remedy}"
        )
    raise InputError(
        f"{bodies.url} is no server of {listed([module.NAME for module in ENGINES])}: nothing it "
        "answers has their fields; check host and port."
    )


def model_of(bodies: Bodies) -> str:
    """The id of the model for requests to /v1.

    Args:
        bodies: The answers.

    Returns:
        The id; "default" where the server lists none.
    """
    return str(first_model(bodies.objects).get("id") or "default")


def report_of_bodies(bodies: Bodies) -> EngineReport:
    """Read a server's answers.

    Args:
        bodies: The answers.

    Returns:
        What they tell.

    Raises:
        InputError: They are no known engine's, or have fields of a wrong kind.
    """
    return _read(engine_of(bodies), bodies.url, bodies.objects, bodies.metrics)


def report_of_log(path: str | Path) -> EngineReport:
    """Read the log of a server.

    Args:
        path: The file.

    Returns:
        What it tells.

    Raises:
        InputError: The file cannot be read, or is no log of a known engine.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MOST_LOG:
            raise InputError(
                f"{path} is larger than {format_bytes(MOST_LOG)}; give its last part (`tail -c "
                "500M`), or the server's URL."
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    return report_of_log_text(path.name, content.decode("utf-8", "replace"))


def report_of_log_text(name: str, text: str) -> EngineReport:
    """Read the text of a log.

    Args:
        name: Name of the file.
        text: Its text.

    Returns:
        What it tells.

    Raises:
        InputError: It is no log of a known engine.
    """
    for module in ENGINES:
        if module.in_log(text):
            return _read(module, name, text, None)
    raise InputError(
        f"{name} is no log of {listed([module.NAME for module in ENGINES])}: no line is of the "
        "form that they write; give the server's own output, from its start on."
    )


def _read(
    module: ModuleType, where: str, content: Any, metrics: ServerMetrics | None
) -> EngineReport:
    reader: Callable[..., EngineReport] = module.from_log if metrics is None else module.from_bodies
    try:
        return reader(where, content) if metrics is None else reader(where, content, metrics)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{where} looks like {module.NAME}, but has a field of another kind than "
            f"{module.NAME} writes ({type(error).__name__}); give a newer log, or the other of URL "
            "and log."
        ) from error
