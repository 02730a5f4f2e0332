"""A vocabulary, the counted sets it is measured on, and its coverage there with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pages.ui import eval_sets
from pages.ui.caching import cached
from pages.ui.vocabularies import InView
from vocabtrim_core.counting.shard_counts import load_shards
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.generalization.compare import TransferMatrix, transfer_matrix
from vocabtrim_core.generalization.domains import (
    DomainCoverage,
    coverage_by_domain,
    held_out_by_domain,
)
from vocabtrim_core.generalization.intervals import CoverageInterval, coverage_interval
from vocabtrim_core.generalization.stability import HeldOutCoverage, held_out_of
from vocabtrim_core.generalization.unseen import Unseen
from vocabtrim_core.generalization.unseen import unseen as unseen_of
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """The vocabulary in view and the counted sets it is measured on, first the one in view."""

    view: InView
    sets: list[StoredCounts]

    @property
    def chooser(self) -> StoredCounts:
        """The counted set in view, which chooses a vocabulary that is plain top-k."""
        return self.sets[0]

    @property
    def names(self) -> dict[str, str]:
        """A name for the key of each set."""
        return eval_sets.names_of(self.sets)

    @property
    def chosen_on(self) -> frozenset[str]:
        """Keys of the sets that had a part in choosing the vocabulary."""
        view = self.view
        top = view.tradeoff.curve.vocabulary(len(view.vocabulary))
        is_top = top.sha256 == view.vocabulary.sha256  # also where it comes back as a file
        chosen_on = view.own.chosen_on if view.own else frozenset[str]()
        return chosen_on | {self.chooser.key} if is_top else chosen_on

    def arguments(self, *options: str) -> list[str]:
        """The command `coverage` of this vocabulary on these sets.

        Args:
            options: options of the command that need other sets; left out without them.
        """
        others = [other.key for other in self.sets[1:]]
        on = ["--on", *others, *options] if others else []
        return ["coverage", self.chooser.key, *self.view.arguments(), *on]

    def coverages(self) -> list[tuple[HeldOut, CoverageInterval | None]]:
        """Coverage on all text of each set, with its interval unless the set chose the tokens."""
        vocabulary, names, chosen_on = self.view.vocabulary, self.names, self.chosen_on
        return [
            (
                replace(coverage_on(vocabulary, stored.counts), name=names[stored.key]),
                None if stored.key in chosen_on else interval(stored, vocabulary),
            )
            for stored in self.sets
        ]


@cached(200, "Measuring the intervals over conversations")
def interval(stored: StoredCounts, vocabulary: DraftVocabulary) -> CoverageInterval | None:
    """95 % interval of the coverage, None without responses or with one conversation.

    Args:
        stored: the counted set.
        vocabulary: the vocabulary, chosen on other text.
    """
    responses = eval_sets.responses_of(stored)
    if responses is None or responses.conversations < 2:
        return None
    return coverage_interval(responses, vocabulary.t2d)


@cached(50, "Choosing without each tenth of the conversations")
def held_out(stored: StoredCounts, k: int) -> HeldOutCoverage | None:
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
    responses = eval_sets.responses_of(stored)
    if responses is None or not responses.domains:
        return [], False
    if own_k and responses.conversations > 1:
        return held_out_by_domain(responses, own_k, counts=stored.counts.counts), True
    return coverage_by_domain(responses, vocabulary.t2d), False


@cached(20)
def matrix(sets: list[StoredCounts], k: int) -> TransferMatrix:
    """Top k of every set on every set, on itself held out where that is known.

    Args:
        sets: the counted sets.
        k: size of the draft vocabulary, in tokens.
    """
    own = [held_out(stored, k) for stored in sets]
    on_itself = [coverage and coverage.value for coverage in own]
    return transfer_matrix([stored.counts for stored in sets], k, on_itself)


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
