"""An existing mapping: read it, say whether it is valid, hold it against the sets."""

from __future__ import annotations

import streamlit as st

from pages.ui import eval_sets, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, percent, plain, visible
from pages.ui.generalize import mapping_form
from pages.ui.generalize.evaluation import Evaluation
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.session import session
from pages.ui.tables import WHOLE, table
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.compare import Compared, compare
from vocabtrim_core.mappings.imported import ImportedMapping

SHOWN = 40
ICONS = {True: ":material/check_circle:", False: ":material/error:", None: ":material/remove:"}


def panel(evaluation: Evaluation) -> None:
    """Everything of this section.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    path = mapping_form.choose()
    if path is None:
        st.caption(
            f"What can be read: {mapping_form.KINDS}. Pickles of anything but plain tensors are "
            "refused."
        )
        return
    mapping = mapping_form.read(path, evaluation.chooser)
    _validity(mapping)
    _compared(mapping, evaluation)


def _validity(mapping: ImportedMapping) -> None:
    name = plain(mapping.name)
    if mapping.valid:
        st.success(
            f"{name} is valid: {len(mapping.ids):,} tokens, {plain(mapping.kind)}.",
            icon=":material/check_circle:",
        )
    else:
        st.warning(
            f"{name} has problems: {len(mapping.ids):,} entries, {plain(mapping.kind)}. It is "
            "compared below with the ids it holds.",
            icon=":material/warning:",
        )
    st.markdown("\n".join(f"- {ICONS[c.ok]} {plain(c.detail)}" for c in mapping.checks))


def _compared(mapping: ImportedMapping, evaluation: Evaluation) -> None:
    view, chooser, sets = evaluation.view, evaluation.chooser, evaluation.sets
    counts = [stored.counts for stored in sets]
    names = list(evaluation.names.values())
    vocabularies = [(mapping.name, mapping.vocabulary), (view.title, view.vocabulary)]
    imported, in_view = compare(vocabularies, counts, view.architecture, view.tradeoff.alpha)
    rows = {
        "Set": names,
        mapping.name: [100 * covered.coverage for covered in imported.coverages],
        "In view": [100 * covered.coverage for covered in in_view.coverages],
        "Difference": [
            100 * (a.coverage - b.coverage)
            for a, b in zip(imported.coverages, in_view.coverages, strict=True)
        ],
        "Its missing tokens": [covered.missing_tokens for covered in imported.coverages],
    }
    st.markdown(f"{_sentence(mapping, imported, in_view, names[0], view)} {MEASURED} {ESTIMATED}")
    formats = {
        mapping.name: "%.2f%%",
        "In view": "%.2f%%",
        "Difference": "%+.2f pt",
        "Its missing tokens": WHOLE,
    }
    left, right = st.columns([1.2, 1], gap="large")
    with left:
        table(rows, "Coverage of the imported mapping and of the one in view", formats)
        chosen_on = evaluation.chosen_on
        if in_sample := [name for key, name in evaluation.names.items() if key in chosen_on]:
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
    mapping: ImportedMapping, imported: Compared, in_view: Compared, name: str, view: InView
) -> str:
    text = (
        f"{len(mapping.vocabulary):,} tokens cover {percent(imported.coverages[0].coverage, 2)} "
        f"of {plain(name)}; as many of its most frequent tokens would cover "
        f"{percent(imported.best, 2)}, in sample."
    )
    if imported.utility is not None and in_view.utility is not None:
        text += (
            f" Utility {imported.utility:.4f} against {in_view.utility:.4f} of the "
            f"{len(view.vocabulary):,} in view, at alpha {view.tradeoff.alpha:g}."
        )
    return text


def _differences(row: Compared, chooser: StoredCounts, name: str) -> None:
    tokenizer = eval_sets.tokenizer_of(chooser.counts)

    sides = (
        ("Only in the imported one", row.gained, row.gained_share),
        ("Only in the one in view", row.lost, row.lost_share),
    )
    for column, (title, ids, share) in zip(st.columns(2), sides, strict=True):
        with column:
            st.markdown(f"**{title}**: {len(ids):,}")
            st.caption(f"{percent(share, 3)} of {plain(name)}")
            if len(ids):
                head = [int(i) for i in ids[:SHOWN]]
                texts = map(visible, tokenizer.tokens(head)) if tokenizer else map(str, head)
                columns = {"Token": texts, "Count": chooser.counts.counts[head], "Id": head}
                table(columns, title, {"Count": WHOLE}, height=260)


def _use(mapping: ImportedMapping, chooser: StoredCounts) -> None:
    own = OwnVocabulary(
        f"Imported {mapping.name}, {len(mapping.vocabulary):,} tokens",
        f"imported from {mapping.name} ({mapping.kind})",
        chooser.key,
        mapping.vocabulary,
        tuple(_command(chooser)),
        foreign=True,
    )
    vocabularies.keep_vocabulary("imported", own, chooser.counts)
    st.toast("It is now the vocabulary in view, and on Export.")


def arguments(evaluation: Evaluation) -> list[str]:
    """The same as a command.

    Args:
        evaluation: the vocabulary in view and the sets it is measured on.
    """
    return _command(*evaluation.sets)


def _command(*sets: StoredCounts) -> list[str]:
    path = session.mapping_path or session.mapping_upload
    return ["compare", str(path or "MAPPING"), "--counts", *(stored.key for stored in sets)]
