"""Languages: coverage by script and by detected language, and which language is worst off."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui import eval_sets
from pages.ui.caching import cached
from pages.ui.format import MEASURED, percent, plain
from pages.ui.generalize.evaluation import Evaluation, ends, in_percent
from pages.ui.generalize.missing_view import NO_TOKENIZER
from pages.ui.tables import WHOLE, table
from pages.ui.widgets import persisted
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.domains import DomainCoverage
from vocabtrim_core.generalization.languages import (
    SAMPLE,
    coverage_by_language,
    coverage_by_script,
    with_languages,
    worst_language,
)
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary


@cached(12, "Detecting languages")
def labelled(stored: StoredCounts, tokenizer: Tokenizer) -> Responses | None:
    """The counted answers with a language for each conversation; None without answers.

    Args:
        stored: the counted set.
        tokenizer: the tokenizer of these counts.
    """
    responses = eval_sets.responses_of(stored)
    return None if responses is None else with_languages(responses, tokenizer)


@cached(50)
def by_language(
    stored: StoredCounts, vocabulary: DraftVocabulary, tokenizer: Tokenizer, in_sample: bool
) -> list[DomainCoverage] | None:
    """Coverage of each language; None without answers.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary.
        tokenizer: the tokenizer of these counts.
        in_sample: whether the vocabulary is the top k of this very set.
    """
    responses = labelled(stored, tokenizer)
    if responses is None:
        return None
    counts = stored.counts.counts if in_sample else None
    return coverage_by_language(responses, vocabulary.t2d, counts=counts)


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    names = evaluation.names
    key = st.selectbox(
        "Languages of", list(names), format_func=names.__getitem__, **persisted("languages_of")
    )
    stored = next(stored for stored in evaluation.sets if stored.key == key)
    tokenizer = eval_sets.tokenizer_of(stored.counts)
    if tokenizer is None:
        st.info(NO_TOKENIZER, icon=":material/translate:")
        return
    view = evaluation.view
    in_sample = view.plain_k is not None and stored is evaluation.chooser
    rows = by_language(stored, view.vocabulary, tokenizer, in_sample)
    left, right = st.columns(2, gap="large")
    with left:
        _languages(stored, rows, held_out=in_sample)
    with right:
        _scripts(stored, view.vocabulary, tokenizer)


def _languages(
    stored: StoredCounts, rows: Sequence[DomainCoverage] | None, *, held_out: bool
) -> None:
    st.markdown(f"**By language**, with 95% intervals over conversations {MEASURED}")
    if rows is None:
        st.caption(
            "Languages are detected in the counted answers, which this workspace has not: count "
            "the set here."
        )
        return
    if worst := worst_language(rows):
        st.markdown(
            f"{plain(worst.domain)} is covered worst: {percent(worst.coverage, 2)} of its "
            f"{worst.tokens:,} tokens."
        )
    cells = [
        {
            "Language": row.domain,
            "Conversations": row.conversations,
            "Tokens": row.tokens,
            "Coverage": in_percent(row.coverage),
            **ends((row.interval.low, row.interval.high) if row.interval else None),
        }
        for row in rows
    ]
    share = "%.2f%%"
    formats = {"Conversations": WHOLE, "Tokens": WHOLE}
    table(cells, "Coverage by language", formats | dict.fromkeys(("Coverage", "From", "To"), share))
    several = stored.counts.conversations > SAMPLE
    looked_at = f"{SAMPLE:,} conversations drawn at random" if several else "all conversations"
    st.caption(
        f"Detected in the counted answers of {looked_at}, which are decoded for it and not stored; "
        "unclear are code, formulas and short texts."
        + (" Coverage is held out, as this set chose the tokens." if held_out else "")
    )


def _scripts(stored: StoredCounts, vocabulary: DraftVocabulary, tokenizer: Tokenizer) -> None:
    st.markdown(f"**By script**, of all counted tokens {MEASURED}")
    rows = coverage_by_script(stored.counts.counts, token_kinds(tokenizer), vocabulary.t2d)
    cells = {
        "Script": [row.script for row in rows],
        "Tokens": [row.tokens for row in rows],
        "Share": [100 * row.share for row in rows],
        "Coverage": [100 * row.coverage for row in rows],
        "Missing": [row.missing for row in rows],
    }
    formats = {"Tokens": WHOLE, "Share": "%.2f%%", "Coverage": "%.2f%%"}
    table(cells, "Coverage by script", formats | {"Missing": (WHOLE, "distinct tokens not kept")})
    st.caption(
        "Letters of any script that have no token of their own are written in byte fragments. "
        "Code, numbers, white space and specials belong to no script."
    )


def arguments(evaluation: Evaluation) -> list[str]:
    """The same as a command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    others = [other.key for other in evaluation.sets[1:]]
    on = ["--on", *others] if others else []
    return ["languages", evaluation.chooser.key, *evaluation.view.arguments(), *on]
