"""What a forecast says: chart data, the verdict, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass

from pages.ui import forecasts, sizes, state
from pages.ui.charts.size_chart import known_sizes
from pages.ui.forecast.assumptions_form import Assumed
from pages.ui.format import ESTIMATED, percent, plain
from pages.ui.session import session
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.figures import forecast as figures
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.cycle_model import CycleModel
from vocabtrim_core.forecast.decision import Decision
from vocabtrim_core.forecast.decision_text import gain_text
from vocabtrim_core.forecast.inputs import Acceptance
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.forecast.throughput import Forecast
from vocabtrim_core.tradeoff import TradeOff


@dataclass(frozen=True, slots=True, eq=False)
class ForecastAnswer:
    """A forecast at one k: the one picked, else the one decided for."""

    tradeoff: TradeOff
    basis: Acceptance
    predicted: Forecast
    decision: Decision
    k: int

    @property
    def size(self) -> int:
        """V."""
        return len(self.predicted.low)

    @property
    def acceptance(self) -> AcceptanceModel:
        """Acceptance length at every k."""
        return self.basis.model

    @property
    def models(self) -> tuple[CycleModel, CycleModel]:
        """Both ends of the cycle time."""
        return self.predicted.cycles.ends


def answer(stored: StoredCounts, assumed: Assumed, k: int | None) -> ForecastAnswer:
    """The forecast of these assumptions.

    Args:
        stored: the counted set in view.
        assumed: what the forecast assumes.
        k: size of the draft vocabulary, in tokens.
    """
    tradeoff = state.tradeoff_in_view(stored)
    size = tradeoff.curve.vocab_size
    k = min(k, size) if k else state.settings(size).k
    basis, predicted = forecasts.forecast_of(
        stored,
        assumed.served,
        tradeoff,
        assumed.settings,
        assumed.cycles(tradeoff.architecture),
        _baseline(size),
        k,
    )
    decision = forecasts.decision_of(stored, tradeoff, basis, predicted, k)
    return ForecastAnswer(tradeoff, basis, predicted, decision, decision.k)


def _baseline(size: int) -> int:
    return min(SHIPPED_K, size) if session.base == "32,000" else size


def shipped(size: int) -> int:
    """What shipped heads keep, at most V.

    Args:
        size: V.
    """
    return min(SHIPPED_K, size)


def chart_data(answered: ForecastAnswer, picked: int | None) -> dict:
    """Everything `forecast_chart.js` draws.

    Args:
        answered: the forecast.
        picked: the size picked in the chart, None for the recommended one.
    """
    predicted, size = answered.predicted, answered.size
    marks = [k for k, _ in sizes.presets(size)]
    decision = answered.decision
    marks += [answered.k, decision.fastest_k, decision.recommended_k, *decision.equivalent]
    info = figures.throughput_info(predicted, answered.acceptance.coverage, *marks)
    low, high = predicted.tokens_per_s(answered.k)
    first, last = answered.decision.equivalent
    tiles = [
        (
            "k",
            f"{answered.k:,}",
            f"equivalent: {first:,} to {last:,}" if first != last else f"of {size:,} tokens",
            "your choice" if picked else "decision",
        ),
        (
            "full",
            gain_text(predicted.gain(answered.k, size)),
            f"at {answered.k:,} of {size:,} tokens",
            "",
        ),
        (
            "shipped",
            gain_text(predicted.gain(answered.k, shipped(size))),
            "what shipped heads keep",
            "",
        ),
        (
            "rate",
            f"{low:,.0f} to {high:,.0f}" if round(low) != round(high) else f"{low:,.0f}",
            "of one sequence",
            "",
        ),
        (
            "alpha",
            f"{answered.decision.equivalent_alpha:g}",
            f"keeps {answered.decision.alpha_k:,}"
            + ", the fastest" * (answered.decision.alpha_k == answered.decision.fastest_k),
            "",
        ),
    ]
    series = {name: getattr(info, name).tolist() for name in info._fields}
    return {
        **series,
        "vocab_size": size,
        "baseline": predicted.baseline_k,
        "recommended": answered.decision.recommended_k,
        "range": [first, last],
        "k_own": answered.k if picked else None,
        "tiles": tiles,
        "presets": known_sizes(size),
    }


def verdict(answered: ForecastAnswer, assumed: Assumed) -> str:
    """What the forecast rests on, and what could be gained at all.

    Args:
        answered: the forecast.
        assumed: what the forecast assumes.
    """
    most = sorted(model.largest_gain(answered.size) for model in answered.models)
    return (
        f"{assumed.title}, with coverage {plain(answered.basis.basis)} on "
        f"{plain(answered.basis.served)}. A head that cost nothing would make cycles "
        f"{shares(most)} faster than all {answered.size:,} tokens do. {ESTIMATED}"
    )


def shares(ends: list[float]) -> str:
    """A range of shares in percent, or the one value where both ends read the same.

    Args:
        ends: least and most, 0..1.
    """
    texts = [percent(value) for value in ends]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} to {texts[1]}"
