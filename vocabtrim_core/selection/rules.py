"""Rules of a selection: protected and excluded tokens, and a multiple of the size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import WHOLE, File
from vocabtrim_core.fields.leaf import Leaf, ReadContext
from vocabtrim_core.id_ranges import from_runs, to_runs

if TYPE_CHECKING:
    import numpy as np

PROTECTED, FREE, EXCLUDED = 0, 1, 2  # tiers of tokens, in the order a selection takes them
NO_IDS: frozenset[int] = frozenset()
KEPT = "ids to keep, one per line or a JSON array"
LEFT_OUT = "what to leave out, in a file likewise"
UP_TO = "round k up to a multiple, such as 64 x tensor parallel"


class Ids(File):
    """A set of token ids; in links as runs such as 3,10-19."""

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """See `Kind.resolve`."""
        from vocabtrim_core.selection.lists import listed_ids

        return frozenset(listed_ids(value, None, at.vocab_size).tolist())


IDS = Ids("FILE", Path, to_runs, lambda leaf, text: from_runs(text, f"The link's {leaf.param}"))


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules of a selection.

    Attributes:
        protected: Ids that it must contain.
        excluded: Ids that it must not contain.
        multiple: k is rounded up to a multiple of this, such as 64 x tensor parallel.
    """

    protected: Annotated[frozenset[int], Leaf(IDS, "--protect", "protect", KEPT)] = NO_IDS
    excluded: Annotated[frozenset[int], Leaf(IDS, "--exclude", "exclude", LEFT_OUT)] = NO_IDS
    multiple: Annotated[int, Leaf(WHOLE, "--multiple", "multiple", UP_TO)] = 1

    def check(self, vocab_size: int) -> None:
        """Check the rules against each other and against V.

        Args:
            vocab_size: V.

        Raises:
            InputError: An id is both protected and excluded or outside 0..V-1, or the multiple is
                outside 1..V.
        """
        in_both = self.protected & self.excluded
        if in_both:
            raise InputError(
                f"Token id {min(in_both)} is both protected and excluded ({len(in_both)} such "
                "ids); remove it from one of the lists."
            )
        outside = [i for i in self.protected | self.excluded if not 0 <= i < vocab_size]
        if outside:
            raise InputError(
                f"Token id {min(outside)} in the protected or excluded list lies outside "
                f"0..{vocab_size - 1}."
            )
        if not 1 <= self.multiple <= vocab_size:
            raise InputError(f"The size multiple must lie within 1..{vocab_size}.")

    def tiers(self, vocab_size: int) -> np.ndarray:
        """Give each token its tier, in the order in which a selection takes them.

        Args:
            vocab_size: V.

        Returns:
            int8[V]: PROTECTED, FREE or EXCLUDED.

        Raises:
            InputError: As `check`.
        """
        import numpy as np

        self.check(vocab_size)
        tiers = np.full(vocab_size, FREE, np.int8)
        tiers[list(self.protected)] = PROTECTED
        tiers[list(self.excluded)] = EXCLUDED
        return tiers


NO_RULES = Rules()
