"""The command about throughput: forecast."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import counts_argument, integer, settings_arguments, settings_of
from vocabtrim_core.cli.calibrate import against_measured, calibrated, check_text, probed
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.resolve import comparable_counts
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import At, add_options, from_argv
from vocabtrim_core.forecast.settings import ForecastSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
    from vocabtrim_core.forecast.throughput import AcceptanceModel, Forecast
    from vocabtrim_core.jobs.progress import Progress


def _arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    settings_arguments(parser, "architecture")
    group = parser.add_argument_group("acceptance")
    group.add_argument(
        "--on",
        metavar="COUNTS",
        help="counts of the text to be served, where that is another (same tokenizer and rule)",
    )
    add_options(group, ForecastSettings, "depth", "full_length", "measured", omit_defaults=True)
    group = parser.add_argument_group("cycle time, one of").add_mutually_exclusive_group()
    add_options(group, ForecastSettings, "hardware", "cycles", omit_defaults=True)
    group.add_argument(
        "--measurement",
        metavar="KEY|FILE",
        help="from runs of drafts of two or more sizes (see `bench` and `import-results`); their "
        "acceptance lengths count too, and each size is predicted from the others",
    )
    group.add_argument(
        "--probe",
        metavar="KEY|FILE",
        help="from the steps and the verification that `probe --with-target` timed",
    )
    group = parser.add_argument_group("with --hardware", "--batch also picks a measurement's")
    add_options(group, ForecastSettings, "batch", "width", "verified", omit_defaults=True)
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
    from vocabtrim_core.forecast.cycle_model import CycleRange, check_against_paper
    from vocabtrim_core.forecast.inputs import PAPER_DEPTH, acceptance_on
    from vocabtrim_core.forecast.paper import SHIPPED_K
    from vocabtrim_core.forecast.throughput import forecast, implied_alpha
    from vocabtrim_core.tradeoff import TradeOff

    progress(0, None, "reading the counts")
    counts = find_counts(arguments.counts)
    size = counts.vocab_size
    settings = settings_of(arguments, size)
    draft = settings.architecture
    curve = CoverageCurve.of(counts)
    tradeoff = TradeOff(curve, draft)
    assumptions = ForecastSettings(**from_argv(ForecastSettings, arguments, At(size)))
    measured = calibrated(arguments, size)
    if arguments.depth is None:
        assumptions = replace(assumptions, depth=(measured.steps if measured else 0) or PAPER_DEPTH)
    depth = assumptions.depth
    for flag, points in (
        ("--measured-length", assumptions.measured),
        ("--measured", assumptions.cycles),
    ):
        _within(points, size, flag)
    if measured:
        cycles = measured.cycles()
    elif arguments.probe:
        cycles = probed(arguments, draft, depth)
    else:
        cycles = CycleRange.of(assumptions, draft)
    served = comparable_counts([arguments.counts, *filter(None, [arguments.on])])[-1]
    acceptance, assumed = acceptance_on(
        curve,
        served,
        find_responses(arguments.on or arguments.counts, served),
        depth,
        assumptions.full_length,
        {**(measured.lengths if measured else {}), **dict(assumptions.measured)},
        progress=progress,
    )
    result = forecast(acceptance, cycles, k_min=settings.k_min, k_max=settings.k_max)
    best, bests = result.recommended_k, result.recommended_range
    baselines = dict.fromkeys(k for k in (size, SHIPPED_K, *arguments.baseline) if k <= size)
    for k in (*arguments.baseline, *arguments.at):
        curve.check_k(k)
    shown = sorted(
        {
            *baselines,
            *arguments.at,
            *arguments.baseline,
            *bests,
            best,
            *(measured.lengths if measured else ()),
            tradeoff.optimum.k,
        }
    )
    return {
        "recommended_k": best,
        "recommended_range": list(bests),
        "gains": [{"baseline": k, "gain": result.against(best, k)} for k in baselines],
        "implied_alpha": implied_alpha(tradeoff, best),
        "implied_alpha_range": [implied_alpha(tradeoff, k) for k in bests],
        "kappa": _ends(lambda model: model.kappa(size), cycles),
        "largest_gain": _ends(lambda model: model.largest_gain(size), cycles)[1],
        "break_even_loss": _ends(lambda model: model.break_even_loss(best, size), cycles),
        "accept_length_full": acceptance.full_length,
        "depth": depth,
        "cycle_model": {
            "source": cycles.fast.source,
            "fixed_s": _ends(lambda model: model.fixed_s, cycles),
            "row_s": _ends(lambda model: model.row_s, cycles),
            "bandwidth": _ends(
                lambda model: model.bandwidth(draft.hidden_size, depth, draft.bytes_per_weight),
                cycles,
            ),
        },
        "table": [_row(k, tradeoff, acceptance, result, list(baselines)) for k in shown],
        "assumptions": [*assumed, cycles.regime],
        "paper_check": [
            {**asdict(c), "error": c.predicted - c.observed} for c in check_against_paper()
        ],
        "measurement": measured.measurement.key if measured else None,
        "measured_where": measured.where if measured else None,
        "measured_check": against_measured(measured, acceptance, assumptions.full_length)
        if measured
        else [],
        "draft": draft.name,
        "vocab_size": size,
    }


def _row(
    k: int, tradeoff: Any, acceptance: AcceptanceModel, result: Forecast, baselines: list[int]
) -> Result:
    choice, size = tradeoff.at(k), len(acceptance.coverage)
    low, high = result.lengths
    return {
        "k": k,
        "coverage": float(acceptance.coverage[k - 1]),
        "utility": choice.utility,
        "ceiling": float(acceptance.ceiling[k - 1]),
        "accept_length": [float(low[k - 1]), float(high[k - 1])],
        "break_even_loss": _ends(lambda model: model.break_even_loss(k, size), result.cycles),
        "gains": {str(base): result.against(k, base) for base in baselines},
    }


def _ends(value: Callable[[CycleModel], float], cycles: CycleRange) -> list[float]:
    """A value under both ends of the cycle time, the smaller first."""
    return sorted((value(cycles.fast), value(cycles.slow)))


def _within(points: Iterable[tuple[int, float]], size: int, flag: str) -> None:
    for k, _ in points:
        if not 1 <= k <= size:
            raise InputError(f"{flag} names k = {k:,}, which is outside 1..{size:,}.")


def _text(result: Result) -> str:
    low, high = result["recommended_range"]
    gains = "; ".join(f"{_percent(*g['gain'])} against {g['baseline']:,}" for g in result["gains"])
    break_even = result["break_even_loss"]
    head = (
        "k",
        "coverage",
        "ceiling",
        "accept length",
        *(f"against {base:,}" for base in (int(b) for b in result["table"][0]["gains"])),
    )
    rows = [
        (
            row["k"],
            f"{row['coverage']:.2%}",
            f"{row['ceiling']:.2f}",
            "{:.2f} to {:.2f}".format(*row["accept_length"]),
            *(_percent(*gain) for gain in row["gains"].values()),
        )
        for row in result["table"]
    ]
    worst = max(abs(c["error"]) for c in result["paper_check"])
    return "\n\n".join(
        [
            f"k = {result['recommended_k']:,} ({low:,} to {high:,}): {gains}",
            table([head, *rows]),
            f"The alpha this hardware implies: {result['implied_alpha']:.2f}. At most "
            f"{result['largest_gain']:.1%} can be gained over the full vocabulary; at the "
            "recommended k the acceptance length may fall by "
            f"{break_even[0]:.1%} to {break_even[1]:.1%} before it is slower.",
            *(
                [check_text(result["measured_check"], result["measured_where"])]
                if result["measurement"]
                else []
            ),
            "\n".join(f"- {sentence}" for sentence in result["assumptions"]),
            "Check: calibrated on MT-Bench alone, the cycle model predicts the paper's other six "
            f"gains from their acceptance lengths within {100 * worst:.1f} points.",
        ]
    )


def _percent(low: float, high: float) -> str:
    return f"{low:+.1%} to {high:+.1%}" if abs(high - low) >= 0.0005 else f"{high:+.1%}"


COMMANDS = (
    Command(
        "forecast",
        "predict acceptance length and throughput for every k, as intervals",
        _forecast,
        _arguments,
        _text,
        "forecast blend.npz --hardware h100 --accept-length 2.89 --on mtbench.npz",
    ),
)
