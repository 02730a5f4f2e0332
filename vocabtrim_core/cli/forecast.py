"""The command about throughput: forecast."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import (
    counts_argument,
    integer,
    settings_arguments,
    settings_of,
    shared,
)
from vocabtrim_core.cli.calibrate import against_measured, calibrated, probed
from vocabtrim_core.cli.command import Command, Result
from vocabtrim_core.cli.forecast_text import forecast_text
from vocabtrim_core.cli.resolve import comparable_counts
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, parsed
from vocabtrim_core.fields.leaf import ReadContext
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection_spec.spec import SelectionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
    from vocabtrim_core.forecast.decision import TrafficForecast
    from vocabtrim_core.forecast.inputs import Acceptance
    from vocabtrim_core.forecast.throughput import Forecast, Gain
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.selection_spec.settings import Settings
    from vocabtrim_core.serving.calibration import Calibration
    from vocabtrim_core.tradeoff import TradeOff


def _arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    settings_arguments(parser, "architecture", "k", "alpha", "floor")
    group = parser.add_argument_group("acceptance")
    add_options(group, SelectionSpec, "served", omit_defaults=True)
    add_options(
        group,
        ForecastSettings,
        *("depth", "full_length", "full_range", "measured", "length_noise", "training", "rates"),
        omit_defaults=True,
    )
    group = parser.add_argument_group("cycle time")
    add_options(group, ForecastSettings, "hardware", omit_defaults=True)
    group = group.add_mutually_exclusive_group()
    add_options(group, ForecastSettings, "cycles", omit_defaults=True)
    shared(
        group,
        "--measurement",
        help="from runs of drafts of two or more sizes (see `bench` and `import-results`); their "
        "acceptance lengths count too, and each size is predicted from the others",
    )
    group.add_argument(
        "--probe",
        metavar="KEY|FILE",
        help="from the steps and the verification that `probe --with-target` timed",
    )
    group = parser.add_argument_group("with --hardware", "--batch also picks a measurement's")
    add_options(
        group,
        ForecastSettings,
        *("batch", "context", "width", "verified", "head_format"),
        omit_defaults=True,
    )
    group = parser.add_argument_group("result")
    add = group.add_argument
    add(
        "--baseline",
        type=integer,
        nargs="+",
        default=[],
        metavar="K",
        help="compare with these k besides V and 32,000",
    )
    add("--at", type=integer, nargs="+", default=[], metavar="K", help="list these k too")
    settings_arguments(group, "k_min", "k_max")


def _forecast(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.forecast.cycle_times import row_format
    from vocabtrim_core.forecast.decision import decide, worst_served
    from vocabtrim_core.forecast.decision_text import decision_text
    from vocabtrim_core.forecast.paper import SHIPPED_K
    from vocabtrim_core.forecast.paper_check import check_against_paper
    from vocabtrim_core.generalization.k_range import k_range
    from vocabtrim_core.generalization.stability import best_sample

    progress(0, None, "reading the counts")
    counts = find_counts(arguments.counts)
    size = counts.vocab_size
    settings = settings_of(arguments, size)
    draft = settings.architecture
    curve = CoverageCurve.of(counts)
    tradeoff = settings.tradeoff(curve)
    assumptions, measured, cycles = _sources(arguments, draft, size)
    depth = assumptions.depth
    chosen = () if settings.k is None else (settings.k,)
    for k in (*chosen, *arguments.baseline, *arguments.at):
        curve.check_k(k)
    texts = _evaluation_traffic(
        arguments, curve, assumptions, cycles, settings, measured, draft.kind, progress
    )
    progress(0, None, "k* on other samples")
    sample = best_sample(counts, find_responses(arguments.counts, counts))
    served = worst_served(tradeoff, [text for text, _ in texts], settings.k)
    acceptance = next(of_text for text, of_text in texts if text is served)
    decision = decide(tradeoff, [served], chosen_k=settings.k, stability=k_range(sample, tradeoff))
    result = served.forecast
    best, bests = decision.recommended_k, decision.equivalent
    baselines = dict.fromkeys(k for k in (size, SHIPPED_K, *arguments.baseline) if k <= size)
    shown = sorted(
        {
            *baselines,
            *arguments.at,
            *arguments.baseline,
            *bests,
            best,
            decision.k,
            *(measured.lengths if measured else ()),
            tradeoff.optimum.k,
        }
    )
    bytes_per_weight = row_format(assumptions, draft)
    return {
        "decision": {**asdict(decision), "gains": _gains(decision.gains)},
        "decision_text": decision_text(decision, size).sentences(),
        "recommended_k": best,
        "recommended_range": list(bests),
        "gains": [{"baseline": k, "gain": list(result.gain(best, k))} for k in baselines],
        "equivalent_alpha": decision.equivalent_alpha,
        "kappa": _ends(lambda model: model.kappa(size), cycles),
        "largest_gain": _ends(lambda model: model.largest_gain(size), cycles)[1],
        "accept_length_full": acceptance.model.full_length,
        "depth": depth,
        "served": served.name,
        "basis": served.basis,
        "cycle_model": {
            "source": cycles.fast.source,
            "fixed_s": _ends(lambda model: model.fixed_s, cycles),
            "row_s": _ends(lambda model: model.row_s, cycles),
            "bandwidth": _ends(
                lambda model: model.bandwidth(draft.row_reads(depth), 1, bytes_per_weight),
                cycles,
            ),
        },
        "table": [_row(k, tradeoff, result, list(baselines)) for k in shown],
        "streams": _streams(
            assumptions, draft, acceptance, decision.k, measured or arguments.probe
        ),
        "assumptions": [*acceptance.assumed, cycles.regime],
        "paper_check": [
            {**asdict(c), "error": c.predicted - c.observed} for c in check_against_paper()
        ],
        "measurement": measured.measurement.key if measured else None,
        "measured_where": measured.where if measured else None,
        "measured_check": against_measured(measured, acceptance.model, assumptions.full_length)
        if measured
        else [],
        "draft": draft.name,
        "vocab_size": size,
    }


def _sources(
    arguments: argparse.Namespace, draft: DraftArchitecture, size: int
) -> tuple[ForecastSettings, Calibration | None, CycleRange]:
    """The settings, the measurement they come from if there is one, and the cycle times."""
    from vocabtrim_core.forecast.cycle_times import cycle_times
    from vocabtrim_core.forecast.inputs import PAPER_DEPTH

    assumptions = parsed(ForecastSettings, arguments, ReadContext(size))
    for source in ("measurement", "probe"):
        if arguments.hardware and getattr(arguments, source):
            raise InputError(
                f"--hardware is not allowed with --{source}, which has the cycle times; leave one "
                "of them out."
            )
    measured = calibrated(arguments, size)
    if arguments.depth is None:
        assumptions = replace(assumptions, depth=(measured.steps if measured else 0) or PAPER_DEPTH)
    if measured and not assumptions.rates and assumptions.full_length is None:
        assumptions = replace(assumptions, rates=measured.rates(size))
    if measured and arguments.length_noise is None:
        assumptions = replace(assumptions, length_noise=measured.length_noise)
    for flag, points in (
        ("--measured-length", assumptions.measured),
        ("--measured", assumptions.cycles),
    ):
        _within(points, size, flag)
    if measured:
        cycles = measured.cycles()
    elif arguments.probe:
        cycles = probed(arguments, draft, assumptions.depth)
    else:
        cycles = cycle_times(assumptions, draft)
    return assumptions, measured, cycles


def _evaluation_traffic(
    arguments: argparse.Namespace,
    curve: CoverageCurve,
    assumptions: ForecastSettings,
    cycles: CycleRange,
    settings: Settings,
    measured: Calibration | None,
    kind: str,
    progress: Progress,
) -> list[tuple[TrafficForecast, Acceptance]]:
    """The evaluation traffic, by default the counts that choose, each set with its forecast."""
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.forecast.decision import TrafficForecast
    from vocabtrim_core.forecast.inputs import acceptance_on, served_text
    from vocabtrim_core.forecast.other_kinds import of_kind
    from vocabtrim_core.forecast.throughput import forecast
    from vocabtrim_core.generalization.stability import best_sample

    specs = arguments.served or [arguments.counts]
    sets = comparable_counts([arguments.counts, *specs])[1:]
    texts: list[tuple[TrafficForecast, Acceptance]] = []
    for spec, counts in zip(specs, sets, strict=True):
        responses = find_responses(spec, counts)
        text = served_text(
            curve,
            counts,
            responses=responses,
            sample=best_sample(counts, responses),
            progress=progress,
        )
        lengths = measured.lengths if measured else None
        acceptance = of_kind(acceptance_on(text, assumptions, lengths), kind)
        predicted = forecast(acceptance.model, cycles)
        texts.append((TrafficForecast(counts.name, acceptance.basis, predicted), acceptance))
    return texts


def _gains(gains: Mapping[int, Gain]) -> dict[str, list[float]]:
    return {str(k): list(gain) for k, gain in gains.items()}


def _streams(
    assumptions: ForecastSettings,
    draft: DraftArchitecture,
    acceptance: Acceptance,
    k: int,
    measured: object,
) -> list[Result]:
    """Gain over all tokens by sequences at once; empty where cycle times were measured."""
    from vocabtrim_core.forecast.concurrency import gains_by_streams

    if measured or assumptions.cycles:
        return []
    points = gains_by_streams(assumptions, draft, acceptance.model, k, draft.vocab_size)
    return [
        {
            "streams": point.streams,
            "gain": list(point.gain) if point.gain else None,
            "reason": point.reason,
        }
        for point in points
    ]


def _row(k: int, tradeoff: TradeOff, result: Forecast, baselines: list[int]) -> Result:
    from vocabtrim_core.forecast.break_even import break_even

    acceptance, size = result.acceptance, tradeoff.curve.vocab_size
    low, high = result.lengths
    return {
        "k": k,
        "coverage": float(acceptance.coverage[k - 1]),
        "utility": tradeoff.at(k).utility,
        "ceiling": float(acceptance.ceiling[k - 1]),
        "accept_length": [float(low[k - 1]), float(acceptance.middle[k - 1]), float(high[k - 1])],
        "break_even": break_even(result, k, size)._asdict(),
        "gains": {str(base): list(result.gain(k, base)) for base in baselines},
    }


def _ends(value: Callable[[CycleModel], float], cycles: CycleRange) -> list[float]:
    """Evaluate both ends of the cycle time; the smaller value comes first."""
    return sorted((value(cycles.fast), value(cycles.slow)))


def _within(points: Iterable[tuple[int, float]], size: int, flag: str) -> None:
    seen: set[int] = set()
    for k, _ in points:
        if not 1 <= k <= size:
            raise InputError(f"{flag} names k = {k:,}, which is outside 1..{size:,}.")
        if k in seen and flag == "--measured-length":
            raise InputError(f"{flag} names k = {k:,} twice; give it once.")
        seen.add(k)


COMMANDS = (
    Command(
        "forecast",
        "predict acceptance length and throughput for every k, as intervals",
        _forecast,
        _arguments,
        forecast_text,
        "forecast blend.npz --hardware h100 --accept-length 2.89 --served mtbench.npz",
    ),
)
