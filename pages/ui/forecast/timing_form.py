"""The controls of the cycle time: hardware, load, how the head is stored, runs of one's own."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.links import linked_choice
from pages.ui.router import go_to
from pages.ui.widgets import linked, persisted, value_of
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.settings import HEAD_BYTES, NO_FORECAST

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONTEXTS = (0, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)


def hardware() -> str:
    """The device's menu; returns its key in HARDWARE."""
    link = linked_choice("hardware", {key: sheet.name for key, sheet in HARDWARE.items()})
    name = st.selectbox(
        "Hardware",
        list(HARDWARE),
        index=0 if value_of("hardware") else list(HARDWARE).index(NO_FORECAST.hardware),
        format_func=lambda n: HARDWARE[n].name,
        **link,
    )
    sheet = HARDWARE[name]
    st.caption(
        f"{sheet.bandwidth / 1e12:.3g} TB/s, {sheet.flops / 1e12:,.0f} TFLOP/s: {sheet.source}. "
        f"{sheet.measured[0].upper()}{sheet.measured[1:]}."
    )
    if sheet.caution:
        st.caption(sheet.caution)
        go_to("throughput", "Measure on Throughput", type="tertiary", key="measure_instead")
    return name


def head_format() -> str:
    """How the draft's head is stored; returns a key of HEAD_BYTES."""
    return st.segmented_control(
        "Draft head stored as",
        list(HEAD_BYTES),
        default="bf16",
        required=True,
        **linked("head_format"),
    )


def load(depth: int) -> dict[str, Any]:
    """Batch, context and tree shape, as fields of `ForecastSettings`.

    Args:
        depth: drafted tokens K.
    """
    batches = sorted({*BATCHES, int(value_of("batch") or 1)})
    batch = st.select_slider("Batch, sequences at once", batches, 1, **linked("batch"))
    context = st.select_slider(
        "Context, tokens per sequence",
        sorted({*CONTEXTS, int(value_of("context") or NO_FORECAST.context)}),
        NO_FORECAST.context,
        **linked("context"),
        help="What attention reads from the cache in every verification and draft step.",
    )
    with st.popover("Tree shape", icon=":material/account_tree:", type="tertiary", key="tree"):
        width = st.number_input(
            "Branches per draft step", 1, 64, 1, **persisted("width"), help="1 is a chain."
        )
        least = depth * int(width) + 1
        verified = st.number_input(
            "Tokens verified per cycle and sequence",
            depth + 1,
            1024,
            None,
            **persisted("verified"),
            placeholder=f"{least:,}, all drafted and one",
        )
    return {
        "batch": int(batch),
        "context": int(context),
        "width": int(width),
        "verified": None if verified is None else int(verified),
    }


def points(vocab_size: int, depth: int, runs: int = 2) -> tuple[tuple[int, float], ...]:
    """Runs typed in: (k, seconds per cycle), tokens per cycle over tokens per second.

    Args:
        vocab_size: V.
        depth: drafted tokens K, at most which are accepted.
        runs: how many.

    Raises:
        InputError: an acceptance length is above K + 1.
    """
    paper = RESULTS[0]
    full = min(FULL_K, vocab_size)
    starts = (
        (min(paper.k, vocab_size), paper.throughput_trimmed, paper.length_trimmed),
        (full, paper.throughput_full, paper.length_full),
    )
    form = "alone" if runs == 1 else "run"
    points = []
    for i, (k, rate, length) in enumerate(starts[::-1][:runs] if runs == 1 else starts):
        st.markdown(f"**Run {i + 1}**")
        left, right = st.columns(2, gap="small")
        size = st.number_input("Size k", 1, vocab_size, k, **persisted(f"{form}{i}_k"))
        tps = left.number_input("Tokens/s", 0.01, None, rate, **persisted(f"{form}{i}_rate"))
        tokens = right.number_input(
            "Acceptance", 1.0, None, length, **persisted(f"{form}{i}_length")
        )
        if tokens > depth + 1:
            raise InputError(
                f"Run {i + 1}: at draft depth {depth} the acceptance length lies within 1.."
                f"{depth + 1}, but it is {tokens:g}; choose the depth that was run."
            )
        points.append((int(size), float(tokens) / float(tps)))
    st.caption(
        "The start is the paper's MT-Bench on an A100; put in "
        f"{'your own run' if runs == 1 else 'your own runs at one engine and batch size'}."
    )
    return tuple(points)
