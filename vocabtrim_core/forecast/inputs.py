"""Makes an acceptance model from counts and responses, and lists its assumptions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import (
    AcceptanceModel,
    expected_tokens,
    full_length_from,
    order_free_ceiling,
    position_rates,
)
from vocabtrim_core.forecast.band import Z
from vocabtrim_core.forecast.ceiling import (
    Ceiling,
    ceiling,
    check_depth,
    held_out_ceiling,
)
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.forecast.retraining import AUTO, DECAY, retraining
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.shipped_ceiling import shipped_ceiling
from vocabtrim_core.generalization.held_out import StabilitySample, by_count, held_out_curve
from vocabtrim_core.wording import listed

PAPER_DEPTH = 3  # not stated in the paper, but implied by its cycle times and lengths


def paper_length(depth: int, at_three: float = RESULTS[0].length_full) -> float:
    """Acceptance length of a full draft that accepts as often as one of the paper's.

    Args:
        depth: Drafted tokens K per cycle.
        at_three: The paper's acceptance length at depth 3; by default that on MT-Bench.

    Returns:
        1..K + 1.
    """
    first = position_rates(at_three, PAPER_DEPTH)[0]
    return expected_tokens(np.minimum(first * DECAY ** np.arange(depth), 1))


def paper_range(depth: int) -> tuple[float, float]:
    """The least and the most that the paper's full drafts accept on its seven tasks.

    Args:
        depth: Drafted tokens K per cycle.

    Returns:
        Acceptance lengths, 1..K + 1.
    """
    lengths = [result.length_full for result in RESULTS]
    return paper_length(depth, min(lengths)), paper_length(depth, max(lengths))


def paper_settings() -> ForecastSettings:
    """The forecast's settings until there are others: the paper's draft on MT-Bench, its device.

    Returns:
        The settings, with the range that holds where no acceptance length was measured.
    """
    return ForecastSettings(
        paper_length(PAPER_DEPTH), PAPER_DEPTH, full_range=paper_range(PAPER_DEPTH)
    )


MOST_ABOVE = 0.01  # a measured length this far above a perfect draft's is still taken as rounded
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
        sharp: Whether the ceiling is that of the text, and not a bound from its coverage.
    """

    model: AcceptanceModel
    served: str
    basis: str
    assumed: tuple[str, ...]
    sharp: bool = False


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
        responses: Those of `served`; None gives no ceiling, or that of shipped counts.
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
        own_order = basis == HELD_OUT and rank is by_count
        if own_order or basis == OTHER_SET:
            perfect = shipped_ceiling(curve, served, held_out=own_order)
        notes.append(
            f"The ceiling is that of {served.name} as it comes with the program, interpolated "
            "between the sizes that are stored."
            if perfect
            else f"The responses of {served.name} are not at hand, so the ceiling is the one that "
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
    impossible = [
        k
        for k, length in sorted(lengths.items())
        if 1 <= k < len(limit) and limit[k - 1] * (1 + MOST_ABOVE) < length <= depth + 1
    ]
    assumed = [
        *text.notes,
        *(
            f"Left out: the length of {lengths.pop(k):.2f} measured at {k:,} tokens, which is "
            f"above the {limit[k - 1]:.2f} that a perfect draft gets on {text.name}; it was "
            "measured on other text, or is wrong."
            for k in impossible
        ),
    ]
    full, full_range, about_full = _full_length(settings, lengths, coverage, training)
    unmeasured = AcceptanceModel(
        coverage, limit, depth, full, {}, training, settings.rates, full_range
    )
    assumed += [
        *filter(None, [about_full]),
        *_unlikely(unmeasured, lengths, settings.length_noise),
        *_several(lengths, len(coverage)),
        retraining(training).source,
    ]
    model = replace(unmeasured, measured=lengths)
    sharp = text.ceiling is not None
    return Acceptance(model, text.name, text.basis, tuple(assumed), sharp)


def _unlikely(model: AcceptanceModel, lengths: Mapping[int, float], noise: float) -> list[str]:
    """Sentences about measured lengths outside what the model expects without them."""
    low, high = model.interval()
    sentences: list[str] = []
    for k, length in sorted(lengths.items()):
        if not 1 <= k < len(low):
            continue
        least, most = low[k - 1] * np.exp(-Z * noise), high[k - 1] * np.exp(Z * noise)
        if not least <= length <= most:
            sentences.append(
                f"The length of {length:.2f} measured at {k:,} tokens lies outside the {least:.2f} "
                f"to {most:.2f} that are expected from {model.full_length:.2f} with all tokens; "
                "check that both are from the same prompts and depth."
            )
    return sentences


def _several(lengths: Mapping[int, float], size: int) -> list[str]:
    """Sentences about lengths measured at several sizes: what holds between them, any fall."""
    points = sorted((k, length) for k, length in lengths.items() if k < size)
    if len(points) < 2:
        return []
    sentences = [
        f"Lengths measured at {listed([f'{k:,}' for k, _ in points])} tokens hold there; between "
        "them the model is scaled by what lies between their factors."
    ]
    for (smaller, longer), (larger, shorter) in pairwise(points):
        if shorter < longer:
            sentences.append(
                f"The length of {shorter:.2f} measured at {larger:,} tokens is below the "
                f"{longer:.2f} at {smaller:,}, though more tokens are kept: that is a difference "
                "between two trained drafts, or the noise of a run, and not an effect of k."
            )
    return sentences


def of_several(acceptance: Acceptance, names: Sequence[str]) -> Acceptance:
    """Say that a text decides because it gains least.

    Args:
        acceptance: On that text.
        names: Of all texts.

    Returns:
        The same with a sentence more where there are several.
    """
    if len(names) < 2:
        return acceptance
    sentence = f"Of {listed(names)}, {acceptance.served} gains least and decides."
    return replace(acceptance, assumed=(sentence, *acceptance.assumed))


def _full_length(
    settings: ForecastSettings, lengths: Mapping[int, float], coverage: np.ndarray, training: str
) -> tuple[float, tuple[float, ...], str]:
    """The full draft's acceptance length: given, measured, inferred or the paper's.

    Returns:
        The length, its least and its most where it is not measured, and a sentence about it.
    """
    full = lengths.get(len(coverage)) if settings.full_length is None else settings.full_length
    if full is None and settings.rates:
        full = expected_tokens(settings.rates)
    if full is not None:
        return full, settings.full_range, _between(full, settings.full_range)
    if lengths:
        full, *ends = full_length_from(
            lengths, coverage, settings.depth, training, settings.length_noise
        )
        k = max(lengths)
        why = f"The full draft was not measured, but {lengths[k]:.2f} at {k:,} tokens."
    else:
        full, ends = paper_length(settings.depth), paper_range(settings.depth)
        why = "The full draft was not measured: the start is MT-Bench's in the paper, and its tasks"
        why += " are the range; give yours."
    return full, tuple(ends), f"{why} {_between(full, ends)}"


def _between(full: float, ends: Sequence[float]) -> str:
    if not ends:
        return ""
    least, most = (f"{end:.2f}" for end in ends)
    return (
        f"The acceptance length with all tokens is taken to be {full:.2f}, between {least} and "
        f"{most}."
    )


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
