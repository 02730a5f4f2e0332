"""The content of a report, computed once from a choice; drawing it adds no numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.forecast.decision import Decision, Served, decide
from vocabtrim_core.forecast.inputs import Acceptance
from vocabtrim_core.forecast.paper import known_sizes
from vocabtrim_core.forecast.throughput import Forecast, Gain
from vocabtrim_core.generalization.missing import Missing, missing
from vocabtrim_core.generalization.uncertainty import CoverageInterval
from vocabtrim_core.report.forecast import acceptance_for, as_many_covering, predict
from vocabtrim_core.report.inputs import Material
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
class Elsewhere:
    """Coverage of a corpus that had no part in the choice.

    Attributes:
        held: The coverage.
        interval: Its 95 % interval over conversations, None without the responses.
    """

    held: HeldOut
    interval: CoverageInterval | None


@dataclass(frozen=True, slots=True)
class LeftOut:
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
class Facts:
    """The content of a report.

    Attributes:
        material: What the report is made from.
        opened: The choice on its counts.
        options: The sizes that are shown, ascending.
        elsewhere: Coverage of the other corpora.
        missing: The tokens that occur and are not kept.
        next_in_line: The most frequent ones of these.
        missed: Those with the largest share in the other corpora, which weigh alike.
        acceptance: Acceptance on the text to be served, None without a forecast.
        forecast: The forecast, None without an acceptance length.
        decision: What to serve and what it brings, None without a forecast.
        like_k: The fewest most frequent tokens that cover as much as the chosen ones; k itself for
            plain top-k.
    """

    material: Material
    opened: Opened
    options: tuple[Option, ...]
    elsewhere: tuple[Elsewhere, ...]
    missing: Missing
    next_in_line: tuple[LeftOut, ...]
    missed: tuple[LeftOut, ...]
    acceptance: Acceptance | None
    forecast: Forecast | None
    decision: Decision | None
    like_k: int

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
        return self.forecast.gain(option.k, other_k, self.like_k if option.chosen else None)

    def option(self, k: int) -> Option | None:
        """Find the option of a size.

        Args:
            k: The size.

        Returns:
            The option, None where the size is not shown.
        """
        return next((option for option in self.options if option.k == k), None)


def gather(material: Material) -> Facts:
    """Open the choice on its counts and compute the content of the report.

    Args:
        material: What the report is made from.

    Returns:
        The content. InputError for stale counts, corpora that cannot be compared, and forecast
        settings out of range.
    """
    opened = material.choice.open(material.counts)
    material.check()
    acceptance = material.acceptance or acceptance_for(material.choice, opened, material.counts)
    predicted = predict(material.choice.forecast, opened, acceptance)
    vocabulary = opened.vocabulary
    tokenizer, size = material.tokenizer, material.counts.vocab_size
    own_tokenizer = tokenizer if tokenizer and tokenizer.vocab_size == size else None
    kinds = token_kinds(own_tokenizer) if own_tokenizer else None
    like_k = as_many_covering(opened)
    lost = missing(material.counts, vocabulary, kinds)
    return Facts(
        material,
        opened,
        _options(material, opened, predicted, like_k),
        tuple(
            Elsewhere(coverage_on(vocabulary, counts), material.intervals.get(counts.key))
            for counts in material.others
        ),
        lost,
        _next_in_line(material, lost),
        _missed(material, vocabulary),
        acceptance,
        predicted,
        _decision(acceptance, opened, predicted, material.k_range, like_k),
        like_k,
    )


def _decision(
    acceptance: Acceptance | None,
    opened: Opened,
    predicted: Forecast | None,
    stability: tuple[int, int] | None,
    like_k: int,
) -> Decision | None:
    """The decision for the chosen size."""
    if predicted is None or acceptance is None:
        return None
    text = Served(acceptance.served, acceptance.basis, predicted)
    return decide(
        opened.tradeoff,
        [text],
        chosen_k=opened.choice.k,
        accepted_like=like_k,
        stability=stability,
    )


def _options(
    material: Material, opened: Opened, predicted: Forecast | None, like_k: int
) -> tuple[Option, ...]:
    tradeoff, size, chosen = opened.tradeoff, opened.tradeoff.curve.vocab_size, opened.choice.k
    labels: dict[int, list[str]] = {}
    if material.choice.own:
        labels[chosen] = ["as many, the most frequent"]
    else:
        labels[chosen] = ["chosen"]
    for k, label, *_ in ((opened.ruled.padded(tradeoff.optimum.k), "optimum"), *known_sizes(size)):
        if k < size:
            labels.setdefault(k, []).append(label)
    for pin in material.choice.pins:
        k, own = pin.settings.k, pin.counts == material.counts.key
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

    own = bool(material.choice.own)
    options = [option(opened.choice, ("chosen",), True, like_k)] if own else []
    for k, names in labels.items():
        is_chosen = k == chosen and not own
        like = like_k if is_chosen else k
        options.append(option(tradeoff.at(k), names, is_chosen, like))
    return tuple(sorted(options, key=lambda o: (o.k, not o.chosen)))


def _next_in_line(material: Material, lost: Missing) -> tuple[LeftOut, ...]:
    ids = lost.ids[:SHOWN_TOKENS].tolist()
    rows = zip(ids, _texts(material, ids), lost.counts.tolist(), strict=False)
    return tuple(LeftOut(i, text, count) for i, text, count in rows)


def _missed(material: Material, vocabulary: DraftVocabulary) -> tuple[LeftOut, ...]:
    if not material.others:
        return ()
    counts = np.stack(
        [np.where(vocabulary.t2d, 0, other_counts.counts) for other_counts in material.others]
    )
    shares = counts / np.array([[max(other_counts.tokens, 1)] for other_counts in material.others])
    total = shares.sum(axis=0)
    ids = np.argsort(-total, kind="stable")[:SHOWN_TOKENS]
    ids = ids[total[ids] > 0].tolist()
    return tuple(
        LeftOut(i, text, int(counts[:, i].sum()), material.others[int(shares[:, i].argmax())].name)
        for i, text in zip(ids, _texts(material, ids), strict=True)
    )


def _texts(material: Material, ids: list[int]) -> list[str]:
    if material.tokenizer is None:
        return [""] * len(ids)
    return [visible(text) for text in material.tokenizer.tokens(ids)]
