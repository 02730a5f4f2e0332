"""The download: files with their manifest, and what is said of the vocabulary in them."""

from __future__ import annotations

import streamlit as st

from pages.ui import state, vocabularies
from pages.ui.format import ESTIMATED, MEASURED, choice_sentence, counted, percent, plain
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.warmup import freeze
from vocabtrim_core import exports
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.selection_spec.settings import Settings


@st.cache_data(max_entries=8, show_spinner="Writing and reading back", max_size="200MB")
def bundle(
    key: str,
    _counts,
    settings: Settings,
    k: int,
    formats: tuple[str, ...],
    command: str,
    sha256: str = "",
    _own: OwnVocabulary | None = None,
):
    """The zip and what its manifest says; _own (with its sha256) instead of the top k.

    Args:
        key: key of the counted set.
        _counts: the counted set; `key` stands for it in the cache.
        settings: the settings of the trade-off.
        k: size of the draft vocabulary, in tokens.
        formats: names of formats.
        command: the command that writes the same, for the manifest.
        sha256: of that vocabulary.
        _own: a vocabulary that is not top-k, None for the top k.
    """
    curve = state.curve_of(key, _counts)
    how = _own.about if _own else "by hand" if settings.k else "exact"
    context = exports.ExportContext(
        _counts,
        settings.over(curve.vocab_size).architecture,
        settings.alpha,
        settings.floor,
        how,
        command,
    )
    vocabulary = _own.vocabulary if _own else curve.vocabulary(k)
    archive = exports.export_zip(vocabulary, formats, context)
    freeze()  # writing tensors has imported torch
    return archive


def origin(view: vocabularies.InView, settings: Settings) -> str:
    """Where the vocabulary comes from, in a few words.

    Args:
        view: the vocabulary in view.
        settings: the settings of the trade-off.
    """
    if view.own:
        return ":gray-badge[made on Generalize]"
    return ":gray-badge[your choice]" if settings.k else f"the exact optimum {ESTIMATED}"


def sentence(view: vocabularies.InView, stored) -> str:
    """What it keeps and what it costs.

    Args:
        view: the vocabulary in view.
        stored: the counted set in view.
    """
    if view.plain_k:
        choice = view.tradeoff.at(view.plain_k)
        return choice_sentence(choice, view.tradeoff.curve, view.architecture)
    covered = coverage_on(view.vocabulary, stored.counts)
    about = plain(view.own.about) if view.own else ""
    return (
        f"{about[:1].upper()}{about[1:]}. It covers {percent(covered.coverage)} of the "
        f"{covered.tokens:,} tokens counted in {plain(covered.name)}. {MEASURED}"
    )


def download(stored, settings, view: vocabularies.InView, formats: tuple[str, ...], argv) -> None:
    """The button that downloads the files, and what their manifest says.

    Args:
        stored: the counted set in view.
        settings: the settings of the trade-off.
        view: the vocabulary in view.
        formats: names of formats.
        argv: arguments of the command that writes the same.
    """
    k = len(view.vocabulary)
    content, manifest = bundle(
        stored.key,
        stored.counts,
        settings,
        k,
        formats,
        " ".join(map(str, argv)),
        view.vocabulary.sha256,
        view.own,
    )
    st.download_button(
        f"Download {counted(len(manifest.files), 'file')} and their manifest",
        content,
        f"draft-vocabulary-{k}.zip",
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
