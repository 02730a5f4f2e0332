"""Write an export folder all at once, zip it, and check one that lies on disk."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.checks import check_export, check_ids
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.exports.files import save_text, zip_bytes
from vocabtrim_core.exports.formats import FORMATS
from vocabtrim_core.exports.manifest import NAME, ExportedFile, Manifest, describe
from vocabtrim_core.exports.readme import readme
from vocabtrim_core.vocabulary import DraftVocabulary

README = "README.txt"


def exporters_named(names: Iterable[str]) -> list[Exporter]:
    """The formats of these names, repeats dropped; InputError lists the known names."""
    known = ", ".join(FORMATS)
    wanted = list(dict.fromkeys(names))
    if not wanted:
        raise InputError(f"Choose at least one export format of: {known}.")
    for name in wanted:
        if name not in FORMATS:
            raise InputError(f"There is no export format {name!r}; choose from: {known}.")
    return [FORMATS[name] for name in wanted]


def export(
    vocabulary: DraftVocabulary,
    formats: Sequence[str],
    out: Path,
    context: ExportContext | None = None,
) -> Manifest:
    """Write one folder per format, README.txt and manifest.json into `out`.

    Everything is checked first and written beside `out`, then moved there in one step, so `out`
    is complete or untouched. InputError: a bad choice, `out` not empty, nowhere to write.
    Same input, same bytes (on the same versions of torch and numpy).
    """
    context = context or ExportContext()
    exporters = exporters_named(formats)
    check_export(vocabulary, exporters, context)
    out = Path(out).resolve()
    scratch = out.parent / f".{out.name}.{secrets.token_hex(4)}.tmp"
    try:
        _check_free(out)
        scratch.mkdir(parents=True)
        manifest = _write(vocabulary, exporters, context, scratch)
        if out.exists():
            out.rmdir()
        scratch.replace(out)
    except OSError as error:
        raise InputError(f"Cannot write the export {out}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def export_zip(
    vocabulary: DraftVocabulary, formats: Sequence[str], context: ExportContext | None = None
) -> tuple[bytes, Manifest]:
    """The same export as one zip for download, under draft-vocabulary-<k>/."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / f"draft-vocabulary-{len(vocabulary)}"
        manifest = export(vocabulary, formats, folder, context)
        return zip_bytes(folder), manifest


@dataclass(frozen=True, slots=True)
class Inspection:
    """An export folder as found: its manifest and every way in which it no longer agrees."""

    manifest: Manifest
    problems: tuple[str, ...]


def inspect_export(folder: Path) -> Inspection:
    """Recompute sizes and sha256, read every format back, and compare it with the manifest.

    InputError only when `folder` is no export at all. Files that are not ours are left alone.
    """
    folder = Path(folder)
    manifest = Manifest.load(folder)
    problems = [p for file in manifest.files if (p := _file_problem(folder, file))]
    for name in dict.fromkeys(f.format for f in manifest.files if f.format):
        try:
            _check_read_back(FORMATS[name], folder / name, manifest)
        except KeyError:
            problems.append(f"{name} is a format this version does not know.")
        except InputError as error:
            problems.append(str(error))
    return Inspection(manifest, tuple(problems))


def verify(folder: Path) -> Manifest:
    """The manifest of an intact export; InputError with the first problem otherwise."""
    found = inspect_export(folder)
    if found.problems:
        more = len(found.problems) - 1
        rest = f" (and {more} more)" if more else ""
        raise InputError(f"{folder} is not intact: {found.problems[0]}{rest}")
    return found.manifest


def _check_free(out: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            raise InputError(f"{out} is not empty and exports never overwrite; name a new folder.")
    elif out.exists():
        raise InputError(f"{out} is a file; name a new folder for the export.")


def _write(
    vocabulary: DraftVocabulary,
    exporters: Sequence[Exporter],
    context: ExportContext,
    folder: Path,
) -> Manifest:
    manifest = describe(vocabulary, exporters, context)
    files: list[ExportedFile] = []
    for exporter in exporters:
        home = folder / exporter.name
        home.mkdir()
        written = exporter.write(vocabulary, context, home)
        files += [_entry(folder, path, exporter) for path in written]
        # Read back what was just written: a format that cannot be read never leaves this function.
        _check_read_back(exporter, home, manifest)
    text = save_text(folder / README, readme(manifest, tuple(files)))
    manifest = replace(manifest, files=(*files, _entry(folder, text)))
    manifest.save(folder)
    return manifest


def _entry(folder: Path, path: Path, exporter: Exporter | None = None) -> ExportedFile:
    data = path.read_bytes()
    return ExportedFile(
        path=path.relative_to(folder).as_posix(),
        format=exporter.name if exporter else "",
        consumer=exporter.consumer if exporter else "",
        semantics=exporter.semantics if exporter else "",
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _check_read_back(exporter: Exporter, home: Path, manifest: Manifest) -> None:
    ids = check_ids(exporter.read(home, manifest.k), manifest.vocab_size, where=exporter.title)
    found = DraftVocabulary(np.sort(ids), manifest.vocab_size)
    if found.sha256 != manifest.vocabulary_sha256:
        raise InputError(f"{exporter.title} holds other tokens than the manifest names.")


def _file_problem(folder: Path, file: ExportedFile) -> str | None:
    """What is wrong with one listed file, or None. Paths that leave the folder are not opened."""
    relative = PurePosixPath(file.path)
    if relative.is_absolute() or ".." in relative.parts or file.path == NAME:
        return f"{NAME} lists {file.path}, which is no file of this export."
    try:
        data = (folder / relative).read_bytes()
    except OSError:
        return f"{file.path} is missing."
    if len(data) != file.bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        return f"{file.path} has changed since it was exported."
    return None
