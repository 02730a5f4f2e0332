"""Token texts: for the crosshair, for the table at the cut, and coloured in running text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import state
from pages.ui.format import MEASURED, code_span, visible
from pages.ui.warmup import freeze
from vocabtrim_core import workspace
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.tokenizer import PRESETS, Tokenizer, load_tokenizer
from vocabtrim_core.workspace.files import write_atomic


@st.cache_resource(max_entries=4, show_spinner="Loading the tokenizer")
def load(spec: str, revision: str | None = None, vocab_size: int | None = None) -> Tokenizer:
    """A tokenizer, kept by what it was asked for; vocab_size: V given by hand.

    Args:
        spec: name of a preset, path, or id on the hub.
        revision: revision on the hub.
        vocab_size: V given by hand, None for the tokenizer's own.
    """
    tokenizer = load_tokenizer(spec, revision=revision, vocab_size=vocab_size)
    freeze()  # a first conversion has imported transformers
    return tokenizer


def spec_of(source: str) -> tuple[str, str | None]:
    """What to ask for to get the tokenizer of this `source` again: spec, revision of the hub.

    Args:
        source: where the tokenizer came from, as it says.
    """
    if "@" in source and not Path(source).exists():
        spec, _, revision = source.partition("@")
        return spec, revision
    return source, None


def note_source(tokenizer: Tokenizer) -> None:
    """Remember where a tokenizer came from, so that its counts can show token texts later.

    Args:
        tokenizer: the tokenizer; None shows ids.
    """
    path = workspace.folder("tokenizers") / f"{tokenizer.fingerprint}.source"
    write_atomic(path, tokenizer.source.encode())


def of_counts(about: Provenance) -> Tokenizer | None:
    """The tokenizer a set was counted with, if it can be had here and is still the same.

    Args:
        about: provenance of a counted set.
    """
    noted = workspace.folder("tokenizers") / f"{about.tokenizer_sha256}.source"
    sources = [noted.read_text("utf-8")] if noted.is_file() else []
    if about.tokenizer in PRESETS or Path(about.tokenizer).exists():
        sources.append(about.tokenizer)
    for source in sources:
        try:
            tokenizer = load(*spec_of(source))
        except InputError:
            continue
        if tokenizer.fingerprint == about.tokenizer_sha256:
            return tokenizer
    return None


@st.cache_resource(max_entries=4, show_spinner="Reading the token texts")
def texts_by_rank(key: str, _counts: TokenCounts, _curve: CoverageCurve) -> list[str]:
    """Display text of every seen token by rank; ids where the tokenizer is not at hand.

    Args:
        key: key of the counted set.
        _counts: the counted set; `key` stands for it in the cache.
        _curve: its coverage curve.
    """
    return _texts(of_counts(_counts.provenance), _curve.order[: _curve.distinct])


def _texts(tokenizer: Tokenizer | None, ids: np.ndarray) -> list[str]:
    if tokenizer is None:
        return [f"id {i}" for i in ids]
    return [visible(text) for text in tokenizer.tokens(ids)]


def around_cut(
    curve: CoverageCurve, tokenizer: Tokenizer | None, k: int, rows: int = 10
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The last `rows` tokens kept and the first left out: rank, id, text, count, share.

    Args:
        curve: the coverage curve of the counted set.
        tokenizer: the tokenizer; None shows ids.
        k: size of the draft vocabulary, in tokens.
        rows: how many tokens on either side.
    """
    return _table(curve, tokenizer, max(k - rows, 0), k), _table(curve, tokenizer, k, k + rows)


def _table(
    curve: CoverageCurve, tokenizer: Tokenizer | None, start: int, stop: int
) -> pd.DataFrame:
    ranks = np.arange(start, min(stop, curve.vocab_size))
    counts = curve.sorted_counts[ranks]
    return pd.DataFrame(
        {
            "Rank": ranks + 1,
            "Token": [code_span(text) for text in _texts(tokenizer, curve.order[ranks])],
            "Id": curve.order[ranks],
            "Count": counts,
            "Share": 100 * counts / curve.tokens,
        }
    )


def cut_tables(stored: StoredCounts, k: int) -> None:
    """The tokens on both sides of the cut at k.

    Args:
        stored: the counted set in view.
        k: size of the draft vocabulary, in tokens.
    """
    curve = state.curve_of(stored.key, stored.counts)
    tokenizer = of_counts(stored.counts.provenance)
    sides = zip(
        st.columns(2, gap="large"),
        ("Last tokens kept", "First tokens left out"),
        around_cut(curve, tokenizer, k),
        strict=True,
    )
    formats = {"Rank": "{:,}", "Count": "{:,}", "Share": "{:.5f}%"}
    for column, title, rows in sides:
        with column:
            st.markdown(f"**{title}** {MEASURED}")
            if rows.empty:
                st.caption("Every token of the target is kept.")
            else:
                st.table(
                    rows.style.format(formats), border="horizontal", hide_index=True, alt=title
                )
    if tokenizer is None:
        st.caption(
            "Token texts need the tokenizer, which is not at hand; choose it on the Corpus page."
        )
