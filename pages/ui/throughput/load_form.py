"""How it is measured: prompts, runs, length of answers, requests at once, draft steps."""

from __future__ import annotations

import streamlit as st

from pages.ui.throughput import engine_form, prompts_form
from pages.ui.throughput.engine_form import LLAMA_CPP, SERVERS, SGLANG, TORCH, EngineChoice
from pages.ui.widgets import persisted

CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64)


def load(engine: EngineChoice) -> list[str]:
    """Prompts, runs and what else all configurations share, defaults left out.

    Args:
        engine: the engine that is attached.
    """
    prompts = prompts_form.choose()
    left, right = st.columns(2)
    runs = left.number_input(
        "Runs",
        1,
        100,
        3,
        **persisted("measure_runs"),
        help="Of each configuration. With one there is no interval.",
    )
    limit = right.number_input(
        "How many",
        1,
        10_000,
        16,
        **persisted("measure_limit"),
        help="Prompts, drawn once with a fixed seed.",
    )
    argv = ["--prompts", *prompts, "--limit", str(int(limit))]
    argv += ["--runs", str(int(runs))] if runs != 3 else []
    return argv


def seldom_changed(engine: EngineChoice) -> list[str]:
    """What seldom changes.

    Args:
        engine: the engine that is attached.
    """
    with st.popover(
        "Decoding and load", icon=":material/tune:", type="tertiary", key="measure_more"
    ):
        argv = answers()
        if engine.name == TORCH:
            st.caption("The torch loop decodes one request at a time.")
        else:
            argv += _at_once()
        if engine.name != SERVERS:  # servers that run already have decided how they draft
            steps = _steps()
            argv += ["--steps", *map(str, steps)] if steps != [3] else []
            argv += engine_form.threads() if engine.name == LLAMA_CPP else []
            argv += _tree(max(steps)) if engine.name == SGLANG else []
    return argv


def _steps() -> list[int]:
    """Numbers of tokens drafted in a cycle; every draft is measured with each."""
    chosen = st.multiselect(
        "Draft steps per cycle",
        range(1, 17),
        [3],
        **persisted("measure_drafted"),
        help="Tokens drafted before the target verifies them. Every draft is measured with each, "
        "in turns, and the best is said for each draft.",
    )
    return sorted(chosen) or [3]


def answers() -> list[str]:
    """How long answers may be."""
    tokens = st.number_input(
        "Tokens of an answer, at most", 1, 8192, 128, **persisted("measure_tokens")
    )
    return ["--max-new-tokens", str(int(tokens))] if tokens != 128 else []


def _at_once() -> list[str]:
    chosen = st.multiselect(
        "Requests at once",
        CONCURRENCIES,
        [1],
        **persisted("measure_at_once"),
        help="Several make a sweep.",
    )
    numbers = sorted(chosen) or [1]
    return ["--concurrency", *map(str, numbers)] if numbers != [1] else []


def _tree(steps: int) -> list[str]:
    """Branches of a draft tree; the torch loop drafts chains only."""
    topk = st.number_input(
        "Branches per draft step", 1, 64, 1, **persisted("measure_topk"), help="1 is a chain."
    )
    if topk == 1:
        return []
    tokens = st.number_input(
        "Tokens verified per cycle",
        steps + 1,
        1024,
        8,
        **persisted("measure_width"),
    )
    return ["--topk", str(int(topk)), "--draft-tokens", str(int(tokens))]
