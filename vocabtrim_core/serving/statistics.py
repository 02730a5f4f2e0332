"""How sure a measurement is: t-intervals over runs, paired ratios, and the verdict in a sentence.

A run is the unit: its requests share a server's state, so they are no independent samples of it.
Runs with the same index followed each other closely, so they are compared in pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import (
    Configuration,
    Latency,
    Measurement,
    Run,
    added,
)

CONFIDENCE = 0.95
ONE_RUN = "Only one run, so there is no interval: what another run would show is not known."


@dataclass(frozen=True, slots=True)
class RatioInterval:
    """mean +- half over n values; half is None for a single value."""

    mean: float
    half: float | None
    n: int

    @property
    def low(self) -> float:
        """The lower end; the mean itself where there is no interval."""
        return self.mean - (self.half or 0.0)

    @property
    def high(self) -> float:
        """The upper end; the mean itself where there is no interval."""
        return self.mean + (self.half or 0.0)


def interval(values: Sequence[float] | np.ndarray, confidence: float = CONFIDENCE) -> RatioInterval:
    """Mean and half-width of its t-interval. InputError for no values."""
    found = np.asarray(values, float)
    if not len(found):
        raise InputError("There are no runs to take a mean of.")
    half = None
    if len(found) > 1:
        half = quantile(len(found) - 1, confidence) * found.std(ddof=1) / np.sqrt(len(found))
    return RatioInterval(float(found.mean()), None if half is None else float(half), len(found))


def quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Student's t that encloses the share `confidence` between -t and t."""
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    return float(stdtrit(freedom, (1 + confidence) / 2))


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> RatioInterval:
    """The ratio of two kinds of runs that were made in turns, paired by position.

    Mean and t-interval of the logarithms of the ratios, transformed back: the mean is the
    geometric mean, and half is half the width of the transformed interval. InputError for lists
    of other lengths, none at all, or values that are not positive.
    """
    logs = _log_ratios(numerator, denominator)
    found = interval(logs)
    mean = float(np.exp(found.mean))
    return RatioInterval(mean, None if found.half is None else mean * np.sinh(found.half), found.n)


def _log_ratios(numerator: Sequence[float], denominator: Sequence[float]) -> np.ndarray:
    above, below = np.asarray(numerator, float), np.asarray(denominator, float)
    if len(above) != len(below):
        raise InputError(f"{len(above)} runs cannot be paired with {len(below)}.")
    if not len(above):
        raise InputError("There are no pairs of runs to compare.")
    if (above <= 0).any() or (below <= 0).any():
        raise InputError("A ratio of runs needs positive numbers.")
    return np.log(above / below)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A configuration over a baseline, 1.041 = 4.1 % faster.

    distinguishable: whether the interval of the log ratios leaves out 0, which is a paired t-test
    at 5 %; None for a single pair.
    """

    ratio: RatioInterval
    distinguishable: bool | None


def compare(
    measurement: Measurement, label: str, baseline_label: str, concurrency: int | None = None
) -> Comparison:
    """Output tokens per second against a baseline's, run by run.

    concurrency None pairs the runs at all of them. InputError when no two runs make a pair.
    """
    ours, theirs = (
        {
            (run.concurrency, run.index): run.throughput
            for run in measurement.good(name, concurrency)
        }
        for name in (label, baseline_label)
    )
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise InputError(f"{label} and {baseline_label} have no two runs that make a pair.")
    above, below = [ours[at] for at in shared], [theirs[at] for at in shared]
    logs = interval(_log_ratios(above, below))
    apart = None if logs.half is None else abs(logs.mean) > logs.half
    return Comparison(paired_ratio(above, below), apart)


# --- acceptance ----------------------------------------------------------------------------------


def acceptance_length(runs: Sequence[Run]) -> float | None:
    """Tokens of all runs over the verifications of all runs; None without speculation.

    Imports that hold lengths without their sums count every run the same.
    """
    told = [(run.acceptance_length, run.verified) for run in runs if run.acceptance_length]
    if not told:
        return None
    lengths = np.array([length for length, _ in told])
    weights = np.array([verified or 0 for _, verified in told], float)
    return float(np.average(lengths, weights=weights if weights.all() else None))


def position_acceptance(runs: Sequence[Run]) -> tuple[float, ...]:
    """Share of the cycles of all runs that accepted the token at draft position 1, 2, …"""
    return Run("", 0, 0, accepted=added(run.accepted for run in runs)).position_acceptance


# --- a measurement in rows -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration at one concurrency; None where no run says.

    throughput: output tokens/s.  acceptance_length: ratio of sums over all runs, its interval over
    runs.  latency, first_token: means over runs, seconds.  ratios: name of the baseline ("no
    speculation", "128,256", "32,000") -> comparison.  failed: why, one sentence per failed run.
    """

    label: str
    k: int | None
    runs: int
    throughput: RatioInterval | None
    acceptance_length: float | None
    acceptance: RatioInterval | None
    position_acceptance: tuple[float, ...]
    latency: Latency | None
    first_token: Latency | None
    ratios: Mapping[str, Comparison] = field(default_factory=dict)
    failed: tuple[str, ...] = ()


def summary(measurement: Measurement, concurrency: int | None = None) -> list[Row]:
    """A row per configuration, in the measurement's order."""
    return [_row(measurement, each, concurrency) for each in measurement.configurations]


def _row(measurement: Measurement, each: Configuration, concurrency: int | None) -> Row:
    runs = measurement.good(each.label, concurrency)
    lengths = [run.acceptance_length for run in runs if run.acceptance_length]
    ratios = {}
    for name, label in baselines(measurement, each.label).items():
        try:
            ratios[name] = compare(measurement, each.label, label, concurrency)
        except InputError:  # every run of one of them failed
            continue
    failed = tuple(
        f"Run {run.index + 1} at {run.concurrency} at once: {run.error}"
        for run in measurement.runs
        if run.configuration == each.label and run.error and concurrency in (None, run.concurrency)
    )
    return Row(
        each.label,
        each.k,
        len(runs),
        interval([run.throughput for run in runs]) if runs else None,
        acceptance_length(runs),
        interval(lengths) if lengths else None,
        position_acceptance(runs),
        _mean([run.latency for run in runs]),
        _mean([run.first_token for run in runs]),
        ratios,
        failed,
    )


def _mean(latencies: Sequence[Latency | None]) -> Latency | None:
    known = [each for each in latencies if each]
    if not known:
        return None
    return Latency(
        *(
            float(np.mean([getattr(each, name) for each in known]))
            for name in ("mean", "p50", "p95")
        )
    )


def drafts_nothing(configuration: Configuration) -> bool:
    """Whether this is decoding without speculation."""
    return configuration.k is None and not configuration.draft and not configuration.steps


def baselines(measurement: Measurement, label: str) -> dict[str, str]:
    """What a configuration is compared with: name -> label, among those that were measured.

    No speculation, all V tokens, and the 32,000 of published drafts; of several drafts of one size
    the one with the same steps, top-k and draft tokens.
    """
    here = measurement.configuration(label)

    def nearest(found: list[Configuration]) -> str | None:
        shapes = [(c.steps, c.topk, c.draft_tokens) for c in found]
        shape = (here.steps, here.topk, here.draft_tokens)
        at = shapes.index(shape) if shape in shapes else 0
        return found[at].label if found else None

    wanted: dict[str, list[Configuration]] = {
        "no speculation": [c for c in measurement.configurations if drafts_nothing(c)]
    }
    for k in dict.fromkeys((measurement.vocab_size, SHIPPED_K)):
        if k is not None:
            wanted[f"{k:,}"] = [c for c in measurement.configurations if c.k == k]
    named = {name: nearest(found) for name, found in wanted.items()}
    return {name: found for name, found in named.items() if found and found != label}


# --- in a sentence -------------------------------------------------------------------------------


def verdict(measurement: Measurement, label: str, concurrency: int | None = None) -> str:
    """What a configuration gains over every baseline, and which differences may be chance."""
    row = _row(measurement, measurement.configuration(label), concurrency)
    same = [c for c in measurement.configurations if c.k == row.k]
    name = f"{row.k:,}" if row.k is not None and len(same) == 1 else label
    if row.throughput is None:
        return f"{name} has no run that went well on {measurement.prompts}."
    if not row.ratios:
        return f"{name} was measured without a baseline on {measurement.prompts}."
    parts = [f"{gain(each.ratio)} over {base}" for base, each in row.ratios.items()]
    text = f"{name} is {listed(parts)} on {measurement.prompts}"
    apart = {base: each.distinguishable for base, each in row.ratios.items()}
    unknown = [base for base, clear in apart.items() if clear is None]
    if len(unknown) == len(apart):
        return f"{text}: one run each, so whether that is more than chance is not known."
    if unclear := [base for base, clear in apart.items() if clear is False]:
        said = [f"not distinguishable from {listed(unclear)}"]
    else:
        clear = [base for base in apart if base not in unknown]
        slower = [base for base in clear if row.ratios[base].ratio.mean < 1]
        faster = [base for base in clear if base not in slower]
        said = [f"faster than {listed(faster)}"] if faster else []
        said += [f"slower than {listed(slower)}"] if slower else []
    only = f"; one pair of runs with {listed(unknown)}, which may be chance" if unknown else ""
    return f"{text}: {listed(said)}{only}."


def gain(ratio: RatioInterval) -> str:
    """A ratio as people read it: '+4.1 % ± 1.2'."""
    text = f"{100 * (ratio.mean - 1):+.1f} %".replace("-", "\N{MINUS SIGN}")
    return text if ratio.half is None else f"{text} ± {100 * ratio.half:.1f}"


def listed(parts: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
