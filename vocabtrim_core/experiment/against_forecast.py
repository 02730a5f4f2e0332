"""The drafts of a measurement beside the forecast that is made without them.

Every trimmed draft makes a pair with the draft of V that drafts as many tokens. The forecast sees
what is known before the trimmed draft runs: shapes, the device, the acceptance length and cycle
time of the draft of V, and the share of text that the kept tokens cover. So the measured sizes say
whether the cycle time falls with k as it should.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from vocabtrim_core.drafts.target import target_architecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment.plan import MEASURE, TRAIN
from vocabtrim_core.experiment.record import Experiment
from vocabtrim_core.forecast.evidence import UNSTATED_NOISE, Evidence
from vocabtrim_core.forecast.evidence_check import Checked, check
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.over_prompts import ratio_over_prompts
from vocabtrim_core.serving.statistics import acceptance_length, compare, quantile
from vocabtrim_core.serving.summary import alike

CPU = "laptop-cpu"  # a few cores; their share of a server's bandwidth is that of a laptop
TRAINING = "short"  # minutes
# Bytes per weight of a draft's head as engines hold it; q8_0 has a 16-bit scale per 32 weights.
WEIGHT_BYTES = {"q8_0": 34 / 32, "float32": 4.0, "f32": 4.0, "float64": 8.0}
HALF = 2.0
# Words of a GPU's name, by the device of the forecast that has them all; the first that fits.
GPUS = {
    "a100-40g": ("A100", "40G"),
    "a100-80g": ("A100", "80G"),
    "h100-pcie": ("H100", "PCIE"),
    "h100": ("H100",),
    "h200": ("H200",),
    "b200": ("B200",),
    "l40s": ("L40S",),
    "l4": ("L4\\b",),
    "gb10": ("GB10",),
    "rtx-3090": ("RTX 3090",),
    "rtx-4090": ("RTX 4090",),
    "rtx-5080": ("RTX 5080",),
    "rtx-5090": ("RTX 5090",),
    "rtx-pro-6000": ("RTX PRO 6000",),
    "apple-ultra": ("M3 ULTRA",),
    "apple-max": ("M4 MAX",),
}


def of_experiment(experiment: Experiment) -> tuple[Checked, ...]:
    """Hold what an experiment measured against the forecast.

    Args:
        experiment: The experiment.

    Returns:
        One pair for each trimmed draft and number of drafted tokens; none where it did not measure,
        where its measurement was removed, or without a draft of V.
    """
    measured = experiment.results.get(MEASURE)
    if not measured:
        return ()
    try:
        measurement = measurements.find(measured["key"])
        hidden_size = target_architecture(experiment.plan.target).hidden_size
    except InputError:
        return ()
    coverage = {
        draft["k"]: draft.get("coverage_held_out") or draft["coverage"]
        for draft in experiment.results[TRAIN]["drafts"]
        if draft.get("coverage") is not None
    }
    return tuple(map(check, pairs(measurement, hidden_size, coverage)))


def pairs(
    measurement: Measurement,
    hidden_size: int,
    coverage: Mapping[int, float],
    *,
    training: str = TRAINING,
    concurrency: int = 1,
) -> tuple[Evidence, ...]:
    """Make a row of evidence of every trimmed draft, against V with as many drafted tokens.

    Args:
        measurement: The measurement.
        hidden_size: H.
        coverage: k -> share of the served text that its tokens cover, as far as known.
        training: How the drafts were made, a key of RETRAININGS.
        concurrency: Requests at once.

    Returns:
        The rows, from the largest size to the smallest, by drafted tokens inside a size; their
        noise is that of the runs or of the prompts, whichever is more.
    """
    good = [c for c in measurement.configurations if measurement.good(c.label, concurrency)]
    trimmed = [c for c in good if c.k and c.k != measurement.vocab_size and c.topk == 1]
    rows = []
    for draft in sorted(trimmed, key=lambda c: (-(c.k or 0), c.steps)):
        base = alike(measurement, draft, measurement.vocab_size or 0)
        if base in good and base.steps == draft.steps:
            shares = hidden_size, coverage.get(draft.k or 0), training
            rows.append(_pair(measurement, draft, base, concurrency, *shares))
    return tuple(rows)


def _pair(
    measurement: Measurement,
    draft: Configuration,
    base: Configuration,
    concurrency: int,
    hidden_size: int,
    coverage: float | None,
    training: str,
) -> Evidence:
    runs, base_runs = (measurement.good(c.label, concurrency) for c in (draft, base))
    rates = [sum(run.throughput for run in own) / len(own) for own in (base_runs, runs)]
    cycles = [run.cycle_s for run in base_runs if run.cycle_s]
    settings = measurement.settings
    weights = str(settings.get("draft_type") or settings.get("dtype") or "")
    return Evidence(
        id=draft.label,
        source=f"measurement {measurement.key}",
        kind="P",
        model=measurement.target,
        head="eagle3",
        hidden_size=hidden_size,
        vocab_size=measurement.vocab_size or 0,
        k_base=base.k or 0,
        k=draft.k or 0,
        training=training,
        device=hardware_of(measurement.device),
        depth=draft.steps,
        date=measurement.created[:10],
        engine=measurement.engine,
        batch=concurrency,
        length_base=acceptance_length(base_runs),
        length_k=acceptance_length(runs),
        coverage_k=coverage,
        cycle_ms_base=1e3 * sum(cycles) / len(cycles) if cycles else None,
        throughput_base=rates[0],
        throughput_k=rates[1],
        head_bytes_base=WEIGHT_BYTES.get(weights, HALF),
        noise=_noise(measurement, draft.label, base.label, concurrency),
    )


def _noise(measurement: Measurement, label: str, base: str, concurrency: int) -> float:
    """Standard deviation of the measured ratio: over runs or over prompts, whichever is more."""
    told = []
    with suppress(InputError):  # no two runs make a pair
        told.append(compare(measurement, label, base, concurrency).ratio)
    if ratio := ratio_over_prompts(measurement, label, base, concurrency):
        told.append(ratio)
    deviations = [r.half / quantile(r.n - 1) / r.mean for r in told if r.half is not None]
    return max(deviations, default=UNSTATED_NOISE)


def hardware_of(device: str) -> str:
    """The device of the forecast that a measurement ran on.

    Args:
        device: Name of the device, as torch or the system gives it.

    Returns:
        A key of HARDWARE, CPU where no GPU is named; "" for a GPU that is not among them.
    """
    name = device.upper()
    for key, marks in GPUS.items():
        if all(re.search(rf"\b{mark}", name) for mark in marks):
            return key
    return "" if "NVIDIA" in name else CPU
