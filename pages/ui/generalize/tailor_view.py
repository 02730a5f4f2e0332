"""Beyond top-k: a mix of sets, tokens to keep or drop, floors, a padded size; each with its price.

The curve and k* follow the sliders in the browser; the exact vocabulary with its prices is made
here when a slider is let go.
"""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from pages.ui import eval_sets, state
from pages.ui.charts.size_chart import known_sizes, mix_chart, mix_payload, mix_store, packed
from pages.ui.eval_sets import InView, OwnVocabulary
from pages.ui.format import ESTIMATED, MEASURED, percent, plain
from pages.ui.frame import footer, plain_errors
from pages.ui.generalize import tailor_form
from pages.ui.generalize.tailor_form import Wanted, arguments, slider_key
from pages.ui.router import page
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.constrained import (
    ConstraintCost,
    Problem,
    Result,
    about,
    constraint_costs,
    solve,
)
from vocabtrim_core.selection.protect import Wish, listed_ids, script_ids
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

OWN = "Your tokens"


@st.cache_resource(max_entries=16, show_spinner=False)
def payload(key: str, _counts) -> dict[str, object]:
    """One set for the browser."""
    return mix_payload(key, _counts)


@st.cache_resource(max_entries=16, show_spinner=False)
def made(signature: str, _demand: Problem) -> Result:
    """The vocabulary of a demand."""
    return solve(_demand)


@st.cache_data(max_entries=16, show_spinner=False)
def offered(
    signature: str, names: tuple[str, ...], _demand: Problem, _wishes
) -> tuple[ConstraintCost, ...]:
    """What the sets that are off would cost."""
    return constraint_costs(_demand, _wishes)


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section; the part that sliders change reruns alone."""
    sets = [chooser, *others][: eval_sets.MOST_SETS]
    mix_store([payload(stored.key, stored.counts) for stored in sets])
    st.fragment(_tailor, key="tailor")(view, sets)


def _tailor(view: InView, sets: list[StoredCounts]) -> None:
    if st.session_state.pop("redraw_generalize", False):
        st.rerun()
    chart, sliders = st.columns([3.4, 1], gap="large")
    with sliders:
        weights = tailor_form.weights_of(sets)
    place = chart.container()
    sentence = chart.container()
    tokenizer = eval_sets.tokenizer_of(sets[0].counts)
    prices, wanted = tailor_form.wishes(sets, tokenizer, weights)
    rest = st.container()
    demand = result = None
    with sentence, plain_errors():
        demand = _demand(view, sets, tokenizer, wanted)
        result = made(_signature(sets, demand), demand)
    with place:
        mix_chart(_chart_data(view, sets, wanted, demand, result))
    with sentence:
        if demand and result:
            _told(view, sets, demand, result, wanted)
    if demand and result:
        _price_tags(prices, sets, tokenizer, demand, result)
        with rest:
            _worst(sets, result)
    footer(arguments(sets, wanted))


# --- from controls to a demand ------------------------------------------------------------------


def _demand(
    view: InView, sets: list[StoredCounts], tokenizer: Tokenizer | None, wanted: Wanted
) -> Problem:
    """InputError for weights that are all zero, lists that cannot be read, and the like."""
    counts = [stored.counts for stored in sets]
    size, t = counts[0].vocab_size, view.tradeoff
    frequencies = mix(counts, wanted.mix.weights)
    wishes = []
    if tokenizer:
        known = eval_sets.protected_sets(sets[0].key, counts[0], tokenizer)
        wishes += [Wish(name, known[name]) for name in wanted.mix.protect]
        kinds = token_kinds(tokenizer)
        wishes += [
            Wish(f"{script} = {n:,}", script_ids(frequencies, kinds, script, n))
            for script, n in wanted.mix.scripts
        ]
    try:
        if wanted.keep:
            wishes.append(Wish(OWN, listed_ids(wanted.keep, tokenizer, size)))
        drop = listed_ids(wanted.drop, tokenizer, size) if wanted.drop else None
    except InputError as error:
        path = str(wanted.keep if wanted.keep and str(wanted.keep) in str(error) else wanted.drop)
        raise InputError(str(error).replace(path, "Your list")) from error
    settings = state.settings(size)
    return Problem(
        counts,
        wanted.mix.weights,
        t.architecture,
        t.alpha,
        t.floor,
        wanted.mix.floor_every,
        settings.k,
        t.k_min,
        t.k_max,
        tuple(wishes),
        drop,
        wanted.multiple,
    )


def _signature(sets: list[StoredCounts], demand: Problem) -> str:
    """A demand's content as one line, to look it up again."""
    parts = [
        tuple(stored.key for stored in sets),
        demand.weights,
        demand.architecture,
        demand.alpha,
        demand.floor,
        demand.floor_everywhere,
        demand.k,
        demand.k_min,
        demand.k_max,
        [(wish.name, _digest(wish.ids)) for wish in demand.wishes],
        _digest(demand.excluded),
        demand.multiple,
    ]
    return repr(parts)


def _digest(ids: np.ndarray | None) -> str:
    return "" if ids is None else hashlib.sha256(ids.tobytes()).hexdigest()


def _chart_data(
    view: InView,
    sets: list[StoredCounts],
    wanted: Wanted,
    demand: Problem | None,
    result: Result | None,
) -> dict:
    shape, t = view.architecture, view.tradeoff
    settings = state.settings(shape.vocab_size)
    names = eval_sets.names_of(sets)
    kept = np.unique(np.concatenate([w.ids for w in demand.wishes] or [[]])) if demand else []
    dropped = demand.excluded if demand and demand.excluded is not None else []
    return {
        "sets": [
            {
                "id": stored.key,
                "name": names[stored.key],
                "slider": slider_key(stored),
                "weight": weight,
            }
            for stored, weight in zip(sets, wanted.mix.weights, strict=True)
        ],
        "vocab_size": shape.vocab_size,
        "alpha": t.alpha,
        "floor": t.floor,
        "k": settings.k,
        "k_min": t.k_min,
        "k_max": t.last_k,
        "multiple": wanted.multiple,
        "protected": packed(np.asarray(kept, "<u4")),
        "excluded": packed(np.asarray(dropped, "<u4")),
        "fixed_weights": sum(shape.weights.values()),
        "hidden_size": shape.hidden_size,
        "bytes_per_weight": shape.bytes_per_weight,
        "plain": settings.k or t.optimum.k,
        "own": len(result.vocabulary) if result else None,
        "presets": known_sizes(shape.vocab_size),
    }


# --- results ------------------------------------------------------------------------------------


def _told(
    view: InView, sets: list[StoredCounts], demand: Problem, result: Result, wanted: Wanted
) -> None:
    names = list(eval_sets.names_of(sets).values())
    low = min(zip(result.coverages, names, strict=True), key=lambda pair: pair[0].coverage)
    choice = result.choice
    text = (
        f"{choice.k:,} tokens keep {percent(choice.coverage)} of this mix {MEASURED} and save "
        f"{percent(choice.latency_reduction)} of a draft step's FLOPs, utility "
        f"{choice.utility:.4f} at alpha {view.tradeoff.alpha:g} {ESTIMATED}"
    )
    if len(sets) > 1:
        text += f"; {plain(low[1])} does worst with {percent(low[0].coverage)}"
    if choice.k != result.plain.k or len(result.prices):
        text += (
            f". Without your wishes it would be {result.plain.k:,} tokens and "
            f"{result.plain.utility:.4f}"
        )
    st.markdown(f"{text}.")
    own = OwnVocabulary(
        f"Tailored, {choice.k:,} tokens",
        about(demand),
        sets[0].key,
        result.vocabulary,
        tuple(arguments(sets, wanted)),
        wanted.mix,
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Use this vocabulary",
            type="primary",
            icon=":material/check:",
            key="use_made",
            on_click=_use,
            args=(own, sets[0]),
        )
        if st.button(
            "Export it",
            icon=":material/ios_share:",
            key="export_made",
            on_click=_use,
            args=(own, sets[0]),
        ):
            st.session_state.pop("redraw_generalize", None)
            st.switch_page(page("export"))


def _use(own: OwnVocabulary, chooser: StoredCounts) -> None:
    eval_sets.keep_vocabulary("tailored", own, chooser.counts)
    st.session_state.redraw_generalize = True
    st.toast("It is now the vocabulary in view, and on Export.")


def _price_tags(
    places: dict,
    sets: list[StoredCounts],
    tokenizer: Tokenizer | None,
    demand: Problem,
    result: Result,
) -> None:
    """Under every toggle what it costs, or would cost."""
    if tokenizer is None:
        return
    known = eval_sets.protected_sets(sets[0].key, sets[0].counts, tokenizer)
    paid = {price.name: price for price in result.prices}
    off = tuple(name for name in places if name not in paid)
    wishes = [Wish(name, known[name]) for name in off]
    tags = offered(_signature(sets, demand), off, demand, wishes)
    for price in (*paid.values(), *tags):
        if price.name in places:
            tag = _tag(price, on=price.name in paid) if price.tokens else "no such tokens here"
            places[price.name].caption(tag)
    others = [price for price in result.prices if price.name not in places]
    if others:
        st.caption(
            "Prices of the rest: "
            + "; ".join(f"{plain(price.name)} {_tag(price, on=True)}" for price in others)
        )


def _tag(price: ConstraintCost, *, on: bool) -> str:
    if not price.k and not price.moved:
        return "free: all are in anyway" if price.tokens else "costs nothing"
    would = "" if on else "would be "
    return f"{would}{price.k:+,} tokens, utility {price.utility:+.5f}"


def _worst(sets: list[StoredCounts], result: Result) -> None:
    """The floor on every set: how near to the smallest, and what plain top-k would need."""
    worst = result.worst
    if worst is None:
        return
    size = len(worst.vocabulary)
    gap = worst.smallest_k / max(worst.least_k, 1) - 1
    proof = (
        "and none is smaller"
        if worst.smallest_k == worst.least_k
        else (f"and no vocabulary with fewer than {worst.least_k:,} can (within {gap:.2%})")
    )
    st.markdown(
        f"**{percent(worst.floor)} of every set.** The smallest vocabulary found that reaches it "
        f"has {worst.smallest_k:,} tokens, {proof}. The {size:,} most frequent tokens of all sets "
        f"together reach {percent(worst.top_k_worst, 2)} on the worst; they would need "
        f"{worst.top_k_needed:,}. {MEASURED}"
    )
    st.caption(
        "The exact problem is a covering integer program, NP-hard in general. The bound is its "
        "dual: for any weights on the sets, whatever satisfies every set satisfies their mix. The "
        f"vocabulary above has {result.choice.k:,} tokens because those that pay for themselves "
        "in utility are kept too."
    )
