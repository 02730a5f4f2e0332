"""Commands about the choice of k: optimize, drafts."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import (
    counts_argument,
    settings_arguments,
    settings_of,
    shared,
)
from vocabtrim_core.cli.command import Command, Result, named_values, no_options, table
from vocabtrim_core.wording import megabytes

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.tradeoff import TradeOff


# --- optimize -----------------------------------------------------------------------------------


def _optimize_arguments(parser: argparse.ArgumentParser) -> None:
    counts_argument(parser)
    settings_arguments(parser, "architecture", "alpha", "floor", "k_min", "k_max")
    parser.add_argument(
        "--method",
        choices=("exact", "tpe"),
        default="exact",
        help="exact: the best of all k, in milliseconds; tpe: the paper's search, resumable, with "
        "its regret against the exact optimum (default %(default)s)",
    )
    group = parser.add_argument_group("tpe")
    shared(group, "--trials", default=100, help="(default %(default)s)")
    shared(group, "--seed", default=42)
    shared(group, "--storage")
    shared(group, "--study")


def _optimize(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.coverage import CoverageCurve

    counts = find_counts(arguments.counts)
    curve = CoverageCurve.of(counts)
    tradeoff = settings_of(arguments, counts.vocab_size).tradeoff(curve)
    if arguments.method == "tpe":
        best = _tpe(arguments, progress, tradeoff, counts)
    else:
        best = asdict(tradeoff.optimum)
    return {
        **best,
        "method": arguments.method,
        "alpha": tradeoff.alpha,
        "min_coverage": tradeoff.floor,
        "k_min": tradeoff.k_min,
        "k_max": tradeoff.last_k,
        "draft": tradeoff.architecture.name,
        "draft_kind": tradeoff.architecture.kind,
        **_cycle(tradeoff.architecture, best["k"]),
        "vocab_size": counts.vocab_size,
        "counts": counts.key,
        "note": curve.padding_note(best["k"]),
    }


def _cycle(draft: DraftArchitecture, k: int) -> dict[str, Any]:
    """Bytes that a cycle reads for the draft, and the memory of a copied head."""
    from vocabtrim_core.forecast.inputs import PAPER_DEPTH

    full, trimmed = (sum(draft.cycle_bytes(n, PAPER_DEPTH).values()) for n in (draft.vocab_size, k))
    return {
        "drafted_tokens": PAPER_DEPTH,
        "cycle_bytes_full": full,
        "cycle_bytes": trimmed,
        "copied_bytes": draft.copied_bytes(k),
    }


def _tpe(
    arguments: argparse.Namespace, progress: Progress, tradeoff: TradeOff, counts: TokenCounts
) -> dict[str, Any]:
    from vocabtrim_core import tpe

    choice, search = tpe.search(
        tradeoff,
        counts.key,
        trials=arguments.trials,
        seed=arguments.seed,
        storage=arguments.storage,
        study=arguments.study,
        progress=progress,
    )
    exact = tradeoff.optimum
    return {
        **asdict(choice),
        "regret": exact.utility - choice.utility,
        "trials": len(search.trials),
        "exact": asdict(exact),
        "seed": arguments.seed,
        "storage": search.storage,
        "study": search.study,
    }


def _optimize_text(result: Result) -> str:
    lines = [
        f"k = {result['k']:,} of {result['vocab_size']:,} tokens "
        f"({result['k'] / result['vocab_size']:.1%}), {result['method']}, "
        f"alpha {result['alpha']:g}, coverage floor {result['min_coverage']:g}",
        named_values(result, "coverage", "latency_reduction", "utility", "draft", "counts"),
        f"with {result['drafted_tokens']} drafted tokens a cycle reads "
        f"{megabytes(result['cycle_bytes'])} of weights for the draft, "
        f"{megabytes(result['cycle_bytes_full'])} with all tokens",
    ]
    if result["copied_bytes"]:
        lines.append(
            f"the full head is the target's: a trimmed copy takes "
            f"{megabytes(result['copied_bytes'])} of memory more"
        )
    if result["method"] == "tpe":
        lines += [
            f"{result['trials']:,} trials leave {result['regret']:.2g} of utility to the exact "
            f"optimum, k = {result['exact']['k']:,}",
            f"optuna-dashboard {result['storage']}    (study {result['study']})",
        ]
    return "\n".join([*lines, *filter(None, [result["note"]])])


# --- drafts -------------------------------------------------------------------------------------


def _drafts(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.draft_kinds import KINDS
    from vocabtrim_core.draft_presets import PRESETS, PUBLISHED, Published

    return {
        "drafts": [
            {
                **asdict(draft),
                **PUBLISHED.get(draft.name, Published("the target's config.json"))._asdict(),
                "flops": draft.flops(draft.vocab_size),
                "head_share": 2
                * draft.row_weights
                * draft.vocab_size
                / draft.flops(draft.vocab_size),
            }
            for draft in sorted(PRESETS.values(), key=lambda draft: list(KINDS).index(draft.kind))
        ]
    }


def _drafts_text(result: Result) -> str:
    head = (
        "draft",
        "kind",
        "V",
        "published k",
        "hidden",
        "feed-forward",
        "MFLOPs per token",
        "LM head share",
        "target layers",
        "shapes from",
    )
    rows = (
        (
            draft["name"],
            draft["kind"],
            draft["vocab_size"],
            draft["draft_vocab_size"] or "",
            draft["hidden_size"],
            draft["intermediate_size"],
            round(draft["flops"] / 1e6, 1),
            f"{draft['head_share']:.1%}",
            draft["target_layers"] or "unknown",
            draft["source"],
        )
        for draft in result["drafts"]
    )
    return table([head, *rows])


COMMANDS = (
    Command(
        "optimize",
        "find the draft vocabulary size with the best coverage/latency trade-off",
        _optimize,
        _optimize_arguments,
        _optimize_text,
        "optimize blend.npz --alpha 0.5 --min-coverage 0.9",
    ),
    Command(
        "drafts",
        "list the draft architectures that are known by name",
        _drafts,
        no_options,
        _drafts_text,
    ),
)
