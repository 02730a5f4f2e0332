"""The command for vocabularies beyond top-k: select."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import check_shares, settings_arguments, settings_of, shared
from vocabtrim_core.cli.command import Command, Result, attributes, table
from vocabtrim_core.cli.resolve import (
    comparable_counts,
    tokenizer_argument,
    tokenizer_of,
    tokenizer_or_none,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import Mix

if TYPE_CHECKING:
    import numpy as np

    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.selection.protect import ProtectedGroup
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "counts",
        nargs="+",
        metavar="COUNTS",
        help="counts of every corpus to serve (same tokenizer, V and rule)",
    )
    settings_arguments(parser, "architecture")
    group = parser.add_argument_group("what is weighed")
    add_options(group, Mix, "weights")
    settings_arguments(group, "k", "alpha", "floor")
    add_options(group, Mix, "floor_every")
    settings_arguments(group, "k_max")
    group = parser.add_argument_group("what must be in it, or out of it")
    add_options(group, Mix, "protect", "scripts")
    add_options(group, Rules, "excluded", "multiple")
    tokenizer_argument(parser)
    shared(
        parser,
        "--out",
        help="ids.json to write: the ids, V, the tokenizer and how they were chosen",
    )


def _select(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity, write_ids
    from vocabtrim_core.selection.constrained import Problem, about, solve
    from vocabtrim_core.selection.selection import mix

    check_shares(arguments, "alpha")
    sets = comparable_counts(arguments.counts)
    size = sets[0].vocab_size
    if arguments.k is not None and not 1 <= arguments.k <= size:
        raise InputError(f"k = {arguments.k:,} is outside 1..{size:,}.")
    weights = arguments.weights or [1.0] * len(sets)
    progress(0, 2, "reading the tokenizer")
    protected, excluded = protected_and_excluded(arguments, sets, mix(sets, weights))
    progress(1, 2, "choosing")
    settings = settings_of(arguments, size)
    problem = Problem(
        sets,
        weights,
        settings.architecture,
        settings.alpha,
        settings.floor,
        arguments.min_coverage_every,
        settings.k,
        k_max=settings.k_max,
        protected=protected,
        excluded=excluded,
        multiple=arguments.multiple,
    )
    solution = solve(problem)
    if arguments.out:
        write_ids(arguments.out, solution.vocabulary, TokenizerIdentity.of(sets[0]), about(problem))
    result: Result = {
        **asdict(solution.choice),
        "vocab_size": size,
        "sha256": solution.vocabulary.sha256,
        "weights": [w / sum(weights) for w in weights],
        "coverages": [asdict(row) for row in solution.coverages],
        "plain": asdict(solution.plain),
        "prices": [asdict(price) for price in solution.costs],
        "out": arguments.out,
    }
    if solution.covering:
        names = ("floor", "smallest_k", "least_k", "top_k_needed", "top_k_worst")
        result["floor_everywhere"] = attributes(solution.covering, *names)
    return result


def protected_and_excluded(
    arguments: argparse.Namespace, sets: list[TokenCounts], frequencies: np.ndarray
) -> tuple[tuple[ProtectedGroup, ...], np.ndarray | None]:
    """Read the options for tokens to keep and to leave out.

    Args:
        arguments: The command line: protect, script, exclude and tokenizer.
        sets: Counts, of which the first names the tokenizer.
        frequencies: [V], by which the tokens of a script are chosen.

    Returns:
        What must be kept; int64 ids that must not, None for none.

    Raises:
        InputError: A set or file is unknown, or the tokenizer is not found.
    """
    from vocabtrim_core.selection.protect import (
        SETS,
        ProtectedGroup,
        listed_ids,
        protected_ids,
        script_ids,
    )
    from vocabtrim_core.templates.resolve import template_of
    from vocabtrim_core.tokenizers.kinds import token_kinds

    counts, size = sets[0], sets[0].vocab_size
    named = [name for name in arguments.protect or () if name in SETS]
    files = [name for name in arguments.protect or () if name not in SETS]
    for name in files:
        if not Path(name).is_file():
            raise InputError(f"--protect {name} is neither a file nor one of {', '.join(SETS)}.")
    tokenizer = _tokenizer(arguments, counts, needed=bool(named or arguments.script))
    template = template_of(counts, tokenizer) if tokenizer and named else None
    protected = [
        ProtectedGroup(name, protected_ids(name, tokenizer, template))
        for name in named
        if tokenizer
    ]
    protected += [ProtectedGroup(Path(f).name, listed_ids(f, tokenizer, size)) for f in files]
    if arguments.script and tokenizer:
        kinds = token_kinds(tokenizer)
        protected += [
            ProtectedGroup(f"{script} = {n:,}", script_ids(frequencies, kinds, script, n))
            for script, n in arguments.script
        ]
    excluded = None
    if arguments.exclude:
        excluded = listed_ids(arguments.exclude, tokenizer, size)
    return tuple(protected), excluded


def _tokenizer(
    arguments: argparse.Namespace, counts: TokenCounts, *, needed: bool
) -> Tokenizer | None:
    """Load the tokenizer of the counts; where it is not needed, None if it is not found."""
    if needed:
        return tokenizer_of(counts, arguments.tokenizer)
    if arguments.protect or arguments.exclude:
        return tokenizer_or_none(counts, arguments.tokenizer)
    return None


def _text(result: Result) -> str:
    r, plain = result, result["plain"]
    lines = [
        f"k = {r['k']:,} of {r['vocab_size']:,}: coverage of the mix {r['coverage']:.2%}, latency "
        f"reduction {r['latency_reduction']:.2%}, utility {r['utility']:.4f}\n"
        f"without rules: k = {plain['k']:,}, coverage {plain['coverage']:.2%}, utility "
        f"{plain['utility']:.4f}"
    ]
    rows = [
        (c["name"], c["tokens"], f"{c['coverage']:.2%}", f"{c['unique_coverage']:.2%}")
        for c in r["coverages"]
    ]
    lines.append(table([("counts", "tokens", "coverage", "unique"), *rows]))
    if r["prices"]:
        rows = [
            (p["name"], p["tokens"], p["moved"], f"{p['k']:+,}", f"{p['utility']:+.2e}")
            for p in r["prices"]
        ]
        lines.append(table([("rule", "tokens", "moved", "k", "utility"), *rows]))
    if floor := r.get("floor_everywhere"):
        lines.append(
            f"The smallest vocabulary found with {floor['floor']:.2%} on every corpus has "
            f"{floor['smallest_k']:,} tokens, and none has fewer than {floor['least_k']:,}; plain "
            f"top-k of the same size gets to {floor['top_k_worst']:.2%} on the worst, and needs "
            f"{floor['top_k_needed']:,}."
        )
    if r["out"]:
        lines.append(f"written to {r['out']}")
    return "\n\n".join(lines)


COMMANDS = (
    Command(
        "select",
        "choose a vocabulary for a mix of corpora, with tokens to keep and floors to reach",
        _select,
        _arguments,
        _text,
        "select blend.npz calls.npz --weights 0.8 0.2 --protect specials bytes --out ids.json",
    ),
)
