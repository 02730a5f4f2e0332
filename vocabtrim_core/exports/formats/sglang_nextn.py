"""SGLang's token map as a tensor, for MTP layers served as NEXTN."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.exports.exporter import SIZE, ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import load_torch, save_torch
from vocabtrim_core.vocabulary import DraftVocabulary

NAME = "hot_tokens_<N>.pt"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: int64[k] of absolute ids, most frequent first."""
    path = folder / NAME.replace(SIZE, str(len(vocabulary)))
    return [save_torch(path, context.by_frequency(vocabulary.ids))]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids in the file's order."""
    path = folder / NAME.replace(SIZE, str(k))
    return check_ids(load_torch(path), where=str(path))


EXPORTER = Exporter(
    name="sglang-nextn",
    title="SGLang (token map for NEXTN)",
    consumer="SGLang with patches for MTP layers of the Qwen 3.8 family",
    stage="serve",
    semantics="absolute",
    order="frequency",
    files=(NAME,),
    how="Name the file when the server starts with the model's own MTP layers.",
    example="python -m sglang.launch_server --model-path TARGET --speculative-algorithm NEXTN \\\n"
    "  --speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 \\\n"
    "  --speculative-token-map sglang-nextn/hot_tokens_<N>.pt",
    limits="The patches slice the shared head of NEXTN as SGLang slices that of EAGLE-1 and 2; "
    "without them SGLang indexes a quantised head or a shard of it wrongly, or ignores the map. "
    "Above one rank ids outside a rank's shard fail. Leave the flag out to draft over all V. Rows "
    "are copied: k rows of the head in memory beside it.",
    proof="loaded",
    checked="Read by SGLang 0.5.23's own load_token_map, taken out of its package and run alone "
    "(in tests where SGLang is installed); no server was started with it.",
    full="sglang-nextn: all V tokens are kept, so the map changes nothing but the order of the "
    "head's rows; leave --speculative-token-map out.",
    write=write,
    read=read,
    wants={
        "counts": "sglang-nextn: the ids ascend instead of falling in frequency: no counts given."
    },
)
