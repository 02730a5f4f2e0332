"""SGLang: /server_info, /model_info, /metrics, and logs.

    /server_info   the launch arguments, the version, and internal_states with
                   avg_spec_accept_length once something was drafted
    /metrics       sglang:spec_verify_calls_total, sglang:generation_tokens_total and the number of
                   requests (with --enable-metrics); no counts by position
    log            server_args, the memory of the draft's weights, and `accept len` of the
                   verifications since the last line

Acceptance lengths of its log and of /server_info are tokens per verification without the first
token of an answer. Those in the answers to /generate count it. Checked against bodies recorded from
SGLang 0.5.14 and logs of 0.5.23 with EAGLE-3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.report import (
    DraftCounts,
    EngineReport,
    added_counts,
)
from vocabtrim_core.serving.engines.recognition import SGLANG, TITLES

ENGINE = SGLANG
NAME = TITLES[ENGINE]
PATHS = ("/server_info", "/get_server_info", "/model_info")
GB = 1 << 30  # SGLang divides by it and writes GB

ARGUMENTS = re.compile(r"server_args=(?:ServerArgs\(|\{)(.*)")
VALUE = r"['\"]?{name}['\"]?\s*[:=]\s*(?:'([^']*)'|\"([^\"]*)\"|([\w.+-]+))"
VERSION = re.compile(r"sglang[ =]+v?(\d+\.\d+\S*)", re.I)
WEIGHTS = re.compile(r"Load weight end\..*?type=(\w+), .*?mem usage=([\d.]+) GB")
DECODED = re.compile(
    r"Decode batch.*?#running-req: (?P<running>\d+).*?accept len: (?P<length>[\d.]+)"
)
TICK = 40  # decode steps between two lines, where --decode-log-interval is not given
SIMULATED = "SGLANG_SIMULATE_ACC_LEN"


def _info(bodies: Mapping[str, Any]) -> Mapping[str, Any]:
    return bodies.get(PATHS[0]) or bodies.get(PATHS[1]) or {}


def from_bodies(url: str, bodies: Mapping[str, Any], metrics: ServerMetrics) -> EngineReport:
    """Read a server's answers.

    Args:
        url: URL of the server.
        bodies: Answers that are JSON objects, by path.
        metrics: The answer of /metrics.

    Returns:
        What they tell.
    """
    info = _info(bodies)
    states = info.get("internal_states") or [{}]
    first = states[0] if isinstance(states, list) and isinstance(states[0], dict) else {}
    mean = first.get("avg_spec_accept_length") or metrics.mean("sglang:spec_accept_length")
    algorithm = str(info.get("speculative_algorithm") or "")
    radix = info.get("disable_radix_cache")
    model = bodies.get(PATHS[2], {})
    size = info.get("draft_vocab_size") or info.get("speculative_draft_vocab_size")
    return EngineReport(
        NAME,
        url,
        str(info.get("version") or ""),
        str(model.get("model_path") or info.get("model_path") or ""),
        bool(algorithm) if "speculative_algorithm" in info else None,
        algorithm,
        str(info.get("speculative_draft_model_path") or "") if algorithm else "",
        _whole(info.get("speculative_num_steps")) if algorithm else None,
        _whole(info.get("speculative_eagle_topk")) if algorithm else None,
        _whole(info.get("speculative_num_draft_tokens")) if algorithm else None,
        head_rows=_whole(size),
        prefix_cache=None if radix is None else not radix,
        counts=counts(metrics),
        mean_length=float(mean) if mean else None,
        notes=()
        if metrics.samples
        else ("It does not count at /metrics; start it with `--enable-metrics`.",),
    )


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and value else None


def counts(metrics: ServerMetrics) -> DraftCounts | None:
    """The sums of all requests that are done.

    Args:
        metrics: The answer of /metrics.

    Returns:
        The sums; None where it does not count.
    """
    verifications = metrics.count("sglang:spec_verify_calls_total")
    tokens = metrics.count("sglang:generation_tokens_total")
    requests = metrics.count("sglang:num_requests_total")
    if not verifications or tokens is None or requests is None:
        return None
    # A verification gives the accepted tokens and one more; the first token of a request comes from
    # the prompt. A limit cuts some off, so that the accepted ones are a few too few.
    accepted = max(0, tokens - requests - verifications)
    return DraftCounts(verifications, accepted, estimated=True)


def in_log(text: str) -> bool:
    """Whether a log is SGLang's.

    Args:
        text: The log.

    Returns:
        Whether it is.
    """
    return bool(ARGUMENTS.search(text)) or bool(DECODED.search(text)) or "Prefill batch" in text


def from_log(name: str, text: str) -> EngineReport:
    """Read a log.

    Args:
        name: Name of the file.
        text: The log.

    Returns:
        What it tells.
    """
    arguments = ARGUMENTS.search(text)
    told = arguments[1] if arguments else ""
    version = VERSION.search(text)
    algorithm, radix = (
        _argument(told, "speculative_algorithm"),
        _argument(told, "disable_radix_cache"),
    )
    interval = _argument(told, "decode_log_interval")
    tick = int(interval) if interval and interval.isdigit() else TICK
    lines = [_interval(match, tick) for match in DECODED.finditer(text)]
    weights = [(kind, float(size)) for kind, size in WEIGHTS.findall(text)]
    draft = next((size for kind, size in weights if "eagle" in kind.lower()), None)
    numbers = (
        _number(_argument(told, f"speculative_{part}"))
        for part in ("num_steps", "eagle_topk", "num_draft_tokens")
    )
    return EngineReport(
        NAME,
        name,
        version[1].rstrip(".,;") if version else "",
        _argument(told, "model_path") or "",
        bool(algorithm) if arguments else (True if lines else None),
        algorithm or "",
        (_argument(told, "speculative_draft_model_path") or "") if algorithm else "",
        *numbers,
        draft_bytes=None if draft is None else round(draft * GB),
        byte_step=GB // 100,
        prefix_cache=None if radix is None else radix != "True",
        simulated=SIMULATED if SIMULATED in text else "",
        counts=added_counts(lines),
    )


def _argument(told: str, name: str) -> str | None:
    """A launch argument as text; None where it is absent or None."""
    match = re.search(rf"(?<![\w]){VALUE.format(name=name)}", told)
    value = next((part for part in match.groups() if part is not None), None) if match else None
    return None if value in (None, "None", "") else value


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _interval(match: re.Match[str], tick: int) -> DraftCounts:
    """The verifications of one line: as many steps as between two lines, times the requests."""
    verifications = tick * max(1, int(match["running"]))
    accepted = round((float(match["length"]) - 1) * verifications)
    return DraftCounts(verifications, max(0, accepted), estimated=True)
