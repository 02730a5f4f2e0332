"""Numbers as people read them."""

from __future__ import annotations


def format_bytes(count: int) -> str:
    """Bytes for people: '812 bytes', '1.3 MB' (decimal units)."""
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"
