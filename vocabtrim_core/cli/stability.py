"""The command that measures how well the conversations determine the best k: stability."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import (
    counts_argument,
    integer,
    settings_arguments,
    settings_of,
    shared,
)
from vocabtrim_core.cli.command import Command, Result, table
from vocabtrim_core.cli.resolve import sample_of
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress


def _stability_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    settings_arguments(parser, "architecture", "alpha", "floor", "k_min", "k_max")
    add = parser.add_argument
    add(
        "--sizes",
        type=integer,
        nargs="+",
        metavar="N",
        help="sample sizes in conversations (default 100, 200, 500, 1,000, …)",
    )
    shared(
        parser,
        "--repeats",
        default=20,
        help="subsamples of each size (default %(default)s)",
    )
    add(
        "--draws",
        type=integer,
        default=200,
        metavar="N",
        help="random halves for the interval (default %(default)s)",
    )
    shared(parser, "--seed", default=0)


def _stability(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.counting.shard_counts import load_shards
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.coverage import CoverageCurve
    from vocabtrim_core.generalization.stability import held_out_of, stability
    from vocabtrim_core.generalization.unseen import unseen

    for name in ("repeats", "draws"):
        if getattr(arguments, name) < 2:
            raise InputError(f"{name} must be 2 or more, but it is {getattr(arguments, name)}.")
    counts = find_counts(arguments.counts)
    settings = settings_of(arguments, counts.vocab_size)
    tradeoff = settings.tradeoff(CoverageCurve.of(counts))
    sample, drawn_from = sample_of(arguments.counts, counts)
    estimate = stability(
        sample,
        tradeoff,
        sizes=arguments.sizes,
        repeats=arguments.repeats,
        draws=arguments.draws,
        seed=arguments.seed,
        progress=progress,
    )
    best = tradeoff.optimum
    responses, pieces = find_responses(arguments.counts, counts), load_shards(counts.key)
    result: Result = {
        "k": best.k,
        "interval": [estimate.k.low, estimate.k.high],
        "expected": estimate.expected,
        "bounded": estimate.bounded,
        "plus_minus": estimate.plus_minus,
        "sentence": estimate.sentence(),
        "coverage": best.coverage,
        "unseen": asdict(unseen(counts.counts, responses, pieces)),
        "drawn_from": drawn_from,
        "samples": [
            {
                "conversations": int(size),
                "mean": float(ks.mean()),
                "low": int(ks.min()),
                "high": int(ks.max()),
                "ks": ks,
            }
            for size, ks in zip(estimate.sizes, estimate.ks, strict=True)
        ],
        "draft": tradeoff.architecture.name,
        "alpha": tradeoff.alpha,
    }
    held_out = held_out_of(counts, best.k, responses, pieces, arguments.seed)
    if held_out is not None:
        result["held_out"] = asdict(held_out)
        result["optimism"] = best.coverage - held_out.value
    return result


def _stability_text(result: Result) -> str:
    from vocabtrim_core.generalization.unseen import Unseen

    rows = [(s["conversations"], round(s["mean"]), s["low"], s["high"]) for s in result["samples"]]
    lines = [table([("conversations", "mean k*", "least", "most"), *rows]), result["sentence"]]
    if "held_out" in result:
        value, low, high = result["held_out"].values()
        between = f" ({low:.2%} to {high:.2%})" if low is not None else ""
        lines.append(
            f"C(k*) = {value:.2%}{between} on conversations that had no part in the choice; in "
            f"sample {result['coverage']:.2%}."
        )
    else:
        lines.append(f"C(k*) = {result['coverage']:.2%} in sample.")
    lines.append(Unseen(**result["unseen"]).words())
    return "\n".join(lines)


COMMANDS = (
    Command(
        "stability",
        "tell how well the conversations determine the best k",
        _stability,
        _stability_arguments,
        _stability_text,
        "stability blend.npz --alpha 0.5",
    ),
)
