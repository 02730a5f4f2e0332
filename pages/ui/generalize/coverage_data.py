"""Coverage of a vocabulary on counted sets, with intervals; computed once for each."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui import eval_sets
from pages.ui.vocabularies import InView
from vocabtrim_core.counting.shard_counts import load_shards
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.generalization.compare import TransferMatrix, transfer_matrix
from vocabtrim_core.generalization.stability import HeldOutCoverage, held_out_of
from vocabtrim_core.generalization.uncertainty import (
    CoverageInterval,
    DomainCoverage,
    coverage_by_domain,
    coverage_interval,
    held_out_by_domain,
)
from vocabtrim_core.generalization.unseen import Unseen
from vocabtrim_core.generalization.unseen import unseen as unseen_of


@st.cache_data(max_entries=200, show_spinner="Measuring the intervals over conversations")
def interval(key: str, sha: str, _counts, _vocabulary) -> CoverageInterval | None:
    """95 % interval of the coverage, None without responses or with one conversation.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        _counts: the counted set; `key` stands for it in the cache.
        _vocabulary: the vocabulary, chosen on other text.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or responses.conversations < 2:
        return None
    return coverage_interval(responses, _vocabulary.t2d)


@st.cache_data(max_entries=50, show_spinner="Choosing without each tenth of the conversations")
def held_out(key: str, k: int, _counts) -> HeldOutCoverage | None:
    """Coverage of k tokens on text that had no part in choosing them; None where it is not known.

    Args:
        key: key of the counted set.
        k: size of the draft vocabulary, in tokens.
        _counts: the counted set; `key` stands for it in the cache.
    """
    return held_out_of(_counts, k, eval_sets.responses_of(key, _counts), load_shards(_counts.key))


@st.cache_data(max_entries=50, show_spinner="Leaving out each conversation in turn")
def unseen(key: str, _counts) -> Unseen:
    """Share of a new conversation's tokens that the counts have never seen.

    Args:
        key: key of the counted set.
        _counts: the counted set; `key` stands for it in the cache.
    """
    return unseen_of(_counts.counts, eval_sets.responses_of(key, _counts), load_shards(_counts.key))


@st.cache_data(max_entries=100, show_spinner=False)
def by_domain(
    key: str, sha: str, own_k: int | None, _counts, _vocabulary
) -> tuple[list[DomainCoverage], bool]:
    """Coverage per domain label, and whether it is held out; empty without labels.

    Args:
        key: key of the counted set.
        sha: sha256 of the vocabulary, for the cache.
        own_k: size of the vocabulary where it is the top k of this very set.
        _counts: the counted set; `key` stands for it in the cache.
        _vocabulary: the vocabulary.
    """
    responses = eval_sets.responses_of(key, _counts)
    if responses is None or not responses.domains:
        return [], False
    if own_k and responses.conversations > 1:
        return held_out_by_domain(responses, own_k, counts=_counts.counts), True
    return coverage_by_domain(responses, _vocabulary.t2d), False


@st.cache_data(max_entries=20, show_spinner=False)
def matrix(keys: tuple[str, ...], k: int, _sets: list[TokenCounts]) -> TransferMatrix:
    """Top k of every set on every set, on itself held out where that is known.

    Args:
        keys: keys of the counted sets, for the cache.
        k: size of the draft vocabulary, in tokens.
        _sets: the counted sets.
    """
    own = [held_out(key, k, counts) for key, counts in zip(keys, _sets, strict=True)]
    return transfer_matrix(_sets, k, [found and found.value for found in own])


def chosen_on(view: InView, chooser: StoredCounts) -> frozenset[str]:
    """Keys of the sets that had a part in choosing the vocabulary in view.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that it is chosen on where it is plain top-k.
    """
    top = view.tradeoff.curve.vocabulary(len(view.vocabulary))
    is_top = top.sha256 == view.vocabulary.sha256  # also where it comes back as a file
    chose = view.own.chosen_on if view.own else frozenset[str]()
    return chose | {chooser.key} if is_top else chose


def measured(
    view: InView, sets: list[StoredCounts], chose: frozenset[str]
) -> list[tuple[HeldOut, CoverageInterval | None]]:
    """Coverage of the vocabulary in view on all text of each set, with its interval.

    Args:
        view: the vocabulary in view.
        sets: counted sets.
        chose: keys of those that chose the vocabulary, which have no interval.
    """
    sha, names = view.vocabulary.sha256, eval_sets.names_of(sets)
    rows = []
    for stored in sets:
        covered = coverage_on(view.vocabulary, stored.counts)
        between = None
        if stored.key not in chose:
            between = interval(stored.key, sha, stored.counts, view.vocabulary)
        rows.append((replace(covered, name=names[stored.key]), between))
    return rows


def in_percent(share: float | None) -> float | None:
    """A share of a table; None stays empty.

    Args:
        share: 0..1.
    """
    return None if share is None else 100 * share


def ends(interval: tuple[float, float] | None) -> dict[str, float | None]:
    """The columns of an interval, empty without one.

    Args:
        interval: its ends, 0..1.
    """
    low, high = interval or (None, None)
    return {"From": in_percent(low), "To": in_percent(high)}
