"""Coverage of a vocabulary on counted sets, with intervals; computed once for each."""

from __future__ import annotations

import streamlit as st

from pages.ui import eval_sets
from pages.ui.vocabularies import InView
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.generalization.compare import TransferMatrix, transfer_matrix
from vocabtrim_core.generalization.uncertainty import (
    CoverageInterval,
    DomainCoverage,
    coverage_by_domain,
    coverage_interval,
    held_out_coverage,
)


@st.cache_data(max_entries=200, show_spinner="Drawing conversations again for the intervals")
def interval(key: str, sha: str, _counts, _vocabulary) -> CoverageInterval | None:
    """95 % interval of the coverage, None without responses or with one conversation.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        _counts: the counted set; `key` stands for it in the cache.
        _vocabulary: the vocabulary.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or responses.conversations < 2:
        return None
    return coverage_interval(responses, _vocabulary.t2d)


@st.cache_data(max_entries=50, show_spinner="Choosing without each tenth of the conversations")
def held_out(key: str, k: int, _counts) -> CoverageInterval | None:
    """Coverage of k tokens on conversations that had no part in choosing them.

    Args:
        key: key of the counted set.
        k: size of the draft vocabulary, in tokens.
        _counts: the counted set; `key` stands for it in the cache.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or responses.conversations < 2:
        return None
    return held_out_coverage(responses, k)


@st.cache_data(max_entries=100, show_spinner=False)
def by_domain(key: str, sha: str, _counts, _vocabulary) -> list[DomainCoverage]:
    """Coverage per domain label; empty without labels.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        _counts: the counted set; `key` stands for it in the cache.
        _vocabulary: the vocabulary.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or not responses.domains:
        return []
    return coverage_by_domain(responses, _vocabulary.t2d)


@st.cache_data(max_entries=20, show_spinner=False)
def matrix(keys: tuple[str, ...], k: int, _sets: list[TokenCounts]) -> TransferMatrix:
    """Top k of every set on every set.

    Args:
        keys: keys of the counted sets, for the cache.
        k: size of the draft vocabulary, in tokens.
        _sets: the counted sets.
    """
    return transfer_matrix(_sets, k)


def measured(
    view: InView, sets: list[StoredCounts]
) -> list[tuple[StoredCounts, HeldOut, CoverageInterval | None]]:
    """Coverage of the vocabulary in view on each set.

    Args:
        view: the vocabulary in view.
        sets: counted sets.
    """
    sha = view.vocabulary.sha256
    names = eval_sets.names_of(sets)
    rows = []
    for stored in sets:
        covered = coverage_on(view.vocabulary, stored.counts)
        covered = HeldOut(names[stored.key], *_fields(covered)[1:])
        rows.append((stored, covered, interval(stored.key, sha, stored.counts, view.vocabulary)))
    return rows


def _fields(covered: HeldOut) -> tuple:
    return (
        covered.name,
        covered.tokens,
        covered.coverage,
        covered.unique_coverage,
        covered.missing_tokens,
    )
