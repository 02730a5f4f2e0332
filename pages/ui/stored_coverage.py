"""What is known of a counted set from what is stored of it: intervals, held out, domains."""

from __future__ import annotations

from pages.ui import eval_sets
from pages.ui.caching import cached
from vocabtrim_core.counting.shard_counts import load_domain_shards, load_shards
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.domains import DomainCoverage
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.generalization.pieces import domains_on, interval_on
from vocabtrim_core.generalization.stability import held_out_of
from vocabtrim_core.generalization.unseen import Unseen
from vocabtrim_core.generalization.unseen import unseen as unseen_of
from vocabtrim_core.vocabulary import DraftVocabulary


@cached(200, "Measuring the intervals over conversations")
def interval(stored: StoredCounts, vocabulary: DraftVocabulary) -> CoverageInterval | None:
    """95 % interval of the coverage, None where too little is stored for one.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary, chosen on other text.
    """
    return interval_on(eval_sets.responses_of(stored), load_shards(stored.key), vocabulary.t2d)


@cached(50, "Choosing without each tenth of the conversations")
def held_out(stored: StoredCounts, k: int) -> CoverageInterval | None:
    """Coverage of k tokens on text that had no part in choosing them; None where it is not known.

    Args:
        stored: the counted set.
        k: size of the draft vocabulary, in tokens.
    """
    responses = eval_sets.responses_of(stored)
    return held_out_of(stored.counts, k, responses, load_shards(stored.key))


@cached(50, "Leaving out each conversation in turn")
def unseen(stored: StoredCounts) -> Unseen:
    """Share of a new conversation's tokens that the counts have never seen.

    Args:
        stored: the counted set.
    """
    responses = eval_sets.responses_of(stored)
    return unseen_of(stored.counts.counts, responses, load_shards(stored.key))


@cached(100)
def by_domain(
    stored: StoredCounts, vocabulary: DraftVocabulary, own_k: int | None
) -> tuple[list[DomainCoverage], bool]:
    """Coverage per domain label, and whether it is held out; empty without labels.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary.
        own_k: size of the vocabulary where it is the top k of this very set.
    """
    return domains_on(
        eval_sets.responses_of(stored),
        load_domain_shards(stored.key),
        vocabulary.t2d,
        own_k,
        counts=stored.counts.counts,
    )
