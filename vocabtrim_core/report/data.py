"""The content of a report, computed once from a choice; drawing it adds no numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.forecast.decision import Decision, TrafficForecast, decide
from vocabtrim_core.forecast.inputs import Acceptance
from vocabtrim_core.forecast.paper import known_sizes
from vocabtrim_core.forecast.throughput import Forecast, Gain
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.generalization.missing import Missing, missing
from vocabtrim_core.report.forecast import acceptance_for, equivalent_top_k, predict
from vocabtrim_core.report.inputs import ReportInputs
from vocabtrim_core.selection_spec.opened import Opened
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.text import visible
from vocabtrim_core.tradeoff import Choice
from vocabtrim_core.vocabulary import DraftVocabulary

SHOWN_TOKENS = 20  # of each list


@dataclass(frozen=True, slots=True)
class Option:
    """One size beside the others.

    Attributes:
        choice: Size, coverage and utility.
        labels: Why the size is shown.
        head_bytes: Bytes of the LM head.
        feasible: Whether it meets the floor and the bounds.
        chosen: Whether it is the choice.
        gain: Both ends of the 90 % band of the gain over all tokens; None without a forecast.
    """

    choice: Choice
    labels: tuple[str, ...]
    head_bytes: int
    feasible: bool
    chosen: bool
    gain: tuple[float, float] | None = None

    @property
    def k(self) -> int:
        """The size."""
        return self.choice.k


@dataclass(frozen=True, slots=True)
class OtherCorpus:
    """Coverage of a corpus that had no part in the choice.

    Attributes:
        held: The coverage.
        interval: Its 95 % interval over conversations, None without the responses.
    """

    held: HeldOut
    interval: CoverageInterval | None


@dataclass(frozen=True, slots=True)
class MissingToken:
    """A token that is not kept.

    Attributes:
        id: Its id.
        text: Its text, "" without the tokenizer.
        count: How often it occurs.
        mostly: Name of the corpus with the largest share of it, "" in the list of the choice's own.
    """

    id: int
    text: str
    count: int
    mostly: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """The content of a report.

    Attributes:
        inputs: What the report is made from.
        opened: The choice on its counts.
        options: The sizes that are shown, ascending.
        elsewhere: Coverage of the other corpora.
        missing: The tokens that occur and are not kept.
        next_in_line: The most frequent ones of these.
        missed: Those with the largest share in the other corpora, which weigh alike.
        acceptance: Acceptance on the evaluation traffic, None without a forecast.
        forecast: The forecast, None without an acceptance length.
        decision: What to serve and what it brings, None without a forecast.
        equivalent_k: The fewest most frequent tokens that cover as much as the chosen ones; k
            itself for plain top-k.
    """

    inputs: ReportInputs
    opened: Opened
    options: tuple[Option, ...]
    elsewhere: tuple[OtherCorpus, ...]
    missing: Missing
    next_in_line: tuple[MissingToken, ...]
    missed: tuple[MissingToken, ...]
    acceptance: Acceptance | None
    forecast: Forecast | None
    decision: Decision | None
    equivalent_k: int

    @property
    def chosen(self) -> Option:
        """The chosen option."""
        return next(option for option in self.options if option.chosen)

    @property
    def full(self) -> Option:
        """The option with all tokens."""
        return self.options[-1]

    def gain(self, option: Option, other_k: int) -> Gain:
        """Forecast the throughput of an option relative to another size.

        Args:
            option: The option.
            other_k: The other size.

        Returns:
            The relative gain with its 90 % band.
        """
        assert self.forecast is not None
        return self.forecast.gain(option.k, other_k, self.equivalent_k if option.chosen else None)

    def option(self, k: int) -> Option | None:
        """Find the option of a size.

        Args:
            k: The size.

        Returns:
            The option, None where the size is not shown.
        """
        return next((option for option in self.options if option.k == k), None)


def report_data(inputs: ReportInputs) -> ReportData:
    """Open the choice on its counts and compute the content of the report.

    Args:
        inputs: What the report is made from.

    Returns:
        The content.

    Raises:
        InputError: Counts are stale, corpora cannot be compared, or forecast settings
            out of range.
    """
    opened = inputs.choice.open(inputs.counts)
    inputs.check()
    acceptance = inputs.acceptance or acceptance_for(inputs.choice, opened, inputs.counts)
    predicted = predict(inputs.choice.forecast, opened, acceptance)
    vocabulary = opened.vocabulary
    tokenizer, size = inputs.tokenizer, inputs.counts.vocab_size
    own_tokenizer = tokenizer if tokenizer and tokenizer.vocab_size == size else None
    kinds = token_kinds(own_tokenizer) if own_tokenizer else None
    equivalent_k = equivalent_top_k(opened)
    lost = missing(inputs.counts, vocabulary, kinds)
    return ReportData(
        inputs,
        opened,
        _options(inputs, opened, predicted, equivalent_k),
        tuple(
            OtherCorpus(coverage_on(vocabulary, counts), inputs.intervals.get(counts.key))
            for counts in inputs.others
        ),
        lost,
        _next_in_line(inputs, lost),
        _missed(inputs, vocabulary),
        acceptance,
        predicted,
        _decision(acceptance, opened, predicted, inputs.k_range, equivalent_k),
        equivalent_k,
    )


def _decision(
    acceptance: Acceptance | None,
    opened: Opened,
    predicted: Forecast | None,
    stability: tuple[int, int] | None,
    equivalent_k: int,
) -> Decision | None:
    """The decision for the chosen size."""
    if predicted is None or acceptance is None:
        return None
    text = TrafficForecast(acceptance.served, acceptance.basis, predicted)
    return decide(
        opened.tradeoff,
        [text],
        chosen_k=opened.choice.k,
        accepted_like=equivalent_k,
        stability=stability,
    )


def _options(
    inputs: ReportInputs, opened: Opened, predicted: Forecast | None, equivalent_k: int
) -> tuple[Option, ...]:
    tradeoff, size, chosen = opened.tradeoff, opened.tradeoff.curve.vocab_size, opened.choice.k
    labels: dict[int, list[str]] = {}
    if inputs.choice.own:
        labels[chosen] = ["as many, the most frequent"]
    else:
        labels[chosen] = ["chosen"]
    for k, label in ((opened.ruled.padded(tradeoff.optimum.k), "optimum"), *known_sizes(size)):
        if k < size:
            labels.setdefault(k, []).append(label)
    for pin in inputs.choice.pins:
        k, own = pin.settings.k, pin.counts == inputs.counts.key
        if k is None and own:
            k = opened.ruled.padded(pin.settings.tradeoff(tradeoff.curve).optimum.k)
        if k is not None and k <= size:
            labels.setdefault(k, []).append("pinned" if own else f"pinned on {pin.name}")
    labels.setdefault(size, []).append("all tokens")

    def option(choice: Choice, names: Sequence[str], is_chosen: bool, like: int) -> Option:
        gain = None
        if predicted:
            band = predicted.gain(choice.k, size, like)
            gain = band.low, band.high
        meets = tradeoff.k_min <= choice.k <= tradeoff.last_k and choice.coverage >= tradeoff.floor
        head = tradeoff.architecture.head_bytes(choice.k)
        return Option(choice, tuple(dict.fromkeys(names)), head, meets, is_chosen, gain)

    own = bool(inputs.choice.own)
    options = [option(opened.choice, ("chosen",), True, equivalent_k)] if own else []
    for k, names in labels.items():
        is_chosen = k == chosen and not own
        like = equivalent_k if is_chosen else k
        options.append(option(tradeoff.at(k), names, is_chosen, like))
    return tuple(sorted(options, key=lambda o: (o.k, not o.chosen)))


def _next_in_line(inputs: ReportInputs, lost: Missing) -> tuple[MissingToken, ...]:
    ids = lost.ids[:SHOWN_TOKENS].tolist()
    rows = zip(ids, _texts(inputs, ids), lost.counts.tolist(), strict=False)
    return tuple(MissingToken(i, text, count) for i, text, count in rows)


def _missed(inputs: ReportInputs, vocabulary: DraftVocabulary) -> tuple[MissingToken, ...]:
    if not inputs.others:
        return ()
    counts = np.stack(
        [np.where(vocabulary.t2d, 0, other_counts.counts) for other_counts in inputs.others]
    )
    shares = counts / np.array([[max(other_counts.tokens, 1)] for other_counts in inputs.others])
    total = shares.sum(axis=0)
    ids = np.argsort(-total, kind="stable")[:SHOWN_TOKENS]
    ids = ids[total[ids] > 0].tolist()
    return tuple(
        MissingToken(
            i, text, int(counts[:, i].sum()), inputs.others[int(shares[:, i].argmax())].name
        )
        for i, text in zip(ids, _texts(inputs, ids), strict=True)
    )


def _texts(inputs: ReportInputs, ids: list[int]) -> list[str]:
    if inputs.tokenizer is None:
        return [""] * len(ids)
    return [visible(text) for text in inputs.tokenizer.tokens(ids)]
