"""Ids that vLLM patches slice the shared head of MTP layers by: text, and a NumPy array."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import load_arrays, save_npy, save_text
from vocabtrim_core.vocabulary import DraftVocabulary

TEXT, ARRAY = "draft_vocab.txt", "draft_vocab.npy"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: one id per line, and int64[k]."""
    ids = vocabulary.ids
    return [
        save_text(folder / TEXT, "".join(f"{i}\n" for i in ids.tolist())),
        save_npy(folder / ARRAY, ids.astype(np.int64)),
    ]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids, once both files hold the same."""
    array = load_arrays(folder / ARRAY)
    ids = check_ids(array, where=str(folder / ARRAY))
    try:
        lines = (folder / TEXT).read_text("ascii").split()
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / TEXT} is not readable text ({error}).") from error
    if lines != [str(i) for i in ids.tolist()]:
        raise InputError(f"{folder / TEXT} and {ARRAY} beside it hold different ids.")
    return ids


EXPORTER = Exporter(
    name="mtp-ids",
    title="vLLM (MTP, list of ids)",
    consumer="vLLM with a patch that reads VLLM_MTP_DRAFT_VOCAB, MTP of Qwen 3.5 to 3.8",
    stage="serve",
    semantics="absolute",
    order="ascending",
    files=(TEXT, ARRAY),
    how="Name the file in the environment of the server; which of the two depends on the patch. "
    "The patch copies these rows of the head that the MTP layers share with the target, and gives "
    "every other token the logit minus infinity. Nothing in the checkpoint changes.",
    example="VLLM_MTP_DRAFT_VOCAB=$PWD/mtp-ids/draft_vocab.npy \\\n"
    "vllm serve TARGET --speculative-config \\\n"
    '  \'{"method": "mtp", "num_speculative_tokens": 3, "use_local_argmax_reduction": true}\'',
    limits="Stock vLLM ignores the variable. Patches of the text file act in the local argmax: "
    "without use_local_argmax_reduction the list is ignored, and nothing says so. Most of them "
    "leave the head whole where it is quantised, has a bias or is split over ranks; the one for "
    "the array drops ids outside V in silence. Unset the variable to draft over all V. Proof that "
    "it works: the log says how many rows of V are in use (`MTP reduced draft vocabulary: <N> of "
    "… rows`, or `on, <N> of … rows`).",
    proof="documented",
    checked="Written to the documented formats and read as the patches read them, by numpy.load "
    "and line by line; not loaded with a patched vLLM.",
    full="mtp-ids: all V tokens are kept, so patches leave the head whole.",
    write=write,
    read=read,
)
