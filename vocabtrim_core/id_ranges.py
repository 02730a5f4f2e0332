"""Token ids as runs of neighbours: as text (3,10-19), and as ranges whose end is exclusive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from vocabtrim_core.errors import InputError

MOST_IDS = 1_000_000  # no vocabulary is larger


def to_runs(ids: Iterable[int]) -> str:
    """Token ids as text.

    Args:
        ids: Distinct ids in any order.

    Returns:
        Ascending ids and runs, such as '3,10-19'; "" for none.
    """
    ordered = sorted(ids)
    cuts = [0, *(i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if b != a + 1), len(ordered)]
    runs = [(ordered[a], ordered[b - 1]) for a, b in pairwise(cuts) if a < b]
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def from_runs(text: str, where: str) -> frozenset[int]:
    """Read what `to_runs` wrote.

    Args:
        text: Ids and runs, separated by commas.
        where: Name of the field in messages.

    Returns:
        The ids.

    Raises:
        InputError: It is anything else, or names more than `MOST_IDS` ids.
    """
    ids: set[int] = set()
    for run in filter(None, text.split(",")):
        if not re.fullmatch(r"[0-9]{1,9}(-[0-9]{1,9})?", run):
            raise InputError(f"{where} must be ids such as 3,10-19, not {run!r}.")
        first, _, last = run.partition("-")
        span = range(int(first), int(last or first) + 1)
        if len(ids) + len(span) > MOST_IDS:
            raise InputError(f"{where} names more than {MOST_IDS:,} ids.")
        ids.update(span)
    return frozenset(ids)


def to_ranges(ids: Iterable[int], most: int | None = None) -> list[tuple[int, int]]:
    """Cover token ids with ranges.

    The fewest ids that are not in the list are those in the smallest gaps, so that closing these
    first is the tightest cover of its size.

    Args:
        ids: Distinct ids in any order, at least one.
        most: The largest number of ranges; None for as many as cover nothing else.

    Returns:
        (first, last + 1) of each range, ascending and apart from each other.

    Raises:
        InputError: `most` is below 1.
    """
    if most is not None and most < 1:
        raise InputError(f"A list needs 1 range or more, not {most}.")
    ordered = sorted(ids)
    gaps = [i for i, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1]
    if most is not None and len(gaps) >= most:
        gaps.sort(key=lambda i: (ordered[i - 1] - ordered[i], i))  # the widest first
        gaps = sorted(gaps[: most - 1])
    cuts = [0, *gaps, len(ordered)]
    return [(ordered[a], ordered[b - 1] + 1) for a, b in pairwise(cuts)]


def in_blocks(ids: Iterable[int], block: int, size: int) -> list[int]:
    """Add to ids what their blocks lack.

    Args:
        ids: Ids in any order.
        block: Ids in a block; the first begins at 0.
        size: V, where the last block ends.

    Returns:
        All ids of every block that has one of them, ascending.

    Raises:
        InputError: A block is below 1.
    """
    if block < 1:
        raise InputError(f"A block has 1 id or more, not {block}.")
    blocks = sorted({i // block for i in ids})
    return [i for b in blocks for i in range(b * block, min((b + 1) * block, size))]


def from_ranges(value: object, where: str) -> list[int]:
    """Read ranges of ids: [[first, end], ...], the end exclusive.

    Args:
        value: The JSON value.
        where: Name of the file in messages.

    Returns:
        The ids, ascending.

    Raises:
        InputError: It is anything else, ranges overlap or do not ascend, or they name more than
            `MOST_IDS` ids.
    """
    if not isinstance(value, list) or not value:
        raise InputError(f"{where} must hold ranges such as [[0, 65536], [248044, 248320]].")
    ids: list[int] = []
    for number, entry in enumerate(value, 1):
        pair = list(entry) if isinstance(entry, list | tuple) else []
        if len(pair) != 2 or not all(isinstance(n, int) and not isinstance(n, bool) for n in pair):
            raise InputError(f"{where}, range {number}: {entry!r} is no pair of whole numbers.")
        first, end = pair
        if not 0 <= first < end:
            raise InputError(
                f"{where}, range {number}: [{first}, {end}] is empty or negative; the first id "
                "must be 0 or more, and the end, which is exclusive, above it."
            )
        if ids and first <= ids[-1]:
            raise InputError(
                f"{where}, range {number}: [{first}, {end}] begins before the range ahead of it "
                f"ends ({ids[-1] + 1}); ranges must ascend and not overlap."
            )
        if len(ids) + end - first > MOST_IDS:
            raise InputError(f"{where} names more than {MOST_IDS:,} ids.")
        ids.extend(range(first, end))
    return ids
