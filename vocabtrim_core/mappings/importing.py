"""Mappings that others made: read whatever format, say what they hold and whether they are sound.

Offsets and absolute ids are mixed up most often, so what a file holds is decided by its numbers,
with the format's own convention where both readings are possible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.files import read_raw
from vocabtrim_core.mappings.raw import RawMapping
from vocabtrim_core.mappings.tokenizer_identity import Origin
from vocabtrim_core.vocabulary import DraftVocabulary

OFFSET, ABSOLUTE = "offset", "absolute"


@dataclass(frozen=True, slots=True)
class MappingCheck:
    """One thing looked at. ok: None where it does not matter for this kind of file."""

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class ImportedMapping:
    """A mapping as found.

    ids: int64[k], target id of each draft id in the file's order, unsound ones included.
    vocabulary: its ids that exist, sorted, repeats dropped.  stored_as: what its numbers are.
    origin: the tokenizer whose ids they are, None where nothing tells.  about: how they came to be
    chosen, where the file says so.
    """

    name: str
    kind: str
    stored_as: str
    ids: np.ndarray
    vocabulary: DraftVocabulary
    checks: tuple[MappingCheck, ...]
    origin: Origin | None = None
    about: str = ""

    @property
    def valid(self) -> bool:
        """Whether every check that matters passed."""
        return all(check.ok is not False for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """What failed, one sentence each."""
        return tuple(check.detail for check in self.checks if check.ok is False)


def import_mapping(path: str | Path, vocab_size: int | None = None) -> ImportedMapping:
    """Read a mapping from a file or folder; see `mappings.files` for the formats.

    vocab_size: V of the counts it will be held against; needed where the file does not tell.
    InputError when it is no mapping, when its V is another one, or when no id of it exists.
    """
    path = Path(path)
    raw = read_raw(path)
    size = _vocab_size(path, raw, vocab_size)
    ids, stored_as, checks = _read(replace(raw, vocab_size=size))
    inside = ids[(ids >= 0) & (ids < size)]
    if not len(inside):
        raise InputError(f"{path} holds no token id within 0..{size - 1}; it is no mapping for V.")
    vocabulary = DraftVocabulary(np.unique(inside), size)
    checks += _check_ids(ids, raw, size) + _check_sizes(ids, raw)
    return ImportedMapping(
        raw.name, raw.kind, stored_as, ids, vocabulary, checks, raw.origin, raw.about
    )


def import_for(path: str | Path, counts: TokenCounts) -> ImportedMapping:
    """A mapping that is to be held against these counts.

    InputError also when it is known to hold the ids of another tokenizer than theirs.
    """
    found = import_mapping(path, counts.vocab_size)
    if found.origin:
        found.origin.check(counts, str(path))
    return found


def sound_for(path: str | Path, counts: TokenCounts) -> ImportedMapping:
    """The same, for whoever goes on with its tokens: InputError too when it has problems."""
    found = import_for(path, counts)
    if not found.valid:
        raise InputError(f"{path} is not sound: {found.problems[0]}")
    return found


def _vocab_size(path: Path, raw: RawMapping, given: int | None) -> int:
    own = raw.vocab_size if raw.t2d is None else len(raw.t2d)
    if own is None and given is None:
        raise InputError(
            f"{path} does not say how large the target's vocabulary is; give counts of the same "
            "tokenizer, or V."
        )
    if None not in (own, given) and own != given:
        raise InputError(
            f"{path} belongs to V = {own:,}, but the counts have V = {given:,}; "
            "use counts of the same model's tokenizer."
        )
    return own or given or 0


def _read(raw: RawMapping) -> tuple[np.ndarray, str, tuple[MappingCheck, ...]]:
    """(ids, what the numbers are, the check that says so)."""
    kept = None if raw.t2d is None else np.flatnonzero(raw.t2d)
    if raw.numbers is None:
        assert kept is not None
        return kept, "mask", ()
    if raw.resolved:
        read = MappingCheck("numbers", True, f"As {raw.label} reads it, it holds these ids.")
        return raw.numbers, ABSOLUTE, (read,)
    numbers, size = raw.numbers, raw.vocab_size or 0
    shifted = numbers + np.arange(len(numbers))
    readings = {OFFSET: shifted, ABSOLUTE: numbers}
    if kept is not None:
        fits = [name for name, ids in readings.items() if np.array_equal(np.sort(ids), kept)]
    else:
        fits = [name for name, ids in readings.items() if _sound(ids, size)]
    found = raw.expected
    if len(fits) == 1:
        found = fits[0]
    elif len(fits) == 2 and raw.expected == OFFSET and kept is None and len(numbers) > 16:
        # Both are possible in principle; but offsets that rise at every step would mean that no
        # two kept ids are neighbours, and in every frequent vocabulary thousands are.
        found = ABSOLUTE if (np.diff(numbers) > 0).all() else OFFSET
    what = {OFFSET: "offsets (id minus position)", ABSOLUTE: "absolute token ids"}
    if found == raw.expected:
        check = MappingCheck(
            "numbers", True, f"{raw.label} holds {what[found]}, as its readers expect."
        )
    else:
        check = MappingCheck(
            "numbers",
            False,
            f"{raw.label} holds {what[found]} where its readers expect {what[raw.expected]}; "
            f"it is read here as what it holds, but they would map to wrong tokens.",
        )
    return readings[found], found, (check,)


def _sound(ids: np.ndarray, size: int) -> bool:
    return bool(ids.min() >= 0 and ids.max() < size and len(np.unique(ids)) == len(ids))


def _check_ids(ids: np.ndarray, raw: RawMapping, size: int) -> tuple[MappingCheck, ...]:
    outside = ids[(ids < 0) | (ids >= size)]
    values, times = np.unique(ids, return_counts=True)
    twice = values[times > 1]
    rising = bool((np.diff(ids) > 0).all())
    checks = [
        MappingCheck("in range", not len(outside), f"All ids lie within 0..{size - 1}.")
        if not len(outside)
        else MappingCheck(
            "in range",
            False,
            f"{len(outside):,} of the ids are outside 0..{size - 1}, the first is {outside[0]}.",
        ),
        MappingCheck("unique", True, "No id occurs twice.")
        if not len(twice)
        else MappingCheck(
            "unique",
            False,
            f"{len(twice):,} ids occur more than once, the first is {twice[0]}.",
        ),
    ]
    if rising:
        checks.append(MappingCheck("ascending", True, "Ids ascend."))
    elif raw.any_order:
        checks.append(
            MappingCheck(
                "ascending", None, "Ids do not ascend, which readers of this format accept."
            )
        )
    else:
        at = int(np.argmax(np.diff(ids) <= 0))
        checks.append(
            MappingCheck(
                "ascending",
                False,
                f"Ids do not ascend: draft id {at} maps to {ids[at]}, draft id {at + 1} to "
                f"{ids[at + 1]}; trainers that cut the target's logits by t2d need them ascending.",
            )
        )
    if raw.t2d is not None and raw.numbers is not None:
        kept = np.flatnonzero(raw.t2d)
        agrees = np.array_equal(kept, ids)
        detail = f"t2d marks exactly the {len(kept):,} tokens of d2t, in order."
        if not agrees:
            same = np.array_equal(kept, np.unique(ids))
            detail = f"t2d marks {len(kept):,} tokens, d2t names {len(values):,}" + (
                ", the same ones in another order." if same else ", not the same ones."
            )
        checks.append(MappingCheck("t2d agrees with d2t", agrees, detail))
    return tuple(checks)


def _check_sizes(ids: np.ndarray, raw: RawMapping) -> tuple[MappingCheck, ...]:
    """k against the head and the config that came with it."""
    checks = []
    for name, rows in (
        ("lm_head has", raw.head_rows),
        ("config.json says draft_vocab_size", raw.draft_vocab_size),
    ):
        if rows is not None:
            same = rows == len(ids)
            detail = f"{name} {rows:,}{' rows' if 'lm_head' in name else ''}, the mapping has "
            detail += f"{'as many' if same else f'{len(ids):,}'} entries."
            checks.append(MappingCheck("size", same, detail))
    return tuple(checks)
