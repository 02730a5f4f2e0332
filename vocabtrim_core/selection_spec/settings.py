"""The parts of a selection: settings, pins, the tailored mix and own tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.fields.kinds import BUDGETS, NAMES, NUMBERS, SHARE, SIZE, WEIGHT
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.id_ranges import from_runs, to_runs
from vocabtrim_core.selection_spec.draft_kind import DRAFT

if TYPE_CHECKING:
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.tradeoff import TradeOff
    from vocabtrim_core.vocabulary import DraftVocabulary

ALPHA = "weight of coverage against latency reduction, 0..1"
FLOOR = "coverage floor, 0..1"
SIZE_K = "draft vocabulary size"
KEEP = (
    "end-of-turn, specials, bytes, digits, numbers, whitespace, tool-calls, thoughts, or a file of "
    "ids and texts (.json array, or .txt with one per line)"
)
SHARES = "traffic share of each corpus (default: all equal)"
EVERY = "least coverage of every corpus, 0..1"
SCRIPTS = "at least the N most frequent tokens of a script: cjk, cyrillic, arabic, …"

Budgets = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is weighed and where it is searched.

    Attributes:
        architecture: The draft, over V.
        alpha: Weight of coverage against latency reduction, 0..1.
        floor: Least coverage, 0..1.
        k: Size of the vocabulary, None for the exact optimum.
        k_min: Smallest size that is searched.
        k_max: Largest size that is searched, None for V.
    """

    architecture: Annotated[DraftArchitecture, Leaf(DRAFT, "--draft", "draft", stated=True)]
    alpha: Annotated[float, Leaf(WEIGHT, "--alpha", "alpha", ALPHA, stated=True)] = 0.5
    floor: Annotated[float, Leaf(SHARE, "--min-coverage", "floor", FLOOR)] = 0.0
    k: Annotated[int | None, Leaf(SIZE, "--k", "k", SIZE_K, unset="the exact optimum")] = None
    k_min: Annotated[int, Leaf(SIZE, "--k-min", "kmin", "smallest k searched")] = 1
    k_max: Annotated[int | None, Leaf(SIZE, "--k-max", "kmax", "largest k searched", unset="V")] = (
        None
    )

    def over(self, vocab_size: int) -> Settings:
        """Move the settings to another vocabulary size.

        Args:
            vocab_size: The new V.

        Returns:
            The settings with shapes over it and bounds within it.
        """
        return replace(
            self,
            architecture=replace(self.architecture, vocab_size=vocab_size),
            k_min=min(self.k_min, vocab_size),
            k_max=None if self.k_max is None else min(self.k_max, vocab_size),
        )

    def tradeoff(self, curve: CoverageCurve) -> TradeOff:
        """Make the trade-off that these settings describe.

        Args:
            curve: The coverage curve of the counts.

        Returns:
            The trade-off.

        Raises:
            InputError: There are values out of range.
        """
        from vocabtrim_core.tradeoff import TradeOff

        return TradeOff(curve, self.architecture, self.alpha, self.floor, self.k_min, self.k_max)


@dataclass(frozen=True, slots=True)
class Pin:
    """A choice kept for comparison.

    Attributes:
        counts: Key of its counts.
        name: Name of its counts.
        settings: Its settings.
    """

    counts: str
    name: str
    settings: Settings


@dataclass(frozen=True, slots=True)
class Mix:
    """How tokens were tailored to several corpora.

    Attributes:
        sets: Keys of the counts.
        weights: Share of the traffic of each, empty for equal shares.
        protect: Named sets that are kept.
        scripts: (script, tokens): at least so many of its most frequent tokens are kept.
        floor_every: Least coverage of every corpus, 0..1, None for no floor.
    """

    sets: tuple[str, ...] = ()
    weights: Annotated[tuple[float, ...], Leaf(NUMBERS, "--weights", "", SHARES, metavar="W")] = ()
    protect: Annotated[tuple[str, ...], Leaf(NAMES, "--protect", "", KEEP, metavar="SET")] = ()
    scripts: Annotated[Budgets, Leaf(BUDGETS, "--script", "", SCRIPTS, metavar="SCRIPT=N")] = ()
    floor_every: Annotated[float | None, Leaf(SHARE, "--min-coverage-every", "", EVERY)] = None


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Tokens that no size and no rule gives: tailored to a mix, imported, or chosen by hand.

    Attributes:
        about: How they were chosen, in a few words.
        ids: The token ids as runs, '3,10-19'.
    """

    about: str
    ids: str

    @classmethod
    def of(cls, vocabulary: DraftVocabulary, about: str) -> OwnTokens:
        """Note the tokens of a vocabulary.

        Args:
            vocabulary: The vocabulary.
            about: How it was chosen, in a few words.

        Returns:
            The tokens.
        """
        return cls(about, to_runs(vocabulary.ids.tolist()))

    def vocabulary(self, vocab_size: int) -> DraftVocabulary:
        """Make the vocabulary again.

        Args:
            vocab_size: V.

        Returns:
            The vocabulary.

        Raises:
            InputError: There are ids outside 0..V-1.
        """
        from vocabtrim_core.vocabulary import DraftVocabulary

        return DraftVocabulary.of(from_runs(self.ids, "The choice's own ids"), vocab_size)


NO_MIX = Mix()
