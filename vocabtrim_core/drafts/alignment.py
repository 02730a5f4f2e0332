"""What the target's own words change: both corpora counted with its tokenizer, and their k*."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.count import count
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.drafts.regenerate import compare
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.tradeoff import TradeOff

FILE = "alignment.json"  # beside the regenerated corpus of a training run
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Sizes are the exact optimum of each corpus at `alpha`; coverage is a share.

    original, regenerated: keys of the counts, which the workspace keeps.
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
        """What it says, in one sentence."""
        return (
            f"k* is {self.k_regenerated:,} on the target's own answers and {self.k_original:,} on "
            f"the original ones, whose vocabulary covers {self.coverage_of_regenerated:.1%} of "
            "what the target says."
        )

    def json(self) -> dict[str, Any]:
        """The values and the sentence, for a file or a command's result."""
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
    """Count both corpora, keep the counts, and compare the choices they lead to."""
    ours, theirs = (
        count(each, recipe.tokenizer, recipe.template, progress=progress)
        for each in (original, regenerated)
    )

    def best(counts: Any) -> int:
        return TradeOff(CoverageCurve.of(counts), target.architecture, alpha).optimum.k

    compared: dict[str, Any] = compare(ours, theirs, best)
    return Alignment(
        ours.key,
        theirs.key,
        **compared,
        tokens_original=ours.tokens,
        tokens_regenerated=theirs.tokens,
        alpha=alpha,
    )
