"""llama.cpp's server: /props, /slots, /metrics, /v1/models, and logs.

    /slots     [{"speculative": true, ...}]: whether a draft is attached to each slot
    /metrics   llamacpp:spec_decode_num_{drafts,draft_tokens,accepted_tokens}_total, by position
               ..._num_accepted_tokens_per_pos_total{position}; all 0 without a draft
    log        the draft's file, sums for each answer; with -lv 5 the draft's layers and rows too

Nothing of the draft is in /props, and speculative.types there says none with a draft, too. Checked
against bodies and logs recorded from llama.cpp of October 2026 (xllamacpp 2026.10.11549).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.serving.engine_reports.llama_cpp_answers import (
    MARK,
    answers_in_log,
    counts_of,
    deepest,
)
from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.report import (
    DraftCounts,
    EngineReport,
    added_counts,
)
from vocabtrim_core.serving.engines.recognition import LLAMA_CPP, TITLES, first_model

ENGINE = LLAMA_CPP
NAME = TITLES[ENGINE]
PATHS = ("/props", "/slots")
MIB = 1 << 20

LOADING = re.compile(r"loading draft model '([^']*)'")
TARGET = re.compile(r"load_model: loading model '([^']*)'")
BUILD = re.compile(r"build_info: (\S+)")
METHOD = re.compile(r"adding speculative implementation '([^']*)'")
LAYERS = re.compile(r"extract_layers = (\[[\d, ]*\])")
ROWS = re.compile(r"using d2t mapping \(draft_vocab_size = (\d+)\)")
WIDTH = re.compile(r"print_info: n_vocab\s+= (\d+)")
FILE_SIZE = re.compile(r"print_info: file size\s+= ([\d.]+) MiB")


def from_bodies(url: str, bodies: Mapping[str, Any], metrics: ServerMetrics) -> EngineReport:
    """Read a server's answers.

    Args:
        url: URL of the server.
        bodies: Answers that are JSON objects, by path; a list under "list".
        metrics: The answer of /metrics.

    Returns:
        What they tell.
    """
    props = bodies.get("/props", {})
    slots = bodies.get("/slots", {}).get("list") or []
    flags = [
        slot["speculative"] for slot in slots if isinstance(slot, dict) and "speculative" in slot
    ]
    sums = counts(metrics)
    meta = first_model(bodies).get("meta") or {}
    drafted = bool(sums and sums.verifications)
    cached = metrics.count("llamacpp:prompt_tokens_cached_total")
    return EngineReport(
        NAME,
        url,
        str(props.get("build_info") or ""),
        str(props.get("model_path") or ""),
        any(flags) if flags else (True if drafted else None),
        # Positions are listed once the first answer with a draft is done.
        steps=(len(sums.reached) if sums else 0) or None,
        topk=1,
        vocab_size=int(meta["n_vocab"]) if isinstance(meta.get("n_vocab"), int) else None,
        prefix_cache=True if cached else None,
        counts=sums if drafted or any(flags) else None,
        notes=() if metrics.samples else ("It has no /metrics; start it with `--metrics`.",),
    )


def counts(metrics: ServerMetrics) -> DraftCounts | None:
    """The sums since the server started.

    Args:
        metrics: The answer of /metrics.

    Returns:
        The sums; None where it does not count.
    """
    return metrics.drafts("llamacpp")


def in_log(text: str) -> bool:
    """Whether a log is llama.cpp's.

    Args:
        text: The log.

    Returns:
        Whether it is.
    """
    return MARK in text or "common_speculative" in text or bool(TARGET.search(text))


def from_log(name: str, text: str) -> EngineReport:
    """Read a log.

    Args:
        name: Name of the file.
        text: The log.

    Returns:
        What it tells.
    """
    draft, target, build = LOADING.search(text), TARGET.search(text), BUILD.search(text)
    layers, rows, method = LAYERS.search(text), ROWS.search(text), METHOD.search(text)
    width = WIDTH.search(text)
    size = FILE_SIZE.search(text, draft.end()) if draft else None
    answers = answers_in_log(text)
    counts_by_answer = counts_of(answers)
    # A log from the start on that loads a target and no draft has none.
    return EngineReport(
        NAME,
        name,
        build[1] if build else "",
        target[1] if target else "",
        True if draft or counts_by_answer else (False if target else None),
        method[1].removeprefix("draft-") if method else "",
        draft[1] if draft else "",
        deepest(answers),
        topk=1,
        head_rows=int(rows[1]) if rows else None,
        vocab_size=int(width[1]) if width else None,
        draft_bytes=round(float(size[1]) * MIB) if size else None,
        byte_step=MIB // 100,
        # Its numbers count the embedding as 0.
        layers=tuple(i - 1 for i in ast.literal_eval(layers[1])) if layers else None,
        counts=added_counts(counts_by_answer),
        notes=()
        if layers or not draft
        else ("Layers and rows of the draft are in its log only with -lv 5.",),
    )
