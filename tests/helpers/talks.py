"""Counted sets with their responses, made in a moment: words by Zipf's law."""

from __future__ import annotations

import numpy as np

from vocabtrim_core.counting.response_files import keep_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

SIZE = PRESETS["llama-3.1-8b"].vocab_size


def zipf(name: str, slope: float, seen: int) -> TokenCounts:
    """A counted set that looks like one: Zipf's law over shuffled ids."""
    ranks = np.arange(1, SIZE + 1)
    counts = (3e6 / (ranks + 8) ** slope + 1).astype(np.int64) * (ranks <= seen)
    about = Provenance(
        "assistant",
        "a-tokenizer",
        "f" * 64,
        "llama3",
        "e" * 64,
        span_end="stop",
        corpora=({"name": name, "sha256": name, "conversations": 10},),
        proof={"sentence": "5 of 10 texts encoded again by HF tokenizers: equal"},
    )
    return TokenCounts(np.random.default_rng(1).permutation(counts), 10, 2, about)


def talk(name: str, slope: float, seed: int, rule: str = "assistant") -> TokenCounts:
    """A counted set of 200 conversations by Zipf's law, its responses kept."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(20_000)[rng.zipf(slope, 60_000) % 20_000].astype(np.uint32)
    offsets = np.arange(0, len(ids) + 1, 300)
    n = len(offsets) - 1
    responses = Responses(ids, offsets, np.arange(n), np.full(n, -1, np.int16), (), SIZE)
    about = Provenance(
        rule,
        "llama-3.1",
        load_tokenizer("llama-3.1").fingerprint,
        "llama3",
        "e" * 64,
        span_end="stop",
        corpora=({"name": name, "sha256": name, "conversations": n},),
    )
    counts = TokenCounts(responses.counts(), n, 0, about)
    save_counts(counts)
    keep_responses(counts.key, responses)
    return counts
