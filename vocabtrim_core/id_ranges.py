"""Token ids as text, with runs of neighbours shortened: 3,10-19."""

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
