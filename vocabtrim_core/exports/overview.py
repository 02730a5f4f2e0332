"""The table of all formats for docs/exports.md, from the registry so that it cannot go stale."""

from __future__ import annotations

from collections.abc import Iterable

from vocabtrim_core.exports.exporter import PROOFS, Exporter

MEANING = {"offset": "offsets", "absolute": "absolute ids"}
ORDER = {"ascending": "ascending", "frequency": "most frequent first"}
FIRST, LAST = "<!-- formats -->", "<!-- /formats -->"


def markdown(formats: Iterable[Exporter]) -> str:
    """One row per format: for whom, what its files hold, and what it was checked with."""
    rows = [
        (
            f"`{form.name}`",
            form.consumer,
            f"{MEANING[form.semantics]}, {ORDER[form.order]}",
            PROOFS[form.proof],
            form.checked,
        )
        for form in formats
    ]
    head = ("format", "for", "holds", "checked with", "how")
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def renewed(text: str, formats: Iterable[Exporter]) -> str:
    """A document with the table between its two marks made anew; ValueError without the marks."""
    before, first, rest = text.partition(f"{FIRST}\n")
    _, last, after = rest.partition(LAST)
    if not (first and last):
        raise ValueError(f"The document lacks {FIRST} or {LAST}.")
    return f"{before}{first}{markdown(formats)}{last}{after}"


def _cell(text: str) -> str:
    """A Markdown cell: what stands in angle brackets is code already, a pipe would end it."""
    return text.replace("|", "\\|")
