"""Plain text, for scripts: ids.json (with V) and ids.txt (one id per line)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.exports.exporter import ExportContext, Exporter
from vocabtrim_core.id_mapping import check_ids
from vocabtrim_core.reproducible_files import load_json, save_json, save_text
from vocabtrim_core.vocabulary import DraftVocabulary


def write(vocabulary: DraftVocabulary, context: ExportContext, folder: Path) -> list[Path]:
    """Implements `Exporter.write`: ids.json and ids.txt with the same ascending ids."""
    ids = vocabulary.ids.tolist()
    value = {"vocab_size": vocabulary.vocab_size, "ids": ids}
    return [
        save_json(folder / "ids.json", value, indent=None),
        save_text(folder / "ids.txt", "".join(f"{i}\n" for i in ids)),
    ]


def read(folder: Path, k: int) -> np.ndarray:
    """Implements `Exporter.read`: the ids, once both files hold the same."""
    value, text = load_json(folder / "ids.json"), folder / "ids.txt"
    size = value.get("vocab_size")
    if not isinstance(size, int):
        raise InputError(f'{folder / "ids.json"} must hold a whole "vocab_size".')
    ids = check_ids(value.get("ids"), size, where=str(folder / "ids.json"))
    try:
        lines = text.read_text("ascii").split()
    except (OSError, ValueError) as error:
        raise InputError(f"{text} is not readable text ({error}).") from error
    if lines != [str(i) for i in ids.tolist()]:
        raise InputError(f"{text} and ids.json beside it hold different ids.")
    return ids


EXPORTER = Exporter(
    name="ids",
    title="Plain lists",
    consumer="your own scripts",
    stage="plain",
    semantics="absolute",
    order="ascending",
    files=("ids.json", "ids.txt"),
    how='ids.json is {"vocab_size": V, "ids": [...]}; ids.txt has one id per line. Row i of a '
    "trimmed head is row ids[i] of the full one.",
    example='ids = json.load(open("ids/ids.json"))["ids"]; trimmed_head = head[ids]',
    limits="None.",
    proof="own",
    checked="Read back by our own reader in tests.",
    write=write,
    read=read,
)
