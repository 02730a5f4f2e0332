"""Numbers as text for people, with their unit.

The argument `gap` is the text between number and unit: pages use none, reports a narrow no-break
space.
"""

from __future__ import annotations

from collections.abc import Sequence

GAP = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float, digits: int = 1, gap: str = "") -> str:
    """A share as a percentage.

    Args:
        share: The share, 0.9447 for '94.5%'.
        digits: Decimals; more are shown where a share below one would read as 100%.
        gap: Text before the percent sign.

    Returns:
        The text.
    """
    number = f"{100 * share:.{digits}f}"
    if share < 1 and float(number) == 100:
        return percent(share, digits + 1, gap)
    return f"{number}{gap}%"


def signed(share: float, gap: str = "") -> str:
    """A relative change as a percentage with its sign.

    Args:
        share: The change, 0.03 for '+3.0%'; negative ones get a minus sign (U+2212).
        gap: Text before the percent sign.

    Returns:
        The text.
    """
    return f"{100 * share:+.1f}{gap}%".replace("-", "\N{MINUS SIGN}")


def megabytes(count: float, gap: str = " ") -> str:
    """A number of bytes in decimal megabytes.

    Args:
        count: Bytes, 91,400,000 for '91.4 MB'.
        gap: Text before the unit.

    Returns:
        The text.
    """
    return f"{count / 1e6:,.1f}{gap}MB"


def one_in(share: float) -> str:
    """A share as '1 in 18'; 'none' for zero."""
    return f"1 in {round(1 / share):,}" if share > 0 else "none"


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Args:
        number: The number.
        noun: The noun in the singular, whose plural ends in s.

    Returns:
        '1 figure' or '4,000 figures'.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_bytes(count: int) -> str:
    """A number of bytes in a decimal unit that fits: '812 bytes', '1.3 MB'."""
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def first_of(sentences: Sequence[str]) -> str:
    """The first of several sentences, with the number of the others.

    Args:
        sentences: One or more sentences.

    Returns:
        One sentence, such as 'It is cut (and 2 more).'
    """
    others = len(sentences) - 1
    return f"{sentences[0].removesuffix('.')}{f' (and {others:,} more)' if others else ''}."
