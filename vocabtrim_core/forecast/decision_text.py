"""The decision in sentences, the same on pages, in reports and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vocabtrim_core.forecast.decision import WORTH, Decision
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.forecast.throughput import Gain
from vocabtrim_core.wording import between, percent, signed


class DecisionText(NamedTuple):
    """A decision in plain text.

    Attributes:
        headline: What to serve.
        equivalent: Which sizes are as good.
        expected: What it brings, on which text.
        break_even: What may be lost before it is slower than all tokens.
        alpha: Why the utility's weight and the device disagree; empty where they do not.
        caution: That the text is too little to judge by, that a loss is expected, or that little is
            to be won; empty otherwise.
    """

    headline: str
    equivalent: str
    expected: str
    break_even: str
    alpha: str
    caution: str

    def sentences(self) -> list[str]:
        """Those that are not empty, in order."""
        return [sentence for sentence in self if sentence]


def gain_text(gain: Gain) -> str:
    """Write the band of a gain.

    Args:
        gain: The gain.

    Returns:
        Such as '+2.9% to +8.1%'; one number where both ends are equal after rounding.
    """
    low, high = signed(gain.low), signed(gain.high)
    return low if low == high else between(gain.low, gain.high)


def decision_text(decision: Decision, vocab_size: int) -> DecisionText:
    """Write a decision.

    Args:
        decision: The decision.
        vocab_size: V.

    Returns:
        Its sentences.
    """
    return DecisionText(
        _headline(decision, vocab_size),
        _equivalent(decision),
        _expected(decision),
        _break_even(decision),
        _alpha(decision),
        _caution(decision, vocab_size),
    )


def _headline(decision: Decision, vocab_size: int) -> str:
    if decision.too_little and decision.k == decision.optimum_k:
        return (
            f"Too little text to choose by: count more conversations before you serve "
            f"{decision.recommended_k:,} of {vocab_size:,} tokens."
        )
    if decision.loses:
        lost = gain_text(next(iter(decision.recommended_gains.values())))
        return (
            f"Keep all {vocab_size:,} tokens: even {decision.recommended_k:,} would lose ({lost})."
        )
    if decision.recommended_k == decision.k:
        return f"Serve {decision.k:,} of {vocab_size:,} tokens."
    word = "few" if decision.k < decision.recommended_k else "many"
    return (
        f"{decision.k:,} of {vocab_size:,} tokens are too {word}: serve {decision.recommended_k:,}."
    )


def _equivalent(decision: Decision) -> str:
    low, high = decision.equivalent
    text = (
        f"Anything from {low:,} to {high:,} is equivalent on this evidence."
        if low < high
        else f"Only {low:,} is as good within the bounds and the tokens that were seen."
    )
    if decision.stability:
        least, most = decision.stability
        text += f" Unlimited text of the kind would put k* between {least:,} and {most:,}."
    return text


def _expected(decision: Decision) -> str:
    gains = _gains(decision.recommended_gains)
    if decision.recommended_k != decision.k:
        gains = f"of {decision.recommended_k:,} {gains}; of {decision.k:,} {_gains(decision.gains)}"
    return f"Expected {gains}, on {decision.served} ({decision.basis})."


def _gains(gains: Mapping[int, Gain]) -> str:
    return ", ".join(f"{gain_text(gain)} over {k:,}" for k, gain in gains.items())


def _break_even(decision: Decision) -> str:
    loss, coverage = decision.break_even
    if loss <= 0 or coverage is None:
        return "It is no faster than all tokens even with everything covered."
    return (
        f"It beats all tokens while it covers {percent(coverage)} of the text or more (here "
        f"{percent(decision.coverage)}), or loses up to {percent(loss)} of the acceptance length."
    )


def _alpha(decision: Decision) -> str:
    if decision.optimum_k == decision.fastest_k:
        return ""
    limits = " with your floor and bounds" if decision.constrained else ""
    own = f"alpha {decision.equivalent_alpha:g}"
    if decision.alpha_k != decision.fastest_k:
        own += f" up to tokens that are equally frequent ({decision.alpha_k:,})"
    return (
        f"Alpha {decision.alpha:g}{limits} keeps {decision.optimum_k:,}; this device is fastest at "
        f"{decision.fastest_k:,}, which is {own}."
    )


def _caution(decision: Decision, vocab_size: int) -> str:
    if decision.too_little:
        why = f"each of the {decision.seen:,} tokens that were seen is worth keeping"
        if decision.optimum_k < decision.seen:
            why = f"k* may be as large as the {decision.seen:,} tokens that were seen"
        return f"{why[0].upper()}{why[1:]}, so more text would bring others."
    if decision.loses:
        return ""
    if decision.expected_loss:
        return (
            f"A loss is expected on {decision.served}: all {vocab_size:,} tokens are more likely "
            "the faster choice there."
        )
    if decision.worth_it:
        return ""
    base = SHIPPED_K if SHIPPED_K in decision.gains else next(iter(decision.gains))
    return (
        f"Not worth it here if you have a draft of {base:,}: less than {percent(WORTH, 0)} can be "
        f"won over it ({gain_text(decision.recommended_gains[base])})."
    )
