"""Corpus files that users uploaded, each stored once in the workspace."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from vocabtrim_core import workspace
from vocabtrim_core.corpora.file_names import NOTE
from vocabtrim_core.corpora.formats import FORMATS, SUFFIXES
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

UPLOAD_CAP = 50 * 2**20  # bytes; larger corpora are opened by path, not through a browser


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded corpus file.

    Attributes:
        key: First 16 hex digits of the sha256 of its format and content.
        file: Name in the workspace, chosen by us; its suffix, from a fixed list, gives the format.
        label: Name that the user gave the file; shown, never used as a path.
        bytes: Size of the stored file.
        stored: Time of the upload, in seconds since the epoch.
    """

    key: str
    file: str
    label: str
    bytes: int
    stored: float

    @property
    def path(self) -> Path:
        """Where the file is stored."""
        return workspace.folder("corpora") / self.key / self.file


def store_upload(source: BinaryIO, label: str, *, cap: int = UPLOAD_CAP) -> Upload:
    """Stream an upload to disk; the same content in the same format is stored once.

    Args:
        source: The upload, open for reading.
        label: The file name as the user gave it; its suffix decides the format.
        cap: Largest size in bytes.

    Returns:
        The stored upload.

    Raises:
        InputError: The file is empty, larger than the cap, of an unknown kind, or the disk is full.
    """
    label = re.split(r"[/\\]", label)[-1].strip() or "upload"
    file = f"data{_corpus_suffix(label)}"
    digest, total = hashlib.sha256(file.encode()), 0
    arriving = workspace.folder("corpora") / f".{secrets.token_hex(8)}"

    def receive(scratch: BinaryIO) -> None:
        nonlocal total
        while piece := source.read(2**20):
            total += len(piece)
            if total > cap:
                raise InputError(
                    f"{label} is larger than the upload limit of {format_bytes(cap)}; "
                    "give its path on this machine instead."
                )
            digest.update(piece)
            scratch.write(piece)
        if not total:
            raise InputError(f"{label} is empty; choose a file with conversations in it.")

    try:
        write_atomic(arriving, receive)
        upload = Upload(digest.hexdigest()[:16], file, label, total, time.time())
        upload.path.parent.mkdir(mode=0o700, exist_ok=True)
        arriving.replace(upload.path)
        write_atomic(upload.path.with_name(NOTE), json.dumps(asdict(upload)).encode())
    finally:
        arriving.unlink(missing_ok=True)
    return upload


def list_uploads() -> list[Upload]:
    """Uploaded corpora that can be read, newest first."""
    uploads = records.readable(workspace.folder("corpora").glob(f"*/{NOTE}"), read_upload)
    return sorted(uploads, key=lambda upload: -upload.stored)


def read_upload(note: Path) -> Upload:
    """Read the note beside an uploaded file.

    Args:
        note: Its upload.json.

    Returns:
        The upload.

    Raises:
        FileNotFoundError: There is no such note.
        DamagedError: It cannot be read, or is not about the file beside it.
    """
    upload = records.read(note, Upload)
    if upload.key != note.parent.name or not note.with_name(Path(upload.file).name).is_file():
        raise DamagedError(note, f"its file {upload.file} is not beside it")
    return upload


def mend_upload(note: Path) -> None:
    """Write the note beside an uploaded file anew; the name that its user gave it is lost.

    Args:
        note: Its upload.json, which cannot be read.

    Raises:
        InputError: There is no uploaded file beside it, or it cannot be written.
    """
    files = [path for path in note.parent.glob("data.*") if path.is_file()]
    if len(files) != 1:
        raise InputError(f"{note.parent} holds no uploaded file; move it aside.")
    (file,) = files
    stat = file.stat()
    label = f"upload-{note.parent.name}{file.name.removeprefix('data')}"
    upload = Upload(note.parent.name, file.name, label, stat.st_size, stat.st_mtime)
    write_atomic(note, json.dumps(asdict(upload)).encode())


def remove_upload(key: str) -> None:
    """Delete an uploaded corpus; nothing happens where there is none.

    Args:
        key: `Upload.key`.

    Raises:
        InputError: The key is not one of the workspace's keys.
    """
    shutil.rmtree(workspace.folder("corpora") / workspace.checked_key(key), ignore_errors=True)


def _corpus_suffix(label: str) -> str:
    """The last part of a file name, such as '.jsonl.zst', if corpora of that kind can be read."""
    match = SUFFIXES.search(label)
    if not match:
        raise InputError(
            f"{label} is not a kind of file that can be read; upload one that ends in "
            f"{', '.join(FORMATS)}, plain or compressed as .gz, .zst or .bz2."
        )
    return match.group().lower()
