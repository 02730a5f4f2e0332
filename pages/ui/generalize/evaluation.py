"""A vocabulary, the counted sets it is measured on, and its coverage there with intervals."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pages.ui import eval_sets
from pages.ui.caching import cached
from pages.ui.stored_coverage import held_out, interval
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.generalization.compare import TransferMatrix, transfer_matrix
from vocabtrim_core.generalization.intervals import CoverageInterval


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
