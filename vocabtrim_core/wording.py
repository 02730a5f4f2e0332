"""Numbers and short phrases as pages, reports and commands show them, always with their unit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

PAPER = "Ben Shoham, Balancing Coverage and Draft Latency in Vocabulary Trimming (arXiv 2603.05210)"
EARLIER_DEMO = "demo target of an earlier version"  # a small one, which was trained here


def percent(share: float, digits: int = 1) -> str:
    """Format a share as a percentage, such as 0.9447 as '94.5%'.

    Args:
        share: The share, 1 for all.
        digits: Digits after the decimal point. A share below one gets as many more as it takes
            not to read as 100%; what lies within 1e-12 of one or zero is rounding of a sum.

    Returns:
        The percentage with its sign.
    """
    share = round(share, 12) + 0.0  # the sum turns -0.0 into 0.0
    number = f"{100 * share:.{digits}f}"
    if share < 1 and float(number) == 100:
        return percent(share, digits + 1)
    return f"{number}%"


def signed(share: float) -> str:
    """Format a relative change with its sign, such as '+3.0%'; the minus is U+2212.

    Args:
        share: The change relative to the baseline, such as 0.03.

    Returns:
        The change in percent with one decimal.
    """
    return f"{100 * share:+.1f}%".replace("-", "\N{MINUS SIGN}")


def between(low: float, high: float) -> str:
    """Format an interval of relative changes, such as '-1.0% to +2.0%'.

    Args:
        low: The lower end, relative to the baseline.
        high: The upper end, relative to the baseline.

    Returns:
        Both ends as `signed` writes them.
    """
    return f"{signed(low)} to {signed(high)}"


def expected(low: float, middle: float, high: float) -> str:
    """Format an expected relative change with its band, such as '+3.0% (-1.0% to +7.0%)'.

    Args:
        low: The lower end.
        middle: The expected change.
        high: The upper end.

    Returns:
        Each as `signed` writes it.
    """
    return f"{signed(middle)} ({between(low, high)})"


def megabytes(count: float) -> str:
    """Format a number of bytes in decimal megabytes, such as '91.4 MB'.

    Args:
        count: Bytes.

    Returns:
        Megabytes with one decimal, whatever the size, so that several can be compared.
    """
    return f"{count / 1e6:,.1f} MB"


def format_bytes(count: int) -> str:
    """Format a number of bytes in the decimal unit that fits, such as '812 bytes' or '1.3 MB'.

    Args:
        count: Bytes.

    Returns:
        The number with one decimal and its unit, up to TB.
    """
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def one_in(share: float) -> str:
    """Format a small share as a ratio, such as 0.055 as 'about 1 in 18'.

    Args:
        share: The share, 0..1.

    Returns:
        The ratio, rounded; 'none' for zero.
    """
    return f"about 1 in {round(1 / share):,}" if share > 0 else "none"


def counted(number: int, noun: str) -> str:
    """Format a number of things, such as '1 figure' or '4,000 figures'.

    Args:
        number: How many.
        noun: What is counted, in the singular; the plural adds an s.

    Returns:
        The number with its noun.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def first_of(sentences: Sequence[str]) -> str:
    """Shorten several sentences to the first one, such as 'It is cut (and 2 more).'

    Args:
        sentences: At least one sentence, with or without its full stop.

    Returns:
        The first sentence with the number of the others, if there are any.
    """
    others = len(sentences) - 1
    return f"{sentences[0].removesuffix('.')}{f' (and {others:,} more)' if others else ''}."


def shell_line(*words: str) -> str:
    """Write a command of this program as a line for a shell.

    Args:
        *words: The command and its arguments.

    Returns:
        The line, each word quoted where a shell needs it.
    """
    return shlex.join(["python", "-m", "vocabtrim_core", *words])


def what_counts(
    rule: str,
    max_length: int | None,
    reasoning: bool,
    last_turn_only: bool,
    span_end: str = "stop",
    **_ignored: object,
) -> str:
    """Describe in a few words which tokens are counted; the arguments are fields of `Provenance`.

    Args:
        rule: The counting rule, such as 'assistant'.
        max_length: Tokens of a conversation that are read, None for all.
        reasoning: Whether reasoning content is counted.
        last_turn_only: Whether only the last assistant turn is counted.
        span_end: Where a turn ends: 'stop', 'template' or 'next-role', else an earlier version's.
        **_ignored: Other fields of `Provenance`, so that `**asdict(provenance)` can be given.

    Returns:
        The rule and everything that differs from the default, with commas between them.
    """
    turn_ends = {
        "stop": "",
        "template": "turns to the template's end",
        "next-role": "turns to the next role",
    }
    turn_end = turn_ends.get(span_end, "earlier version")
    conditions = {
        turn_end: turn_end,
        "last turn only": last_turn_only,
        "without reasoning": not reasoning,
        f"first {max_length or 0:,} tokens": max_length,
    }
    return ", ".join([rule, *(words for words, applies in conditions.items() if applies)])


def listed(parts: Sequence[str]) -> str:
    """One or more parts as a list in words: 'a', 'a and b' or 'a, b and c'."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
