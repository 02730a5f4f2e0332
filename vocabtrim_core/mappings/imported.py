"""Read mappings that other tools made: any format, what it holds, and whether it is sound.

Offsets and absolute ids are confused most often. So the numbers decide which of them a file holds;
the convention of the format decides only where both readings are possible.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.files import read_raw
from vocabtrim_core.mappings.raw import RawMapping
from vocabtrim_core.mappings.tokenizer_identity import TokenizerIdentity
from vocabtrim_core.vocabulary import DraftVocabulary

OFFSET, ABSOLUTE = "offset", "absolute"


@dataclass(frozen=True, slots=True)
class MappingCheck:
    """The result of one check of a mapping.

    Attributes:
        name: What was checked, in a few words.
        ok: True or False; None where the result does not matter for this kind of file.
        detail: The result as a sentence.
    """

    name: str
    ok: bool | None
    detail: str


@dataclass(frozen=True, slots=True, eq=False)
class ImportedMapping:
    """A mapping as read from a file, with the results of its checks.

    Attributes:
        name: Name of the file or folder.
        kind: The kind of file, for people.
        stored_as: What the file's numbers are: "offset", "absolute" or "mask".
        ids: int64[k], target id of each draft id in the file's order, unsound ones included.
        vocabulary: The ids within 0..V-1, sorted, repeats dropped.
        checks: The checks, in order.
        origin: The tokenizer whose ids they are; None where nothing says it.
        about: How the ids were chosen, where the file says so.
    """

    name: str
    kind: str
    stored_as: str
    ids: np.ndarray
    vocabulary: DraftVocabulary
    checks: tuple[MappingCheck, ...]
    origin: TokenizerIdentity | None = None
    about: str = ""

    @property
    def valid(self) -> bool:
        """Whether no check failed."""
        return all(check.ok is not False for check in self.checks)

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence for each check that failed."""
        return tuple(check.detail for check in self.checks if check.ok is False)


def import_mapping(path: str | Path, vocab_size: int | None = None) -> ImportedMapping:
    """Read and check a mapping from a file or folder; see `mappings.files` for the formats.

    Args:
        path: The file or folder.
        vocab_size: V of the counts it is used with; needed where the file does not say it.

    Returns:
        The mapping, sound or not.

    Raises:
        InputError: It is no mapping, its V is unknown or another one, or none of its ids exists.
    """
    path = Path(path)
    raw = read_raw(path)
    size = _vocab_size(path, raw, vocab_size)
    ids, stored_as, checks = _read(replace(raw, vocab_size=size))
    in_range = ids[(ids >= 0) & (ids < size)]
    if not len(in_range):
        raise InputError(f"{path} holds no token id within 0..{size - 1}; it is no mapping for V.")
    vocabulary = DraftVocabulary(np.unique(in_range), size)
    checks += _check_ids(ids, raw, size) + _check_sizes(ids, raw)
    return ImportedMapping(
        raw.name, raw.kind, stored_as, ids, vocabulary, checks, raw.origin, raw.about
    )


def import_mapping_for(path: str | Path, counts: TokenCounts) -> ImportedMapping:
    """Read and check a mapping that is used with the given counts.

    Args:
        path: The file or folder.
        counts: Counts that give V and the tokenizer.

    Returns:
        The mapping, sound or not.

    Raises:
        InputError: As `import_mapping`, and when the mapping names another tokenizer.
    """
    mapping = import_mapping(path, counts.vocab_size)
    if mapping.origin:
        mapping.origin.check(counts, str(path))
    return mapping


def valid_mapping_for(path: str | Path, counts: TokenCounts) -> ImportedMapping:
    """Read a mapping like `import_mapping_for`, and refuse one that failed a check.

    Args:
        path: The file or folder.
        counts: Counts that give V and the tokenizer.

    Returns:
        A mapping without problems.

    Raises:
        InputError: As `import_mapping_for`, and when a check failed, with the first problem.
    """
    mapping = import_mapping_for(path, counts)
    if not mapping.valid:
        raise InputError(f"{path} is not sound: {mapping.problems[0]}")
    return mapping


def _vocab_size(path: Path, raw: RawMapping, expected: int | None) -> int:
    stated = raw.vocab_size if raw.t2d is None else len(raw.t2d)
    if stated is None and expected is None:
        raise InputError(
            f"{path} does not say how large the target's vocabulary is; give counts of the same "
            "tokenizer, or V."
        )
    if None not in (stated, expected) and stated != expected:
        raise InputError(
            f"{path} belongs to V = {stated:,}, but the counts have V = {expected:,}; "
            "use counts of the same model's tokenizer."
        )
    return stated or expected or 0


def _read(raw: RawMapping) -> tuple[np.ndarray, str, tuple[MappingCheck, ...]]:
    """Return the ids, what the numbers are, and the check about them."""
    mask_ids = None if raw.t2d is None else np.flatnonzero(raw.t2d)
    if raw.numbers is None:
        assert mask_ids is not None
        return mask_ids, "mask", ()
    if raw.resolved:
        check = MappingCheck("numbers", True, f"As {raw.label} reads it, it holds these ids.")
        return raw.numbers, ABSOLUTE, (check,)
    numbers, size = raw.numbers, raw.vocab_size or 0
    shifted = numbers + np.arange(len(numbers))
    readings = {OFFSET: shifted, ABSOLUTE: numbers}
    if mask_ids is not None:
        matching = [
            name for name, ids in readings.items() if np.array_equal(np.sort(ids), mask_ids)
        ]
    else:
        matching = [name for name, ids in readings.items() if _sound(ids, size)]
    stored_as = raw.expected
    if len(matching) == 1:
        stored_as = matching[0]
    elif len(matching) == 2 and raw.expected == OFFSET and mask_ids is None and len(numbers) > 16:
        # Both are possible in principle; but offsets that rise at every step would mean that no
        # two kept ids are neighbours, and in every frequent vocabulary thousands are.
        stored_as = ABSOLUTE if (np.diff(numbers) > 0).all() else OFFSET
    meaning = {OFFSET: "offsets (id minus position)", ABSOLUTE: "absolute token ids"}
    as_expected, detail = stored_as == raw.expected, f"{raw.label} holds {meaning[stored_as]}"
    detail += (
        ", as its readers expect."
        if as_expected
        else f" where its readers expect {meaning[raw.expected]}; it is read here as what it "
        "holds, but they would map to wrong tokens."
    )
    return readings[stored_as], stored_as, (MappingCheck("numbers", as_expected, detail),)


def _sound(ids: np.ndarray, size: int) -> bool:
    return bool(ids.min() >= 0 and ids.max() < size and len(np.unique(ids)) == len(ids))


def _check_ids(ids: np.ndarray, raw: RawMapping, size: int) -> tuple[MappingCheck, ...]:
    outside = ids[(ids < 0) | (ids >= size)]
    values, occurrences = np.unique(ids, return_counts=True)
    repeated = values[occurrences > 1]
    in_range, unique = f"All ids lie within 0..{size - 1}.", "No id occurs twice."
    if len(outside):
        in_range = f"{len(outside):,} of the ids are outside 0..{size - 1}, "
        in_range += f"the first is {outside[0]}."
    if len(repeated):
        unique = f"{len(repeated):,} ids occur more than once, the first is {repeated[0]}."
    ascending, order = True, "Ids ascend."
    falls = np.diff(ids) <= 0
    if falls.any() and raw.any_order:
        ascending, order = None, "Ids do not ascend, which readers of this format accept."
    elif falls.any():
        row = int(np.argmax(falls))
        ascending = False
        order = (
            f"Ids do not ascend: draft id {row} maps to {ids[row]}, draft id {row + 1} to "
            f"{ids[row + 1]}; trainers that cut the target's logits by t2d need them ascending."
        )
    checks = [
        MappingCheck("in range", not len(outside), in_range),
        MappingCheck("unique", not len(repeated), unique),
        MappingCheck("ascending", ascending, order),
    ]
    if raw.t2d is not None and raw.numbers is not None:
        mask_ids = np.flatnonzero(raw.t2d)
        agrees = np.array_equal(mask_ids, ids)
        detail = f"t2d marks exactly the {len(mask_ids):,} tokens of d2t, in order."
        if not agrees:
            same = "the same ones in another order" if np.array_equal(mask_ids, values) else ""
            detail = f"t2d marks {len(mask_ids):,} tokens, d2t names {len(values):,}, "
            detail += f"{same or 'not the same ones'}."
        checks.append(MappingCheck("t2d agrees with d2t", agrees, detail))
    return tuple(checks)


def _check_sizes(ids: np.ndarray, raw: RawMapping) -> tuple[MappingCheck, ...]:
    """Compare k with the head and the config.json that came with the mapping."""
    checks = []
    for name, rows in (
        ("lm_head has", raw.head_rows),
        ("config.json says draft_vocab_size", raw.draft_vocab_size),
    ):
        if rows is not None:
            agrees = rows == len(ids)
            detail = f"{name} {rows:,}{' rows' if 'lm_head' in name else ''}, the mapping has "
            detail += f"{'as many' if agrees else f'{len(ids):,}'} entries."
            checks.append(MappingCheck("size", agrees, detail))
    return tuple(checks)
