"""manifest.json: what an export folder holds, where it comes from, and how to use each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import vocabtrim_core
from vocabtrim_core import json_text
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.reproducible_files import load_json, save_json
from vocabtrim_core.vocabulary import DraftVocabulary

FORMAT = "vocabtrim-export-1"
NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file of an export.

    Attributes:
        path: Relative to the export folder, with forward slashes.
        format: A name in FORMATS; "" for the README.
        consumer: The product that reads it; "" for the README.
        semantics: "offset" or "absolute"; "" for the README.
        bytes: Its size.
        sha256: Hex sha256 of its content.
    """

    path: str
    format: str
    consumer: str
    semantics: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The complete record of an export; equal exports have equal manifests.

    Attributes:
        k: Number of tokens.
        vocab_size: V.
        vocabulary_sha256: Fingerprint of the ids.
        tokenizer: name and sha256; {} without counts.
        counts: key, tokens, distinct, conversations, skipped, rule, template, corpora and other
            settings of the count; {} without counts.
        choice: alpha, floor, method, and where known draft, draft_kind, copied_bytes (memory of a
            trimmed copy of the target's head), coverage, latency_reduction, utility.
        formats: The texts of each exported format.
        notes: Sentences for the user.
        versions: Versions of this program, Python, numpy and torch.
        command: The command line that repeats the export.
        created: ISO time; None to leave it out.
        files: The files, without manifest.json.
    """

    k: int
    vocab_size: int
    vocabulary_sha256: str
    tokenizer: Mapping[str, Any]
    counts: Mapping[str, Any]
    choice: Mapping[str, Any]
    formats: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...]
    versions: Mapping[str, str]
    command: str = ""
    created: str | None = None
    files: tuple[ExportedFile, ...] = ()

    def save(self, folder: Path) -> Path:
        """Write manifest.json, without `created` unless it is set.

        Args:
            folder: The export folder.

        Returns:
            The path of the file.
        """
        value = {"format": FORMAT, **asdict(self)}
        if self.created is None:
            del value["created"]
        return save_json(folder / NAME, value)

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read the manifest of an export folder.

        Args:
            folder: The export folder.

        Returns:
            The manifest.

        Raises:
            InputError: There is no manifest.json, or it is not one of this program.
        """
        path = folder / NAME
        if not path.is_file():
            raise InputError(f"{folder} is not an export: it has no {NAME}.")
        value = load_json(path)
        if value.pop("format", None) != FORMAT:
            raise InputError(f"{path} is not of format {FORMAT}; export the vocabulary again.")
        try:
            return json_text.as_type(value, cls)
        except ValueError as error:
            raise InputError(
                f"{path} is not as it was written ({error}); export the vocabulary again."
            ) from error


def describe(
    vocabulary: DraftVocabulary, exporters: Iterable[Exporter], context: ExportContext
) -> Manifest:
    """Build the manifest of an export, before its files are written.

    Args:
        vocabulary: The tokens to export.
        exporters: The formats to write.
        context: Where the vocabulary comes from.

    Returns:
        A manifest without files.
    """
    k, exporters = len(vocabulary), tuple(exporters)
    choice = _choice(vocabulary, context)
    return Manifest(
        k=k,
        vocab_size=vocabulary.vocab_size,
        vocabulary_sha256=vocabulary.sha256,
        tokenizer=_tokenizer(context),
        counts=_counts(context),
        choice=choice,
        formats=tuple(_texts(exporter, k, context) for exporter in exporters),
        notes=_notes(vocabulary, exporters, context, choice.get("coverage")),
        versions={
            "vocabtrim": vocabtrim_core.__version__,
            "python": python_version(),
            **{name: version(name) for name in ("numpy", "torch")},
        },
        command=context.command,
        created=context.created,
    )


def _tokenizer(context: ExportContext) -> dict[str, Any]:
    if context.counts is None:
        return {}
    source = context.counts.provenance
    return {"name": source.tokenizer, "sha256": source.tokenizer_sha256}


def _counts(context: ExportContext) -> dict[str, Any]:
    if context.counts is None:
        return {}
    counts, source = context.counts, context.counts.provenance
    return {
        "key": counts.key,
        "tokens": counts.tokens,
        "distinct": counts.distinct,
        "conversations": counts.conversations,
        "skipped": counts.skipped,
        **source.mergeable(),
        "turn_end": source.turn_end,
        "template": source.template,
        "vocab_size_from": source.vocab_size_from,
        "engine": source.engine,
        "corpora": [dict(corpus) for corpus in source.corpora],
    }


def _choice(vocabulary: DraftVocabulary, context: ExportContext) -> dict[str, Any]:
    """Compute from the ids that are written, so protected or padded ids count as they are."""
    choice: dict[str, Any] = {
        "alpha": context.alpha,
        "floor": context.floor,
        "method": context.method,
    }
    if context.counts is not None and context.counts.tokens:
        choice["coverage"] = coverage_on(vocabulary, context.counts).coverage
    if context.architecture is not None:
        choice["draft"] = context.architecture.name
        choice["draft_kind"] = context.architecture.kind
        choice["copied_bytes"] = context.architecture.copied_bytes(len(vocabulary))
        choice["latency_reduction"] = float(context.architecture.latency_reduction(len(vocabulary)))
    if {"coverage", "latency_reduction"} <= choice.keys() and context.alpha is not None:
        weighted = context.alpha * choice["coverage"]
        choice["utility"] = weighted + (1 - context.alpha) * choice["latency_reduction"]
    return choice


def _texts(exporter: Exporter, k: int, context: ExportContext) -> dict[str, str]:
    texts = exporter.texts(k)
    return texts if context.counts is not None else {**texts, "order": "ascending"}


def _notes(
    vocabulary: DraftVocabulary,
    exporters: tuple[Exporter, ...],
    context: ExportContext,
    coverage: float | None,
) -> tuple[str, ...]:
    notes = [
        sentence.format(why=context.without_architecture)
        for exporter in exporters
        for field_name, sentence in exporter.wants.items()
        if getattr(context, field_name) is None
    ]
    for exporter in exporters:
        notes += exporter.notes(context)
        if exporter.full and len(vocabulary) == vocabulary.vocab_size:
            notes.append(exporter.full)
    if coverage is not None and coverage < (context.floor or 0):
        notes.append(
            f"The coverage, {coverage:.2%}, is below the floor of {context.floor:.2%} that the "
            "choice is recorded with."
        )
    if context.counts is not None:
        for reason, times, places in context.counts.provenance.remarks("notes"):
            notes.append(f"Not in the counts, {times:,} times: {reason} ({', '.join(places)}).")
        unseen = int((context.counts.counts[vocabulary.ids] == 0).sum())
        if unseen:
            notes.append(
                f"{unseen:,} of the {len(vocabulary):,} tokens never occur in the counts: they "
                "cost a head row each and cover nothing of this corpus."
            )
    return tuple(dict.fromkeys(notes))  # formats that share a folder share its notes
