"""Write an export folder in one step, pack it as a zip, and check an existing one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from vocabtrim_core.draft_config import borrowed
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.checks import check_export
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.exports.formats import FORMATS
from vocabtrim_core.exports.manifest import NAME, ExportedFile, Manifest, describe
from vocabtrim_core.exports.readme import readme
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import file_sha256, save_text, zip_bytes
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.wording import first_of
from vocabtrim_core.workspace.files import new_folder

README = "README.txt"


def exporters_named(names: Iterable[str]) -> list[Exporter]:
    """Look up export formats.

    Args:
        names: Names of FORMATS; repeats are dropped.

    Returns:
        The formats, in the order of their first names.

    Raises:
        InputError: There is no name, or an unknown one; the message lists the known names.
    """
    all_names = ", ".join(FORMATS)
    chosen = list(dict.fromkeys(names))
    if not chosen:
        raise InputError(f"Choose at least one export format of: {all_names}.")
    for name in chosen:
        if name not in FORMATS:
            raise InputError(f"There is no export format {name!r}; choose from: {all_names}.")
    return [FORMATS[name] for name in chosen]


def export(
    vocabulary: DraftVocabulary,
    formats: Sequence[str],
    out: Path,
    context: ExportContext | None = None,
) -> Manifest:
    """Write one folder per format, README.txt and manifest.json into a new folder.

    Everything is checked first and written beside `out`, then moved there in one step, so `out` is
    complete or untouched. The same input gives the same bytes, on the same versions of torch and
    numpy.

    Args:
        vocabulary: The tokens to export.
        formats: Names of FORMATS.
        out: A folder that does not exist, or an empty one.
        context: Where the vocabulary comes from, for the manifest and the formats' notes.

    Returns:
        The manifest, as written.

    Raises:
        InputError: The choice cannot be exported, `out` is not empty, or cannot be written.
    """
    context = context or ExportContext()
    shape = context.architecture
    if shape is not None and borrowed(shape):
        why = f"the shapes of {shape.name} are not those of a model with V = {shape.vocab_size:,}"
        context = replace(context, architecture=None, without_architecture=why)
    exporters = exporters_named(formats)
    check_export(vocabulary, exporters, context)
    with new_folder(out) as scratch:
        return _write(vocabulary, exporters, context, scratch)


def export_zip(
    vocabulary: DraftVocabulary, formats: Sequence[str], context: ExportContext | None = None
) -> tuple[bytes, Manifest]:
    """Pack an export as one zip for download, under draft-vocabulary-<k>/.

    Args:
        vocabulary: The tokens to export.
        formats: Names of FORMATS that need no draft's weights.
        context: Where the vocabulary comes from.

    Returns:
        The bytes of the zip, and the manifest in it.

    Raises:
        InputError: As `export`, and for formats that need a draft's weights: those are too large to
            pack in memory.
    """
    for exporter in exporters_named(formats):
        if exporter.needs_draft:
            raise InputError(
                f"{exporter.title} is a whole draft, too large for a zip; write it to a folder."
            )
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"draft-vocabulary-{len(vocabulary)}"
        manifest = export(vocabulary, formats, folder, context)
        return zip_bytes(folder), manifest


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of checking an export folder.

    Attributes:
        manifest: The folder's manifest.
        problems: One sentence for every disagreement with the manifest; () when it is intact.
    """

    manifest: Manifest
    problems: tuple[str, ...]


def inspect_export(folder: Path) -> Inspection:
    """Compare an export folder with its manifest: sizes, sha256, and every format read back.

    Files that the manifest does not list are not looked at.

    Args:
        folder: An export folder.

    Returns:
        The manifest and the problems.

    Raises:
        InputError: The folder has no manifest of this program.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    problems = [problem for file in manifest.files if (problem := _file_problem(folder, file))]
    for name in (str(entry.get("name")) for entry in manifest.formats):
        if name not in FORMATS:
            problems.append(f"{name} is a format this version does not know.")
            continue
        try:
            _check_read_back(FORMATS[name], folder / FORMATS[name].home, manifest)
        except InputError as error:
            problems.append(str(error))
    return Inspection(manifest, tuple(problems))


def verify(folder: Path) -> Manifest:
    """Check that an export folder is intact.

    Args:
        folder: An export folder.

    Returns:
        Its manifest.

    Raises:
        InputError: It is no export, or not intact; the message is the first problem.
    """
    inspection = inspect_export(folder)
    if inspection.problems:
        raise InputError(f"{folder} is not intact: {first_of(inspection.problems)}")
    return inspection.manifest


def _write(
    vocabulary: DraftVocabulary,
    exporters: Sequence[Exporter],
    context: ExportContext,
    folder: Path,
) -> Manifest:
    manifest = describe(vocabulary, exporters, context)
    files: list[ExportedFile] = []
    for exporter in exporters:
        home = folder / exporter.home
        if not home.exists():
            home.mkdir()
            written = exporter.write(vocabulary, context, home)
            files += [_entry(folder, path, exporter) for path in written]
        # Read back what was just written, so that no unreadable format is exported.
        _check_read_back(exporter, home, manifest)
    text = save_text(folder / README, readme(manifest, tuple(files)))
    manifest = replace(manifest, files=(*files, _entry(folder, text)))
    manifest.save(folder)
    return manifest


def _entry(folder: Path, path: Path, exporter: Exporter | None = None) -> ExportedFile:
    return ExportedFile(
        path=path.relative_to(folder).as_posix(),
        format=exporter.name if exporter else "",
        consumer=exporter.consumer if exporter else "",
        semantics=exporter.semantics if exporter else "",
        bytes=path.stat().st_size,
        sha256=file_sha256(path),
    )


def _check_read_back(exporter: Exporter, home: Path, manifest: Manifest) -> None:
    ids = check_ids(exporter.read(home, manifest.k), manifest.vocab_size, where=exporter.title)
    vocabulary = DraftVocabulary(np.sort(ids), manifest.vocab_size)
    if vocabulary.sha256 != manifest.vocabulary_sha256:
        raise InputError(f"{exporter.title} holds other tokens than the manifest names.")


def _file_problem(folder: Path, file: ExportedFile) -> str | None:
    """Return what is wrong with a listed file, or None; paths outside the folder are not opened."""
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or ".." in relative.parts or file.path == NAME:
        return f"{NAME} lists {file.path}, which is no file of this export."
    try:
        unchanged = (folder / relative).stat().st_size == file.bytes
        unchanged = unchanged and file_sha256(folder / relative) == file.sha256
    except OSError:
        return f"{file.path} is missing."
    if not unchanged:
        return f"{file.path} has changed since it was exported."
    return None
