"""Missing tokens: the tokens of a set that are not kept, and what adding some costs."""

from __future__ import annotations

import streamlit as st

from pages.ui import eval_sets, plots, vocabularies
from pages.ui.caching import cached
from pages.ui.format import ESTIMATED, MEASURED, megabytes, percent, plain, visible, with_sign
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.session import session
from pages.ui.tables import WHOLE, table
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.figures import missing as figures
from vocabtrim_core.generalization.missing import Example, Missing, add_tokens, examples, missing
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary

ROWS = 300
NO_TOKENIZER = (
    "The tokenizer of this set is not available here, so its tokens show as ids and without kinds; "
    "choose it on the Corpus page."
)


@cached(12, "Sorting the missing tokens")
def missing_tokens(
    stored: StoredCounts, vocabulary: DraftVocabulary, tokenizer: Tokenizer | None
) -> Missing:
    """The missing tokens of one set, grouped where the tokenizer is at hand.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary.
        tokenizer: the tokenizer of these counts.
    """
    return missing(stored.counts, vocabulary, token_kinds(tokenizer) if tokenizer else None)


@cached(12, "Looking for examples")
def examples_of(
    stored: StoredCounts, vocabulary: DraftVocabulary, tokenizer: Tokenizer | None
) -> dict[int, Example]:
    """One occurrence of each missing token of the table.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary.
        tokenizer: the tokenizer of these counts.
    """
    responses = eval_sets.responses_of(stored)
    if responses is None or tokenizer is None:
        return {}
    ids = missing_tokens(stored, vocabulary, tokenizer).ids[:ROWS]
    occurrences = examples(responses, ids, tokenizer, 1)
    return {i: of_token[0] for i, of_token in occurrences.items() if of_token}


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    vocabulary, names = evaluation.view.vocabulary, evaluation.names
    by_key = {stored.key: stored for stored in evaluation.sets}
    if session.missing_of not in by_key:
        worst = min(evaluation.sets, key=lambda s: coverage_on(vocabulary, s.counts).coverage)
        session.missing_of = worst.key
    key = st.selectbox(
        "What is missing from",
        list(by_key),
        format_func=names.__getitem__,
        **persisted("missing_of"),
    )
    stored, name = by_key[key], plain(names[key])
    tokenizer = eval_sets.tokenizer_of(stored.counts)
    lost = missing_tokens(stored, vocabulary, tokenizer)
    if not len(lost.ids):
        st.success(f"Nothing: every token of {name} is kept.", icon=":material/check_circle:")
        return
    st.markdown(
        f"{len(lost.ids):,} tokens of {name} are not in the vocabulary; they make up "
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
        picked = _table(lost, stored, vocabulary, tokenizer)
        if picked:
            _adding(evaluation, picked)
        else:
            st.caption("Tick rows to see what adding those tokens would change.")


def _table(
    lost: Missing, stored: StoredCounts, vocabulary: DraftVocabulary, tokenizer: Tokenizer | None
) -> list[int]:
    ids, counts = lost.ids[:ROWS], lost.counts[:ROWS]
    kinds = token_kinds(tokenizer) if tokenizer else None
    in_context = examples_of(stored, vocabulary, tokenizer)
    columns = {
        "Token": [visible(t) for t in tokenizer.tokens(ids)] if tokenizer else map(str, ids),
        "Count": counts,
        "Share": 100 * counts / lost.tokens,
        "Kind": [kinds.name(int(i)) for i in ids] if kinds else None,
        "In context": [_context(in_context.get(int(i))) for i in ids],
        "Id": ids,
    }
    picked = table(
        columns,
        "The most frequent missing tokens",
        {
            "Count": WHOLE,
            "Share": ("%.4f%%", "of the set's tokens"),
            "Kind": st.column_config.TextColumn(width=140),
            "In context": st.column_config.TextColumn(width="large"),
        },
        key=f"missing_{stored.key}_{vocabulary.sha256[:8]}",
        on_select="rerun",
        height=360,
        selection_mode="multi-row",
    ).selection.rows
    if len(lost.ids) > ROWS:
        st.caption(f"The {ROWS:,} most frequent of {len(lost.ids):,}.")
    return [int(ids[row]) for row in picked if row < len(ids)]


def _context(example: Example | None) -> str:
    if example is None:
        return ""
    return f"{visible(example.before)}⟦{visible(example.token)}⟧{visible(example.after)}"


def _adding(evaluation: Evaluation, ids: list[int]) -> None:
    """What the ticked tokens change, and the button that keeps them."""
    view, sets, names = evaluation.view, evaluation.sets, list(evaluation.names.values())
    shape, alpha = view.architecture, view.tradeoff.alpha
    grown = add_tokens(view.vocabulary, ids, [s.counts for s in sets], shape, alpha)
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
            f"{with_sign(utility.after - utility.before, '.5f')} at alpha {alpha:g}."
        )
        gains = {
            "Set": names,
            "Coverage now": [100 * change.before for change in grown.coverage],
            "With them": [100 * change.after for change in grown.coverage],
            "Gain": [100 * (change.after - change.before) for change in grown.coverage],
        }
        formats = {"Coverage now": "%.3f%%", "With them": "%.3f%%", "Gain": "%+.4f pt"}
        table(gains, "Coverage before and after", formats)
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
    st.toast(f"Your {len(own_ids):,} tokens are always kept.")


def arguments(evaluation: Evaluation) -> list[str]:
    """The same as a command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    return [*evaluation.arguments(), "--missing", "50"]
