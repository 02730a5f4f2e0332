"""Extend: the vocabulary in view with the tokens of further traffic; nothing of it is lost."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui import vocabularies
from pages.ui.format import ESTIMATED, MEASURED, megabytes, plain
from pages.ui.frame import footer, plain_errors
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.generalize.pinned_tokens import PinnedTokens, choose_pinned
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.tables import WHOLE, table
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.fields.kinds import share_of
from vocabtrim_core.selection.extend import Extended, extend
from vocabtrim_core.selection.selection import mix
from vocabtrim_core.selection_spec.settings import Mix

ADD, SIZE, COVERAGE = BUDGETS = ("Tokens to add", "Size to reach", "Coverage to reach")
ABOUT = (
    "Every token of the vocabulary in view stays. Tokens of the chosen traffic are added by its "
    "own frequencies, the most frequent first, until the budget is used."
)


def panel(evaluation: Evaluation) -> None:
    """Everything of this section, with its command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    st.markdown(ABOUT)
    by_key, names = {s.key: s for s in evaluation.sets}, evaluation.names
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        drop_stale("extend_from", by_key)
        keys = st.multiselect(
            "Traffic to add",
            list(by_key),
            list(by_key)[1:2] or list(by_key),
            format_func=names.__getitem__,
            **persisted("extend_from"),
        )
        budget, words = _budget(evaluation)
        if not keys:
            st.caption("Choose the traffic whose tokens are added.")
            return
        added = [by_key[key] for key in keys]
        counts = [stored.counts for stored in added]
        pinned = choose_pinned(added[0], mix(counts, [1.0] * len(counts)), "extend_protect")
    others = [stored for stored in evaluation.sets if stored.key not in keys]
    argv = _arguments(evaluation, added, others, words, pinned)
    with right, plain_errors():
        longer = extend(
            evaluation.view.vocabulary,
            counts,
            **budget,
            pinned=pinned.ids,
            measured=[other.counts for other in others],
        )
        _shown(evaluation, longer)
        _use_button(evaluation, longer, added, argv)
    footer(argv)


def _budget(evaluation: Evaluation) -> tuple[dict[str, Any], list[str]]:
    """The budget as an argument of `extend`, and as an option of the command."""
    k, size = len(evaluation.view.vocabulary), evaluation.view.vocabulary.vocab_size
    kind = st.segmented_control(
        "Budget", BUDGETS, default=ADD, required=True, **persisted("extend_budget")
    )
    if kind == ADD:
        start = min(max(64, k // 4), size - k)
        count = st.number_input(ADD, 0, size - k, start, **persisted("extend_add"))
        return {"add": int(count)}, ["--add", str(int(count))]
    if kind == SIZE:
        reach = st.number_input(SIZE, 1, size, min(2 * k, size), **persisted("extend_k"))
        return {"k": int(reach)}, ["--k", str(int(reach))]
    percent = st.number_input(
        COVERAGE, 0.0, 100.0, 99.0, 0.1, format="%.2f", **persisted("extend_coverage")
    )
    share = share_of(percent)
    return {"coverage": share}, ["--coverage", f"{share:g}"]


def _shown(evaluation: Evaluation, longer: Extended) -> None:
    view = evaluation.view
    shape, before, after = view.architecture, len(longer.base), len(longer.vocabulary)
    st.markdown(
        f"**{before:,} tokens grow to {after:,}**: {len(longer.added):,} by frequency, "
        f"{len(longer.pinned):,} pinned; nothing is dropped. A drafted token reads "
        f"{megabytes(shape.head_bytes(after) - shape.head_bytes(before))} more of the head"
        + _memory(evaluation, before, after)
        + f". {ESTIMATED}"
    )
    cells = {
        "Set": [change.name for change in longer.changes],
        "Added from": [change.added_from for change in longer.changes],
        "Before": [100 * change.before for change in longer.changes],
        "After": [100 * change.after for change in longer.changes],
        "Best of this size": [100 * change.best for change in longer.changes],
        "Occur": [change.occurring for change in longer.changes],
        "Missing": [change.missing for change in longer.changes],
    }
    share = "%.2f%%"
    formats = {
        "Before": share,
        "After": share,
        "Best of this size": (share, "by the set's own most frequent tokens"),
        "Occur": (WHOLE, "distinct tokens that occur"),
        "Missing": (WHOLE, "those of them that are not in the longer list"),
    }
    st.markdown(f"**Coverage before and after** {MEASURED}")
    table(cells, "Coverage before and after", formats)
    if longer.note:
        st.info(plain(longer.note), icon=":material/info:")


def _memory(evaluation: Evaluation, before: int, after: int) -> str:
    """What memory grows by, where a trimmed head is a copy."""
    shape = evaluation.view.architecture
    copied = shape.copied_bytes(after) - shape.copied_bytes(before)
    return f", and memory grows by {megabytes(copied)}" if copied > 0 else ""


def _arguments(
    evaluation: Evaluation,
    added: list[StoredCounts],
    others: list[StoredCounts],
    budget: list[str],
    pinned: PinnedTokens,
) -> list[str]:
    line = ["extend", str(evaluation.view.file), "--counts", *(s.key for s in added), *budget]
    line += ["--on", *(other.key for other in others)] if others else []
    return [*line, *pinned.arguments, "--out", "ids.json"]


def _use_button(
    evaluation: Evaluation, longer: Extended, added: list[StoredCounts], argv: list[str]
) -> None:
    names = ", ".join(stored.counts.name for stored in added)
    sources = dict.fromkeys([*evaluation.chosen_on, *(stored.key for stored in added)])
    own = OwnVocabulary(
        f"Extended, {len(longer.vocabulary):,} tokens",
        f"{len(longer.base):,} tokens extended by {names}",
        evaluation.chooser.key,
        longer.vocabulary,
        tuple(argv),
        Mix(tuple(sources)),
    )
    st.button(
        "Use this vocabulary",
        type="primary",
        icon=":material/check:",
        key="use_extended",
        on_click=use,
        args=("extended", own, evaluation.chooser),
    )


def use(kind: str, own: OwnVocabulary, chooser: StoredCounts) -> None:
    """Put a list of this page in view.

    Args:
        kind: by which it replaces an earlier one.
        own: the vocabulary.
        chooser: the counted set it belongs to.
    """
    vocabularies.keep_vocabulary(kind, own, chooser.counts)
    st.toast("It is now the vocabulary in view, and on Export.")
