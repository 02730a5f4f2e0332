"""A selection at work on its counts."""

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
    """A choice at work. tradeoff runs over the rules' order of tokens; of own tokens, which have no
    place in it, choice says what they cover.
    """

    tradeoff: TradeOff
    ruled: RuledCurve
    choice: Choice
    vocabulary: DraftVocabulary


def opened(
    counts: TokenCounts, settings: Settings, rules: Rules, own: OwnTokens | None = None
) -> Opened:
    """The tokens and the trade-off of settings on counts; InputError where they give none."""
    ruled = apply_rules(counts.counts, rules)
    tradeoff = settings.tradeoff(ruled.curve)
    if own:
        vocabulary = own.vocabulary(counts.vocab_size)
        return Opened(tradeoff, ruled, _as_it_is(vocabulary, counts, tradeoff), vocabulary)
    wanted = settings.k if settings.k is not None else tradeoff.optimum.k
    k = ruled.padded(ruled.curve.check_k(wanted))
    return Opened(tradeoff, ruled, tradeoff.at(k), ruled.vocabulary(k))


def _as_it_is(vocabulary: DraftVocabulary, counts: TokenCounts, tradeoff: TradeOff) -> Choice:
    """The trade-off of tokens in no order of frequency."""
    coverage, plain = coverage_on(vocabulary, counts).coverage, tradeoff.at(len(vocabulary))
    utility = plain.utility + tradeoff.alpha * (coverage - plain.coverage)
    return replace(plain, coverage=coverage, utility=utility)
