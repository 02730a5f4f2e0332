"""An existing mapping: read it, say whether it is sound, hold it against the sets."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, percent, plain, visible
from pages.ui.frame import plain_errors
from pages.ui.generalize import coverage_data, mapping_form
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.session import session
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.compare import Compared, compare
from vocabtrim_core.mappings.imported import ImportedMapping

SHOWN = 40
ICONS = {True: ":material/check_circle:", False: ":material/error:", None: ":material/remove:"}


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    path = mapping_form.choose()
    if path is None:
        st.caption(
            f"What can be read: {mapping_form.KINDS}. Pickles of anything but plain tensors are "
            "refused."
        )
        return
    with plain_errors():
        mapping = mapping_form.read(path, chooser)
        _soundness(mapping)
        _compared(mapping, view, chooser, others)


def _soundness(mapping: ImportedMapping) -> None:
    name = plain(mapping.name)
    if mapping.valid:
        st.success(
            f"{name} is sound: {len(mapping.ids):,} tokens, {plain(mapping.kind)}.",
            icon=":material/check_circle:",
        )
    else:
        st.warning(
            f"{name} has problems: {len(mapping.ids):,} entries, {plain(mapping.kind)}. It is "
            "compared below as what it holds.",
            icon=":material/warning:",
        )
    st.markdown("\n".join(f"- {ICONS[c.ok]} {plain(c.detail)}" for c in mapping.checks))


def _compared(
    mapping: ImportedMapping, view: InView, chooser: StoredCounts, others: list[StoredCounts]
) -> None:
    sets = [chooser, *others]
    counts = [stored.counts for stored in sets]
    names = list(eval_sets.names_of(sets).values())
    vocabularies = [(mapping.name, mapping.vocabulary), (view.title, view.vocabulary)]
    mine, ours = compare(vocabularies, counts, view.architecture, view.tradeoff.alpha)
    rows = pd.DataFrame(
        {
            "Set": names,
            mapping.name: [100 * covered.coverage for covered in mine.coverages],
            "In view": [100 * covered.coverage for covered in ours.coverages],
            "Difference": [
                100 * (a.coverage - b.coverage)
                for a, b in zip(mine.coverages, ours.coverages, strict=True)
            ],
            "Its missing tokens": [covered.missing_tokens for covered in mine.coverages],
        }
    )
    st.markdown(f"{_sentence(mapping, mine, ours, names[0], view)} {MEASURED} {ESTIMATED}")
    number = st.column_config.NumberColumn
    share = number(format="%.2f%%")
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        st.dataframe(
            rows,
            hide_index=True,
            alt="Coverage of the imported mapping and of the one in view",
            column_config={
                mapping.name: share,
                "In view": share,
                "Difference": number(format="%+.2f pt"),
                "Its missing tokens": number(format="localized"),
            },
        )
        chose = coverage_data.chosen_on(view, chooser)
        if in_sample := [name for s, name in zip(sets, names, strict=True) if s.key in chose]:
            st.caption(
                f"The tokens in view were chosen on {plain(', '.join(in_sample))}, so what they "
                f"cover of it is in sample, which is optimistic."
            )
        st.button(
            "Use this vocabulary",
            type="primary",
            icon=":material/check:",
            key="use_mapping",
            on_click=_use,
            args=(mapping, chooser),
        )
    with right:
        (against,) = compare(
            vocabularies[:1], counts, view.architecture, view.tradeoff.alpha, view.vocabulary
        )
        _differences(against, chooser, names[0])


def _sentence(
    mapping: ImportedMapping, mine: Compared, ours: Compared, name: str, view: InView
) -> str:
    text = (
        f"{len(mapping.vocabulary):,} tokens keep {percent(mine.coverages[0].coverage, 2)} of "
        f"{plain(name)}; as many of its most frequent tokens would keep {percent(mine.best, 2)}, "
        "in sample."
    )
    if mine.utility is not None and ours.utility is not None:
        text += (
            f" Utility {mine.utility:.4f} against {ours.utility:.4f} of the "
            f"{len(view.vocabulary):,} in view, at alpha {view.tradeoff.alpha:g}."
        )
    return text


def _differences(row: Compared, chooser: StoredCounts, name: str) -> None:
    tokenizer = eval_sets.tokenizer_of(chooser.counts)

    def table(ids) -> pd.DataFrame:
        head = [int(i) for i in ids[:SHOWN]]
        texts = [visible(t) for t in tokenizer.tokens(head)] if tokenizer else map(str, head)
        return pd.DataFrame({"Token": texts, "Count": chooser.counts.counts[head], "Id": head})

    gained, lost = st.columns(2)
    for column, title, ids, share in (
        (gained, "Only in the imported one", row.gained, row.gained_share),
        (lost, "Only in the one in view", row.lost, row.lost_share),
    ):
        with column:
            st.markdown(f"**{title}**: {len(ids):,}")
            st.caption(f"{percent(share, 3)} of {plain(name)}")
            if len(ids):
                st.dataframe(
                    table(ids),
                    hide_index=True,
                    height=260,
                    alt=title,
                    column_config={"Count": st.column_config.NumberColumn(format="localized")},
                )


def _use(mapping: ImportedMapping, chooser: StoredCounts) -> None:
    own = OwnVocabulary(
        f"Imported {mapping.name}, {len(mapping.vocabulary):,} tokens",
        f"imported from {mapping.name} ({mapping.kind})",
        chooser.key,
        mapping.vocabulary,
        tuple(arguments(chooser, [])),
        foreign=True,
    )
    vocabularies.keep_vocabulary("imported", own, chooser.counts)
    st.toast("It is now the vocabulary in view, and on Export.")


def arguments(chooser: StoredCounts, others: list[StoredCounts]) -> list[str]:
    """The same as a command.

    Args:
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    path = session.mapping_path or session.mapping_upload
    return ["compare", str(path or "MAPPING"), "--counts", chooser.key, *(s.key for s in others)]
