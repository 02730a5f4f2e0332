"""What imported configurations are called, and which runs are of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from vocabtrim_core.serving.importers.importer import Piece
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.statistics import listed


@dataclass(frozen=True, slots=True)
class Told:
    """A piece with what the hints say of it."""

    piece: Piece
    k: int | None
    label: str
    file: tuple[int, str]  # number and name; (0, "") where files are pooled


# What makes a configuration one, its label aside: what the user calls it, shape, file.
Identity = tuple[str, Configuration, tuple[int, str]]


def identity(told: Told) -> Identity:
    """What a piece says about its configuration."""
    piece = told.piece
    if not piece.drafted:
        return told.label, Configuration(""), told.file
    draft = piece.draft or "draft of an unknown name"
    shape = Configuration("", told.k, draft, piece.steps, piece.topk, piece.draft_tokens)
    return told.label, shape, told.file


def named(identities: Iterable[Identity]) -> dict[Identity, Configuration]:
    """Labels: the user's, else the size, else the draft's name; with the shape and the file where
    they clash."""
    bases = {each: _base(each[0], each[1]) for each in identities}
    shapes: dict[str, set[tuple[int, int, int]]] = {}
    for (_, one, _), base in bases.items():
        shapes.setdefault(base, set()).add((one.steps, one.topk, one.draft_tokens))
    labels = {}
    for each, base in bases.items():
        one = each[1]
        shaped = len(shapes[base]) > 1 and one.steps
        labels[each] = base + f" ({one.steps}-{one.topk}-{one.draft_tokens})" * bool(shaped)
    clashes = Counter(labels.values())
    taken: Counter[str] = Counter()
    found = {}
    for each, label in labels.items():
        _, one, (_, file) = each
        if clashes[label] > 1 and file and file != label:
            label = f"{label}, {file}"
        taken[label] += 1
        if taken[label] > 1:  # e.g. two drafts of one size without names
            label = f"{label} #{taken[label]}"
        found[each] = replace(one, label=label)
    return found


def kept_apart(configurations: Mapping[Identity, Configuration]) -> tuple[str, ...]:
    """That runs which are alike in several files are kept apart."""
    files: dict[tuple[str, Configuration], list[str]] = {}
    for label, one, (_, file) in configurations:
        files.setdefault((label, one), []).append(file)
    return tuple(
        f"{listed(names)} hold runs of {_base(label, one)}, which are kept apart; --pool makes "
        "them runs of one configuration."
        for (label, one), names in files.items()
        if len(names) > 1
    )


def _base(label: str, one: Configuration) -> str:
    if label:
        return label
    if one.k is not None:
        return f"{one.k:,}"
    return one.draft.rstrip("/").rpartition("/")[2] if one.draft else "no speculation"
