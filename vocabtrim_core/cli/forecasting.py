"""The command about throughput: forecast."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import (
    chosen_draft,
    counts_argument,
    draft_arguments,
    integer,
    number,
    pair,
)
from vocabtrim_core.cli.at_hand import comparable_counts
from vocabtrim_core.cli.calibrating import against_measured, calibrated, check_text, probed
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
    from vocabtrim_core.forecast.throughput import AcceptanceModel, Forecast
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.calibration import Calibration


def _arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    draft_arguments(parser)
    add = parser.add_argument_group("acceptance").add_argument
    add(
        "--on",
        metavar="COUNTS",
        help="counts of the text to be served, where that is another (same tokenizer and rule)",
    )
    add(
        "--depth",
        type=integer,
        metavar="K",
        help="tokens drafted per cycle (default 3, the paper's, or the measurement's)",
    )
    add(
        "--accept-length",
        type=number,
        metavar="TAU",
        help="acceptance length of the full-vocabulary draft, 1..K+1 (default: as on MT-Bench in "
        "the paper, 2.89 at depth 3)",
    )
    add(
        "--measured-length",
        type=pair,
        nargs="+",
        action="extend",
        default=[],
        metavar="K=TAU",
        help="acceptance lengths measured at other k; they narrow the interval",
    )
    group = parser.add_argument_group("cycle time, one of").add_mutually_exclusive_group()
    group.add_argument(
        "--hardware",
        metavar="NAME",
        help="from a data sheet: a100-80g (default), h100, h200, l4, rtx-4090, laptop-cpu",
    )
    group.add_argument(
        "--measured",
        type=pair,
        nargs="+",
        action="extend",
        metavar="K=SECONDS",
        help="seconds per cycle at two or more k: acceptance length / throughput",
    )
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
    add = parser.add_argument_group("with --hardware").add_argument
    add(
        "--batch",
        type=integer,
        metavar="N",
        help="sequences decoded together (default 1); with --measurement or --probe theirs",
    )
    add(
        "--tree-width",
        type=integer,
        default=1,
        metavar="N",
        help="branches extended per draft step (default 1, a chain)",
    )
    add(
        "--verified",
        type=integer,
        metavar="N",
        help="tokens verified per cycle and sequence (default depth x width + 1)",
    )
    add = parser.add_argument_group("result").add_argument
    add(
        "--baseline",
        type=integer,
        nargs="+",
        default=[],
        metavar="K",
        help="compare with these k besides V and 32,000",
    )
    add("--at", type=integer, nargs="+", default=[], metavar="K", help="list these k too")
    add("--k-min", type=integer, default=1, metavar="K", help="smallest k (default %(default)s)")
    add("--k-max", type=integer, metavar="K", help="largest k (default V)")


def _forecast(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.forecast.cycle_model import check_against_paper
    from vocabtrim_core.forecast.inputs import PAPER_DEPTH, acceptance_on
    from vocabtrim_core.forecast.paper import SHIPPED_K
    from vocabtrim_core.forecast.throughput import forecast, implied_alpha
    from vocabtrim_core.tradeoff import TradeOff

    progress(0, None, "reading the counts")
    counts = find_counts(arguments.counts)
    size = counts.vocab_size
    draft = chosen_draft(arguments, size)
    curve = CoverageCurve.of(counts)
    tradeoff = TradeOff(curve, draft)
    measured = calibrated(arguments, size)
    depth = arguments.depth
    if depth is None:
        depth = (measured.steps if measured else 0) or PAPER_DEPTH
    cycles = _cycles(arguments, draft, depth, measured)
    for k, _ in arguments.measured_length:
        _within(k, size, "--measured-length")
    served = comparable_counts([arguments.counts, *filter(None, [arguments.on])])[-1]
    acceptance, assumed = acceptance_on(
        curve,
        served,
        find_responses(arguments.on or arguments.counts, served),
        depth,
        arguments.accept_length,
        {**(measured.lengths if measured else {}), **dict(arguments.measured_length)},
        progress=progress,
    )
    result = forecast(acceptance, cycles, k_min=arguments.k_min, k_max=arguments.k_max)
    best, bests = result.recommended_k, result.recommended_range
    baselines = dict.fromkeys(k for k in (size, SHIPPED_K, *arguments.baseline) if k <= size)
    for k in (*arguments.baseline, *arguments.at):
        curve.check_k(k)
    shown = sorted({*baselines, *arguments.at, *arguments.baseline, *bests, best,
                    *(measured.lengths if measured else ()), tradeoff.optimum.k})  # fmt: skip
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
        "measured_check": against_measured(measured, acceptance, arguments.accept_length)
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


def _cycles(
    arguments: argparse.Namespace,
    draft: DraftArchitecture,
    depth: int,
    measured: Calibration | None,
) -> CycleRange:
    """The cycle model of the source that was named."""
    from vocabtrim_core.forecast.cycle_model import HARDWARE, CycleRange, roofline

    if measured:
        return measured.cycles()
    if arguments.probe:
        return probed(arguments, draft, depth)
    if arguments.measured:
        for k, _ in arguments.measured:
            _within(k, draft.vocab_size, "--measured")
        return CycleRange.measured(arguments.measured)
    name = arguments.hardware or "a100-80g"
    if name not in HARDWARE:
        raise InputError(f"There is no hardware {name!r}; choose one of {', '.join(HARDWARE)}.")
    return roofline(
        draft,
        HARDWARE[name],
        depth,
        batch=1 if arguments.batch is None else arguments.batch,
        width=arguments.tree_width,
        verified=arguments.verified,
    )


def _within(k: int, size: int, flag: str) -> None:
    if not 1 <= k <= size:
        raise InputError(f"{flag} names k = {k:,}, which is outside 1..{size:,}.")


def _text(result: Result) -> str:
    r = result
    low, high = r["recommended_range"]
    gains = "; ".join(f"{_percent(*g['gain'])} against {g['baseline']:,}" for g in r["gains"])
    head = ("k", "coverage", "ceiling", "accept length", *(
        f"against {base:,}" for base in (int(b) for b in r["table"][0]["gains"])
    ))  # fmt: skip
    rows = [
        (
            row["k"], f"{row['coverage']:.2%}", f"{row['ceiling']:.2f}",
            "{:.2f} to {:.2f}".format(*row["accept_length"]),
            *(_percent(*gain) for gain in row["gains"].values()),
        )
        for row in r["table"]
    ]  # fmt: skip
    worst = max(abs(c["error"]) for c in r["paper_check"])
    return "\n\n".join(
        [
            f"k = {r['recommended_k']:,} ({low:,} to {high:,}): {gains}",
            table([head, *rows]),
            f"The alpha this hardware implies: {r['implied_alpha']:.2f}. At most "
            f"{r['largest_gain']:.1%} can be gained over the full vocabulary; at the recommended "
            "k the acceptance length may fall by "
            f"{r['break_even_loss'][0]:.1%} to {r['break_even_loss'][1]:.1%} before it is slower.",
            *([check_text(r["measured_check"], r["measured_where"])] if r["measurement"] else []),
            "\n".join(f"- {sentence}" for sentence in r["assumptions"]),
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
