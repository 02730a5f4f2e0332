"""Makes an acceptance model from counts and responses, and lists its assumptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance import (
    Ceiling,
    ceiling,
    check_depth,
    held_out_ceiling,
)
from vocabtrim_core.forecast.acceptance_model import (
    AcceptanceModel,
    expected_tokens,
    full_length_from,
    order_free_ceiling,
    position_rates,
)
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.forecast.retraining import AUTO, DECAY, retraining
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.generalization.held_out import StabilitySample, by_count, held_out_curve

PAPER_DEPTH = 3  # not stated in the paper, but implied by its cycle times and lengths


def paper_length(depth: int) -> float:
    """Acceptance length of a full draft that accepts as often as the paper's does on MT-Bench.

    Args:
        depth: Drafted tokens K per cycle.

    Returns:
        1..K + 1.
    """
    first = position_rates(RESULTS[0].length_full, PAPER_DEPTH)[0]
    return expected_tokens(np.minimum(first * DECAY ** np.arange(depth), 1))


HELD_OUT, OTHER_SET, IN_SAMPLE = "held out", "another set", "in sample"


@dataclass(frozen=True, slots=True, eq=False)
class ServedText:
    """What evaluation traffic says about an order of tokens, whatever a forecast assumes.

    Attributes:
        name: Of the text.
        basis: HELD_OUT, OTHER_SET or IN_SAMPLE: where its coverage comes from.
        coverage: float64[V], C(k) on it.
        ceiling: Of a perfect draft on it, at every depth; None without responses.
        notes: What had to be taken instead of something better, a sentence each.
    """

    name: str
    basis: str
    coverage: np.ndarray
    ceiling: Ceiling | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Acceptance:
    """An acceptance model with its basis and assumptions.

    Attributes:
        model: Acceptance length at every k.
        served: Name of the evaluation traffic.
        basis: That of the text (`ServedText`).
        assumed: The assumptions, a sentence each.
    """

    model: AcceptanceModel
    served: str
    basis: str
    assumed: tuple[str, ...]


def served_text(
    curve: CoverageCurve,
    served: TokenCounts,
    *,
    responses: Responses | None = None,
    sample: StabilitySample | None = None,
    rank: Callable[[np.ndarray], np.ndarray] = by_count,
    progress: Callable[..., None] | None = None,
) -> ServedText:
    """Coverage and ceiling of evaluation traffic, for every k of the vocabulary order `curve`.

    Where `served` is the text that chooses, both are held out: each tenth of its conversations is
    read with the order of the other nine tenths. The ceiling needs all responses for that.

    Args:
        curve: The order of tokens.
        served: Counts of the evaluation traffic, over the same V.
        responses: Those of `served`; None gives no ceiling.
        sample: What `served` can be divided in, conversations or pieces, where it chooses too;
            None: `responses`.
        rank: How counts become the order `curve.order`, for what is held out.
        progress: Called with (tokens, of, message) while the ceiling is found.

    Returns:
        The text.

    Raises:
        InputError: `served` holds no tokens.
    """
    if not served.tokens:
        raise InputError(f"{served.name} holds no tokens, so nothing can be forecast for it.")
    notes: list[str] = []
    covered = served.counts[curve.order]
    coverage = np.cumsum(covered) / served.tokens
    sample = responses if sample is None else sample
    basis = OTHER_SET
    if np.array_equal(covered, curve.sorted_counts):
        if sample is not None and sample.units > 1:
            basis, coverage = HELD_OUT, held_out_curve(sample, rank)
        else:
            basis = IN_SAMPLE
            notes.append(
                f"In sample: coverage is that of {served.name}, on which the tokens are chosen, "
                "and nothing of it can be held out; it is too high. Choose other counts to serve, "
                "or count this text again on this machine."
            )
    perfect = None
    if responses is None:
        notes.append(
            f"The responses of {served.name} are not at hand, so the ceiling is the one that "
            "holds for any order of its tokens; count it on this machine for a sharper one."
        )
    elif basis == HELD_OUT and responses.complete:
        perfect = held_out_ceiling(responses, rank)
    else:
        perfect = ceiling(_watched(responses, progress), curve.ranks())
    if responses is not None and not responses.complete:
        notes.append(
            f"The ceiling is that of {responses.conversations:,} conversations, a random part "
            f"of {served.name}."
        )
    return ServedText(served.name, basis, coverage, perfect, tuple(notes))


def acceptance_on(
    text: ServedText, settings: ForecastSettings, measured: Mapping[int, float] | None = None
) -> Acceptance:
    """Acceptance for every k on evaluation traffic.

    Args:
        text: The text.
        settings: Depth, acceptance lengths and how the draft is made.
        measured: k -> acceptance length, in addition to those of the settings.

    Returns:
        The model with its basis and assumptions.

    Raises:
        InputError: Settings are out of range or contradict each other.
    """
    depth, coverage = check_depth(settings.depth), text.coverage
    limit = text.ceiling.length(depth) if text.ceiling else order_free_ceiling(coverage, depth)
    training = settings.training
    if training == AUTO:
        training = "other-text" if text.basis == OTHER_SET else "same-text"
    lengths = {**(measured or {}), **dict(settings.measured)}
    full, full_length_notes = _full_length(settings, lengths, coverage, training)
    assumed = [*text.notes, *full_length_notes, retraining(training).source]
    assumed += [
        f"The length of {length:.2f} measured at {k:,} tokens is above the {limit[k - 1]:.2f} that "
        f"a perfect draft gets on {text.name}: it was measured on other text, or is wrong."
        for k, length in sorted(lengths.items())
        if k <= len(limit) and length > limit[k - 1] + 0.01
    ]
    model = AcceptanceModel(coverage, limit, depth, full, lengths, training, settings.rates)
    return Acceptance(model, text.name, text.basis, tuple(assumed))


def _full_length(
    settings: ForecastSettings, lengths: Mapping[int, float], coverage: np.ndarray, training: str
) -> tuple[float, list[str]]:
    """The full draft's acceptance length: given, measured, inferred or the paper's."""
    depth = settings.depth
    full = lengths.get(len(coverage)) if settings.full_length is None else settings.full_length
    if full is not None:
        return full, []
    if settings.rates:
        return expected_tokens(settings.rates), []
    if lengths:
        full, least, most = full_length_from(lengths, coverage, depth, training)
        k = max(lengths)
        return full, [
            f"The full draft was not measured. From {lengths[k]:.2f} at {k:,} tokens its "
            f"acceptance length is taken to be {full:.2f}, between {least:.2f} and {most:.2f}."
        ]
    full = paper_length(depth)
    return full, [
        f"The full draft's acceptance length is assumed to be {full:.2f}, as often as on MT-Bench "
        "in the paper; measure and give yours."
    ]


def _watched(
    responses: Responses, progress: Callable[..., None] | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The batches of the responses, with progress reported after each."""
    done = 0
    for ids, offsets in responses.batches():
        yield ids, offsets
        done += len(ids)
        if progress:
            progress(done, responses.tokens, "acceptance ceiling")
