"""From result files to measurements: their format, which runs belong together, their names.

Files hold runs; a measurement is all runs over the same prompts of the same target on the same
engine and device. The runs of one file that are alike are runs of one configuration; those of two
files only where the user says so (`pool`, or one label for both). They are numbered in the order
of the files, so runs that were made in turns are paired when their files are named in turns.
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
from vocabtrim_core.serving.importers.naming import Told, identity, kept_apart, named
from vocabtrim_core.serving.importers.sources import Source
from vocabtrim_core.serving.measurement import (
    Measurement,
    decode,
    save,
    stored,
)

MANY = 12  # measurements out of one import; more only when the user says which
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
    """What files do not tell.

    ks: draft vocabulary sizes, one per file, one for all, or by draft ("DRAFT=K", where DRAFT is
    part of its name); 0 where nothing is drafted. They win over what a file says of speculation.
    labels: names, one per file.  only: part of the target's or the prompts' name; the rest is left
    out.  pool: runs that are alike in several files are runs of one configuration.
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
    """The measurements that these files make. InputError for what cannot be read or told apart."""
    if not sources:
        raise InputError("Name at least one result file.")
    for name, given in (("--k", hints.ks), ("--label", hints.labels)):
        single = name == "--k" and (len(given) == 1 or any("=" in each for each in given))
        if given and not single and len(given) != len(sources):
            raise InputError(
                f"{name} is given {len(given)} times for {len(sources)} "
                f"file{'s' * (len(sources) > 1)}; give one per file"
                + (", one for all, or DRAFT=K." if name == "--k" else ".")
            )
    for name, size in (("--vocab-size", hints.vocab_size), ("--concurrency", hints.concurrency)):
        if size is not None and not 1 <= size <= LARGEST:
            raise InputError(f"{name} must lie within 1..{LARGEST:,}, but it is {size:,}.")
    groups: dict[tuple[str, ...], list[Told]] = {}
    notes: dict[tuple[str, ...], dict[str, None]] = {}
    for i, source in enumerate(sources):
        importer = recognised(source, format)
        pieces = [_completed(piece, source, hints) for piece in importer.read(source)]
        drafts = any(piece.drafted for piece, _ in pieces)
        for piece, assumed in pieces:
            told, noted = _told(piece, i, source.name, hints, drafts, len(sources))
            key = (piece.prompts, piece.target, piece.engine, piece.device)
            groups.setdefault(key, []).append(told)
            all_notes = (*importer.notes, *assumed, *noted)
            notes.setdefault(key, {}).update(dict.fromkeys(all_notes))
    wanted = hints.only.lower()
    groups = {key: g for key, g in groups.items() if wanted in f"{key[0]} {key[1]}".lower()}
    if not groups:
        raise InputError(
            f"Nothing in these files is of {hints.only!r}."
            if wanted
            else "These files hold no runs."
        )
    if len(groups) > MANY and not wanted:
        targets = sorted({key[1] for key in groups})
        raise InputError(
            f"These files hold {len(groups)} measurements; say which with --only TEXT, a part of "
            f"one of these names: {', '.join(targets)}."
        )
    return [
        _measurement(key, told, tuple(notes[key]), hints, command) for key, told in groups.items()
    ]


def recognised(source: Source, format: str = "auto") -> Importer:
    """The importer of a source. InputError when its content is of no format, or of another one."""
    if format != "auto" and format not in FORMATS:
        raise InputError(f"There is no format {format!r}; choose one of {', '.join(FORMATS)}.")
    fitting = [
        each for each in FORMATS.values() if all(each.matches(r.value) for r in source.records)
    ]
    if format != "auto":
        if FORMATS[format] not in fitting:
            raise InputError(f"{source.name} does not look like a result of {format}.")
        return FORMATS[format]
    if len(fitting) == 1:
        return fitting[0]
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
    """The piece with what the user adds, and the assumptions that this took."""
    assumed = []
    run = piece.run
    if not run.concurrency:
        concurrency = hints.concurrency or piece.usual_concurrency
        run = replace(run, concurrency=concurrency)
        if hints.concurrency is None:
            assumed.append(
                f"{source.name} does not say how many requests ran at once; {concurrency}, the "
                "tool's default, is assumed."
            )
    return replace(
        piece, run=run, target=piece.target or hints.target, device=hints.device or piece.device
    ), tuple(assumed)


def _told(
    piece: Piece, file: int, name: str, hints: Hints, drafts: bool, files: int
) -> tuple[Told, tuple[str, ...]]:
    """The piece with its k and label, and what must be said of that.

    drafts: whether any run of the file says that it drafted; a size given for the file is theirs
    then, else of all its runs. One size for several files leaves out runs that say they drafted
    nothing.
    """
    label = hints.labels[file] if hints.labels else ""
    at = (0, "") if hints.pool or label else (file + 1, name)
    sized = [each.rpartition("=") for each in hints.ks if "=" in each]
    plain = [each for each in hints.ks if "=" not in each]
    matching = [k for part, _, k in sized if part.lower() in f"{piece.draft} {label}".lower()]
    if not matching and plain and not sized:
        one = len(plain) == 1
        meant = piece.drafted or not drafts
        if meant and not (one and files > 1 and piece.drafted is False):
            matching = [plain[0] if one else plain[file]]
    size = _size(matching[0]) if matching else None
    if size == 0 or (size is None and not piece.drafted):
        run = replace(piece.run, verified=None, acceptance_length=None, accepted=())
        return Told(replace(piece, drafted=False, run=run), None, label, at), ()
    noted: tuple[str, ...] = ()
    if size is not None and not piece.drafted:
        piece = replace(piece, drafted=True)
        noted = (f"{name} tells no acceptance length; that of k = {size:,} is not known.",)
    if size is None and not piece.draft:  # drafts nobody names are not taken for one
        piece = replace(piece, draft=label or name)
    return Told(piece, size, label, at), noted


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
    told: Sequence[Told],
    notes: tuple[str, ...],
    hints: Hints,
    command: str,
) -> Measurement:
    prompts, target, engine, device = key
    pieces = [each.piece for each in told]
    configurations = named(dict.fromkeys(identity(each) for each in told))
    notes += kept_apart(configurations)
    numbered: Counter[tuple[str, int]] = Counter()
    runs = []
    for each in told:
        label, run = configurations[identity(each)].label, each.piece.run
        runs.append(replace(run, configuration=label, index=numbered[label, run.concurrency]))
        numbered[label, run.concurrency] += 1
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


def own(content: bytes, name: str) -> Measurement | None:
    """The measurement of this program that a file holds; None for anything else."""
    if any(f'"{field}"'.encode() not in content for field in OWN):
        return None
    return decode(content, name)


def keep(measurement: Measurement) -> Measurement:
    """Save it to the workspace; what was imported before stays as it is and is returned."""
    for before in stored():
        if replace(before, created=measurement.created) == measurement:
            return before
    save(measurement)
    return measurement
