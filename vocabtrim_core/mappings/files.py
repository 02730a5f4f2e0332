"""Read the files that hold draft vocabularies, as numbers.

    .pt .pth .bin  {"d2t", "t2d"} (SpecForge, EAGLE), {"selected_token_ids"} (NeMo), a list of ids
                   (FR-Spec, SGLang token map), a bare tensor of offsets (Model-Optimizer)
    .npy .npz      d2t.npy with t2d.npy beside it (speculators), arrays ids or d2t and t2d
    .json .txt     ids, as an array, {"ids": [...]}, ranges [[first, end], ...], or one per line
    .i32 .csv      raw int32; a table with a column token_id (llama.cpp's MTP tools)
    .gguf          the tokens of a smaller head: nextn_draft_vocab_ids or d2t
    .safetensors   d2t, t2d and the number of lm_head rows of a draft; only these are read
    a folder       an export of ours, a draft checkpoint, a checkpoint with a smaller head for its
                   MTP layers, or one that holds one of the files above

Pickles of anything but plain tensors and numbers are refused: loading them could run code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings import mtp_lists
from vocabtrim_core.mappings.raw import RawMapping, integers, mask, plain
from vocabtrim_core.mappings.tokenizer_identity import identity_beside, identity_in
from vocabtrim_core.torch_files import open_torch

NAMES = (
    "vocab_mapping.pt",
    "cache.pt",
    "d2t.npy",
    "d2t.pt",
    "draft_token_map.pt",
    "ids.json",
    "ids.txt",
    "draft_vocabulary.npz",
    "mtp_draft_vocab_ids.pt",
)


def read_raw(path: Path) -> RawMapping:
    """Read the mapping of a file or folder, in any of the formats above.

    Args:
        path: The file or folder.

    Returns:
        The mapping's numbers, not yet interpreted, with the tokenizer that its file or the manifest
        beside it names.

    Raises:
        InputError: Nothing is there, the format is not supported, or the content is unusable.
    """
    raw = _read(path)
    return raw if raw.origin else replace(raw, origin=identity_beside(path))


def _read(path: Path) -> RawMapping:
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise InputError(f"There is no mapping at {path}; give a file or a folder.")
    read = READERS.get(path.suffix.lower())
    if read is None:
        raise InputError(
            f"{path.name} is not a kind of file that holds a mapping; give one that ends in "
            f"{', '.join(READERS)}, or a folder."
        )
    return read(path)


# --- folders ------------------------------------------------------------------------------------


def _folder(path: Path) -> RawMapping:
    if (path / "manifest.json").is_file():
        return _export(path)
    if (path / "config.json").is_file():
        return _checkpoint(path)
    for name in NAMES:
        if (path / name).is_file():
            return replace(_read(path / name), name=f"{path.name}/{name}")
    raise InputError(
        f"The folder {path} holds no mapping: no manifest.json of an export, no config.json of a "
        f"draft, and none of {', '.join(NAMES)}."
    )


def _export(path: Path) -> RawMapping:
    """Read an export of ours: the first of its formats, as its consumer would read it."""
    from vocabtrim_core.exports import FORMATS, Manifest

    manifest = Manifest.load(path)
    for entry in manifest.formats:
        name = str(entry["name"])
        if name in FORMATS:
            ids = FORMATS[name].read(path / FORMATS[name].home, manifest.k)
            return RawMapping(
                path.name,
                "export folder",
                ids,
                vocab_size=manifest.vocab_size,
                any_order=FORMATS[name].order != "ascending",
                label=name,
                resolved=True,
            )
    raise InputError(f"{path / 'manifest.json'} names no format that is known here.")


def _checkpoint(path: Path) -> RawMapping:
    from vocabtrim_core.drafts.checkpoint import open_checkpoint
    from vocabtrim_core.drafts.mtp.checkpoint_copy import IDS, read_draft_head

    if (path / IDS).is_file():
        ids, size = read_draft_head(path)
        return RawMapping(
            path.name, "MTP checkpoint", ids, label="vLLM", vocab_size=size, resolved=True
        )
    checkpoint = open_checkpoint(path)
    tensors, size = checkpoint.tensors, checkpoint.size("vocab_size")
    head = tensors.get("lm_head.weight") if "fc.weight" in tensors else None
    if head is not None and "d2t" not in tensors and _rows(path, head.shape) == size:
        ids = np.arange(size)  # a draft of all V tokens
        return RawMapping(
            path.name, "draft checkpoint", ids, label="every engine", vocab_size=size, resolved=True
        )
    return replace(
        _from_tensors(path, tensors),
        vocab_size=size,
        draft_vocab_size=checkpoint.size("draft_vocab_size"),
    )


# --- files --------------------------------------------------------------------------------------


def _safetensors(path: Path) -> RawMapping:
    from vocabtrim_core.drafts.tensor_files import read_tensors

    return _from_tensors(path, read_tensors(path))


def _from_tensors(path: Path, tensors: Mapping[str, Any]) -> RawMapping:
    """Read the tensors of a draft, which are found by the last part of their names."""
    by_name = {name.rpartition(".")[2]: tensor for name, tensor in tensors.items()}
    heads = [tensor for name, tensor in tensors.items() if name.endswith("lm_head.weight")]
    if "d2t" not in by_name:
        raise InputError(
            f"{path} has no d2t among its {len(tensors)} tensors, so it is a draft with the full "
            "vocabulary, or none at all."
        )
    return RawMapping(
        path.name,
        "draft checkpoint",
        by_name["d2t"].integers(),
        "offset",
        "d2t",
        by_name["t2d"].mask() if "t2d" in by_name else None,
        any_order="t2d" not in by_name,
        head_rows=_rows(path, heads[0].shape) if heads else None,
    )


def _rows(path: Path, shape: Sequence[int]) -> int:
    """The rows of an LM head of this shape."""
    if len(shape) != 2:
        raise InputError(f"{path}: lm_head.weight has the shape {list(shape)}, not [k, H].")
    return int(shape[0])


def _torch(path: Path) -> RawMapping:
    value = open_torch(path)
    if isinstance(value, dict):
        return _from_dict(path, value)
    return plain(path, value, "token map (.pt)")


def _from_dict(path: Path, value: dict[Any, Any]) -> RawMapping:
    import torch

    if "selected_token_ids" in value:
        size = value.get("target_vocab_size")
        return RawMapping(
            path.name,
            "NeMo token map",
            integers(path, value["selected_token_ids"]),
            label="selected_token_ids",
            any_order=True,
            vocab_size=size if isinstance(size, int) else None,
        )
    named = {str(name).rpartition(".")[2]: item for name, item in value.items() if item is not None}
    if "d2t" in named:
        head = next((t for n, t in value.items() if str(n).endswith("lm_head.weight")), None)
        return RawMapping(
            path.name,
            "d2t and t2d (.pt)",
            integers(path, named["d2t"]),
            "offset",
            "d2t",
            mask(path, named["t2d"]) if "t2d" in named else None,
            any_order="t2d" not in named,
            head_rows=_rows(path, head.shape) if isinstance(head, torch.Tensor) else None,
        )
    if value and all(isinstance(name, int) for name in value):
        raise InputError(
            f"{path} holds token frequencies (id -> count), not a choice of tokens; count the "
            "corpus here, or give the mapping that was made from them."
        )
    keys = ", ".join(map(str, list(value)[:5])) or "nothing"
    raise InputError(f"{path} has no d2t and no selected_token_ids; it holds {keys}.")


def _npy(path: Path) -> RawMapping:
    from vocabtrim_core.reproducible_files import load_arrays

    array = load_arrays(path)
    if array.dtype == bool:
        partner = path.with_name(path.name.replace("t2d", "d2t"))
        if partner != path and partner.is_file():
            return _npy(partner)
        return RawMapping(path.name, "t2d (.npy)", None, t2d=mask(path, array))
    if "d2t" not in path.name:
        return plain(path, array, "ids (.npy)")
    partner = path.with_name(path.name.replace("d2t", "t2d"))
    t2d = mask(partner, load_arrays(partner)) if partner.is_file() else None
    numbers = integers(path, array)
    return RawMapping(path.name, "d2t and t2d (.npy)", numbers, "offset", "d2t", t2d, t2d is None)


def _npz(path: Path) -> RawMapping:
    from vocabtrim_core.reproducible_files import load_arrays

    arrays = load_arrays(path)
    t2d = mask(path, arrays["t2d"]) if "t2d" in arrays else None
    if "d2t" in arrays:
        numbers = integers(path, arrays["d2t"])
        return RawMapping(path.name, "NumPy archive", numbers, "offset", "d2t", t2d, t2d is None)
    if "ids" in arrays:
        return replace(plain(path, arrays["ids"], "NumPy archive"), t2d=t2d)
    raise InputError(f"{path} has neither d2t nor ids; it holds {', '.join(arrays) or 'nothing'}.")


def _json(path: Path) -> RawMapping:
    try:
        value = json_text.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    size = value.get("vocab_size") if isinstance(value, dict) else None
    ids = value.get("ids") if isinstance(value, dict) else value
    if mtp_lists.are_ranges(ids):
        raw = mtp_lists.ranges(path, ids)
    else:
        raw = plain(path, ids, "ids (.json)")
    about = value.get("about") if isinstance(value, dict) else None
    return replace(
        raw,
        vocab_size=size if isinstance(size, int) else None,
        origin=identity_in(value),
        about=about if isinstance(about, str) else "",
    )


READERS: Mapping[str, Callable[[Path], RawMapping]] = {
    ".pt": _torch,
    ".pth": _torch,
    ".bin": _torch,
    ".npy": _npy,
    ".npz": _npz,
    ".json": _json,
    ".txt": mtp_lists.lines,
    ".i32": mtp_lists.int32,
    ".csv": mtp_lists.table,
    ".gguf": mtp_lists.gguf,
    ".safetensors": _safetensors,
}
