"""What stands behind a forecast: acceptance, cycle time, the paper's results, assumptions."""

from __future__ import annotations

import streamlit as st

from pages.ui import plots
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.forecast.forecast_view import ForecastAnswer, shares, shipped
from pages.ui.format import ESTIMATED, FROM_PAPER, MEASURED, plain
from vocabtrim_core.figures import forecast as figures
from vocabtrim_core.forecast.paper_check import check_against_paper


def acceptance(answered: ForecastAnswer, assumed: Assumed) -> None:
    """Ceiling beside coverage, and the model's interval.

    Args:
        answered: the forecast.
        assumed: what the forecast assumes.
    """
    model, k = answered.acceptance, answered.k
    info = figures.acceptance_info(model, k)
    at = int((info.k == k).argmax())
    exact = f"a bound from coverage {ESTIMATED}"
    if answered.basis.sharp:
        exact = f"exact for every k {MEASURED}"
    low, high = answered.predicted.lengths
    why = _burstiness(info.ceiling[at], info.at_random[at])
    st.markdown(
        f"A perfect draft of {k:,} tokens gets {info.ceiling[at]:.3f} tokens per cycle on "
        f"{plain(answered.basis.served)}, {exact}; were its missing tokens spread at random, "
        f"it would get {info.at_random[at]:.3f}: {why} "
        f"A draft that gets {model.full_length:.2f} with all tokens is expected to get "
        f"{model.middle[k - 1]:.2f} ({low[k - 1]:.2f} to {high[k - 1]:.2f}). {ESTIMATED}"
    )
    alt = "Acceptance length against vocabulary size: ceiling, model interval, random order"
    plots.draw(figures.acceptance_figure(info, plots.palette()), "acceptance", alt)


def _burstiness(ceiling: float, at_random: float) -> str:
    """Why the exact ceiling differs from what coverage alone tells."""
    if abs(ceiling - at_random) < 5e-4:
        return "their order makes no difference."
    if ceiling < at_random:
        return "misses cluster, and each costs a cycle."
    return "they lie further apart than chance would have them."


def cycle_time(answered: ForecastAnswer) -> None:
    """Where the time of a cycle goes.

    Args:
        answered: the forecast.
    """
    size, cycles = answered.size, answered.predicted.cycles
    ks = {size: "all", shipped(size): "shipped heads", answered.k: "this size"}
    rows = figures.cycle_info(cycles, list(ks.items()))
    kappa = sorted(model.kappa(size) for model in answered.models)
    st.markdown(
        f"With all {size:,} tokens the draft's heads take {shares(kappa)} of the time of the rest "
        f"of the cycle. {ESTIMATED} {cycles.fast.source[0].upper()}{cycles.fast.source[1:]}."
    )
    alt = "Milliseconds of a cycle in verification, overhead and the draft's heads, by size"
    plots.draw(figures.cycle_figure(rows, plots.palette()), "cycle", alt)
    st.caption(cycles.regime)


def paper() -> None:
    """The check against the paper's seven results."""
    checks = check_against_paper()
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        alt = "Observed against predicted throughput gain of the paper's seven tasks"
        plots.draw(figures.paper_figure(checks, plots.palette()), "paper", alt)
    with right:
        worst = max(abs(check.predicted - check.observed) for check in checks)
        st.markdown(
            f"**Calibrated on MT-Bench alone, the cycle model predicts the paper's other six "
            f"results within {100 * worst:.1f} points.** {FROM_PAPER}\n\n"
            "*Fitted*: one number, the time to read one head row per cycle, from MT-Bench's two "
            "runs (13,264 and all 128,256 tokens).\n\n"
            "*Taken as measured*: for every task its acceptance lengths with both vocabularies, "
            "and its cycle time with all tokens.\n\n"
            "*Predicted*: the throughput gain of its trimmed draft.\n\n"
            "*Assumed*: only the head's time depends on k, and in proportion to it; the rest of a "
            "cycle is the same for both drafts of a task.\n\n"
            "It checks the cycle model. The acceptance length is not predicted there: the paper's "
            "lengths go in. Above they are predicted, which is why the forecast is an interval."
        )


def assumptions(answered: ForecastAnswer) -> None:
    """Every assumption, a sentence each.

    Args:
        answered: the forecast.
    """
    st.markdown("\n".join(f"- {plain(text)}" for text in answered.basis.assumed))
    st.markdown(f"- {plain(answered.predicted.cycles.regime)}")
    st.caption(
        "The band holds 90 %: each assumption is set to its 5 % and its 95 % value, and the "
        "deviations are added as independent ones. The Evidence tab holds it against public "
        "measurements. Not covered: engines that scatter logits back to V."
    )
