"""Everything a report says, computed once from a choice; what draws it adds no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vocabtrim_core.choice import ForecastSettings, Opened, SavedChoice, Settings
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import HeldOut, coverage_on
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import HARDWARE, CycleRange, roofline
from vocabtrim_core.forecast.paper import FUNCTION_CALLING_K, GENERAL_K, NER_K, SHIPPED_K
from vocabtrim_core.forecast.throughput import (
    AcceptanceModel,
    Forecast,
    forecast,
    order_free_ceiling,
)
from vocabtrim_core.generalization.missing import Missing, missing
from vocabtrim_core.generalization.uncertainty import Interval
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.text import visible
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.tradeoff import Choice
from vocabtrim_core.vocabulary import DraftVocabulary

KNOWN_SIZES = (
    (GENERAL_K, "paper, general"),
    (NER_K, "paper, NER"),
    (FUNCTION_CALLING_K, "paper, function calling"),
    (SHIPPED_K, "shipped EAGLE-3 heads"),
)
SHOWN_TOKENS = 20  # of each list


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured comparison: throughput of k against baseline_k, as relative gain (0.03 = +3 %).

    gain_low, gain_high: its 95 % interval. length, baseline_length: acceptance lengths.
    """

    task: str
    k: int
    baseline_k: int
    gain: float
    gain_low: float
    gain_high: float
    length: float | None = None
    baseline_length: float | None = None
    on: str = ""  # engine, version, device


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a report is made from. intervals: by key of the counts, over conversations.

    others: counts of corpora that had no part in the choice. created: shown as it is given.
    """

    counts: TokenCounts
    choice: SavedChoice
    others: Sequence[TokenCounts] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None
    measured: Sequence[Measured] = ()
    title: str = ""
    created: str = ""
    commands: Sequence[str] = ()
    ceiling: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One size beside the others. gain: least and most predicted throughput over V, or None."""

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
    """Coverage of a corpus that had no part in the choice."""

    held: HeldOut
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A token that is not kept. mostly: the corpus with the largest share of it, elsewhere."""

    id: int
    text: str
    count: int
    mostly: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """The report's content. opened: the choice at work, with the curve.

    next_in_line: left-out tokens by their count where the choice was made.  missed: by their share
    of the other corpora, all weighing alike.
    """

    material: Material
    opened: Opened
    options: tuple[Option, ...]
    elsewhere: tuple[Elsewhere, ...]
    missing: Missing
    next_in_line: tuple[LeftOut, ...]
    missed: tuple[LeftOut, ...]
    forecast: Forecast | None

    @property
    def chosen(self) -> Option:
        """The option that was chosen."""
        return next(option for option in self.options if option.chosen)

    @property
    def full(self) -> Option:
        """All tokens."""
        return self.options[-1]

    def option(self, k: int) -> Option | None:
        """The option of this size, if there is one."""
        return next((option for option in self.options if option.k == k), None)


def gather(material: Material) -> Facts:
    """Open the choice on its counts and compute what the report says.

    InputError for stale counts, other corpora counted with another tokenizer or rule, and
    forecast settings that make no sense.
    """
    opened = material.choice.open(material.counts)
    for other in material.others:
        _check_comparable(material.counts, other)
    predicted = predict(material.choice.forecast, opened, material.ceiling)
    vocabulary = opened.vocabulary
    kinds = token_kinds(material.tokenizer) if _fits(material) else None
    lost = missing(material.counts, vocabulary, kinds)
    return Facts(
        material,
        opened,
        _options(material, opened, predicted),
        tuple(
            Elsewhere(coverage_on(vocabulary, other), material.intervals.get(other.key))
            for other in material.others
        ),
        lost,
        _next_in_line(material, lost),
        _missed(material, vocabulary),
        predicted,
    )


def predict(
    settings: ForecastSettings, opened: Opened, ceiling: np.ndarray | None = None
) -> Forecast | None:
    """The forecast these settings ask for; None when no acceptance length is given."""
    if settings.full_length is None:
        return None
    curve, architecture = opened.tradeoff.curve, opened.tradeoff.architecture
    acceptance = AcceptanceModel(
        curve.coverage,
        order_free_ceiling(curve.coverage, settings.depth) if ceiling is None else ceiling,
        settings.depth,
        settings.full_length,
        dict(settings.measured),
    )
    if settings.cycles:
        cycles = CycleRange.measured(settings.cycles)
    elif settings.hardware in HARDWARE:
        hardware = HARDWARE[settings.hardware]
        cycles = roofline(architecture, hardware, settings.depth, batch=settings.batch)
    else:
        raise InputError(
            f"There is no hardware {settings.hardware!r}; choose one of {', '.join(HARDWARE)}."
        )
    tradeoff = opened.tradeoff
    return forecast(
        acceptance, cycles, baseline_k=settings.baseline_k, k_min=tradeoff.k_min,
        k_max=tradeoff.k_max,
    )  # fmt: skip


def _check_comparable(counts: TokenCounts, other: TokenCounts) -> None:
    a, b = counts.provenance, other.provenance
    pairs = (
        ("tokenizer", f"{a.tokenizer} ({a.tokenizer_sha256[:8]})",
         f"{b.tokenizer} ({b.tokenizer_sha256[:8]})"),
        ("rule", a.rule, b.rule),
    )  # fmt: skip
    for name, mine, its in pairs:
        if mine != its:
            raise InputError(
                f"{other.name} cannot stand beside {counts.name}: its {name} is {its}, not {mine}; "
                "count both the same way."
            )


def _fits(material: Material) -> bool:
    """Whether the tokenizer is the one of the counts; another one is an error, none is fine."""
    tokenizer, counts = material.tokenizer, material.counts
    if tokenizer is None:
        return False
    if tokenizer.fingerprint != counts.provenance.tokenizer_sha256:
        raise InputError(
            f"{counts.name} was counted with the tokenizer {counts.provenance.tokenizer} "
            f"({counts.provenance.tokenizer_sha256[:8]}), but {tokenizer.name} "
            f"({tokenizer.fingerprint[:8]}) is given."
        )
    return tokenizer.vocab_size == counts.vocab_size


def _options(material: Material, opened: Opened, predicted: Forecast | None) -> tuple[Option, ...]:
    tradeoff, size, chosen = opened.tradeoff, opened.tradeoff.curve.vocab_size, opened.choice.k
    labels: dict[int, list[str]] = {chosen: ["chosen"]}
    for k, label in ((opened.ruled.padded(tradeoff.optimum.k), "optimum"), *KNOWN_SIZES):
        if k < size:
            labels.setdefault(k, []).append(label)
    for pin in material.choice.pins:
        k, own = pin.settings.k, pin.counts == material.counts.key
        if k is None and own:
            k = opened.ruled.padded(_optimum(opened, pin.settings))
        if k is not None and k <= size:
            labels.setdefault(k, []).append("pinned" if own else f"pinned on {pin.name}")
    labels.setdefault(size, []).append("all tokens")
    return tuple(
        Option(
            tradeoff.at(k),
            tuple(dict.fromkeys(labels[k])),
            tradeoff.architecture.head_bytes(k),
            tradeoff.feasible(k),
            k == chosen,
            predicted.against(k, size) if predicted else None,
        )
        for k in sorted(labels)
    )


def _optimum(opened: Opened, settings: Settings) -> int:
    return replace(
        opened.tradeoff, architecture=settings.architecture, alpha=settings.alpha,
        floor=settings.floor, k_min=settings.k_min, k_max=settings.k_max,
    ).optimum.k  # fmt: skip


def _next_in_line(material: Material, lost: Missing) -> tuple[LeftOut, ...]:
    ids = lost.ids[:SHOWN_TOKENS].tolist()
    rows = zip(ids, _texts(material, ids), lost.counts.tolist(), strict=False)
    return tuple(LeftOut(i, text, count) for i, text, count in rows)


def _missed(material: Material, vocabulary: DraftVocabulary) -> tuple[LeftOut, ...]:
    if not material.others:
        return ()
    counts = np.stack([np.where(vocabulary.t2d, 0, other.counts) for other in material.others])
    shares = counts / np.array([[max(other.tokens, 1)] for other in material.others])
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
