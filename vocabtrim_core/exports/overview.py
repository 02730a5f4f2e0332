"""The table of all formats in docs/exports.md, written from the registry to stay current."""

from __future__ import annotations

from collections.abc import Iterable

from vocabtrim_core.exports.exporter import PROOFS, Exporter

MEANING = {"offset": "offsets", "absolute": "absolute ids"}
ORDER = {"ascending": "ascending", "frequency": "most frequent first"}
NOT_SERVED = {"train": "", "serve": "no", "plain": ""}
FIRST, LAST = "<!-- formats -->", "<!-- /formats -->"


def markdown(formats: Iterable[Exporter]) -> str:
    """Write the table: for each format its consumer, its content, and how it was checked.

    Args:
        formats: The formats, one row each.

    Returns:
        A Markdown table.
    """
    rows = [
        (
            f"`{exporter.name}`",
            exporter.consumer,
            f"{MEANING[exporter.semantics]}, {ORDER[exporter.order]}",
            PROOFS[exporter.proof],
            exporter.served or NOT_SERVED[exporter.stage],
            exporter.checked,
        )
        for exporter in formats
    ]
    head = ("format", "for", "holds", "check", "served by a real engine", "how")
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def renewed(text: str, formats: Iterable[Exporter]) -> str:
    """Replace the table between the two marks of a document.

    Args:
        text: The document, with FIRST and LAST on lines of their own.
        formats: The formats, one row each.

    Returns:
        The document with the new table.

    Raises:
        ValueError: A mark is missing.
    """
    before, first, remainder = text.partition(f"{FIRST}\n")
    _, last, after = remainder.partition(LAST)
    if not (first and last):
        raise ValueError(f"The document lacks {FIRST} or {LAST}.")
    return f"{before}{first}{markdown(formats)}{last}{after}"


def _cell(text: str) -> str:
    """Escape a pipe, which would end the cell; text in angle brackets is in code quotes already."""
    return text.replace("|", "\\|")
