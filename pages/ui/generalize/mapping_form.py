"""Which mapping to read: a path of this machine, or uploaded files."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.ui.caching import cached
from pages.ui.frame import plain_errors
from pages.ui.session import session
from pages.ui.uploads import require_readable
from pages.ui.warmup import freeze
from pages.ui.widgets import choose_source, persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.files import READERS
from vocabtrim_core.mappings.imported import ImportedMapping, import_mapping_for
from vocabtrim_core.workspace.uploads import write_together

CAP_MB = 50
KINDS = (
    "vocab_mapping.pt, d2t.npy with t2d.npy, d2t.pt, freq_*.pt, draft_token_map.pt, ids.json or "
    ".txt, .npz, a draft's safetensors or folder, a folder written by Export"
)


@cached(8, "Reading the mapping")
def _load(path: str, changed: float, chooser: StoredCounts) -> ImportedMapping:
    mapping = import_mapping_for(path, chooser.counts)
    freeze()  # a .pt file imports torch
    return mapping


def read(path: Path, chooser: StoredCounts) -> ImportedMapping:
    """The mapping.

    Args:
        path: file or folder.
        chooser: the counted set that it must fit.

    Raises:
        InputError: where it cannot be read, or belongs to another tokenizer.
    """
    changed = path.stat().st_mtime if path.exists() else 0.0
    return _load(str(path), changed, chooser)


def choose() -> Path | None:
    """The path of the mapping; uploads are stored under names of ours."""
    return choose_source({"Path": _path, "Upload": _upload}, "mapping_source")


def _path() -> Path | None:
    text = st.text_input(
        "File or folder on this machine",
        **persisted("mapping_path"),
        placeholder="/models/eagle3-draft/vocab_mapping.pt",
    ).strip()
    return Path(text).expanduser() if text else None


def _upload() -> Path | None:
    files = st.file_uploader(
        "One file, or d2t and t2d together",
        [suffix[1:] for suffix in READERS],
        accept_multiple_files=True,
        key="mapping_files",
        max_upload_size=CAP_MB,
    )
    if files:
        with plain_errors():
            session.mapping_upload = str(store([(file.name, file.getvalue()) for file in files]))
    if not session.mapping_upload:
        return None
    require_readable("mapping", path := Path(session.mapping_upload))
    return path


def store(files: list[tuple[str, bytes]]) -> Path:
    """Store uploads under their content's address; a label only decides among names of ours.

    Readers go by the parts d2t and t2d of a name, and by its suffix.

    Args:
        files: label and content of each.

    Returns:
        The file to read.

    Raises:
        InputError: for a suffix that no reader has.
    """
    named: dict[str, bytes] = {}
    for label, content in files:
        suffix = Path(label).suffix.lower()
        if suffix not in READERS:
            raise InputError(
                f"{label} is not a kind of file that holds a mapping; upload one that ends in "
                f"{', '.join(READERS)}."
            )
        part = next((part for part in ("d2t", "t2d") if part in label.lower()), "mapping")
        named[part + suffix] = content
    return write_together("mappings", "", named) / min(named)  # d2t before mapping before t2d
