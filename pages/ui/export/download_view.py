"""The download: files with their manifest, and what is said of the vocabulary in them."""

from __future__ import annotations

import streamlit as st

from pages.ui.caching import KEYS, by_fields
from pages.ui.format import ESTIMATED, MEASURED, choice_sentence, counted, percent, plain
from pages.ui.vocabularies import InView
from pages.ui.warmup import freeze
from vocabtrim_core import exports
from vocabtrim_core.coverage import coverage_on

_zip = st.cache_data(
    max_entries=8,
    show_spinner="Writing and reading back",
    max_size="200MB",
    hash_funcs={**KEYS, exports.ExportContext: by_fields(exports.ExportContext)},
)(exports.export_zip)


def bundle(view: InView, formats: tuple[str, ...], command: str):
    """The zip and its manifest, written once.

    Args:
        view: the vocabulary in view.
        formats: names of formats.
        command: the command that writes the same, for the manifest.
    """
    context = exports.ExportContext(
        view.counts,
        view.architecture,
        view.tradeoff.alpha,
        view.tradeoff.floor,
        view.own.about if view.own else "by hand" if view.by_hand else "exact",
        command,
    )
    archive = _zip(view.vocabulary, formats, context)
    freeze()  # writing tensors has imported torch
    return archive


def origin(view: InView) -> str:
    """Where the vocabulary comes from, in a few words.

    Args:
        view: the vocabulary in view.
    """
    if view.own:
        return ":gray-badge[made on Generalize]"
    return ":gray-badge[your choice]" if view.by_hand else f"the exact optimum {ESTIMATED}"


def sentence(view: InView) -> str:
    """What it keeps and what it costs.

    Args:
        view: the vocabulary in view.
    """
    if view.plain_k:
        choice = view.tradeoff.at(view.plain_k)
        return choice_sentence(choice, view.tradeoff.curve, view.architecture)
    covered = coverage_on(view.vocabulary, view.counts)
    about = plain(view.own.about) if view.own else ""
    return (
        f"{about[:1].upper()}{about[1:]}. It covers {percent(covered.coverage)} of the "
        f"{covered.tokens:,} tokens counted in {plain(covered.name)}. {MEASURED}"
    )


def download(view: InView, formats: tuple[str, ...], argv: list[str]) -> None:
    """The button that downloads the files, and what their manifest says.

    Args:
        view: the vocabulary in view.
        formats: names of formats.
        argv: arguments of the command that writes the same.
    """
    content, manifest = bundle(view, formats, " ".join(argv))
    st.download_button(
        f"Download {counted(len(manifest.files), 'file')} and their manifest",
        content,
        f"draft-vocabulary-{manifest.k}.zip",
        "application/zip",
        key="download",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        shortcut="E",
    )
    st.caption(f"Vocabulary sha256 `{manifest.vocabulary_sha256}`")
    for line in manifest.notes:
        st.warning(plain(line), icon=":material/warning:")
