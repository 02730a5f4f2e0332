"""Where artifacts live: one private folder with counts, uploaded corpora, studies, jobs and locks.

Everything is written atomically (a hidden scratch file in the same folder, then `os.replace`), so a
reader sees the old file, the new one, or none. Registries are plain folders: what is on disk is
what exists, and deleting a file deletes the artifact.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no space, over quota, over the file size limit
UPLOAD_CAP = 50 * 2**20  # bytes; larger corpora are opened by path, not through a browser


def home() -> Path:
    """The workspace: $VOCABTRIM_HOME, else ~/.vocabtrim; created readable by its owner only."""
    chosen = os.environ.get("VOCABTRIM_HOME") or "~/.vocabtrim"
    return _private(Path(chosen).expanduser().absolute())


def folder(name: str) -> Path:
    """A folder of the workspace ("counts", "corpora", "jobs", …), created on first use."""
    return _private(home() / name)


def _private(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The workspace folder {path} cannot be used ({error.strerror}); "
            "set VOCABTRIM_HOME to a folder you can write to."
        ) from error
    return path


# --- writing ------------------------------------------------------------------------------------


def free_bytes(path: str | Path) -> int:
    """Bytes left for us on the disk that holds `path`, which need not exist yet."""
    path = Path(path).absolute()
    return shutil.disk_usage(next(p for p in (path, *path.parents) if p.exists())).free


def require_space(path: str | Path, needed: int) -> None:
    """InputError unless the disk that holds `path` has `needed` bytes left."""
    if free_bytes(path) < needed:
        raise InputError(full_disk(path, needed))


def full_disk(path: str | Path, needed: int | None = None) -> str:
    """The sentence for a disk that ran full while writing in the folder `path`."""
    need = f"{size(needed)} are needed and " if needed else ""
    return (
        f"The disk that holds {path} is full: {need}{size(free_bytes(path))} are left; "
        "free some space, or choose a folder on another disk."
    )


def size(count: int) -> str:
    """Bytes for people: '812 bytes', '1.3 MB' (decimal units)."""
    if count < 1000:
        return f"{count} bytes"
    value, units = count / 1000, iter(("kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.95 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}"


@contextmanager
def atomic(path: str | Path, needed: int | None = None) -> Generator[Path]:
    """A scratch path beside `path` that takes its name when the block ends well, else vanishes.

    A full disk becomes an InputError naming the folder, what was needed and what is left.
    """
    path = Path(path)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        scratch.replace(path)
    except OSError as error:
        if error.errno not in FULL:
            if error.filename not in (None, str(scratch), str(path.parent)):
                raise  # about another file that the block touched
            raise InputError(f"Cannot write {path}: {error.strerror or error}.") from error
        written = scratch.stat().st_size if scratch.exists() else 0
        scratch.unlink(missing_ok=True)  # before the free space is measured for the sentence
        raise InputError(full_disk(path.parent, needed or written or None)) from error
    finally:
        with suppress(OSError):  # a disk that cannot be written to says so above
            scratch.unlink(missing_ok=True)


def write_atomic(path: str | Path, content: bytes | Callable[[BinaryIO], object]) -> Path:
    """Write bytes, or what `content(file)` writes, to `path` in one step."""
    needed = len(content) if isinstance(content, bytes) else None
    with atomic(path, needed) as scratch, scratch.open("wb") as file:
        file.write(content) if isinstance(content, bytes) else content(file)
    return Path(path)


# --- counts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """Counts kept in the workspace under their content address."""

    key: str
    path: Path
    saved: float  # seconds since the epoch
    counts: TokenCounts


def save_counts(counts: TokenCounts) -> Path:
    """Keep counts in the workspace; the same counts are kept once."""
    path = folder("counts") / f"{counts.key}.npz"
    return path if path.exists() else counts.save(path)


def list_counts() -> list[StoredCounts]:
    """All counts of the workspace, newest first; an unreadable file is named in the log."""
    found = []
    for path in folder("counts").glob("*.npz"):
        try:
            stat = path.stat()
            counts = _load(path, stat.st_mtime_ns, stat.st_size)
            found.append(StoredCounts(path.stem, path, stat.st_mtime, counts))
        except (InputError, OSError) as error:
            logging.getLogger(__name__).warning("Left out: %s", error)
    return sorted(found, key=lambda stored: (-stored.saved, stored.key))


@functools.lru_cache(maxsize=64)
def _load(path: Path, mtime_ns: int, length: int) -> TokenCounts:
    """Counts are immutable, so one loaded copy per state of the file serves everybody."""
    from vocabtrim_core.counts import TokenCounts

    return TokenCounts.load(path)


def find_counts(spec: str | Path) -> TokenCounts:
    """Counts by path, or by the key (or its first digits) under which the workspace keeps them."""
    path = Path(spec)
    if not path.is_file() and re.fullmatch(r"[0-9a-f]{4,16}", str(spec)):
        matches = sorted(folder("counts").glob(f"{spec}*.npz"))
        if len(matches) > 1:
            raise InputError(f"The key {spec} fits {len(matches)} counts; give more digits of it.")
        path = matches[0] if matches else path
    if not path.is_file():
        raise InputError(
            f"There are no counts at {spec}: give the file that `count --out` wrote, "
            "or the key of counts in the workspace."
        )
    stat = path.stat()
    return _load(path.absolute(), stat.st_mtime_ns, stat.st_size)


def remove_counts(key: str) -> None:
    """Forget counts of the workspace, with their pieces and responses."""
    for kept in ("counts", "shards", "responses"):
        (folder(kept) / f"{_checked(key)}.npz").unlink(missing_ok=True)


# --- uploaded corpora ---------------------------------------------------------------------------


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
        return folder("corpora") / self.key / self.file


def store_upload(source: BinaryIO, label: str, *, cap: int = UPLOAD_CAP) -> Upload:
    """Stream an upload to disk, at most `cap` bytes; the same content and format is stored once.

    InputError for an empty file, one over the cap, an unknown kind of file, or a full disk.
    """
    label = re.split(r"[/\\]", label)[-1].strip() or "upload"
    file = f"data{_corpus_suffix(label)}"
    digest, total = hashlib.sha256(file.encode()), 0
    arriving = folder("corpora") / f".{secrets.token_hex(8)}"

    def receive(scratch: BinaryIO) -> None:
        nonlocal total
        while piece := source.read(2**20):
            total += len(piece)
            if total > cap:
                raise InputError(
                    f"{label} is larger than the upload limit of {size(cap)}; "
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
        write_atomic(upload.path.with_name("upload.json"), json.dumps(asdict(upload)).encode())
    finally:
        arriving.unlink(missing_ok=True)
    return upload


def list_uploads() -> list[Upload]:
    """Uploaded corpora, newest first."""
    uploads = map(_noted, folder("corpora").glob("*/upload.json"))
    return sorted(uploads, key=lambda upload: -upload.stored)


def label_of(path: Path) -> str:
    """What messages call a file: the name its uploader gave it, else its own."""
    note = path.with_name("upload.json")
    uploaded = path.parent.parent == folder("corpora") and note.is_file()
    return _noted(note).label if uploaded else path.name


def _noted(note: Path) -> Upload:
    return Upload(**json.loads(note.read_text("utf-8")))


def remove_upload(key: str) -> None:
    """Delete an uploaded corpus."""
    shutil.rmtree(folder("corpora") / _checked(key), ignore_errors=True)


def _corpus_suffix(label: str) -> str:
    """The last part of a file name, such as '.jsonl.zst', if corpora of that kind can be read."""
    from vocabtrim_core.corpora.formats import FORMATS, SUFFIXES

    found = SUFFIXES.search(label)
    if not found:
        raise InputError(
            f"{label} is not a kind of file that can be read; upload one that ends in "
            f"{', '.join(FORMATS)}, plain or compressed as .gz or .zst."
        )
    return found.group().lower()


def _checked(key: str) -> str:
    """A key is a file name of ours; anything else (it may come from a link) is refused."""
    if not re.fullmatch(r"[0-9a-f]{16}", key):
        raise InputError(f"{key!r} is not a key of this workspace (16 hexadecimal digits).")
    return key


# --- studies ------------------------------------------------------------------------------------


def studies_url() -> str:
    """The Optuna storage of this workspace; `optuna-dashboard` opens this URL as it is."""
    return f"sqlite:///{folder('studies') / 'studies.db'}"
