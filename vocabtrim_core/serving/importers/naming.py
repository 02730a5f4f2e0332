"""Labels of imported configurations, and which runs belong to one configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from vocabtrim_core.serving.importers.importer import Piece
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.wording import listed


@dataclass(frozen=True, slots=True)
class LabelledPiece:
    """A piece with what the hints add.

    Attributes:
        piece: The piece.
        k: Draft vocabulary size, None without a draft or where unknown.
        label: The user's label, "" for none.
        file: Number (from 1) and name of its file; (0, "") where files are pooled.
    """

    piece: Piece
    k: int | None
    label: str
    file: tuple[int, str]


# The user's label, the configuration without a label, and the file: equal for the runs of one
# configuration.
Identity = tuple[str, Configuration, tuple[int, str]]


def identity(labelled: LabelledPiece) -> Identity:
    """The identity of a piece's configuration.

    Args:
        labelled: The piece.

    Returns:
        The user's label, the configuration without a label, and the file.
    """
    piece = labelled.piece
    if not piece.drafted:
        return labelled.label, Configuration(""), labelled.file
    draft = piece.draft or "draft of an unknown name"
    shape = Configuration("", labelled.k, draft, piece.steps, piece.topk, piece.draft_tokens)
    return labelled.label, shape, labelled.file


def configurations_of(identities: Iterable[Identity]) -> dict[Identity, Configuration]:
    """Give every configuration a label that differs from the others.

    Args:
        identities: The identities, each once.

    Returns:
        Configurations by identity. A label is the user's, else the size, else the draft's name;
        with the shape, the file or a number added where labels would be equal.
    """
    bases = {key: _base_label(key[0], key[1]) for key in identities}
    shapes: dict[str, set[tuple[int, int, int]]] = {}
    for (_, c, _), base in bases.items():
        shapes.setdefault(base, set()).add((c.steps, c.topk, c.draft_tokens))
    labels = {}
    for key, base in bases.items():
        c = key[1]
        with_shape = len(shapes[base]) > 1 and c.steps
        labels[key] = base + f" ({c.steps}-{c.topk}-{c.draft_tokens})" * bool(with_shape)
    uses = Counter(labels.values())
    numbers: Counter[str] = Counter()
    configurations = {}
    for key, label in labels.items():
        _, configuration, (_, file) = key
        if uses[label] > 1 and file and file != label:
            label = f"{label}, {file}"
        numbers[label] += 1
        if numbers[label] > 1:  # such as two drafts of one size without names
            label = f"{label} #{numbers[label]}"
        configurations[key] = replace(configuration, label=label)
    return configurations


def separation_notes(identities: Iterable[Identity]) -> tuple[str, ...]:
    """Notes about files whose equal runs are taken as different configurations.

    Args:
        identities: The identities, each once.

    Returns:
        One sentence for each configuration that several files have.
    """
    files: dict[tuple[str, Configuration], list[str]] = {}
    for label, configuration, (_, file) in identities:
        files.setdefault((label, configuration), []).append(file)
    return tuple(
        f"{listed(names)} hold runs of {_base_label(label, configuration)}, which are kept apart; "
        "--pool makes them runs of one configuration."
        for (label, configuration), names in files.items()
        if len(names) > 1
    )


def _base_label(label: str, configuration: Configuration) -> str:
    if label:
        return label
    if configuration.k is not None:
        return f"{configuration.k:,}"
    draft = configuration.draft
    return draft.rstrip("/").rpartition("/")[2] if draft else "no speculation"
