"""From result files to measurements: find the format, group the runs, and name configurations.

A measurement has all runs over the same prompts with the same target, engine and device. Runs of
one file with the same settings are runs of one configuration. Runs of two files are so only where
the user says it (`pool`, or one label for both). Runs are numbered in the order of the files, so
runs that alternated are paired if their files are named in alternation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import FLAG, NAMES, TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.model_config import LARGEST
from vocabtrim_core.serving.importers.formats import FORMATS
from vocabtrim_core.serving.importers.importer import Importer, Piece
from vocabtrim_core.serving.importers.naming import (
    LabelledPiece,
    configurations_of,
    identity,
    separation_notes,
)
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import (
    Measurement,
    decode,
    save,
    stored,
)
from vocabtrim_core.wording import counted

MANY = 12  # measurements from one import; for more, the user must give a filter
OWN = ("configurations", "runs", "prompts", "engine")
SIZES = (
    "draft vocabulary sizes: one per file (0 where nothing is drafted), one for all, or DRAFT=K by "
    "a part of the draft's name; they win over what the files say"
)
ONLY = "take only measurements whose target or prompts contain this"
POOL = (
    "runs that are alike in several files are runs of one configuration; they are paired with "
    "those of others when files that were made in turns are named in turns (default: every file is "
    "a configuration of its own, unless two have the same label)"
)


@dataclass(frozen=True, slots=True)
class Hints:
    """What the user adds to result files.

    Attributes:
        ks: Draft vocabulary sizes: one per file, one for all, or by draft ("DRAFT=K", where DRAFT
            is a part of its name); 0 for no speculation. They replace what a file says.
        labels: Labels of the configurations, one per file.
        target: Name of the target where a file has none.
        vocab_size: V of the target, None where unknown.
        concurrency: Requests at once where a file does not state it.
        device: Name of the device, in place of the file's.
        only: Part of the name of the target or the prompts; other measurements are left out.
        pool: Whether runs with the same settings in several files are runs of one configuration.
    """

    ks: Annotated[tuple[str, ...], Leaf(NAMES, "--k", help=SIZES, metavar="K")] = ()
    labels: Annotated[tuple[str, ...], Leaf(NAMES, "--label", help="names, one per file")] = ()
    target: Annotated[str, Leaf(TEXT, "--target", help="the target model", metavar="NAME")] = ""
    vocab_size: Annotated[
        int | None, Leaf(WHOLE, "--vocab-size", help="the target's vocabulary size", metavar="V")
    ] = None
    concurrency: Annotated[int | None, Leaf(WHOLE, "--concurrency", help="requests at once")] = None
    device: Annotated[str, Leaf(TEXT, "--device", help="the GPU or CPU", metavar="NAME")] = ""
    only: Annotated[str, Leaf(TEXT, "--only", help=ONLY)] = ""
    pool: Annotated[bool, Leaf(FLAG, "--pool", help=POOL)] = False


def import_results(
    sources: Sequence[Source], format: str = "auto", hints: Hints = Hints(), command: str = ""
) -> list[Measurement]:
    """Read measurements from result files.

    Args:
        sources: The files.
        format: Name of their format, "auto" to find it from the content.
        hints: What the user adds.
        command: The command line, stored in the measurements.

    Returns:
        The measurements, with their runs in the order of the files.

    Raises:
        InputError: A file is of no known format or has a wrong value, a hint does not fit, or there
            are more than 12 measurements without a filter.
    """
    if not sources:
        raise InputError("Name at least one result file.")
    for name, values in (("--k", hints.ks), ("--label", hints.labels)):
        single = name == "--k" and (len(values) == 1 or any("=" in value for value in values))
        if values and not single and len(values) != len(sources):
            raise InputError(
                f"{name} is given {len(values)} times for {counted(len(sources), 'file')}; "
                "give one per file" + (", one for all, or DRAFT=K." if name == "--k" else ".")
            )
    for name, size in (("--vocab-size", hints.vocab_size), ("--concurrency", hints.concurrency)):
        if size is not None and not 1 <= size <= LARGEST:
            raise InputError(f"{name} must lie within 1..{LARGEST:,}, but it is {size:,}.")
    groups: dict[tuple[str, ...], list[LabelledPiece]] = {}
    notes: dict[tuple[str, ...], dict[str, None]] = {}
    for i, source in enumerate(sources):
        importer = find_importer(source, format)
        pieces = [_completed(piece, source, hints) for piece in importer.read(source)]
        drafts = any(piece.drafted for piece, _ in pieces)
        for piece, assumptions in pieces:
            labelled, remarks = _labelled(piece, i, source.name, hints, drafts, len(sources))
            key = (piece.prompts, piece.target, piece.engine, piece.device)
            groups.setdefault(key, []).append(labelled)
            all_notes = (*importer.notes, *piece.notes, *assumptions, *remarks)
            notes.setdefault(key, {}).update(dict.fromkeys(all_notes))
    part = hints.only.lower()
    groups = {key: g for key, g in groups.items() if part in f"{key[0]} {key[1]}".lower()}
    if not groups:
        raise InputError(
            f"Nothing in these files is of {hints.only!r}." if part else "These files hold no runs."
        )
    if len(groups) > MANY and not part:
        targets = sorted({key[1] for key in groups})
        raise InputError(
            f"These files hold {len(groups)} measurements; say which with --only TEXT, a part of "
            f"one of these names: {', '.join(targets)}."
        )
    return [
        _measurement(key, pieces, tuple(notes[key]), hints, command)
        for key, pieces in groups.items()
    ]


def find_importer(source: Source, format: str = "auto") -> Importer:
    """The importer of a source.

    Args:
        source: The file.
        format: Name of its format, "auto" to find it from the content.

    Returns:
        The importer.

    Raises:
        InputError: There is no such format, or the content is of another one or of none.
    """
    if format != "auto" and format not in FORMATS:
        raise InputError(f"There is no format {format!r}; choose one of {', '.join(FORMATS)}.")
    fitting = [
        importer
        for importer in FORMATS.values()
        if all(importer.matches(record.value) for record in source.records)
    ]
    if format != "auto":
        wanted = FORMATS[format]
        readable = wanted.readable or wanted.matches
        if wanted in fitting:
            return wanted
        if fitting or not all(readable(record.value) for record in source.records):
            other = f"; it looks like one of {fitting[0].name}" if fitting else ""
            raise InputError(f"{source.name} does not look like a result of {format}{other}.")
        return wanted
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(importer.name for importer in fitting)
        raise InputError(f"{source.name} could be a result of {names}; say which with --format.")
    first = source.records[0].value
    if isinstance(first, dict) and all(name in first for name in OWN):
        raise InputError(
            f"{source.name} is a measurement of this program already; nothing needs importing."
        )
    raise InputError(
        f"{source.name} is no result that can be imported: it has {_shape(first)}, which fits none "
        f"of {', '.join(FORMATS)}."
    )


def _shape(value: Any) -> str:
    if not isinstance(value, dict):
        return f"a {type(value).__name__}"
    names = ", ".join(map(str, list(value)[:6]))
    return f"the fields {names}" if value else "no fields"


def _completed(piece: Piece, source: Source, hints: Hints) -> tuple[Piece, tuple[str, ...]]:
    """The piece with what the user adds, and sentences about values that are assumed."""
    assumptions = []
    run = piece.run
    if not run.concurrency:
        concurrency = hints.concurrency or piece.usual_concurrency
        run = replace(run, concurrency=concurrency)
        if hints.concurrency is None:
            assumptions.append(
                f"{source.name} does not say how many requests ran at once; {concurrency}, the "
                "tool's default, is assumed."
            )
    return replace(
        piece, run=run, target=piece.target or hints.target, device=hints.device or piece.device
    ), tuple(assumptions)


def _labelled(
    piece: Piece, file: int, name: str, hints: Hints, drafts: bool, files: int
) -> tuple[LabelledPiece, tuple[str, ...]]:
    """The piece with its k and label, and notes about them."""
    # `drafts` is whether any run of the file states that it used a draft. Then a size given for the
    # file belongs to those runs, else to all its runs. One size for several files does not apply to
    # runs that state that they used no draft.
    label = hints.labels[file] if hints.labels else ""
    origin = (0, "") if hints.pool or label else (file + 1, name)
    by_draft = [hint.rpartition("=") for hint in hints.ks if "=" in hint]
    by_file = [hint for hint in hints.ks if "=" not in hint]
    matching = [k for part, _, k in by_draft if part.lower() in f"{piece.draft} {label}".lower()]
    if not matching and by_file and not by_draft:
        for_all = len(by_file) == 1
        applies = piece.drafted or not drafts
        if applies and not (for_all and files > 1 and piece.drafted is False):
            matching = [by_file[0] if for_all else by_file[file]]
    size = _size(matching[0]) if matching else None
    if size == 0 or (size is None and not piece.drafted):
        run = replace(piece.run, verified=None, acceptance_length=None, accepted=())
        return LabelledPiece(replace(piece, drafted=False, run=run), None, label, origin), ()
    notes: tuple[str, ...] = ()
    if size is not None and not piece.drafted:
        piece = replace(piece, drafted=True)
        notes = (f"{name} tells no acceptance length; that of k = {size:,} is not known.",)
    if size is None and not piece.draft:  # drafts without names are taken as different ones
        piece = replace(piece, draft=label or ("" if hints.pool else name))
    return LabelledPiece(piece, size, label, origin), notes


def _size(text: str) -> int:
    try:
        k = int(text.replace(",", "").replace("_", ""))
    except ValueError:
        k = -1
    if not 0 <= k <= LARGEST:
        raise InputError(
            f"--k is given as {text!r}, which is not a whole number of tokens up to {LARGEST:,}."
        )
    return k


def _measurement(
    key: tuple[str, ...],
    labelled: Sequence[LabelledPiece],
    notes: tuple[str, ...],
    hints: Hints,
    command: str,
) -> Measurement:
    prompts, target, engine, device = key
    pieces = [item.piece for item in labelled]
    configurations = configurations_of(dict.fromkeys(map(identity, labelled)))
    notes += separation_notes(configurations)
    counts: Counter[tuple[str, int]] = Counter()
    runs = []
    for item in labelled:
        label, run = configurations[identity(item)].label, item.piece.run
        runs.append(replace(run, configuration=label, index=counts[label, run.concurrency]))
        counts[label, run.concurrency] += 1
    shared = set.intersection(*(set(piece.settings.items()) for piece in pieces))
    unsized = [c.label for c in configurations.values() if c.k is None and (c.draft or c.steps)]
    if unsized:
        notes += (f"The draft vocabulary size of {', '.join(unsized)} is not known; --k tells it.",)
    return Measurement(
        prompts,
        target,
        engine,
        tuple(configurations.values()),
        tuple(runs),
        vocab_size=hints.vocab_size,
        device=device,
        origin="imported",
        settings={n: v for n, v in sorted(shared) if v is not None},
        versions={name: v for piece in pieces for name, v in piece.versions.items()},
        command=command,
        notes=notes,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def own_measurement(content: bytes, name: str) -> Measurement | None:
    """Read a file that may hold a measurement of this program.

    Args:
        content: The bytes of the file.
        name: Name of the file in messages.

    Returns:
        The measurement; None for a file that has not the fields of one.

    Raises:
        InputError: The file has these fields, but cannot be read as a measurement.
    """
    if any(f'"{field}"'.encode() not in content for field in OWN):
        return None
    return decode(content, name)


def save_once(measurement: Measurement) -> Measurement:
    """Save a measurement in the workspace, unless it was imported before.

    Args:
        measurement: The measurement.

    Returns:
        The measurement, or the one stored before that differs in the time of creation only.

    Raises:
        InputError: The file cannot be written, or a stored measurement cannot be decoded.
    """
    for earlier in stored():
        if replace(earlier, created=measurement.created) == measurement:
            return earlier
    save(measurement)
    return measurement
