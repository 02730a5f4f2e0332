"""What trimming gains on the counted sets: tokens per second first, then how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from pages.ui import demo, eval_sets, forecasts, plots, state
from pages.ui.format import ESTIMATED, FROM_PAPER, MEASURED, megabytes, percent, plain
from pages.ui.stored_coverage import by_domain, held_out
from pages.ui.tables import WHOLE, table
from vocabtrim_core import figures
from vocabtrim_core.counting.shard_counts import load_domain_shards, load_shards
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.forecast.decision_text import gain_text
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.inputs import paper_settings
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.shipped.sets import ceiling_points, shipped_sets
from vocabtrim_core.tradeoff import TradeOff

CONTRAST = ("Public blend", "Function calling train", "NER train")


def compared() -> list[StoredCounts]:
    """The sets to show: of the user's own the demo's domains or the two newest, else shipped."""
    sets = state.counted_sets()
    own = [stored for stored in sets if not stored.shipped]
    if not own:
        first = sets[0].counts.provenance.tokenizer
        same = [s for s in sets if s.counts.provenance.tokenizer == first]
        return [stored for name in CONTRAST for stored in same if stored.counts.name == name]
    domains = [stored for name in demo.DOMAINS for stored in own if stored.counts.name == name][:2]
    if len(domains) == 2:
        return domains
    size = own[0].counts.vocab_size
    return [stored for stored in own if stored.counts.vocab_size == size][:2]


def warm() -> None:
    """Read what the first visit of a new workspace needs, in a thread beside the server's start."""
    first = next(iter(shipped_sets()))
    load_shards(first)
    load_domain_shards(first)
    ceiling_points(first, first)


def tradeoffs_of(sets: Sequence[StoredCounts]) -> dict[str, TradeOff]:
    """The trade-off of each set under the default settings, by its name.

    Args:
        sets: counted sets of one V.
    """
    settings, names = state.defaults(sets[0].counts.vocab_size), eval_sets.names_of(sets)
    shipped = all(stored.shipped for stored in sets)  # said above them
    return {
        s.counts.name if shipped else names[s.key]: state.tradeoff_of(settings, state.curve_of(s))
        for s in sets
    }


def gain(stored: StoredCounts, tradeoff: TradeOff) -> None:
    """What the best size of one set brings, and by what.

    Args:
        stored: the counted set.
        tradeoff: its trade-off.
    """
    shape, settings = tradeoff.architecture, paper_settings()
    acceptance, predicted = forecasts.forecast_of(stored, (stored,), tradeoff, settings)
    decision = forecasts.decision_of(stored, tradeoff, acceptance, predicted, None)
    k, size = decision.k, shape.vocab_size
    st.markdown(
        f"**{plain(stored.counts.name)}**: {stored.counts.conversations:,} conversations, "
        f"{stored.counts.tokens:,} tokens counted {MEASURED}"
    )
    speed, best, covered, head = st.columns(4)
    over = decision.gains.get(SHIPPED_K)
    speed.metric("**Tokens per second**", gain_text(decision.gains[size]), border=True)
    speed.caption(
        f"over a draft with all {size:,} tokens, 90% band {ESTIMATED}"
        + (f"; {gain_text(over)} over one with {SHIPPED_K:,}" if over and k != SHIPPED_K else "")
    )
    best.metric("**Best draft vocabulary k\\***", f"{k:,} tokens", border=True)
    between = decision.stability
    best.caption(
        f"{percent(k / size)} of {size:,}"
        + (f"; {between[0]:,} to {between[1]:,}, 95% interval {ESTIMATED}" if between else "")
    )
    outside = held_out(stored, k)
    if outside:
        covered.metric("**Covered, held out**", percent(outside.value, 2), border=True)
        covered.caption(
            f"{percent(outside.low, 2)} to {percent(outside.high, 2)}, 95% interval {MEASURED}; "
            f"in sample {percent(tradeoff.curve.at(k), 2)}"
        )
    else:
        covered.metric("**Covered, in sample**", percent(tradeoff.curve.at(k), 2), border=True)
        covered.caption(f"of {stored.counts.tokens:,} tokens {MEASURED}")
    head.metric("**LM head of the draft**", megabytes(shape.head_bytes(k)), border=True)
    head.caption(
        f"instead of {megabytes(shape.head_bytes(size))}; "
        f"{percent(shape.latency_reduction(k))} of a draft step's FLOPs saved {ESTIMATED}"
    )
    st.caption(
        f"The forecast: {HARDWARE[settings.hardware].name}, {settings.depth} drafted tokens, a "
        "draft that is accepted as often as the paper's; Forecast takes yours."
    )


def curves(tradeoffs: Mapping[str, TradeOff]) -> None:
    """Coverage against size of every set, best sizes marked.

    Args:
        tradeoffs: the trade-off of each set by its name.
    """
    lines = figures.domains_info(dict(tradeoffs))
    plots.draw(
        figures.domains_figure(lines, plots.palette()),
        "domains",
        "Coverage against draft vocabulary size per domain, best sizes marked",
    )
    if len(lines) < 2:
        return
    broad, *_, narrow = sorted(lines, key=lambda line: -line.best.k)
    first = next(iter(tradeoffs.values()))
    st.markdown(
        f"The narrower the domain, the smaller the best vocabulary: {narrow.best.k:,} tokens "
        f"for {plain(narrow.name)} against {broad.best.k:,} for {plain(broad.name)}, both at alpha "
        f"{first.alpha:g} with the {first.architecture.name} draft. In the paper a "
        f"general blend takes 13,264 and function calling 4,380 of 128,256 {FROM_PAPER}."
    )


def domains(stored: StoredCounts, tradeoff: TradeOff) -> None:
    """What the best size covers of each domain label, nothing without several of them.

    Args:
        stored: the counted set.
        tradeoff: its trade-off.
    """
    k = tradeoff.optimum.k
    rows, _ = by_domain(stored, tradeoff.curve.vocabulary(k), k)
    if len(rows) < 2:
        return
    st.markdown(f"**Domains of {plain(stored.counts.name)}** at {k:,} tokens, held out {MEASURED}")
    listed = [
        {
            "Domain": row.domain.replace("_", " "),
            "Coverage": 100 * row.coverage,
            "From": 100 * row.interval.low if row.interval else None,
            "To": 100 * row.interval.high if row.interval else None,
            "Tokens": row.tokens,
        }
        for row in rows
    ]
    frame = pd.DataFrame(listed).sort_values("Coverage", ascending=False)
    formats = {"Coverage": "%.2f%%", "From": "%.2f%%", "To": "%.2f%%", "Tokens": WHOLE}
    table(frame, "Coverage of each domain of the set", formats)
