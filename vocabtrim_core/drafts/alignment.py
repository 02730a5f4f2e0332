"""The effect of the target's own answers: both corpora counted with its tokenizer, and their k*."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.count import count
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.tradeoff import TradeOff

FILE = "alignment.json"  # beside the regenerated corpus of a training run
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The comparison of a corpus with the one of the target's own answers.

    Attributes:
        original: Key of the original corpus's counts in the workspace.
        regenerated: Key of the regenerated corpus's counts in the workspace.
        k_original: Exact optimum on the original corpus at `alpha`.
        k_regenerated: Exact optimum on the regenerated corpus at `alpha`.
        coverage_of_regenerated: Share of the target's answers that the original vocabulary covers.
        tokens_original: Tokens counted in the original corpus.
        tokens_regenerated: Tokens counted in the regenerated corpus.
        alpha: Weight of coverage in the utility, 0..1.
    """

    original: str
    regenerated: str
    k_original: int
    k_regenerated: int
    coverage_of_regenerated: float
    tokens_original: int
    tokens_regenerated: int
    alpha: float

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        return (
            f"k* is {self.k_regenerated:,} on the target's own answers and {self.k_original:,} on "
            f"the original ones, whose vocabulary covers {self.coverage_of_regenerated:.1%} of "
            "what the target says."
        )

    def json(self) -> dict[str, Any]:
        """Return the values and the sentence, for a file or a command's result."""
        return {**asdict(self), "sentence": self.sentence}


def align(
    original: Corpus,
    regenerated: Corpus,
    recipe: CountConfig,
    target: Target,
    *,
    alpha: float = 0.5,
    progress: Progress = lambda *_, **__: None,
) -> Alignment:
    """Count both corpora, store the counts, and compare the choices that they lead to.

    Args:
        original: The corpus as it was.
        regenerated: The corpus with the target's answers.
        recipe: Tokenizer and template to count with.
        target: The target, for the draft's shapes.
        alpha: Weight of coverage in the utility, 0..1.
        progress: Called as progress(done, total, message, **rates).

    Returns:
        The comparison.

    Raises:
        InputError: A corpus cannot be counted.
    """
    original_counts, regenerated_counts = (
        count(corpus, recipe.tokenizer, recipe.template, progress=progress)
        for corpus in (original, regenerated)
    )

    def best(counts: Any) -> int:
        return TradeOff(CoverageCurve.of(counts), target.architecture, alpha).optimum.k

    comparison = compare(original_counts, regenerated_counts, best)
    return Alignment(
        original_counts.key,
        regenerated_counts.key,
        **comparison,
        tokens_original=original_counts.tokens,
        tokens_regenerated=regenerated_counts.tokens,
        alpha=alpha,
    )


def compare(
    original: TokenCounts, regenerated: TokenCounts, best: Callable[[TokenCounts], int]
) -> dict[str, Any]:
    """Compare the vocabularies that are chosen on original and on regenerated answers.

    Args:
        original: Counts of the original answers.
        regenerated: Counts of the target's answers, with the same tokenizer.
        best: Chooses k* from counts, such as the exact optimum at the chosen alpha and floor.

    Returns:
        k_original, k_regenerated, and coverage_of_regenerated: the share of the target's answers
        that the vocabulary chosen on the original ones covers.
    """
    ks = {"original": best(original), "regenerated": best(regenerated)}
    vocabulary = CoverageCurve.of(original).vocabulary(ks["original"])
    target_counts = regenerated.counts
    return {
        "k_original": ks["original"],
        "k_regenerated": ks["regenerated"],
        "coverage_of_regenerated": float(target_counts[vocabulary.ids].sum() / target_counts.sum()),
    }
