"""A measurement as the source of a forecast, and the forecast held against it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.command import Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
    from vocabtrim_core.forecast.cycle_model import CycleRange
    from vocabtrim_core.serving.calibration import Calibration
    from vocabtrim_core.serving.measurement import Measurement


def find_measurement(spec: str) -> Measurement:
    """Find a measurement.

    Args:
        spec: Its key in the workspace, or the path of a file that this program wrote.

    Returns:
        The measurement.

    Raises:
        InputError: The file is a result of another tool, which has to be imported first.
    """
    from vocabtrim_core.serving import importers
    from vocabtrim_core.serving import measurement as store

    path = Path(spec).expanduser()
    if not path.is_file():
        return store.find(spec)
    (source,) = importers.open_sources([path])
    measurement = importers.own_measurement(path.read_bytes(), path.name)
    if measurement is None:
        title = importers.find_importer(source).title
        raise InputError(
            f"{path.name} is a result of {title}; `import-results {path} --k K` makes a "
            "measurement of it, whose key can be named here."
        )
    return measurement


def calibrated(arguments: argparse.Namespace, vocab_size: int) -> Calibration | None:
    """Calibrate the forecast with the measurement of --measurement.

    Args:
        arguments: The parsed command line of `forecast`.
        vocab_size: V of the counts.

    Returns:
        The calibration, None without --measurement.

    Raises:
        InputError: The measurement has another V or another depth.
    """
    from vocabtrim_core.serving.calibration import calibration

    if arguments.measurement is None:
        return None
    measurement = find_measurement(arguments.measurement)
    if measurement.vocab_size not in (None, vocab_size):
        raise InputError(
            f"The measurement's target has {measurement.vocab_size:,} tokens, these counts "
            f"{vocab_size:,}; take counts under the target's tokenizer."
        )
    result = calibration(measurement, arguments.batch, arguments.depth)
    if arguments.depth not in (None, result.steps or arguments.depth):
        raise InputError(
            f"The measurement drafted {result.steps} tokens per cycle, but --depth is "
            f"{arguments.depth}; leave --depth out."
        )
    return result


def probed(arguments: argparse.Namespace, draft: DraftArchitecture, depth: int) -> CycleRange:
    """Read the cycle times of --probe.

    Args:
        arguments: The parsed command line of `forecast`.
        draft: The draft, whose hidden size the probe must have.
        depth: Tokens drafted per cycle.

    Returns:
        The range of cycle times.

    Raises:
        InputError: The probe timed other shapes.
    """
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
    calibration: Calibration, acceptance: AcceptanceModel, full_length: float | None
) -> list[Result]:
    """Compare predicted and measured output tokens per second, without first tokens.

    Args:
        calibration: The calibration, with its measurement.
        acceptance: The model of acceptance lengths.
        full_length: Acceptance length of the full-vocabulary draft, None where it is not given.

    Returns:
        A row per measured k.
    """
    from vocabtrim_core.forecast.throughput import forecast
    from vocabtrim_core.serving.calibration import checks, with_lengths

    rows = checks(
        calibration,
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
        for check in rows
    ]


def check_text(rows: list[Result], where: str) -> str:
    """Write the comparison for people.

    Args:
        rows: What `against_measured` gives.
        where: What was measured, in a few words.

    Returns:
        A table, and a sentence where rows were fitted instead of predicted.
    """
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
    text = f"Against the measurement ({where}), output tokens/s\n"
    text += "without the first token of each answer:\n"
    text += table([("k", "measured", "forecast", "error", ""), *lines])
    if any(row["fitted"] for row in rows):
        text += (
            "\nFitted: the forecast has seen these runs, so their agreement proves nothing; with a "
            "third size each is predicted from the others."
        )
    return text
