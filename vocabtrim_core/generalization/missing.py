"""Missing tokens: what a corpus says that a vocabulary cannot draft (paper section 4.1)."""

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
    """Missing tokens of one kind. share: of all tokens of the corpus, 0..1."""

    kind: str
    distinct: int
    occurrences: int
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Missing:
    """Tokens of a corpus outside a vocabulary, the most frequent first (ties: lower id).

    ids, counts: int64[n].  groups: by kind, the largest first.  tokens: all of the corpus.
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
    """The tokens of `counts` that `vocabulary` lacks; grouped where their kinds are given."""
    coverage_on(vocabulary, counts)  # refuses another V and empty counts
    left = np.where(vocabulary.t2d, 0, counts.counts)
    ids = np.argsort(-left, kind="stable")[: np.count_nonzero(left)]
    groups = []
    for code, kind in enumerate(kinds.names if kinds else ()):
        assert kinds is not None
        of_kind = left[kinds.codes == code]
        if of_kind.any():
            found = int(of_kind.sum())
            groups.append(Group(kind, int(np.count_nonzero(of_kind)), found, found / counts.tokens))
    groups.sort(key=lambda group: (-group.occurrences, group.kind))
    return Missing(counts.name, counts.tokens, ids, left[ids], tuple(groups))


@dataclass(frozen=True, slots=True)
class Example:
    """One occurrence: the text before, the token, the text after."""

    before: str
    token: str
    after: str


def examples(
    responses: Responses, ids: Sequence[int] | np.ndarray, tokenizer: Tokenizer, most: int = 3
) -> dict[int, tuple[Example, ...]]:
    """Up to `most` occurrences of each id, in different responses, with the tokens around them."""
    if responses.vocab_size != tokenizer.vocab_size:
        raise InputError(
            f"The responses have V = {responses.vocab_size:,}, but {tokenizer.name} has "
            f"V = {tokenizer.vocab_size:,}; give the tokenizer that they were counted with."
        )
    wanted = np.zeros(responses.vocab_size, bool)
    wanted[np.asarray(ids, np.int64)] = True
    places = np.flatnonzero(wanted[responses.ids])
    spans = np.searchsorted(responses.offsets, places, side="right") - 1
    # The first occurrence in each response, then the first few responses of each token.
    _, first = np.unique(np.stack([responses.ids[places], spans]), axis=1, return_index=True)
    chosen: dict[int, list[Example]] = {int(i): [] for i in ids}
    for place, span in zip(places[first].tolist(), spans[first].tolist(), strict=True):
        found = chosen[int(responses.ids[place])]
        if len(found) < most:
            found.append(_example(responses, tokenizer, place, span))
    return {i: tuple(found) for i, found in chosen.items()}


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
    """A share before and after."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Addition:
    """What putting tokens into a vocabulary changes.

    coverage: on each corpus.  latency_reduction, utility: None without a draft architecture;
    utility at the coverage of the first corpus.
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
    """`vocabulary` with more ids, and its coverage and cost beside those before."""
    grown = DraftVocabulary.of([*vocabulary.ids.tolist(), *ids], vocabulary.vocab_size)
    coverage = tuple(
        Change(c.name, coverage_on(vocabulary, c).coverage, coverage_on(grown, c).coverage)
        for c in sets
    )
    cost = utility = None
    if architecture is not None:
        reductions = (float(architecture.latency_reduction(len(v))) for v in (vocabulary, grown))
        cost = Change("latency_reduction", *reductions)
    if cost and coverage:
        ends = ((coverage[0].before, cost.before), (coverage[0].after, cost.after))
        utility = Change("utility", *(alpha * c + (1 - alpha) * r for c, r in ends))
    return Addition(grown, len(grown) - len(vocabulary), coverage, cost, utility)
