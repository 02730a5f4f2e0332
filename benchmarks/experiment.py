"""The experiment as a user runs it: from nothing to drafts that were measured, with its raw rows.

    python -m benchmarks.experiment [--home DIR] [--name NAME] [--trial]
                                    [--also ENGINE [--program NAME]] [OPTIONS OF `experiment`]
    python -m benchmarks.experiment --against-forecast

In an empty workspace, unless --home names one, where a stopped experiment goes on. Writes
benchmarks/results/experiment_<NAME>.json and .md; NAME is the engine, unless it is given. The JSON
holds the measurement, run by run and prompt by prompt. With --also the same drafts are measured on
a second engine, with a results file of its own; --program names it, as `engine --add` stored it.
With --trial, `experiment --estimate` comes first, and what it said is in the results.
With --against-forecast nothing is run: the trimmed drafts of all results files are held against the
forecast made without them, in benchmarks/results/forecast_experiments.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS, write_report
from vocabtrim_core.cli.experiment import forecast_text, over, rate
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts.bundled_target import ARCHITECTURE
from vocabtrim_core.experiment.against_forecast import pairs
from vocabtrim_core.experiment.outcome import SAID, outcome, shown_forecast
from vocabtrim_core.experiment.plan import MEASURE, argv_of
from vocabtrim_core.experiment.record import FinishedStage, load
from vocabtrim_core.forecast.band import Z
from vocabtrim_core.forecast.evidence_check import Checked, check, score
from vocabtrim_core.machine import cores
from vocabtrim_core.serving.measurement import decode
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.serving.verdict import gain
from vocabtrim_core.wording import between, signed

ROOT = Path(__file__).resolve().parents[1]


def command(home: str, *argv: str) -> dict[str, Any]:
    """The result of a command in a workspace."""
    done = subprocess.run(
        [sys.executable, "-m", "vocabtrim_core", *argv, "--json"],
        cwd=ROOT,
        env={**os.environ, "VOCABTRIM_HOME": home},
        stdout=subprocess.PIPE,
        text=True,
    )
    result = json.loads(done.stdout)
    if done.returncode:
        raise SystemExit(f"{argv[0]}: {result['error']}")
    return result


def compared(draft: dict[str, Any], base: str) -> str:
    """The throughput of a draft against a baseline, and whether that may be chance."""
    comparison = draft["ratios"].get(base)
    doubt = " (may be chance)" if comparison and not comparison["distinguishable"] else ""
    return f"{over(draft, base)}{doubt}"


def by_prompt(draft: dict[str, Any], base: str) -> str:
    """The same gain with its interval over prompts, which tells of other prompts of the kind."""
    ratio = draft["over_prompts"].get(base)
    return gain(RatioInterval(**ratio)) if ratio else ""


def rows(result: dict[str, Any]) -> list[dict[str, object]]:
    """Stages with their times, then drafts with what was measured."""
    stages: list[dict[str, object]] = [
        {
            "stage": stage["title"],
            "s": round(stage["seconds"]),
            "estimated s": round(stage["estimated_seconds"] or 0) or "",
            "command": f"`{stage['command']}`",
        }
        for stage in result["stages"]
    ]
    expected = sum(stage["estimated_seconds"] or 0 for stage in result["stages"])
    whole = {"s": round(result["seconds"]), "estimated s": round(expected) or "", "command": ""}
    stages.append({"stage": "all", **whole})
    bases = list(dict.fromkeys(base for draft in result["drafts"] for base in draft["ratios"]))
    drafts: list[dict[str, object]] = [
        {
            "draft": draft["label"],
            "coverage, in sample": "" if draft["coverage"] is None else f"{draft['coverage']:.2%}",
            "held-out acceptance length": round(draft["held_out_length"] or 0, 3) or "",
            "acceptance length": round(draft["acceptance_length"] or 0, 3) or "",
            "accepted by position": ", ".join(
                f"{share:.2f}" for share in draft["position_acceptance"]
            ),
            "tokens/s": rate(draft["throughput"]),
            **{f"over {base}": compared(draft, base) for base in bases},
            **{f"over {base}, by prompt": by_prompt(draft, base) for base in bases},
        }
        for draft in result["drafts"]
    ]
    return [*stages, *drafts, *against_forecast(result["forecasts"])]


def against_forecast(forecasts: list[dict[str, Any]]) -> list[dict[str, object]]:
    """The measured gains over V beside the forecasts made without them."""
    return [
        {
            "trimmed draft": row["label"],
            "over V, measured": signed(row["measured"]),
            "± 90 %": f"{100 * Z * row['noise'] * (1 + row['measured']):.1f}",
            "forecast": signed(row["forecast"]["middle"]),
            "90 % band": between(row["forecast"]["low"], row["forecast"]["high"]),
            "": "inside" if row["inside"] else "outside",
        }
        for row in forecasts
        if row["forecast"]
    ]


def measured_on(home: str, key: str, engine: str, program: str) -> dict[str, Any]:
    """The drafts of an experiment on another engine, as an experiment would show them."""
    os.environ["VOCABTRIM_HOME"] = home
    done = load(key)
    plan = replace(done.plan, engine=engine, program=program)
    argv = argv_of(MEASURE, plan, done.folder, done.results)
    began = time.perf_counter()
    result = command(home, *argv)
    stage = FinishedStage(MEASURE, tuple(argv), time.perf_counter() - began, result)
    others = tuple(stage for stage in done.stages if stage.name != MEASURE)
    shown = outcome(replace(done, plan=plan, stages=(*others, stage), estimated={}))
    return {**shown, "stages": shown["stages"][-1:], "seconds": stage.seconds}


def tried(home: str, options: list[str]) -> dict[str, Any]:
    """What `experiment --estimate` says, and the seconds that it takes."""
    began = time.perf_counter()
    estimate = command(home, "experiment", "--estimate", *options)
    return {**estimate, "took": time.perf_counter() - began}


def by_trial(estimate: dict[str, Any], result: dict[str, Any]) -> str:
    """One sentence on what was estimated by a trial and what was taken."""
    said, took = estimate["seconds"], result["seconds"]
    return (
        f"Estimated before the start by a trial of {estimate['took']:.0f} s: {said:.0f} s; taken: "
        f"{took:.0f} s (estimated / taken {said / took:.2f}). Memory estimated: "
        f"{estimate['memory'] / 1e9:.1f} GB."
    )


def report(
    home: str, result: dict[str, Any], name: str, estimate: dict[str, Any] | None = None
) -> None:
    """Write the results of one engine."""
    measurement = next(Path(home).rglob(f"{result['measurement']}.json"))
    raw = json.loads(measurement.read_text("utf-8"))
    engine = result["settings"]["engine"]
    sentences = [sentence for name in SAID for sentence in result[name]]
    sentences += forecast_text(result["forecasts"])[-1:]
    sentences += [by_trial(estimate, result)] if estimate else []
    averages = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    note = (
        f"{raw['engine']}; target {raw['target']}; k* of its own answers: {result['k_star']:,}. "
        f"Load averages of the machine at the end ({cores()} cores): {averages}.\n\n"
        + "\n".join(f"- {sentence}" for sentence in sentences)
    )
    write_report(
        f"experiment_{(name or engine).replace('.', '_')}",
        f"From prompts to measured drafts: {raw['target']} on {engine}",
        rows(result),
        note,
        home,
        estimate=estimate,
        measurement=raw,
        coverage={
            str(draft["k"]): draft["coverage_held_out"] or draft["coverage"]
            for draft in result["drafts"]
            if draft["coverage"] is not None
        },
    )


def coverage_in(raw: dict[str, Any]) -> dict[int, float]:
    """k -> share of text that its tokens cover, in a results file; in sample in the first ones."""
    if "coverage" in raw:
        return {int(k): share for k, share in raw["coverage"].items()}
    column = "coverage, in sample"
    told = {row["draft"]: row[column] for row in raw["rows"] if row.get(column)}
    return {
        int(size.replace(",", "")): float(share.rstrip("%")) / 100 for size, share in told.items()
    }


def hold_against_forecast() -> None:
    """Write every trimmed draft of the results files beside the forecast made without it."""
    rows: list[dict[str, object]] = []
    checked: list[Checked] = []
    for path in sorted(RESULTS.glob("experiment_*.json")):
        raw = json.loads(path.read_text("utf-8"))
        measurement = decode(json.dumps(raw["measurement"]).encode(), path.name)
        pairs_here = pairs(measurement, PRESETS[ARCHITECTURE].hidden_size, coverage_in(raw))
        pairs_checked = [check(pair) for pair in pairs_here]
        shown = against_forecast([shown_forecast(pair) for pair in pairs_checked])
        rows += [{"results": path.stem, **row} for row in shown]
        checked += pairs_checked
    total = score(checked)
    if total is None:
        raise SystemExit("No results file holds a trimmed draft beside one of V.")
    note = (
        f"{total.inside} of {total.pairs} measured gains over V lie in the 90 % band of the "
        f"forecast made without them; the expected gain is off by {100 * total.median_error:.1f} "
        f"points in the median, and the band is {100 * total.median_width:.1f} points wide."
    )
    write_report("forecast_experiments", "Measured drafts beside the forecast", rows, note)


def main() -> None:
    """Run the experiment and write its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--home")
    parser.add_argument("--name", default="")
    parser.add_argument("--also", default="", metavar="ENGINE")
    parser.add_argument("--program", default="", metavar="NAME")
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("--against-forecast", action="store_true")
    arguments, options = parser.parse_known_args()
    if arguments.against_forecast:
        hold_against_forecast()
        return
    with tempfile.TemporaryDirectory() as scratch:
        home = arguments.home or scratch
        estimate = tried(home, options) if arguments.trial else None
        result = command(home, "experiment", *options)
        sys.argv[1:] = ["--trial"] * arguments.trial + options
        report(home, result, arguments.name, estimate)
        if arguments.also:
            sys.argv[1:] = ["--also", arguments.also, *options]
            report(home, measured_on(home, result["key"], arguments.also, arguments.program), "")


if __name__ == "__main__":
    main()
