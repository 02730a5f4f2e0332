"""Corpus files that people uploaded, each kept once in the workspace."""

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
from vocabtrim_core.workspace.files import write_atomic

UPLOAD_CAP = 50 * 2**20  # bytes; larger corpora are opened by path, not through a browser


@dataclass(frozen=True, slots=True)
class Upload:
    """A corpus file somebody uploaded. `label` is what they called it: shown, never a path."""

    key: str
    file: str  # our own name for it; the suffix, from a fixed list, tells readers the format
    label: str
    bytes: int
    stored: float  # seconds since the epoch

    @property
    def path(self) -> Path:
        """Where it lies."""
        return workspace.folder("corpora") / self.key / self.file


def store_upload(source: BinaryIO, label: str, *, cap: int = UPLOAD_CAP) -> Upload:
    """Stream an upload to disk, at most `cap` bytes; the same content and format is stored once.

    InputError for an empty file, one over the cap, an unknown kind of file, or a full disk.
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
    """Uploaded corpora, newest first."""
    uploads = map(_noted, workspace.folder("corpora").glob(f"*/{NOTE}"))
    return sorted(uploads, key=lambda upload: -upload.stored)


def _noted(note: Path) -> Upload:
    return Upload(**json.loads(note.read_text("utf-8")))


def remove_upload(key: str) -> None:
    """Delete an uploaded corpus."""
    shutil.rmtree(workspace.folder("corpora") / workspace.checked_key(key), ignore_errors=True)


def _corpus_suffix(label: str) -> str:
    """The last part of a file name, such as '.jsonl.zst', if corpora of that kind can be read."""
    found = SUFFIXES.search(label)
    if not found:
        raise InputError(
            f"{label} is not a kind of file that can be read; upload one that ends in "
            f"{', '.join(FORMATS)}, plain or compressed as .gz, .zst or .bz2."
        )
    return found.group().lower()
