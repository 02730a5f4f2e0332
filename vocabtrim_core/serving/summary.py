"""A measurement in rows: the results of every configuration, compared with its baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration, Latency, Measurement, Run
from vocabtrim_core.serving.over_prompts import length_over_prompts, ratio_over_prompts
from vocabtrim_core.serving.significance import holm
from vocabtrim_core.serving.statistics import (
    Comparison,
    RatioInterval,
    acceptance_length,
    compare,
    interval,
    position_acceptance,
)


@dataclass(frozen=True, slots=True)
class Row:
    """The results of one configuration; None for values that no run has.

    Attributes:
        label: Label of the configuration.
        k: Draft vocabulary size.
        runs: Number of good runs.
        throughput: Output tokens/s.
        acceptance_length: Ratio of sums over all runs; see `acceptance_length.LENGTH_HELP`.
        acceptance: Mean acceptance length over runs, with its interval.
        position_acceptance: Share of cycles that accepted the token at draft position 1, 2, …
        latency: Time of the answers, means over runs.
        first_token: Time of the first tokens, means over runs.
        tokens_per_verification: All tokens over all verifications, which is what SGLang calls the
            acceptance length; None where one of them is unknown.
        ratios: Comparisons by baseline: "no speculation", "128,256", "32,000". Their p-values are
            corrected for all configurations that were compared with the same baseline.
        failed: One sentence for each failed run.
        cpu_per_token: CPU seconds of the engine's processes per output token, over all runs.
        steps: Draft steps per cycle, 0 without speculation or where unknown.
        over_prompts: Ratios of tokens/s by baseline, as in `ratios`, with intervals over prompts
            instead of runs; empty where the answers were not stored.
        length_over_prompts: Acceptance length with its interval over prompts.
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
    tokens_per_verification: float | None = None
    ratios: Mapping[str, Comparison] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    cpu_per_token: float | None = None
    steps: int = 0
    over_prompts: Mapping[str, RatioInterval] = field(default_factory=dict)
    length_over_prompts: RatioInterval | None = None


def summary(measurement: Measurement, concurrency: int | None = None) -> list[Row]:
    """The results of all configurations.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        A row for each configuration, in the measurement's order.
    """
    rows = [_row(measurement, c, concurrency) for c in measurement.configurations]
    corrected = [dict(row.ratios) for row in rows]
    for base in dict.fromkeys(name for row in rows for name in row.ratios):
        tested = [own for own in corrected if base in own and own[base].p is not None]
        p_values = holm([own[base].p or 0.0 for own in tested])
        for own, p in zip(tested, p_values, strict=True):
            own[base] = replace(own[base], p=p, tests=len(tested))
    return [replace(row, ratios=own) for row, own in zip(rows, corrected, strict=True)]


def _row(measurement: Measurement, configuration: Configuration, concurrency: int | None) -> Row:
    own_label = configuration.label
    runs = measurement.good(own_label, concurrency)
    lengths = [run.acceptance_length for run in runs if run.acceptance_length]
    ratios, over_prompts = {}, {}
    for name, label in baselines(measurement, own_label).items():
        try:
            ratios[name] = compare(measurement, own_label, label, concurrency)
        except InputError:  # every run of one of them failed
            continue
        if ratio := ratio_over_prompts(measurement, own_label, label, concurrency):
            over_prompts[name] = ratio
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
        _tokens_per_verification(runs),
        ratios,
        failed,
        _cpu_per_token(runs),
        configuration.steps,
        over_prompts,
        length_over_prompts(measurement, own_label, concurrency),
    )


def _cpu_per_token(runs: Sequence[Run]) -> float | None:
    sums = [(run.cpu_s, run.tokens) for run in runs if run.cpu_s is not None and run.tokens]
    seconds, tokens = np.sum(sums, axis=0) if sums else (0, 0)
    return float(seconds / tokens) if tokens else None


def _tokens_per_verification(runs: Sequence[Run]) -> float | None:
    sums = [(run.tokens, run.verified) for run in runs if run.tokens and run.verified]
    tokens, verified = np.sum(sums, axis=0) if sums else (0, 0)
    return float(tokens / verified) if verified else None


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
    alone = next((c for c in measurement.configurations if drafts_nothing(c)), None)
    bases = {"no speculation": alone}
    for k in dict.fromkeys((measurement.vocab_size, SHIPPED_K)):
        if k is not None:
            bases[f"{k:,}"] = alike(measurement, configuration, k)
    return {name: c.label for name, c in bases.items() if c and c.label != label}


def alike(measurement: Measurement, configuration: Configuration, k: int) -> Configuration | None:
    """Find the draft of a size that a configuration is compared with.

    Args:
        measurement: The measurement.
        configuration: One of its configurations.
        k: The size.

    Returns:
        The first with the same steps, top-k and draft tokens. Without one it is the first of the
        size, but None where the configuration's draft was measured with several shapes, of which
        another can be compared.
    """

    def shape(c: Configuration) -> tuple[int, int, int]:
        return c.steps, c.topk, c.draft_tokens

    candidates = [c for c in measurement.configurations if c.k == k]
    same = [c for c in candidates if shape(c) == shape(configuration)]
    if same or not candidates:
        return same[0] if same else None
    own = {shape(c) for c in measurement.configurations if c.draft == configuration.draft}
    swept = configuration.draft and len(own) > 1
    return None if swept else candidates[0]


def candidates(measurement: Measurement, concurrency: int | None = None) -> list[Configuration]:
    """The drafts among which the fastest is looked for.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for all runs.

    Returns:
        The drafts with a good run that are not baselines; where there are none, all drafts.
    """
    drafts = [
        c
        for c in measurement.configurations
        if not drafts_nothing(c) and measurement.good(c.label, concurrency)
    ]
    usual = (measurement.vocab_size, SHIPPED_K)
    return [c for c in drafts if c.k is None or c.k not in usual] or drafts
