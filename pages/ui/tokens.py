"""Token texts: for the crosshair, for the table at the cut, and coloured in running text."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui import state
from pages.ui.caching import cached
from pages.ui.format import MEASURED, code_span, visible
from pages.ui.warmup import freeze
from vocabtrim_core import workspace
from vocabtrim_core.counts import Provenance
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.tokenizer import PRESETS, Tokenizer, load_tokenizer
from vocabtrim_core.workspace.files import write_atomic

AROUND_CUT = 10  # rows on either side of the cut


@cached(4, "Loading the tokenizer")
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
        tokenizer: the tokenizer.
    """
    with suppress(InputError):  # without it token texts are asked for
        write_atomic(_source_file(tokenizer.fingerprint), tokenizer.source.encode())


def _source_file(fingerprint: str) -> Path:
    return workspace.folder("tokenizers") / f"{fingerprint}.source"


def of_counts(about: Provenance) -> Tokenizer | None:
    """The tokenizer a set was counted with, if it can be had here and is still the same.

    Args:
        about: provenance of a counted set.
    """
    noted = _source_file(about.tokenizer_sha256)
    sources = []
    with suppress(OSError, UnicodeDecodeError):  # absent, or damaged and noted again
        sources = [noted.read_text("utf-8")]
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


@cached(4, "Reading the token texts")
def texts_by_rank(stored: StoredCounts) -> list[str]:
    """Display text of every seen token by rank; ids where the tokenizer is not at hand.

    Args:
        stored: the counted set.
    """
    curve = state.curve_of(stored)
    return _texts(of_counts(stored.counts.provenance), curve.order[: curve.distinct])


def _texts(tokenizer: Tokenizer | None, ids: np.ndarray) -> list[str]:
    if tokenizer is None:
        return [f"id {i}" for i in ids]
    return [visible(text) for text in tokenizer.tokens(ids)]


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
    curve = state.curve_of(stored)
    tokenizer = of_counts(stored.counts.provenance)
    formats = {"Rank": "{:,}", "Count": "{:,}", "Share": "{:.5f}%"}
    sides = (
        ("Last tokens kept", max(k - AROUND_CUT, 0), k),
        ("First tokens left out", k, k + AROUND_CUT),
    )
    for column, (title, start, stop) in zip(st.columns(2, gap="large"), sides, strict=True):
        rows = _table(curve, tokenizer, start, stop)
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
            "Token texts need the tokenizer, which is not available here; choose it on the Corpus "
            "page."
        )
