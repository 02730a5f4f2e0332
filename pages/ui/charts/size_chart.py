"""The charts over the size k that share `size_chart.js`: the mix and the forecast."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.components.v2 import component

from pages.ui import sizes
from pages.ui.charts.live_chart import SHARED
from vocabtrim_core.counts_store import StoredCounts

HERE = Path(__file__).parent

# name, title, badge and its kind
Tile = tuple[str, str, str, str]
MIX_TILES: tuple[Tile, ...] = (
    ("k", "Draft vocabulary", "", "plain"),
    ("coverage", "Coverage of the mix", "in sample", "in-sample"),
    ("worst", "Worst set", "measured", "measured"),
    ("reduction", "Draft FLOPs saved", "estimated", "estimated"),
    ("utility", "Utility", "estimated", "estimated"),
)
FORECAST_TILES: tuple[Tile, ...] = (
    ("k", "Draft vocabulary", "", "plain"),
    ("full", "Tokens/s against V", "estimated", "estimated"),
    ("shipped", "Tokens/s against 32,000", "estimated", "estimated"),
    ("rate", "Tokens per second", "estimated", "estimated"),
    ("alpha", "Equivalent alpha", "estimated", "estimated"),
)


def _read(name: str) -> str:
    return (HERE / name).read_text("utf-8")


def _tile(name: str, title: str, badge: str, kind: str) -> str:
    lead = " lead" if name == "k" else ""
    return (
        f'<div class="tile{lead}" data-tile="{name}"><h4>{escape(title)}</h4><output></output>'
        f'<p></p><span class="badge {kind}">{badge}</span></div>'
    )


def _chart(
    name: str, label: str, tiles: Sequence[Tile], legend: str, aside: str, hint: str, actions: str
):
    page = _read("size_chart.html").replace("LABEL", label).replace("LEGEND", legend)
    page = page.replace("TILES", "\n".join(_tile(*tile) for tile in tiles))
    return component(
        name,
        html=page.replace("ASIDE", aside).replace("HINT", hint).replace("ACTIONS", actions),
        css=_read("live_chart.css") + _read("size_chart.css"),
        js=SHARED + _read(f"{name}.js"),
    )


_MIX = _chart(
    "mix_chart",
    "Coverage of the mix against draft cost",
    MIX_TILES,
    '<span class="coverage">Coverage C</span><span class="utility">Utility U</span>'
    '<span class="reduction">FLOPs saved R</span>',
    '<aside><h4>Coverage of each set</h4><ul class="sets"></ul></aside>',
    "The curves follow the sliders as they move. Move over the chart to read any size.",
    "",
)
_FORECAST = _chart(
    "forecast_chart",
    "Predicted throughput against draft vocabulary size",
    FORECAST_TILES,
    '<span class="utility">Expected</span>',
    "",
    "Move over the chart to read any size; click to see what one would do. Arrow keys and Enter do "
    "the same.",
    '<span class="actions"><button type="button" class="release" hidden>Back to the recommended '
    'size</button><button type="button" class="copy">Copy link to this view</button></span>',
)
_SETS = component("mix_store", js=_read("mix_store.js"))


def known_sizes(vocab_size: int) -> list[dict[str, Any]]:
    """The sizes to mark, ascending.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    return [{"k": k, "label": label} for k, label in sorted(sizes.presets(vocab_size))]


def mix_payload(stored: StoredCounts) -> dict[str, object]:
    """One counted set for mixing in the browser: about 150 KB for 60,000 seen tokens.

    Args:
        stored: the counted set.
    """
    counts = stored.counts
    ids = np.flatnonzero(counts.counts)
    return {
        "id": stored.key,
        "tokens": counts.tokens,
        "gaps": _deflated(np.diff(ids, prepend=0).astype("<u4")),
        "counts": _deflated(counts.counts[ids].astype("<f8")),
    }


def _deflated(array: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(array.tobytes(), 6)).decode("ascii")


def mix_store(payloads: Sequence[dict[str, object]]) -> None:
    """Hand the sets to the browser. Call it outside the fragment that redraws.

    Args:
        payloads: what `mix_payload` returns, one per set.
    """
    _SETS(data={"sets": list(payloads)}, key="mix_store", height="content")


def mix_chart(data: dict[str, Any]) -> None:
    """The mix; watches the sliders named in `data["sets"]`. See `mix_chart.js` for the fields.

    Args:
        data: fields of the chart's script.
    """
    _MIX(data=data, key="mix_chart")


def forecast_chart(data: dict[str, Any], on_pick: Callable[[], None]) -> None:
    """The forecast; a picked size is in `session.forecast_chart.picked` (0 = none).

    Args:
        data: fields of the chart's script.
        on_pick: called when a size is picked in the chart.
    """
    _FORECAST(data=data, key="forecast_chart", on_picked_change=on_pick)
