"""An existing mapping: read it, say whether it is sound, hold it against the sets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.ui import eval_sets, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, percent, plain, visible
from pages.ui.frame import plain_errors
from pages.ui.generalize import coverage_data
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.session import session
from pages.ui.vocabularies import InView
from pages.ui.warmup import freeze
from pages.ui.widgets import persisted
from vocabtrim_core import workspace
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.compare import Compared, compare
from vocabtrim_core.mappings.files import READERS
from vocabtrim_core.mappings.importing import ImportedMapping, import_for
from vocabtrim_core.workspace.files import write_atomic

CAP_MB = 50
SHOWN = 40
ICONS = {True: ":material/check_circle:", False: ":material/error:", None: ":material/remove:"}
KINDS = (
    "vocab_mapping.pt, d2t.npy with t2d.npy, d2t.pt, freq_*.pt, draft_token_map.pt, ids.json or "
    ".txt, .npz, a draft's safetensors or folder, a folder written by Export"
)


def panel(view: InView, chooser: StoredCounts, others: list[StoredCounts]) -> None:
    """Everything of this section.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that the vocabulary is chosen on.
        others: other counted sets that it is measured on.
    """
    path = _choose()
    if path is None:
        st.caption(f"What can be read: {KINDS}. Pickles of anything but plain tensors are refused.")
        return
    with plain_errors():
        mapping = _read(path, chooser)
        _soundness(mapping)
        _compared(mapping, view, chooser, others)


@st.cache_resource(max_entries=8, show_spinner="Reading the mapping")
def _load(path: str, changed: float, key: str, _counts) -> ImportedMapping:
    mapping = import_for(path, _counts)
    freeze()  # a .pt file imports torch
    return mapping


def _read(path: Path, chooser: StoredCounts) -> ImportedMapping:
    changed = path.stat().st_mtime if path.exists() else 0.0
    return _load(str(path), changed, chooser.key, chooser.counts)


def _choose() -> Path | None:
    """The path of the mapping; uploads are stored under names of ours."""
    source = st.segmented_control(
        "Where from",
        ("Path", "Upload"),
        default="Path",
        required=True,
        **persisted("mapping_source"),
    )
    if source == "Path":
        text = st.text_input(
            "File or folder on this machine",
            **persisted("mapping_path"),
            placeholder="/models/eagle3-draft/vocab_mapping.pt",
        )
        return Path(text.strip()).expanduser() if text and text.strip() else None
    files = st.file_uploader(
        "One file, or d2t and t2d together",
        [suffix[1:] for suffix in READERS],
        accept_multiple_files=True,
        key="mapping_files",
        max_upload_size=CAP_MB,
    )
    if files:
        with plain_errors():
            stored = _store([(file.name, file.getvalue()) for file in files])
            session.mapping_upload = str(stored)
    uploaded = session.mapping_upload
    return Path(uploaded) if uploaded else None


def _store(files: list[tuple[str, bytes]]) -> Path:
    """Store uploads under their content's address; a label only decides among names of ours.

    Readers go by the parts d2t and t2d of a name, and by its suffix.
    """
    named: dict[str, bytes] = {}
    for label, content in files:
        suffix = Path(label).suffix.lower()
        if suffix not in READERS:
            raise InputError(
                f"{label} is not a kind of file that holds a mapping; upload one that ends in "
                f"{', '.join(READERS)}."
            )
        part = next((part for part in ("d2t", "t2d") if part in label.lower()), "mapping")
        named[part + suffix] = content
    digest = hashlib.sha256(b"".join(name.encode() + named[name] for name in sorted(named)))
    folder = workspace.folder("mappings") / digest.hexdigest()[:16]
    for name, content in named.items():
        write_atomic(folder / name, content)
    return folder / min(named)  # d2t before mapping before t2d


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
