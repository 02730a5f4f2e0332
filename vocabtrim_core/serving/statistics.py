"""Statistics of measurements: t-intervals over runs, paired ratios, and the verdict in a sentence.

The unit is a run, because the requests of a run share the server's state and are not independent.
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
    """A mean with its confidence interval, mean - half to mean + half.

    Attributes:
        mean: The mean.
        half: Half the width of the interval, None for a single value.
        n: Number of values.
    """

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
    """The mean of some values with its t-interval.

    Args:
        values: float[n].
        confidence: Confidence level, 0..1.

    Returns:
        The mean and its interval.

    Raises:
        InputError: There are no values.
    """
    array = np.asarray(values, float)
    if not len(array):
        raise InputError("There are no runs to take a mean of.")
    half = None
    if len(array) > 1:
        half = quantile(len(array) - 1, confidence) * array.std(ddof=1) / np.sqrt(len(array))
    return RatioInterval(float(array.mean()), None if half is None else float(half), len(array))


def quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t for which Student's distribution has the share `confidence` between -t and t.

    Args:
        freedom: Degrees of freedom.
        confidence: The share, 0..1.

    Returns:
        t.
    """
    from scipy.special import stdtrit  # scipy.stats has the same and takes a second to import

    return float(stdtrit(freedom, (1 + confidence) / 2))


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> RatioInterval:
    """The ratio of two kinds of runs that alternated, paired by position.

    Mean and t-interval are those of the logarithms of the ratios, transformed back. So the mean is
    the geometric mean, and `half` is half the width of the transformed interval.

    Args:
        numerator: float[n], positive.
        denominator: float[n], positive.

    Returns:
        The ratio and its interval.

    Raises:
        InputError: The lengths differ, there are no values, or one is not positive.
    """
    log = interval(_log_ratios(numerator, denominator))
    mean = float(np.exp(log.mean))
    return RatioInterval(mean, None if log.half is None else mean * np.sinh(log.half), log.n)


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
    """The throughput of a configuration relative to a baseline.

    Attributes:
        ratio: Configuration over baseline; 1.041 is 4.1 % faster.
        distinguishable: Whether the interval of the log ratios excludes 0, which is a paired t-test
            at 5 %; None for a single pair.
    """

    ratio: RatioInterval
    distinguishable: bool | None


def compare(
    measurement: Measurement, label: str, baseline_label: str, concurrency: int | None = None
) -> Comparison:
    """Compare the throughput of two configurations, run by run.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        baseline_label: Label of the baseline.
        concurrency: Requests at once; None for the pairs at all concurrencies.

    Returns:
        The comparison.

    Raises:
        InputError: No two runs make a pair.
    """
    rates, baseline_rates = (
        {
            (run.concurrency, run.index): run.throughput
            for run in measurement.good(name, concurrency)
        }
        for name in (label, baseline_label)
    )
    shared = sorted(rates.keys() & baseline_rates.keys())
    if not shared:
        raise InputError(f"{label} and {baseline_label} have no two runs that make a pair.")
    above, below = [rates[pair] for pair in shared], [baseline_rates[pair] for pair in shared]
    logs = interval(_log_ratios(above, below))
    distinguishable = None if logs.half is None else abs(logs.mean) > logs.half
    return Comparison(paired_ratio(above, below), distinguishable)


# --- acceptance ----------------------------------------------------------------------------------


def acceptance_length(runs: Sequence[Run]) -> float | None:
    """The acceptance length over several runs: all tokens over all verifications.

    Where the verifications of a run are unknown, as in some imports, it is the mean over runs.

    Args:
        runs: The runs.

    Returns:
        Tokens per cycle, None without speculation.
    """
    pairs = [(run.acceptance_length, run.verified) for run in runs if run.acceptance_length]
    if not pairs:
        return None
    lengths = np.array([length for length, _ in pairs])
    weights = np.array([verified or 0 for _, verified in pairs], float)
    return float(np.average(lengths, weights=weights if weights.all() else None))


def position_acceptance(runs: Sequence[Run]) -> tuple[float, ...]:
    """Share of the cycles of all runs in which the token at each draft position was accepted.

    Args:
        runs: The runs.

    Returns:
        The shares at positions 1, 2, …; empty where unknown.
    """
    return Run("", 0, 0, accepted=added(run.accepted for run in runs)).position_acceptance


# --- a measurement in rows -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """The results of one configuration; None for values that no run has.

    Attributes:
        label: Label of the configuration.
        k: Draft vocabulary size.
        runs: Number of good runs.
        throughput: Output tokens/s.
        acceptance_length: Ratio of sums over all runs.
        acceptance: Mean acceptance length over runs, with its interval.
        position_acceptance: Share of cycles that accepted the token at draft position 1, 2, …
        latency: Time of the answers, means over runs.
        first_token: Time of the first tokens, means over runs.
        ratios: Comparisons by baseline: "no speculation", "128,256", "32,000".
        failed: One sentence for each failed run.
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
    """The results of all configurations.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        A row for each configuration, in the measurement's order.
    """
    return [_row(measurement, c, concurrency) for c in measurement.configurations]


def _row(measurement: Measurement, configuration: Configuration, concurrency: int | None) -> Row:
    own_label = configuration.label
    runs = measurement.good(own_label, concurrency)
    lengths = [run.acceptance_length for run in runs if run.acceptance_length]
    ratios = {}
    for name, label in baselines(measurement, own_label).items():
        try:
            ratios[name] = compare(measurement, own_label, label, concurrency)
        except InputError:  # every run of one of them failed
            continue
    failed = tuple(
        f"Run {run.index + 1} at {run.concurrency} at once: {run.error}"
        for run in measurement.runs
        if run.configuration == own_label and run.error and concurrency in (None, run.concurrency)
    )
    return Row(
        own_label,
        configuration.k,
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
    rows = [(latency.mean, latency.p50, latency.p95) for latency in latencies if latency]
    return Latency(*np.mean(rows, axis=0).tolist()) if rows else None


def drafts_nothing(configuration: Configuration) -> bool:
    """Whether a configuration decodes without speculation."""
    return configuration.k is None and not configuration.draft and not configuration.steps


def baselines(measurement: Measurement, label: str) -> dict[str, str]:
    """The baselines of a configuration, among those that were measured.

    They are no speculation, the full draft (V), and the 32,000 of published drafts. Of several
    drafts of one size it is the one with the same steps, top-k and draft tokens, else the first.

    Args:
        measurement: The measurement.
        label: Label of the configuration.

    Returns:
        Labels of the baselines, by name.

    Raises:
        InputError: There is no configuration of this label.
    """
    configuration = measurement.configuration(label)
    shape = (configuration.steps, configuration.topk, configuration.draft_tokens)

    def same_shape(candidates: list[Configuration]) -> str | None:
        shapes = [(c.steps, c.topk, c.draft_tokens) for c in candidates]
        index = shapes.index(shape) if shape in shapes else 0
        return candidates[index].label if candidates else None

    candidates = {"no speculation": [c for c in measurement.configurations if drafts_nothing(c)]}
    for k in dict.fromkeys((measurement.vocab_size, SHIPPED_K)):
        if k is not None:
            candidates[f"{k:,}"] = [c for c in measurement.configurations if c.k == k]
    labels = {name: same_shape(group) for name, group in candidates.items()}
    return {name: base for name, base in labels.items() if base and base != label}


# --- in a sentence -------------------------------------------------------------------------------


def verdict(measurement: Measurement, label: str, concurrency: int | None = None) -> str:
    """One sentence on the gain of a configuration over its baselines.

    Args:
        measurement: The measurement.
        label: Label of the configuration.
        concurrency: Requests at once; None for all runs.

    Returns:
        The gains, and which of them may be due to chance.

    Raises:
        InputError: There is no configuration of this label.
    """
    row = _row(measurement, measurement.configuration(label), concurrency)
    same = [c for c in measurement.configurations if c.k == row.k]
    name = f"{row.k:,}" if row.k is not None and len(same) == 1 else label
    if row.throughput is None:
        return f"{name} has no run that went well on {measurement.prompts}."
    if not row.ratios:
        return f"{name} was measured without a baseline on {measurement.prompts}."
    parts = [f"{gain(comparison.ratio)} over {base}" for base, comparison in row.ratios.items()]
    text = f"{name} is {listed(parts)} on {measurement.prompts}"
    distinct = {base: comparison.distinguishable for base, comparison in row.ratios.items()}
    unknown = [base for base, clear in distinct.items() if clear is None]
    if len(unknown) == len(distinct):
        return f"{text}: one run each, so whether that is more than chance is not known."
    if unclear := [base for base, clear in distinct.items() if clear is False]:
        findings = [f"not distinguishable from {listed(unclear)}"]
    else:
        clear = [base for base in distinct if base not in unknown]
        slower = [base for base in clear if row.ratios[base].ratio.mean < 1]
        faster = [base for base in clear if base not in slower]
        findings = [f"faster than {listed(faster)}"] if faster else []
        findings += [f"slower than {listed(slower)}"] if slower else []
    only = f"; one pair of runs with {listed(unknown)}, which may be chance" if unknown else ""
    return f"{text}: {listed(findings)}{only}."


def gain(ratio: RatioInterval) -> str:
    """A ratio as a relative change, such as '+4.1 % ± 1.2' for 1.041 ± 0.012."""
    text = f"{100 * (ratio.mean - 1):+.1f} %".replace("-", "\N{MINUS SIGN}")
    return text if ratio.half is None else f"{text} ± {100 * ratio.half:.1f}"


def listed(parts: Sequence[str]) -> str:
    """One or more parts as a list in words: 'a', 'a and b' or 'a, b and c'."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
