"""The engines that serve over HTTP: names, keys, and how their answers are recognised."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.server_addresses import SGLANG_KEY

SGLANG, VLLM, LLAMA_CPP = ENGINES = ("sglang", "vllm", "llama.cpp")
MODELS, METRICS = "/v1/models", "/metrics"
# What to do where a server wants a key, and nothing tells of which engine it is.
UNNAMED = "name its engine with --engine, so that the engine's key can be sent."


@dataclass(frozen=True, slots=True)
class KnownEngine:
    """An engine.

    Attributes:
        title: Its name for people.
        key: Environment variable with the key that its servers ask for.
        owner: What its servers write as the owner of a model at /v1/models.
        prefix: How the names of its counters at /metrics begin.
        fields: (path, field) of JSON pages that only this engine has.
    """

    title: str
    key: str
    owner: str
    prefix: str
    fields: tuple[tuple[str, str], ...]


KNOWN: Mapping[str, KnownEngine] = {
    SGLANG: KnownEngine(
        "SGLang",
        SGLANG_KEY,
        "sglang",
        "sglang:",
        (
            ("/server_info", "speculative_algorithm"),
            ("/server_info", "model_path"),
            ("/get_server_info", "model_path"),
            ("/model_info", "model_path"),
        ),
    ),
    VLLM: KnownEngine(
        "vLLM",
        "VLLM_API_KEY",
        "vllm",
        "vllm:",
        (("/server_info?config_format=json", "vllm_config"),),
    ),
    LLAMA_CPP: KnownEngine(
        "llama.cpp",
        "LLAMA_API_KEY",
        "llamacpp",
        "llamacpp:",
        (("/props", "default_generation_settings"),),
    ),
}
TITLES = {name: engine.title for name, engine in KNOWN.items()}
# What a server is asked for until one answer tells its engine, JSON pages first.
PAGES = (MODELS, *dict.fromkeys(path for e in KNOWN.values() for path, _ in e.fields))


def recognise(pages: Mapping[str, Any], metrics: Collection[str] = ()) -> str | None:
    """Tell which engine's answers these are.

    Args:
        pages: Answers that are JSON objects, by path.
        metrics: Names of the counters at /metrics.

    Returns:
        One of ENGINES; None where nothing is there that only one engine says.
    """
    owner = first_model(pages).get("owned_by")
    for name, engine in KNOWN.items():
        if (
            owner == engine.owner
            or any(field in pages.get(path, {}) for path, field in engine.fields)
            or any(metric.startswith(engine.prefix) for metric in metrics)
        ):
            return name
    return None


def first_model(pages: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first model that a server lists at /v1/models.

    Args:
        pages: Answers that are JSON objects, by path.

    Returns:
        Its entry; {} where there is none.
    """
    models = pages.get(MODELS, {}).get("data")
    first = models[0] if isinstance(models, list) and models else {}
    return first if isinstance(first, dict) else {}
