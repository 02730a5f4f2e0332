"""Missing tokens: those of a corpus that a vocabulary cannot draft (paper section 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.kinds import TokenKinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.vocabulary import DraftVocabulary

AROUND = 8  # tokens shown on either side of an example


@dataclass(frozen=True, slots=True)
class Group:
    """Missing tokens of one kind.

    Attributes:
        kind: Name of the kind.
        distinct: Distinct tokens.
        occurrences: Their occurrences.
        share: Share of all tokens of the corpus, 0..1.
    """

    kind: str
    distinct: int
    occurrences: int
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Tokens of a corpus outside a vocabulary, the most frequent first (ties: lower id).

    Attributes:
        name: Of the corpus.
        tokens: All counted tokens of the corpus.
        ids: int64[n], the missing ids.
        counts: int64[n], their occurrences.
        groups: By kind, the most occurrences first.
    """

    name: str
    tokens: int
    ids: np.ndarray
    counts: np.ndarray
    groups: tuple[Group, ...]

    @property
    def occurrences(self) -> int:
        """Occurrences of all missing tokens together."""
        return int(self.counts.sum())

    @property
    def share(self) -> float:
        """Share of the corpus that is missing: 1 - coverage."""
        return self.occurrences / self.tokens


def missing(
    counts: TokenCounts, vocabulary: DraftVocabulary, kinds: TokenKinds | None = None
) -> Missing:
    """List the tokens of a corpus that a vocabulary lacks.

    Args:
        counts: Counts of the corpus.
        vocabulary: The draft vocabulary, over the same V.
        kinds: Kind of every token, None for no groups.

    Returns:
        The missing tokens.

    Raises:
        InputError: V differs, or the counts hold no tokens.
    """
    coverage_on(vocabulary, counts)  # checks V, and that there are counts
    missing_counts = np.where(vocabulary.t2d, 0, counts.counts)
    ids = np.argsort(-missing_counts, kind="stable")[: np.count_nonzero(missing_counts)]
    groups = []
    for code, kind in enumerate(kinds.names if kinds else ()):
        assert kinds is not None
        of_kind = missing_counts[kinds.codes == code]
        if of_kind.any():
            occurrences = int(of_kind.sum())
            groups.append(
                Group(
                    kind, int(np.count_nonzero(of_kind)), occurrences, occurrences / counts.tokens
                )
            )
    groups.sort(key=lambda group: (-group.occurrences, group.kind))
    return Missing(counts.name, counts.tokens, ids, missing_counts[ids], tuple(groups))


@dataclass(frozen=True, slots=True)
class Example:
    """One occurrence of a token with the text around it.

    Attributes:
        before: Text before, up to AROUND tokens.
        token: The token.
        after: Text after, up to AROUND tokens.
    """

    before: str
    token: str
    after: str


def examples(
    responses: Responses, ids: Sequence[int] | np.ndarray, tokenizer: Tokenizer, most: int = 3
) -> dict[int, tuple[Example, ...]]:
    """Find some occurrences of each id, in different responses.

    Args:
        responses: The responses.
        ids: Token ids.
        tokenizer: Decodes them.
        most: Occurrences of each id, at most.

    Returns:
        id to its occurrences, with the tokens around them.

    Raises:
        InputError: V of the responses is not that of the tokenizer.
    """
    if responses.vocab_size != tokenizer.vocab_size:
        raise InputError(
            f"The responses have V = {responses.vocab_size:,}, but {tokenizer.name} has "
            f"V = {tokenizer.vocab_size:,}; give the tokenizer that they were counted with."
        )
    is_listed = np.zeros(responses.vocab_size, bool)
    is_listed[np.asarray(ids, np.int64)] = True
    places = np.flatnonzero(is_listed[responses.ids])
    spans = np.searchsorted(responses.offsets, places, side="right") - 1
    # The first occurrence in each response, then the first few responses of each token.
    _, first = np.unique(np.stack([responses.ids[places], spans]), axis=1, return_index=True)
    chosen: dict[int, list[Example]] = {int(i): [] for i in ids}
    for place, span in zip(places[first].tolist(), spans[first].tolist(), strict=True):
        token_examples = chosen[int(responses.ids[place])]
        if len(token_examples) < most:
            token_examples.append(_example(responses, tokenizer, place, span))
    return {i: tuple(token_examples) for i, token_examples in chosen.items()}


def _example(responses: Responses, tokenizer: Tokenizer, place: int, span: int) -> Example:
    start, stop = responses.offsets[span : span + 2].tolist()
    ids = responses.ids
    before = ids[max(start, place - AROUND) : place].tolist()
    after = ids[place + 1 : min(stop, place + 1 + AROUND)].tolist()
    decode = tokenizer.backend.decode
    return Example(
        decode(before, skip_special_tokens=False),
        tokenizer.token(int(ids[place])),
        decode(after, skip_special_tokens=False),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A share before and after.

    Attributes:
        name: What is measured, or the corpus.
        before: 0..1.
        after: 0..1.
    """

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Addition:
    """What adding tokens to a vocabulary changes.

    Attributes:
        vocabulary: The larger vocabulary.
        added: Number of tokens that are new.
        coverage: On each corpus.
        latency_reduction: None without a draft architecture.
        utility: At the coverage of the first corpus; None without a draft architecture or a corpus.
    """

    vocabulary: DraftVocabulary
    added: int
    coverage: tuple[Change, ...]
    latency_reduction: Change | None = None
    utility: Change | None = None


def add_tokens(
    vocabulary: DraftVocabulary,
    ids: Iterable[int],
    sets: Sequence[TokenCounts],
    architecture: DraftArchitecture | None = None,
    alpha: float = 0.5,
) -> Addition:
    """Add ids to a vocabulary, and compare coverage and cost with those before.

    Args:
        vocabulary: The draft vocabulary.
        ids: Ids to add; those already in it are ignored.
        sets: Counts of the corpora, over the same V.
        architecture: Shapes of the draft, None without cost.
        alpha: Weight of coverage in the utility, 0..1.

    Returns:
        The larger vocabulary with the changes.

    Raises:
        InputError: An id is outside 0..V-1, V differs, or a corpus holds no tokens.
    """
    enlarged = DraftVocabulary.of([*vocabulary.ids.tolist(), *ids], vocabulary.vocab_size)
    coverage = tuple(
        Change(c.name, coverage_on(vocabulary, c).coverage, coverage_on(enlarged, c).coverage)
        for c in sets
    )
    cost = utility = None
    if architecture is not None:
        reductions = (float(architecture.latency_reduction(len(v))) for v in (vocabulary, enlarged))
        cost = Change("latency_reduction", *reductions)
    if cost and coverage:
        ends = ((coverage[0].before, cost.before), (coverage[0].after, cost.after))
        utility = Change("utility", *(alpha * c + (1 - alpha) * r for c, r in ends))
    return Addition(enlarged, len(enlarged) - len(vocabulary), coverage, cost, utility)
