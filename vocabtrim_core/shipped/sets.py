"""The shipped sets: their counts, their counts by group of conversations, and their ceilings."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.shipped.archive import unpack, unpack_entries, unpack_lengths

FOLDER = Path(__file__).parent / "data"
MANIFEST = FOLDER / "manifest.json"
CEILINGS = FOLDER / "ceilings.zst"


@dataclass(frozen=True, slots=True)
class ShippedSet:
    """One corpus counted with one tokenizer.

    Attributes:
        key: `TokenCounts.key`.
        title: Name for people.
        file: Stem of its files in `FOLDER`.
        corpus: Name of the corpus in the manifest's sources.
        vocab_size: V.
        conversations: Conversations counted.
        skipped: Rows left out.
        domains: Labels of the rows, in the order of the arrays.
        provenance: Fields of `Provenance`, as JSON.
    """

    key: str
    title: str
    file: str
    corpus: str
    vocab_size: int
    conversations: int
    skipped: int
    domains: tuple[str, ...]
    provenance: Mapping[str, Any]

    def counts(self) -> TokenCounts:
        """Load the counts.

        Returns:
            The counts with their provenance.

        Raises:
            InputError: The file is missing or damaged.
        """
        return _counts(self.key)

    def pieces(self) -> PieceEntries:
        """Load the counts by random group of conversations, and by domain within each.

        Returns:
            The counts that are not 0.

        Raises:
            InputError: The file is missing or damaged.
        """
        ids = unpack(FOLDER / f"{self.file}.counts")["ids"]
        arrays = unpack(FOLDER / f"{self.file}.pieces")
        order = np.argsort(ids)
        cell, place, counts = unpack_entries(arrays, order)
        group, domain = np.divmod(cell, arrays["low"].shape[2])
        conversations = arrays["conversations"].astype(np.int64)
        return PieceEntries(ids[order], group, domain, place, counts, conversations)


@dataclass(frozen=True, slots=True, eq=False)
class PieceEntries:
    """Counts by group of conversations and domain that are not 0, in order of group and domain.

    Attributes:
        ids: uint32[seen], ascending.
        group: int64[n], of each count.
        domain: int64[n], of each count.
        token: int64[n], place of each in `ids`, ascending within a group and domain.
        counts: int64[n].
        conversations: int64[groups, domains].
    """

    ids: np.ndarray
    group: np.ndarray
    domain: np.ndarray
    token: np.ndarray
    counts: np.ndarray
    conversations: np.ndarray


@functools.cache
def manifest() -> dict[str, Any]:
    """Read the manifest.

    Returns:
        Its JSON: format, command, versions, aggregated, sources, sets.
    """
    return json.loads(MANIFEST.read_text("utf-8"))


@functools.cache
def shipped_sets() -> dict[str, ShippedSet]:
    """The shipped sets by key, in the order in which they are listed."""
    rows = (
        ShippedSet(
            row["key"],
            row["title"],
            row["file"],
            row["corpus"],
            row["vocab_size"],
            row["conversations"],
            row["skipped"],
            tuple(row["domains"]),
            row["provenance"],
        )
        for row in manifest()["sets"]
    )
    return {row.key: row for row in rows}


def find_shipped(title: str, tokenizer: str) -> ShippedSet:
    """Find a shipped set by its name and tokenizer.

    Args:
        title: Name of the set.
        tokenizer: Name of the tokenizer's preset.

    Returns:
        The set.

    Raises:
        KeyError: There is none.
    """
    for row in shipped_sets().values():
        if (row.title, row.provenance["tokenizer"]) == (title, tokenizer):
            return row
    raise KeyError(f"No shipped counts of {title} with {tokenizer}.")


def sources_of(key: str) -> list[dict[str, Any]]:
    """The sources of a shipped set, with repository, commit, path, licence, author and rows.

    Args:
        key: `TokenCounts.key`.

    Returns:
        One mapping per source; empty for sets that are not shipped.
    """
    row = shipped_sets().get(key)
    return manifest()["sources"][row.corpus]["parts"] if row else []


@functools.lru_cache(maxsize=64)
def _counts(key: str) -> TokenCounts:
    row = shipped_sets()[key]
    arrays = unpack(FOLDER / f"{row.file}.counts")
    counts = np.zeros(row.vocab_size, np.int64)
    counts[arrays["ids"]] = arrays["counts"]
    fields: dict[str, Any] = {**row.provenance, "corpora": tuple(row.provenance["corpora"])}
    provenance = Provenance(**fields)
    return TokenCounts(counts, row.conversations, row.skipped, provenance)


@dataclass(frozen=True, slots=True, eq=False)
class CeilingPoints:
    """The acceptance-length ceiling of a set under an order, at some sizes.

    Attributes:
        ks: int64[points], from 1 to V.
        lengths: float64[depths, points], tokens per cycle of a perfect draft at depth row + 1.
        tokens: Tokens of the text.
        responses: Responses of the text with tokens.
    """

    ks: np.ndarray
    lengths: np.ndarray
    tokens: int
    responses: int


def ceiling_points(order: str, served: str) -> CeilingPoints | None:
    """Load the ceiling of one shipped set under the order of another.

    Args:
        order: Key of the set whose counts order the tokens; `served` itself for held-out text.
        served: Key of the set that is read.

    Returns:
        The ceiling at some sizes; None where it is not shipped.
    """
    if served not in shipped_sets():
        return None
    arrays, name = _ceilings(), f"{order}.{served}"
    if name not in arrays:
        return None
    tokens, responses = arrays[f"{name}.of"].tolist()
    ks = arrays[f"{name}.ks"].astype(np.int64)
    return CeilingPoints(ks, unpack_lengths(arrays[name]), tokens, responses)


@functools.cache
def _ceilings() -> dict[str, np.ndarray]:
    return unpack(CEILINGS)
