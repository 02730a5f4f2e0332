"""The live chart: one counted set sent once, an SVG chart that follows the sliders as they move."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from streamlit.components.v2 import component

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.fields.kinds import percent_of
from vocabtrim_core.tradeoff import TradeOff

HERE = Path(__file__).parent
# What every chart over the size k begins with; its own script follows.
SHARED = "".join((HERE / name).read_text("utf-8") for name in ("svg.js", "size_chart.js"))
_STORE = component("curve_store", js=(HERE / "curve_store.js").read_text("utf-8"))
_CHART = component(
    "live_chart",
    html=(HERE / "live_chart.html").read_text("utf-8"),
    css=(HERE / "live_chart.css").read_text("utf-8"),
    js=SHARED + (HERE / "live_chart.js").read_text("utf-8"),
)


def curve_payload(curve: CoverageCurve, key: str, token_texts: Sequence[str]) -> dict[str, object]:
    """What the browser needs of one counted set, exact and small.

    Falling counts repeat a lot, so they travel as runs: about 50 KB for 128,256 sizes, where the
    curve as float32 would be 684 KB and too coarse to find the optimum. token_texts: by rank, the
    seen tokens only, without line breaks.

    Args:
        curve: the coverage curve of the counted set.
        key: id of the curve, for the browser.
        token_texts: texts of the seen tokens by rank, without line breaks.
    """
    starts = np.flatnonzero(np.diff(curve.sorted_counts, prepend=-1))
    lengths = np.diff(np.append(starts, curve.vocab_size))
    return {
        "id": key,
        "vocab_size": curve.vocab_size,
        "counts": packed(curve.sorted_counts[starts].astype("<f8")),
        "lengths": packed(lengths.astype("<u4")),
        "tokens": "\n".join(token_texts),
    }


def packed(array: np.ndarray) -> str:
    """Raw little-endian bytes as base64.

    Args:
        array: any array.
    """
    return base64.b64encode(array.tobytes()).decode("ascii")


def curve_store(payload: dict[str, object]) -> None:
    """Hand one counted set to the browser. Call it outside the fragment that redraws.

    Args:
        payload: what `curve_payload` returns.
    """
    _STORE(data=payload, key="curve_store", height="content")


def live_chart(
    tradeoff: TradeOff,
    curve_key: str,
    *,
    k: int | None,
    log: bool,
    presets: Sequence[tuple[int, str]],
    on_pick: Callable[[], None],
) -> None:
    """Tiles and curves of `tradeoff`; k None marks the optimum alone.

    Watches the sliders keyed `alpha`, `floor` (percent) and `size`. A size picked in the chart is
    in `session.live_chart.picked` when `on_pick` runs (0 = back to the optimum).

    Args:
        tradeoff: the trade-off in view.
        curve_key: the id of the curve that `curve_store` handed over.
        k: the size to mark; None marks the optimum alone.
        log: whether the size axis is logarithmic.
        presets: sizes to mark, with their labels.
        on_pick: called when a size is picked in the chart.
    """
    data = _data(tradeoff, curve_key, k, presets) | {"log": log}
    _CHART(data=data, key="live_chart", on_picked_change=on_pick)


def still_chart(
    tradeoff: TradeOff,
    curve_key: str,
    *,
    k: int | None,
    presets: Sequence[tuple[int, str]],
    zoom: float,
) -> None:
    """The curves alone, `zoom` times as large, to look at: nothing can be moved.

    Args:
        tradeoff: the trade-off in view.
        curve_key: the id of the curve that `curve_store` handed over.
        k: the size to mark; None marks the optimum alone.
        presets: sizes to mark, with their labels.
        zoom: how many times as large.
    """
    data = _data(tradeoff, curve_key, k, presets) | {"log": True, "still": True, "zoom": zoom}
    _CHART(data=data, key="still_chart", on_picked_change=lambda: None)


def _data(
    tradeoff: TradeOff, curve_key: str, k: int | None, presets: Sequence[tuple[int, str]]
) -> dict[str, object]:
    architecture = tradeoff.architecture
    return {
        "curve": curve_key,
        "alpha": tradeoff.alpha,
        "floor": percent_of(tradeoff.floor),
        "k": k,
        "k_min": tradeoff.k_min,
        "k_max": tradeoff.last_k,
        "fixed_weights": sum(architecture.weights.values()),
        "row_weights": architecture.row_weights,
        "row_bytes": architecture.head_bytes(1),
        "presets": [{"k": size, "label": label} for size, label in sorted(presets)],
    }
