"""Beyond top-k: a mix of sets, tokens to keep or drop, floors, a padded size; each with its cost.

The curve and k* follow the sliders in the browser; the exact vocabulary with its costs is made
here when a slider is let go.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from pages.ui import eval_sets, state, vocabularies
from pages.ui.caching import cached
from pages.ui.charts.live_chart import packed
from pages.ui.charts.size_chart import known_sizes, mix_chart, mix_payload, mix_store
from pages.ui.error_messages import fragment
from pages.ui.format import ESTIMATED, IN_SAMPLE_BADGE, MEASURED, percent, plain, with_sign
from pages.ui.frame import footer, plain_errors
from pages.ui.generalize import tailor_form, tailor_problem
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.generalize.tailor_form import TailorRequest, arguments
from pages.ui.mix_state import weight_key
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.router import page
from pages.ui.session import session
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.selection.constrained import (
    ConstraintCost,
    Problem,
    Result,
    about,
)
from vocabtrim_core.selection.protect import ProtectedGroup
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

payload = cached(16)(mix_payload)


def panel(evaluation: Evaluation) -> None:
    """Everything of this section; the part that sliders change reruns alone.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    sets = evaluation.sets[: eval_sets.MOST_SETS]
    mix_store([payload(stored) for stored in sets])
    fragment(_tailor, key="tailor")(evaluation.view, sets)


def _tailor(view: InView, sets: list[StoredCounts]) -> None:
    if session.redraw_generalize:
        del session.redraw_generalize
        st.rerun()
    chart, sliders = st.columns([3.4, 1], gap="large")
    with sliders:
        weights = tailor_form.weights_of(sets)
    place, sentence = chart.container(), chart.container()
    tokenizer = eval_sets.tokenizer_of(sets[0].counts)
    places, request = tailor_form.wishes(sets, tokenizer, weights)
    rest = st.container()
    problem = result = None
    with sentence, plain_errors():
        problem = tailor_problem.problem_of(view, sets, tokenizer, request)
        result = tailor_problem.solved(problem)
    with place:
        mix_chart(_chart_data(view, sets, request, problem, result))
    with sentence:
        if problem and result:
            _outcome(view, sets, problem, result, request)
    if problem and result:
        _show_costs(places, sets, tokenizer, problem, result)
        with rest:
            _worst(sets, result)
    footer(arguments(sets, request))


def _chart_data(
    view: InView,
    sets: list[StoredCounts],
    request: TailorRequest,
    problem: Problem | None,
    result: Result | None,
) -> dict:
    shape, t = view.architecture, view.tradeoff
    settings = state.settings(shape.vocab_size)
    names = eval_sets.names_of(sets)
    protected = (
        np.unique(np.concatenate([w.ids for w in problem.protected] or [[]])) if problem else []
    )
    dropped = problem.excluded if problem and problem.excluded is not None else []
    return {
        "sets": [
            {
                "id": stored.key,
                "name": names[stored.key],
                "slider": weight_key(stored.key),
                "weight": weight,
            }
            for stored, weight in zip(sets, request.mix.weights, strict=True)
        ],
        "vocab_size": shape.vocab_size,
        "alpha": t.alpha,
        "floor": t.floor,
        "k": settings.k,
        "k_min": t.k_min,
        "k_max": t.last_k,
        "multiple": request.multiple,
        "protected": packed(np.asarray(protected, "<u4")),
        "excluded": packed(np.asarray(dropped, "<u4")),
        "fixed_weights": sum(shape.weights.values()),
        "row_weights": shape.row_weights,
        "row_bytes": shape.head_bytes(1),
        "plain": settings.k or t.optimum.k,
        "own": len(result.vocabulary) if result else None,
        "presets": known_sizes(shape.vocab_size),
    }


def _outcome(
    view: InView, sets: list[StoredCounts], problem: Problem, result: Result, request: TailorRequest
) -> None:
    names = list(eval_sets.names_of(sets).values())
    low = min(zip(result.coverages, names, strict=True), key=lambda pair: pair[0].coverage)
    choice = result.choice
    text = (
        f"{choice.k:,} tokens cover {percent(choice.coverage)} of this mix {IN_SAMPLE_BADGE} and "
        f"save {percent(choice.latency_reduction)} of a draft step's FLOPs, utility "
        f"{choice.utility:.4f} at alpha {view.tradeoff.alpha:g} {ESTIMATED}"
    )
    if len(sets) > 1:
        text += f"; {plain(low[1])} has the lowest coverage, {percent(low[0].coverage)}"
    if choice.k != result.plain.k or len(result.costs):
        text += (
            f". Without your constraints: {result.plain.k:,} tokens, utility "
            f"{result.plain.utility:.4f}"
        )
    st.markdown(f"{text}.")
    own = OwnVocabulary(
        f"Tailored, {choice.k:,} tokens",
        about(problem),
        sets[0].key,
        result.vocabulary,
        tuple(arguments(sets, request)),
        request.mix,
    )
    with st.container(horizontal=True, gap="small"):
        use: dict = {"on_click": _use, "args": (own, sets[0])}
        st.button(
            "Use this vocabulary", type="primary", icon=":material/check:", key="use_made", **use
        )
        if st.button("Export it", icon=":material/ios_share:", key="export_made", **use):
            del session.redraw_generalize
            st.switch_page(page("export"))


def _use(own: OwnVocabulary, chooser: StoredCounts) -> None:
    vocabularies.keep_vocabulary("tailored", own, chooser.counts)
    session.redraw_generalize = True
    st.toast("It is now the vocabulary in view, and on Export.")


def _show_costs(
    places: dict,
    sets: list[StoredCounts],
    tokenizer: Tokenizer | None,
    problem: Problem,
    result: Result,
) -> None:
    """Under every toggle what it costs, or would cost."""
    if tokenizer is None:
        return
    known = tailor_problem.protected_sets(sets[0], tokenizer)
    paid = {cost.name: cost for cost in result.costs}
    wishes = [ProtectedGroup(name, known[name]) for name in places if name not in paid]
    tags = tailor_problem.costs_of(problem, wishes)
    for cost in (*paid.values(), *tags):
        if cost.name in places:
            tag = _tag(cost, on=cost.name in paid) if cost.tokens else "no such tokens here"
            places[cost.name].caption(tag)
    others = [cost for cost in result.costs if cost.name not in places]
    if others:
        st.caption(
            "Costs of the others: "
            + "; ".join(f"{plain(cost.name)} {_tag(cost, on=True)}" for cost in others)
        )


def _tag(cost: ConstraintCost, *, on: bool) -> str:
    if not cost.k and not cost.moved:
        return "no cost: already included" if cost.tokens else "costs nothing"
    would = "" if on else "would be "
    return f"{would}{with_sign(cost.k, ',')} tokens, utility {with_sign(cost.utility, '.5f')}"


def _worst(sets: list[StoredCounts], result: Result) -> None:
    """The floor on every set: how near to the smallest, and what plain top-k would need."""
    worst = result.covering
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
        f"together reach {percent(worst.top_k_worst, 2)} on the worst set; they would need "
        f"{worst.top_k_needed:,}. {MEASURED}"
    )
    st.caption(
        "The exact problem is a covering integer program, NP-hard in general. The bound is its "
        "dual: for any weights on the sets, whatever satisfies every set satisfies their mix. The "
        f"vocabulary above has {result.choice.k:,} tokens because those that raise "
        "the utility are kept too."
    )
