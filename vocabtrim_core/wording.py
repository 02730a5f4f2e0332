"""Numbers as people read them, with their unit. gap: what stands between the two; pages have none,
reports a narrow no-break space."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "\N{NARROW NO-BREAK SPACE}"


def percent(share: float, digits: int = 1, gap: str = "") -> str:
    """0.9447 -> '94.5%'; a share below one never reads as 100%."""
    number = f"{100 * share:.{digits}f}"
    if share < 1 and float(number) == 100:
        return percent(share, digits + 1, gap)
    return f"{number}{gap}%"


def signed(share: float, gap: str = "") -> str:
    """A relative change, '+3.0%' or, with a true minus, '-1.2%'."""
    return f"{100 * share:+.1f}{gap}%".replace("-", "\N{MINUS SIGN}")


def megabytes(count: float, gap: str = " ") -> str:
    """Bytes in decimal megabytes, '91.4 MB'."""
    return f"{count / 1e6:,.1f}{gap}MB"


def one_in(share: float) -> str:
    """A share as '1 in 18'; 'none' for zero."""
    return f"1 in {round(1 / share):,}" if share > 0 else "none"


def counted(number: int, noun: str) -> str:
    """'1 figure', '4,000 figures'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_bytes(count: int) -> str:
    """Bytes for people: '812 bytes', '1.3 MB' (decimal units)."""
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


def first_of(sentences: Sequence[str]) -> str:
    """The first of several sentences, with how many others there are: 'It is cut (and 2 more).'"""
    more = len(sentences) - 1
    return f"{sentences[0].removesuffix('.')}{f' (and {more:,} more)' if more else ''}."
