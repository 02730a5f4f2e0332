"""A selection applied to its counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection.selection import RuledCurve, apply_rules
from vocabtrim_core.selection_spec.settings import OwnTokens, Settings
from vocabtrim_core.tradeoff import Choice, TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A selection applied to its counts.

    Attributes:
        tradeoff: The trade-off over the order of tokens under the rules.
        ruled: The coverage curve in that order.
        choice: Size, coverage and utility of the selection. Of own tokens, which have no place in
            the order, the coverage is measured on the tokens themselves.
        vocabulary: The tokens.
    """

    tradeoff: TradeOff
    ruled: RuledCurve
    choice: Choice
    vocabulary: DraftVocabulary


def opened(
    counts: TokenCounts, settings: Settings, rules: Rules, own: OwnTokens | None = None
) -> Opened:
    """Apply settings and rules to counts.

    Args:
        counts: The counts.
        settings: What is weighed; k None for the exact optimum.
        rules: What must and must not be in the vocabulary.
        own: Tokens that settings and rules did not choose, which then are the vocabulary.

    Returns:
        The trade-off and the tokens.

    Raises:
        InputError: Settings and rules allow none.
    """
    ruled = apply_rules(counts.counts, rules)
    tradeoff = settings.tradeoff(ruled.curve)
    if own:
        vocabulary = own.vocabulary(counts.vocab_size)
        return Opened(tradeoff, ruled, _as_it_is(vocabulary, counts, tradeoff), vocabulary)
    k_chosen = settings.k if settings.k is not None else tradeoff.optimum.k
    k = ruled.padded(ruled.curve.check_k(k_chosen))
    return Opened(tradeoff, ruled, tradeoff.at(k), ruled.vocabulary(k))


def _as_it_is(vocabulary: DraftVocabulary, counts: TokenCounts, tradeoff: TradeOff) -> Choice:
    """Return the trade-off of tokens that are in no order of frequency."""
    coverage, plain = coverage_on(vocabulary, counts).coverage, tradeoff.at(len(vocabulary))
    utility = plain.utility + tradeoff.alpha * (coverage - plain.coverage)
    return replace(plain, coverage=coverage, utility=utility)
