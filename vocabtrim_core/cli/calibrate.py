"""A measurement as the source of a forecast, and the forecast held against it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.forecast.cycle_model import CycleRange
    from vocabtrim_core.forecast.throughput import AcceptanceModel
    from vocabtrim_core.serving.calibration import Calibration
    from vocabtrim_core.serving.measurement import Measurement


def find_measurement(spec: str) -> Measurement:
    """By key, or by a file of this program; results of other tools have to be imported first."""
    from vocabtrim_core.serving import importers, measurement

    path = Path(spec).expanduser()
    if not path.is_file():
        return measurement.find(spec)
    (source,) = importers.open_sources([path])
    found = importers.own_measurement(path.read_bytes(), path.name)
    if found is None:
        title = importers.find_importer(source).title
        raise InputError(
            f"{path.name} is a result of {title}; `import-results {path} --k K` makes a "
            "measurement of it, whose key can be named here."
        )
    return found


def calibrated(arguments: argparse.Namespace, vocab_size: int) -> Calibration | None:
    """What --measurement names, once it fits the counts and the other arguments; else None."""
    from vocabtrim_core.serving.calibration import calibration

    if arguments.measurement is None:
        return None
    measurement = find_measurement(arguments.measurement)
    if measurement.vocab_size not in (None, vocab_size):
        raise InputError(
            f"The measurement's target has {measurement.vocab_size:,} tokens, these counts "
            f"{vocab_size:,}; take counts under the target's tokenizer."
        )
    found = calibration(measurement, arguments.batch)
    if arguments.depth not in (None, found.steps or arguments.depth):
        raise InputError(
            f"The measurement drafted {found.steps} tokens per cycle, but --depth is "
            f"{arguments.depth}; leave --depth out."
        )
    return found


def probed(arguments: argparse.Namespace, draft: DraftArchitecture, depth: int) -> CycleRange:
    """The cycle times that --probe names, once its shapes are those of the draft."""
    from vocabtrim_core.serving.calibration import probed_range
    from vocabtrim_core.serving.latency_probe import find

    probe = find(arguments.probe)
    if probe.architecture.hidden_size != draft.hidden_size:
        raise InputError(
            f"The probe timed {probe.architecture.name} with hidden size "
            f"{probe.architecture.hidden_size:,}, but {draft.name} has {draft.hidden_size:,}."
        )
    batch = 1 if arguments.batch is None else arguments.batch
    return probed_range(probe, batch=batch, depth=depth)


def against_measured(
    found: Calibration, acceptance: AcceptanceModel, full_length: float | None
) -> list[Result]:
    """Predicted and measured output tokens/s, a row per measured k."""
    from vocabtrim_core.forecast.throughput import forecast
    from vocabtrim_core.serving.calibration import checks, with_lengths

    made = checks(
        found,
        lambda lengths, cycles: forecast(with_lengths(acceptance, lengths, full_length), cycles),
    )
    return [
        {
            "k": check.k,
            "configuration": check.label,
            "measured": check.measured.mean,
            "measured_half": check.measured.half,
            "runs": check.measured.n,
            "predicted": check.predicted,
            "predicted_range": [check.low, check.high],
            "error": check.error,
            "accept_length": check.length,
            "predicted_accept_length": list(check.lengths),
            "fitted": check.fitted,
        }
        for check in made
    ]


def check_text(rows: list[Result], where: str) -> str:
    """The rows for people, and which of them were predicted."""
    lines = [
        (
            row["k"],
            f"{row['measured']:,.1f}"
            + (f" ± {row['measured_half']:,.1f}" if row["measured_half"] is not None else ""),
            f"{row['predicted']:,.1f}",
            f"{row['error']:+.1%}",
            "fitted" if row["fitted"] else "predicted from the other sizes",
        )
        for row in rows
    ]
    text = f"Against the measurement ({where}), output tokens/s:\n"
    text += table([("k", "measured", "forecast", "error", ""), *lines])
    if any(row["fitted"] for row in rows):
        text += (
            "\nFitted: the forecast has seen these runs, so their agreement proves nothing; with a "
            "third size each is predicted from the others."
        )
    return text
