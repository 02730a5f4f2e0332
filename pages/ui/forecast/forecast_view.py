"""What a forecast says: chart data, the verdict, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui import eval_sets, plots, sizes, state
from pages.ui.charts.size_chart import known_sizes
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.format import ESTIMATED, FROM_PAPER, MEASURED, percent, plain
from pages.ui.session import session
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.figures import forecast as figures
from vocabtrim_core.forecast.cycle_model import CycleModel, check_against_paper
from vocabtrim_core.forecast.inputs import acceptance_on
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.forecast.throughput import AcceptanceModel, Forecast, forecast, implied_alpha
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.wording import signed


@dataclass(frozen=True, slots=True, eq=False)
class ForecastAnswer:
    """A forecast at one k: the one picked, else the recommended one."""

    tradeoff: TradeOff
    acceptance: AcceptanceModel
    found: Forecast
    assumed: tuple[str, ...]
    k: int
    sharp: bool  # whether the ceiling is exact

    @property
    def size(self) -> int:
        """V."""
        return len(self.found.low)

    @property
    def models(self) -> tuple[CycleModel, CycleModel]:
        """Both ends of the cycle time."""
        return self.found.cycles.fast, self.found.cycles.slow

    @property
    def alpha(self) -> float:
        """The alpha whose optimum on Explore is the recommended size."""
        return implied_alpha(self.tradeoff, self.found.recommended_k)


def answer(stored: StoredCounts, assumed: Assumed, k: int | None) -> ForecastAnswer:
    """The forecast of these assumptions."""
    curve = state.curve_of(stored.key, stored.counts)
    tradeoff = state.tradeoff_of(state.settings(curve.vocab_size), curve)
    served, settings = assumed.served, assumed.settings
    responses = eval_sets.responses_of(served.key, served.counts)
    limit = None
    if responses is not None and responses.tokens:
        limit = eval_sets.ceiling_of(stored.key, served.key, curve, responses).length(
            settings.depth
        )
    acceptance, assumptions_made = acceptance_on(
        curve,
        served.counts,
        responses,
        settings.depth,
        settings.full_length,
        dict(settings.measured),
        limit,
    )
    predicted = forecast(
        acceptance,
        assumed.cycles(tradeoff.architecture),
        baseline_k=_baseline(curve.vocab_size),
        k_min=tradeoff.k_min,
        k_max=tradeoff.k_max,
    )
    k = min(k, curve.vocab_size) if k else predicted.recommended_k
    return ForecastAnswer(tradeoff, acceptance, predicted, assumptions_made, k, limit is not None)


def _baseline(size: int) -> int:
    return min(SHIPPED_K, size) if session.base == "32,000" else size


def gain(low: float, high: float) -> str:
    """A relative gain as people read it: '+2.1% to +9.0%'; a real minus sign."""
    ends = [signed(value) for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def shipped(size: int) -> int:
    """What shipped heads keep, at most V."""
    return min(SHIPPED_K, size)


def chart_data(answered: ForecastAnswer, picked: int | None) -> dict:
    """Everything `forecast_chart.js` draws."""
    predicted, size = answered.found, answered.size
    marks = [k for k, _ in sizes.presets(size)]
    info = figures.throughput_info(predicted, answered.acceptance.coverage, *marks, answered.k)
    low, high = predicted.tokens_per_s(answered.k)
    first, last = predicted.recommended_range
    tiles = [
        (
            "k",
            f"{answered.k:,}",
            f"best between {first:,} and {last:,}" if first != last else f"of {size:,} tokens",
            "your choice" if picked else "recommended",
        ),
        (
            "full",
            gain(*predicted.against(answered.k, size)),
            f"at {answered.k:,} of {size:,} tokens",
            "",
        ),
        (
            "shipped",
            gain(*predicted.against(answered.k, shipped(size))),
            "what shipped heads keep",
            "",
        ),
        (
            "rate",
            f"{low:,.0f} to {high:,.0f}" if round(low) != round(high) else f"{low:,.0f}",
            "of one sequence",
            "",
        ),
        ("alpha", f"{answered.alpha:.3f}", f"its optimum is {predicted.recommended_k:,}", ""),
    ]
    series = {name: getattr(info, name).tolist() for name in info._fields}
    return {
        **series,
        "vocab_size": size,
        "baseline": predicted.baseline_k,
        "recommended": predicted.recommended_k,
        "range": [first, last],
        "k_own": answered.k if picked else None,
        "tiles": tiles,
        "presets": known_sizes(size),
    }


def verdict(answered: ForecastAnswer, assumed: Assumed) -> str:
    """One sentence, and one on what could be gained at all."""
    predicted, size, k = answered.found, answered.size, answered.k
    loss = sorted(model.break_even_loss(k, size) for model in answered.models)
    most = sorted(model.largest_gain(size) for model in answered.models)
    text = (
        f"{assumed.title}, {k:,} tokens are predicted to change tokens per second by "
        f"**{gain(*predicted.against(k, size))}** against all {size:,} tokens"
    )
    if size > SHIPPED_K:
        text += (
            f" and **{gain(*predicted.against(k, SHIPPED_K))}** against the 32,000 of shipped heads"
        )
    text += (
        f". {ESTIMATED}  \nA head that cost nothing would gain {_share(most)}; at {k:,} tokens the "
        f"acceptance length may fall by {_share(loss)} before it is slower than with all. "
        + ESTIMATED
    )
    return text


def _share(ends: list[float]) -> str:
    texts = [percent(value) for value in ends]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"


# --- what stands behind it ----------------------------------------------------------------------


def acceptance(answered: ForecastAnswer, assumed: Assumed) -> None:
    """Ceiling beside coverage, and the model's interval."""
    model, k = answered.acceptance, answered.k
    info = figures.acceptance_info(model, k)
    at = int((info.k == k).argmax())
    exact = (
        f"exact for every k {MEASURED}" if answered.sharp else f"a bound from coverage {ESTIMATED}"
    )
    low, high = answered.found.lengths
    why = _burstiness(info.ceiling[at], info.at_random[at])
    st.markdown(
        f"A perfect draft of {k:,} tokens gets {info.ceiling[at]:.3f} tokens per cycle on "
        f"{plain(assumed.served.counts.name)}, {exact}; were its missing tokens spread at random, "
        f"it would get {info.at_random[at]:.3f}: {why} "
        f"A draft that gets {model.full_length:.2f} with all tokens is expected to get "
        f"{low[k - 1]:.2f} to {high[k - 1]:.2f}. {ESTIMATED}"
    )
    alt = "Acceptance length against vocabulary size: ceiling, model interval, random order"
    plots.draw(figures.acceptance_figure(info, plots.palette()), "acceptance", alt)


def _burstiness(ceiling: float, at_random: float) -> str:
    """Why the exact ceiling differs from what coverage alone tells."""
    if abs(ceiling - at_random) < 5e-4:
        return "their order makes no difference."
    if ceiling < at_random:
        return "they come in clumps, and each of a clump costs a cycle of its own."
    return "they lie further apart than chance would have them."


def cycle_time(answered: ForecastAnswer) -> None:
    """Where the time of a cycle goes."""
    size, cycles = answered.size, answered.found.cycles
    ks = {size: "all", shipped(size): "shipped heads", answered.k: "this size"}
    rows = figures.cycle_info(cycles, list(ks.items()))
    kappa = sorted(model.kappa(size) for model in answered.models)
    st.markdown(
        f"With all {size:,} tokens the draft's heads take {_share(kappa)} of the time of the rest "
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
    """Every assumption, a sentence each."""
    st.markdown("\n".join(f"- {plain(text)}" for text in answered.assumed))
    st.markdown(f"- {plain(answered.found.cycles.regime)}")
    st.caption(
        "The interval holds all four pairs of assumptions: most and least acceptance, least and "
        "most overhead. Its middle is their geometric mean, and the recommended size is where "
        "that is highest. Not covered: drafts that were trained differently, engines that scatter "
        "logits back to V, long contexts."
    )
