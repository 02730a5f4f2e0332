"""Ranges of ids, for engines that slice the head of MTP layers by rows in a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from vocabtrim_core import json_text
from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_ranges import from_ranges, to_ranges
from vocabtrim_core.reproducible_files import save_text
from vocabtrim_core.vocabulary import DraftVocabulary

NAME = "ranges.json"


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: [[first, end], ...], the end exclusive, nothing but the list."""
    ranges = [list(pair) for pair in to_ranges(vocabulary.ids.tolist())]
    return [save_text(folder / NAME, json.dumps(ranges, separators=(",", ":")) + "\n")]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids of the ranges, which must ascend and not overlap."""
    path = folder / NAME
    try:
        value = json_text.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON ({error}).") from error
    return np.array(from_ranges(value, str(path)), np.int64)


EXPORTER = Exporter(
    name="mtp-ranges",
    title="vLLM (MTP, ranges of ids)",
    consumer="vLLM forks that read VLLM_MTP_DRAFT_VOCAB_RANGES, MTP of Qwen 3.8",
    stage="serve",
    semantics="absolute",
    order="ascending",
    files=(NAME,),
    how="Give the content of the file, not its name, in the environment of the server. The end of "
    "a range is exclusive.",
    example='VLLM_MTP_DRAFT_VOCAB_RANGES="$(cat mtp-ranges/ranges.json)" vllm serve TARGET \\\n'
    '  --speculative-config \'{"method": "mtp", "num_speculative_tokens": 3}\'',
    limits="The ranges are exact, and a list by frequency has thousands. Engines compute each "
    "range apart and are meant for a few: `ranges --most N` finds the tightest cover in N ranges "
    "and says what its extra ids cost. Stock vLLM ignores the variable; unset it to draft over "
    "all V. Forks of llama.cpp read LLAMA_MTP_DRAFT_VOCAB_RANGES, written 0:65536,….",
    proof="documented",
    checked="Written to the documented format and read back by our own reader; not loaded with "
    "such a fork.",
    full="mtp-ranges: all V tokens are kept, one range that changes nothing.",
    write=write,
    read=read,
)
