"""Missing tokens: the tokens of a set that are not kept, and what adding some costs."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, plots, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, megabytes, percent, plain, visible
from pages.ui.session import session
from pages.ui.vocabularies import InView
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.figures import missing as figures
from vocabtrim_core.generalization.missing import Example, Missing, add_tokens, examples, missing
from vocabtrim_core.tokenizers.kinds import token_kinds

ROWS = 300
NO_TOKENIZER = (
    "The tokenizer of this set is not at hand, so its tokens show as ids and without kinds; choose "
    "it on the Corpus page."
)


@st.cache_resource(max_entries=12, show_spinner="Sorting the missing tokens")
def find(key: str, sha: str, _counts, _vocabulary, _tokenizer) -> Missing:
    """The missing tokens of one set, grouped where the tokenizer is at hand.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        _counts: the counted set; `key` stands for it in the cache.
        _vocabulary: the vocabulary.
        _tokenizer: the tokenizer of these counts.
    """
    return missing(_counts, _vocabulary, token_kinds(_tokenizer) if _tokenizer else None)


@st.cache_resource(max_entries=12, show_spinner="Looking for examples")
def shown(key: str, sha: str, _counts, _found: Missing, _tokenizer) -> dict[int, Example]:
    """One occurrence of each token of the table.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        _counts: the counted set; `key` stands for it in the cache.
        _found: the missing tokens.
        _tokenizer: the tokenizer of these counts.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or _tokenizer is None:
        return {}
    occurrences = examples(responses, _found.ids[:ROWS], _tokenizer, 1)
    return {i: of_token[0] for i, of_token in occurrences.items() if of_token}


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    sets = [chooser, *others]
    names, by_key = eval_sets.names_of(sets), {stored.key: stored for stored in sets}
    if session.missing_of not in by_key:
        worst = min(sets, key=lambda s: coverage_on(view.vocabulary, s.counts).coverage)
        session.missing_of = worst.key
    key = st.selectbox(
        "What is missing from",
        list(by_key),
        format_func=names.__getitem__,
        **persisted("missing_of"),
    )
    stored, sha = by_key[key], view.vocabulary.sha256
    tokenizer = eval_sets.tokenizer_of(stored.counts)
    lost = find(key, sha, stored.counts, view.vocabulary, tokenizer)
    if not len(lost.ids):
        st.success(
            f"Nothing: every token of {plain(names[key])} is kept.",
            icon=":material/check_circle:",
        )
        return
    st.markdown(
        f"{len(lost.ids):,} tokens of {plain(names[key])} are not in the vocabulary; they make up "
        f"{percent(lost.share, 2)} of its tokens. {MEASURED}"
    )
    left, right = st.columns([1, 1.45], gap="large")
    with left:
        if lost.groups:
            alt = "Share of the set that is missing, by kind of token"
            bars = figures.missing_figure(figures.missing_info(lost), plots.palette())
            plots.draw(bars, "missing", alt)
        else:
            st.caption(NO_TOKENIZER)
    with right:
        picked = _table(lost, stored, sha, tokenizer)
        if picked:
            _adding(view, sets, picked)
        else:
            st.caption("Tick rows to see what adding those tokens would change.")


def _table(lost: Missing, stored: StoredCounts, sha: str, tokenizer) -> list[int]:
    ids, counts = lost.ids[:ROWS], lost.counts[:ROWS]
    kinds = token_kinds(tokenizer) if tokenizer else None
    in_context = shown(stored.key, sha, stored.counts, lost, tokenizer)
    frame = pd.DataFrame(
        {
            "Token": [visible(t) for t in tokenizer.tokens(ids)] if tokenizer else map(str, ids),
            "Count": counts,
            "Share": 100 * counts / lost.tokens,
            "Kind": [kinds.name(int(i)) for i in ids] if kinds else None,
            "In context": [_context(in_context.get(int(i))) for i in ids],
            "Id": ids,
        }
    )
    number = st.column_config.NumberColumn
    picked = st.dataframe(
        frame,
        hide_index=True,
        key=f"missing_{stored.key}_{sha[:8]}",
        on_select="rerun",
        height=360,
        selection_mode="multi-row",
        alt="The most frequent missing tokens",
        column_config={
            "Count": number(format="localized"),
            "Share": number(format="%.4f%%", help="of the set's tokens"),
            "Kind": st.column_config.TextColumn(width=140),
            "In context": st.column_config.TextColumn(width="large"),
        },
    ).selection.rows
    if len(lost.ids) > ROWS:
        st.caption(f"The {ROWS:,} most frequent of {len(lost.ids):,}.")
    return [int(ids[row]) for row in picked if row < len(ids)]


def _context(example: Example | None) -> str:
    if example is None:
        return ""
    return f"{visible(example.before)}⟦{visible(example.token)}⟧{visible(example.after)}"


def _adding(view: InView, sets: list[StoredCounts], ids: list[int]) -> None:
    """What the ticked tokens change, and the button that keeps them."""
    shape = view.architecture
    alpha = view.tradeoff.alpha
    grown = add_tokens(view.vocabulary, ids, [s.counts for s in sets], shape, alpha)
    names = list(eval_sets.names_of(sets).values())
    with st.container(border=True):
        added_bytes = shape.head_bytes(len(grown.vocabulary)) - shape.head_bytes(
            len(view.vocabulary)
        )
        cost, utility = grown.latency_reduction, grown.utility
        assert cost is not None
        assert utility is not None
        st.markdown(
            f"**Adding {grown.added:,} tokens** makes {len(grown.vocabulary):,}: the LM head grows "
            f"by {megabytes(added_bytes)}, the FLOPs saved per step go from "
            f"{percent(cost.before, 3)} to "
            f"{percent(cost.after, 3)} {ESTIMATED}, utility on {plain(names[0])} changes by "
            f"{utility.after - utility.before:+.5f} at alpha {alpha:g}."
        )
        gains = pd.DataFrame(
            {
                "Set": names,
                "Coverage now": [100 * change.before for change in grown.coverage],
                "With them": [100 * change.after for change in grown.coverage],
                "Gain": [100 * (change.after - change.before) for change in grown.coverage],
            }
        )
        number = st.column_config.NumberColumn
        st.dataframe(
            gains,
            hide_index=True,
            alt="Coverage before and after",
            column_config={
                "Coverage now": number(format="%.3f%%"),
                "With them": number(format="%.3f%%"),
                "Gain": number(format="%+.4f pt"),
            },
        )
        st.button(
            "Add these to the vocabulary",
            type="primary",
            icon=":material/add:",
            key="add_missing",
            on_click=_keep,
            args=(sets[0], ids),
        )
        st.caption("They are kept for this session, and count as your own tokens under Tailor.")


def _keep(chooser: StoredCounts, ids: list[int]) -> None:
    own_ids = {*vocabularies.user_tokens(chooser.counts), *ids}
    vocabularies.keep_user_tokens(chooser.counts, sorted(own_ids))
    if session.kind_in_view == "choice":
        session.kind_in_view = "grown"
    st.toast(f"{len(own_ids):,} tokens of yours are always kept.")


def arguments(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> list[str]:
    """The same as a command.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    on = ["--on", *(other.key for other in others)] if others else []
    return ["coverage", chooser.key, *view.arguments(), *on, "--missing", "50"]
