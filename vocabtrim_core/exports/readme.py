"""README.txt of an export: the choice in numbers, then each consumer's flag or key."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill, indent

from vocabtrim_core.draft_kinds import EAGLE3, KINDS
from vocabtrim_core.exports.manifest import ExportedFile, Manifest

WIDTH = 96


def readme(manifest: Manifest, files: tuple[ExportedFile, ...]) -> str:
    """Write the README.txt of an export.

    Args:
        manifest: The export's manifest.
        files: The files to list.

    Returns:
        Plain text, mostly at most `WIDTH` columns; paths in it start at the export folder.
    """
    parts = [_head(manifest)]
    for format_ in manifest.formats:
        home = f"{format_['home']}/"
        names = ", ".join(file.path for file in files if file.path.startswith(home))
        parts.append(
            f"{format_['title']}\n{'-' * len(format_['title'])}\n"
            + _line("For", format_["consumer"])
            + _line("Files", names)
            + _line("Content", _meaning(format_))
            + _line("Use", format_["how"])
            + indent(format_["example"], " " * 16)
            + "\n"
            + _line("Limits", format_["limits"])
            + _line("Checked", format_["checked"])
        )
    return "\n".join(parts)


def _head(manifest: Manifest) -> str:
    k, size, choice = manifest.k, manifest.vocab_size, manifest.choice
    title = f"Draft vocabulary of {k:,} tokens"
    text = f"{title}\n{'=' * len(title)}\n"
    origin = manifest.counts.get("vocab_size_from")
    text += _line("Size", f"{k:,} of the target's {size:,} token ids ({k / size:.1%})")
    text += _line("V", f"{size:,}, {origin}") if origin else ""
    if manifest.tokenizer:
        name, digest = manifest.tokenizer["name"], manifest.tokenizer["sha256"]
        text += _line("Tokenizer", f"{name}, sha256 {digest[:16]}")
    if manifest.counts:
        corpora = ", ".join(str(corpus["name"]) for corpus in manifest.counts["corpora"])
        counted = (
            f"{manifest.counts['tokens']:,} tokens of {corpora}, rule "
            f"{manifest.counts['rule']}, template {manifest.counts['template']}"
        )
        if turn_end := manifest.counts.get("turn_end"):
            counted += f"; {turn_end}"
        text += _line("Counted", counted)
        if skipped := manifest.counts["skipped"]:
            text += _line("Left out", f"{skipped:,} rows; manifest.json says why and which")
    if "coverage" in choice:
        text += _line("Coverage", f"{choice['coverage']:.4%} of those tokens")
    if "latency_reduction" in choice:
        text += _line(
            "Draft cost",
            f"{choice['latency_reduction']:.1%} fewer FLOPs per draft step of {choice['draft']} "
            "than with the full vocabulary (an estimate from shapes, not a measurement)",
        )
    if (name := choice.get("draft_kind", EAGLE3)) != EAGLE3:
        text += _line("Draft head", f"{KINDS[name].title}. {KINDS[name].passes}")
    if copied := choice.get("copied_bytes"):
        text += _line(
            "Memory",
            f"the trimmed head is a copy of the target's rows, {copied / 1e6:,.0f} MB beside them",
        )
    for note in manifest.notes:
        text += _line("Note", note)
    text += "\n" + fill(
        "Paths start at this folder. manifest.json holds the sha256 of every file and all of the "
        "above. Every format comes from one ascending list of ids; d2t is an offset: target id = "
        "draft id + d2t[draft id].",
        WIDTH,
    )
    return text + "\n"


def _meaning(format_: Mapping[str, str]) -> str:
    kind = {"offset": "offsets, target id minus draft id", "absolute": "absolute target ids"}
    order = {"ascending": "ids ascending", "frequency": "most frequent first"}
    return f"{kind[format_['semantics']]}, {order[format_['order']]}"


def _line(name: str, text: str) -> str:
    margin = " " * 12
    return (
        fill(
            f"{name + ':':<12}{text}",
            WIDTH,
            subsequent_indent=margin,
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )
