"""GGUF files with a smaller head for drafting, quantised blocks as they are.

Two layouts are in use. A copy of a model with its MTP layer gets `blk.N.nextn.draft_head.weight`
and the key `ARCH.nextn_draft_vocab_ids` beside its whole head. A draft in a file of its own
(sidecar) gets a smaller `output.weight` and a tensor `d2t` (I64, the token of each row).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.drafts.mtp.gguf_heads import (
    ARCHITECTURES,
    D2T,
    DRAFT_HEAD,
    EMBEDDING,
    IDS_KEY,
    OUTPUT,
    SHARED_HEAD,
    first_nextn,
    whole_head,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.tokenizers.gguf_vocabulary import open_gguf
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import atomic, write_atomic


@dataclass(frozen=True, slots=True)
class GgufCopy:
    """What was written. Sizes are bytes.

    Attributes:
        k: Rows of the smaller head.
        vocab_size: V.
        head: The tensor whose rows were taken.
        layout: Its type, such as "Q6_K".
        head_bytes: Its size.
        draft_head_bytes: Size of the smaller head.
        files: Paths of what was written.
        notes: What the reader of the file needs to know.
    """

    k: int
    vocab_size: int
    head: str
    layout: str
    head_bytes: int
    draft_head_bytes: int
    files: tuple[str, ...]
    notes: tuple[str, ...]


def gguf_with_draft_head(
    source: Path,
    vocabulary: DraftVocabulary,
    out: Path,
    progress: Callable[[str], object] = lambda _: None,
) -> GgufCopy:
    """Copy a GGUF file of a model with an MTP layer, with a smaller head beside the whole one.

    Args:
        source: The file; it is not changed.
        vocabulary: The tokens of the smaller head.
        out: The new file; out.vocab.csv is written beside it.
        progress: Called with a few words.

    Returns:
        What was written.

    Raises:
        InputError: It is no such file, of another V, has a head of its own, or `out` exists.
    """
    reader, architecture = _opened(source, out)
    first = first_nextn(reader, architecture, source)
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    if any(SHARED_HEAD in name for name in by_name):
        raise InputError(
            f"{source}: the MTP layer has a head of its own ({SHARED_HEAD}), which this reader "
            "does not slice; write a sidecar (--sidecar)."
        )
    if DRAFT_HEAD.format(first) in by_name:
        raise InputError(f"{source} has a smaller head already; give the file it was made from.")
    head = whole_head(by_name, vocabulary, source)
    rows = np.ascontiguousarray(head.data[vocabulary.ids])
    extra = [(DRAFT_HEAD.format(first), rows, head.tensor_type)]
    key = (f"{architecture}.{IDS_KEY}", [int(i) for i in vocabulary.ids])
    progress("copying")
    with atomic(out, source.stat().st_size + rows.nbytes) as scratch:
        _write(reader, architecture, scratch, extra, {}, key)
    table = out.with_suffix(".vocab.csv")
    write_atomic(table, _vocabulary_csv(vocabulary, _tokens(reader)).encode())
    return GgufCopy(
        len(vocabulary),
        vocabulary.vocab_size,
        head.name,
        head.tensor_type.name,
        int(head.n_bytes),
        rows.nbytes,
        (str(out), str(table)),
        tuple(_copy_notes(architecture, head.name)),
    )


def gguf_sidecar(
    source: Path,
    vocabulary: DraftVocabulary,
    out: Path,
    progress: Callable[[str], object] = lambda _: None,
) -> GgufCopy:
    """Trim the head of a draft in a GGUF file of its own.

    Args:
        source: The draft's file, with output.weight or a head in its MTP layer; not changed.
        vocabulary: The tokens to keep.
        out: The new file.
        progress: Called with a few words.

    Returns:
        What was written.

    Raises:
        InputError: It is no such file, of another V, is reduced already, or `out` exists.
    """
    reader, architecture = _opened(source, out)
    by_name = {tensor.name: tensor for tensor in reader.tensors}
    if D2T in by_name:
        raise InputError(
            f"{source} has d2t, a reduced head, already; give the file it was made of."
        )
    first_nextn(reader, architecture, source)
    heads = [t for name, t in by_name.items() if name == OUTPUT or SHARED_HEAD in name]
    head = whole_head(by_name, vocabulary, source)
    heads = heads or [head]
    sliced = {t.name: np.ascontiguousarray(t.data[vocabulary.ids]) for t in heads if t is not None}
    extra: list[tuple[str, np.ndarray, Any]] = [(D2T, vocabulary.ids.astype(np.int64), None)]
    if head.name == EMBEDDING:  # tied: rows are copied, the embedding stays whole
        rows = sliced.pop(EMBEDDING)
        extra.append((OUTPUT, rows, head.tensor_type))
        written = rows.nbytes
    else:
        written = sum(rows.nbytes for rows in sliced.values())
    progress("writing")
    with atomic(out, source.stat().st_size) as scratch:
        _write(reader, architecture, scratch, extra, sliced, None)
    return GgufCopy(
        len(vocabulary),
        vocabulary.vocab_size,
        head.name,
        head.tensor_type.name,
        int(head.n_bytes),
        written,
        (str(out),),
        (
            "Releases of llama.cpp refuse this file ('output.weight has wrong shape'): the reader "
            f"of d2t for {', '.join(ARCHITECTURES)} is pull request 29143, open when this was "
            "written.",
        ),
    )


def _opened(source: Path, out: Path) -> tuple[Any, str]:
    if out.exists():
        raise InputError(f"{out} exists, and nothing is overwritten; name a new file.")
    reader = open_gguf(source)
    field = reader.get_field("general.architecture")
    return reader, str(field.contents()) if field is not None else ""


def _write(
    reader: Any,
    architecture: str,
    path: Path,
    extra: list[tuple[str, np.ndarray, Any]],
    replaced: dict[str, np.ndarray],
    key: tuple[str, list[int]] | None,
) -> None:
    from gguf import GGUFValueType, GGUFWriter

    writer = GGUFWriter(str(path), architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        value, kind = field.contents(), field.types[0]
        is_list = kind == GGUFValueType.ARRAY
        if is_list and not value:
            continue  # the library cannot write an empty list; a missing one reads the same
        writer.add_key_value(name, value, kind, field.types[-1] if is_list else None)
    if key is not None:
        writer.add_array(*key)
    writer.data_alignment = reader.alignment
    for tensor in reader.tensors:
        stored: np.ndarray = tensor.data
        data = replaced.get(tensor.name, stored)
        writer.add_tensor(tensor.name, data, raw_dtype=tensor.tensor_type)
    for name, data, kind in extra:
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tokens(reader: Any) -> list[str]:
    field = reader.get_field("tokenizer.ggml.tokens")
    return [str(token) for token in field.contents()] if field is not None else []


def _vocabulary_csv(vocabulary: DraftVocabulary, tokens: list[str]) -> str:
    import io

    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["reduced_id", "token_id", "text"])
    for row, token in enumerate(vocabulary.ids.tolist()):
        writer.writerow([row, token, tokens[token] if token < len(tokens) else ""])
    return text.getvalue()


def _copy_notes(architecture: str, head: str) -> list[str]:
    notes = [
        "Only llama.cpp with the reduced MTP head (`--spec-draft-mtp-vocab`) drafts over it; -1 "
        "drafts over the whole vocabulary with the same file, which shows what the list costs. "
        "Other builds refuse or ignore the added tensor.",
    ]
    if architecture not in ARCHITECTURES:
        notes.append(
            f"The reader looks for it in {', '.join(ARCHITECTURES)} only, and this file is of the "
            f"architecture {architecture}."
        )
    if head == EMBEDDING:
        notes.append("The head is tied to the embedding; the smaller one has copies of its rows.")
    return notes
