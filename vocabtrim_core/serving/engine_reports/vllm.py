"""vLLM: /version, /metrics, /v1/models, /server_info of a server in development mode, and logs.

    /version       {"version": "0.32.0"}
    /metrics       vllm:spec_decode_num_{drafts,draft_tokens,accepted_tokens}_total, by position
                   ..._num_accepted_tokens_per_pos_total{position}, vllm:cache_config_info
    /server_info   {"vllm_config": {...}} with ?config_format=json; a text without it
    log            the arguments, the layers that it reads, a line of sums every few seconds

Checked against bodies and logs recorded from vLLM 0.32.0.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.report import (
    DraftCounts,
    EngineReport,
    added_counts,
)
from vocabtrim_core.serving.engines.recognition import TITLES, VLLM, first_model

ENGINE = VLLM
NAME = TITLES[ENGINE]
PATHS = ("/version", "/server_info?config_format=json")
GIB = 1 << 30

VERSION = re.compile(
    r"vLLM API server version (\S+)|LLM engine \(v(\S+?)\)| version (\d\S*)$", re.M
)
DRAFT_IN_LOG = re.compile(
    r"speculative_config=SpeculativeConfig\(method='(?P<method>[^']*)', "
    r"model=(?P<model>None|'[^']*'), num_spec_tokens=(?P<steps>\d+)"
)
PLAIN_IN_LOG = re.compile(r"speculative_config=None\b")
TARGET = re.compile(r"LLM engine \(v\S+\) with config: model='([^']*)'")
LAYERS = re.compile(r"Using auxiliary layers from speculative config: (\([\d, ]*\))")
LOADING = "Loading drafter model"
FILE_SIZE = re.compile(r"Checkpoint size: ([\d.]+) GiB")
CACHE = re.compile(r"enable_prefix_caching=(True|False)")
SUMS = re.compile(
    r"Mean acceptance length: (?P<length>[\d.]+).*?Accepted: (?P<accepted>\d+) tokens, "
    r"Drafted: (?P<drafted>\d+) tokens, Per-position acceptance rate: (?P<rates>[\d., ]+), Avg"
)
SYNTHETIC = "rejection_sample_method is 'synthetic'"


def from_bodies(url: str, bodies: Mapping[str, Any], metrics: ServerMetrics) -> EngineReport:
    """Read a server's answers.

    Args:
        url: URL of the server.
        bodies: Answers that are JSON objects, by path.
        metrics: The answer of /metrics.

    Returns:
        What they tell.
    """
    config = bodies.get(PATHS[1], {}).get("vllm_config")
    known = isinstance(config, dict)
    config = config if isinstance(config, dict) else {}
    draft = config.get("speculative_config") or {}
    counted = "vllm:spec_decode_num_drafts" in metrics
    label = metrics.label("vllm:cache_config_info", "enable_prefix_caching")
    model = config.get("model_config") or {}
    return EngineReport(
        NAME,
        url,
        str(bodies.get("/version", {}).get("version") or ""),
        str(model.get("model") or first_model(bodies).get("root") or ""),
        # The counters exist from the start on, and only with speculation.
        bool(draft) if known else (counted if metrics.samples else None),
        str(draft.get("method") or ""),
        str(draft.get("model") or ""),
        _steps(draft, metrics),
        topk=1,
        prefix_cache=None if label is None else label == "True",
        simulated=SYNTHETIC if draft.get("rejection_sample_method") == "synthetic" else "",
        counts=counts(metrics),
    )


def _steps(draft: Mapping[str, Any], metrics: ServerMetrics) -> int | None:
    positions = metrics.positions("vllm:spec_decode_num_accepted_tokens_per_pos_total")
    return int(draft.get("num_speculative_tokens") or len(positions)) or None


def counts(metrics: ServerMetrics) -> DraftCounts | None:
    """The sums since the server started.

    Args:
        metrics: The answer of /metrics.

    Returns:
        The sums; None where nothing is drafted.
    """
    return metrics.drafts("vllm")


def in_log(text: str) -> bool:
    """Whether a log is vLLM's.

    Args:
        text: The log.

    Returns:
        Whether it is.
    """
    server = "vLLM API server version" in text or TARGET.search(text)
    return bool(server or SUMS.search(text))


def from_log(name: str, text: str) -> EngineReport:
    """Read a log.

    Args:
        name: Name of the file.
        text: The log.

    Returns:
        What it tells.
    """
    version, drafted = VERSION.search(text), DRAFT_IN_LOG.search(text)
    intervals = [part for match in SUMS.finditer(text) if (part := _interval(match))]
    layers, cache = LAYERS.search(text), CACHE.search(text)
    target = TARGET.search(text)
    after = text.partition(LOADING)[2]
    size = FILE_SIZE.search(after)
    plain = bool(PLAIN_IN_LOG.search(text))
    positions = max((len(part.reached) for part in intervals), default=0)
    return EngineReport(
        NAME,
        name,
        next(filter(None, version.groups()), "") if version else "",
        target[1] if target else "",
        True if drafted or intervals else (False if plain else None),
        drafted["method"] if drafted else "",
        drafted["model"].strip("'").replace("None", "") if drafted else "",
        int(drafted["steps"]) if drafted else positions or None,
        topk=1,
        draft_bytes=round(float(size[1]) * GIB) if size else None,
        byte_step=GIB // 100,
        # Its numbers count the embedding as 0.
        layers=tuple(i - 1 for i in ast.literal_eval(layers[1])) if layers else None,
        prefix_cache=None if cache is None else cache[1] == "True",
        counts=added_counts(intervals),
    )


def _interval(match: re.Match[str]) -> DraftCounts | None:
    """The sums of one line of the log: every verification has a draft of as many tokens."""
    rates = [float(rate) for rate in match["rates"].split(",") if rate.strip()]
    drafted, accepted = int(match["drafted"]), int(match["accepted"])
    verifications = round(drafted / len(rates)) if rates else 0
    if not verifications:
        return None
    reached = tuple(round(rate * verifications) for rate in rates)
    return DraftCounts(verifications, accepted, drafted, reached, estimated=True)
