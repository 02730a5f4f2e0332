"""What an experiment came to, as commands and pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from vocabtrim_core.experiment.against_forecast import of_experiment
from vocabtrim_core.experiment.plan import CHOOSE, COUNT, MEASURE, TITLES, TRAIN
from vocabtrim_core.experiment.record import Experiment
from vocabtrim_core.forecast.evidence_check import Checked
from vocabtrim_core.wording import shell_line

# Sentences of `bench`, in the order in which they are read.
SAID = ("unpaid", "verdicts", "best_steps", "fastest", "notes")


def outcome(experiment: Experiment) -> dict[str, Any]:
    """Gather the results of the stages, as far as they are.

    Args:
        experiment: The experiment.

    Returns:
        JSON values: 'key', 'settings', 'stages' (title, seconds, estimated seconds and command of
        each), 'seconds', and of the finished stages: 'counts', 'k_star', 'run', 'measurement',
        'drafts' (one row per configuration: k, drafted tokens, coverage of the answers that chose
        its tokens, held-out acceptance length of its training, and measured acceptance length,
        tokens per second and gains, with intervals over runs and over prompts), 'forecasts'
        (measured gain of each trimmed draft over V at equal n, beside the forecast made without
        it), and what `bench` says (see SAID).
    """
    results = experiment.results
    measured = results.get(MEASURE, {})
    trained = {draft["k"]: draft for draft in results.get(TRAIN, {}).get("drafts", ())}
    return {
        "key": experiment.plan.key,
        "folder": str(experiment.folder),
        "settings": asdict(experiment.plan),
        "seconds": sum(stage.seconds for stage in experiment.stages),
        "stages": [
            {
                "name": stage.name,
                "title": TITLES[stage.name],
                "seconds": stage.seconds,
                "estimated_seconds": experiment.estimated.get(stage.name),
                "command": shell_line(*stage.argv),
            }
            for stage in experiment.stages
        ],
        "counts": results.get(COUNT, {}).get("key"),
        "k_star": results.get(CHOOSE, {}).get("k"),
        "run": results.get(TRAIN, {}).get("run"),
        "measurement": measured.get("key"),
        "drafts": [_row(row, trained.get(row["k"], {})) for row in measured.get("rows", ())],
        "forecasts": [shown_forecast(checked) for checked in of_experiment(experiment)],
        **{name: measured.get(name, []) for name in SAID},
    }


def shown_forecast(checked: Checked) -> dict[str, Any]:
    """Write a measured gain over V beside its forecast.

    Args:
        checked: The pair.

    Returns:
        JSON values: 'label', 'k', 'steps' and 'device' of the trimmed draft, 'measured' and its
        'noise', 'forecast' (low, middle and high), 'inside', and 'refused' where there is none.
    """
    row = checked.evidence
    return {
        "label": row.id,
        "k": row.k,
        "steps": row.depth,
        "device": row.device,
        "measured": row.observed,
        "noise": row.noise,
        "forecast": None if checked.forecast is None else checked.forecast._asdict(),
        "inside": checked.inside,
        "refused": checked.refused,
    }


def _row(measured: Mapping[str, Any], trained: Mapping[str, Any]) -> dict[str, Any]:
    """One configuration: its measurement beside its training."""
    return {
        "label": measured["label"],
        "k": measured["k"],
        "steps": measured.get("steps"),
        "coverage": trained.get("coverage"),
        "coverage_held_out": trained.get("coverage_held_out"),
        "held_out_length": trained.get("acceptance_length"),
        "acceptance_length": measured["acceptance_length"],
        "position_acceptance": measured["position_acceptance"],
        "throughput": measured["throughput"],
        "ratios": measured["ratios"],
        "over_prompts": measured.get("over_prompts", {}),
        "length_over_prompts": measured.get("length_over_prompts"),
    }
