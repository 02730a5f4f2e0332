"""Raw int32 ids, for forks of llama.cpp that slice the head of MTP layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import SIZE, ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic

NAME = "mtp-draft-vocab-<N>.i32"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: int32[k], little endian, without a header."""
    path = folder / NAME.replace(SIZE, str(len(vocabulary)))
    return [write_atomic(path, vocabulary.ids.astype("<i4").tobytes())]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids, ascending."""
    path = folder / NAME.replace(SIZE, str(k))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error}).") from error
    if len(content) != 4 * k:
        raise InputError(f"{path} has {len(content):,} bytes, not 4 for each of {k:,} ids.")
    return check_ids(np.frombuffer(content, "<i4"), where=str(path))


EXPORTER = Exporter(
    name="llama-cpp-mtp",
    title="llama.cpp (MTP, list of ids)",
    consumer="forks of llama.cpp with --spec-draft-mtp-vocab FILE, MTP of Qwen 3.5 to 3.8",
    stage="serve",
    semantics="absolute",
    order="ascending",
    files=(NAME,),
    how="Name the file when the server starts; it copies these rows of the head, quantised blocks "
    "as they are, and gives every other token the logit minus infinity.",
    example="llama-server -m MODEL.gguf --spec-type draft-mtp --spec-draft-n-max 3 \\\n"
    "  --spec-draft-mtp-vocab llama-cpp-mtp/mtp-draft-vocab-<N>.i32",
    limits="Releases of llama.cpp have no such flag and refuse it. Other forks take a number "
    "there (the first N ids), or read the list out of a GGUF file that `trim-mtp` writes, where "
    "-1 drafts over all V. The copy of the rows needs memory of its own.",
    proof="documented",
    checked="Written to the documented format and read back by our own reader; not loaded with "
    "such a fork.",
    full="llama-cpp-mtp: all V tokens are kept, so leave the flag out.",
    write=write,
    read=read,
)
