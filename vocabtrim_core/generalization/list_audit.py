"""What a list of tokens spends its rows on: tokens never seen, repeats, bytes it lacks, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.selection.rank_balance import rows_per_rank
from vocabtrim_core.vocabulary import DraftVocabulary

if TYPE_CHECKING:
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ListAudit:
    """Where the rows of a list go.

    Attributes:
        rows: Entries of the list as it is stored.
        repeats: Entries that name a token again.
        filler: Tokens of the list that occur in none of the counts.
        no_token: Those of them that are no token at all: rows by which the model is padded. None
            without a tokenizer.
        lacking_bytes: Single-byte tokens that it lacks, of those there are; None without a
            tokenizer. Text that no larger token fits is spelled with them.
        bytes_known: Single-byte tokens there are; None without a tokenizer.
        occurring: Distinct tokens in the counts: no longer list covers more.
        occurring_kept: Those of them in the list.
        ranks: Rows on each tensor-parallel rank; () where it was not asked.
    """

    rows: int
    repeats: int
    filler: int
    no_token: int | None
    lacking_bytes: int | None
    bytes_known: int | None
    occurring: int
    occurring_kept: int
    ranks: tuple[int, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is worth saying about the list, a sentence each."""
        out: list[str] = []
        if self.repeats:
            out.append(f"{self.repeats:,} entries name a token that stands before them.")
        if self.filler:
            padding = f", {self.no_token:,} of them no token at all" if self.no_token else ""
            out.append(
                f"{self.filler:,} of its {self.rows:,} rows ({self.filler / self.rows:.1%}) are "
                f"tokens that occur in none of these counts{padding}: they cost a row each and "
                "cover nothing here."
            )
        if self.lacking_bytes:
            out.append(
                f"It lacks {self.lacking_bytes:,} of {self.bytes_known:,} single bytes, with which "
                "rare letters are spelled; `extend --protect bytes` adds them."
            )
        if self.rows >= self.occurring:
            out.append(
                f"A larger k cannot help on these counts: only {self.occurring:,} ids occur, and "
                f"the list has {self.rows:,} rows."
            )
        if len(self.ranks) > 1 and max(self.ranks) > min(self.ranks):
            out.append(
                f"The fullest rank has {max(self.ranks):,} rows and sets the time of a step; "
                f"evenly it were {-(-sum(self.ranks) // len(self.ranks)):,} (`balance`)."
            )
        return tuple(out)


def audit(
    ids: np.ndarray,
    vocabulary: DraftVocabulary,
    sets: Sequence[TokenCounts],
    tokenizer: Tokenizer | None = None,
    ranks: int | None = None,
) -> ListAudit:
    """Look at where the rows of a list go.

    Args:
        ids: int64, the list as it is stored, repeats included.
        vocabulary: The tokens it names.
        sets: Counts of one tokenizer, together what "occurs" means.
        tokenizer: The tokenizer of the counts.
        ranks: Tensor-parallel ranks that share the target's vocabulary.

    Returns:
        The findings.

    Raises:
        InputError: V differs, or there are fewer than one rank.
    """
    size = vocabulary.vocab_size
    for counts in sets:
        if counts.vocab_size != size:
            raise InputError(
                f"{counts.name} was counted with V = {counts.vocab_size:,}, but the list belongs "
                f"to V = {size:,}; count it with the same tokenizer."
            )
    seen = np.zeros(size, bool)
    for counts in sets:
        seen |= counts.counts > 0
    kept_seen = int(seen[vocabulary.ids].sum())
    no_token = lacking = known = None
    if tokenizer is not None:
        from vocabtrim_core.selection.protect import protected_ids
        from vocabtrim_core.tokenizers.kinds import UNUSED, token_kinds

        padding = token_kinds(tokenizer).ids(UNUSED)
        no_token = int(np.isin(vocabulary.ids, padding).sum())
        single = protected_ids("bytes", tokenizer, None)
        known = len(single)
        lacking = len(np.setdiff1d(single, vocabulary.ids))
    return ListAudit(
        rows=len(ids),
        repeats=len(ids) - len(np.unique(ids)),
        filler=len(vocabulary) - kept_seen,
        no_token=no_token,
        lacking_bytes=lacking,
        bytes_known=known,
        occurring=int(seen.sum()),
        occurring_kept=kept_seen,
        ranks=() if ranks is None else tuple(rows_per_rank(vocabulary, ranks).tolist()),
    )
