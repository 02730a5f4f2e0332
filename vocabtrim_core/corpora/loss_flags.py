"""Flags by which a turn is marked as trained on or not, as trainers write them."""

from __future__ import annotations

from typing import Any

# Key -> the number (or truth value) that means the turn is trained on; the other means it is not.
# `weight`: OpenAI's and Mistral's fine-tuning. `train`, `training`, `train_on_turn`: names in
# Axolotl's documentation, tests and users' configs, which choose the key. `trainable`: Tinker.
# `loss`: ms-swift. `masked`: torchtune.
TRAINED: dict[str, int] = {
    "weight": 1,
    "train": 1,
    "training": 1,
    "train_on_turn": 1,
    "trainable": 1,
    "loss": 1,
    "masked": 0,
}
# Axolotl: the ranges of characters of a turn that are trained on, or not.
DETAILS = ("train_detail", "training_detail")
FLAGS = (*TRAINED, *DETAILS)
SPELLED = {
    "0": 0,
    "0.0": 0,
    "false": 0,
    "no": 0,
    "off": 0,
    "1": 1,
    "1.0": 1,
    "true": 1,
    "yes": 1,
    "on": 1,
}


def is_untrained(turn: dict[str, Any], remarks: list[str]) -> bool:
    """Whether an assistant turn is marked as not trained on.

    One such flag is enough. A value that is neither yes nor no leaves the turn as it is.

    Args:
        turn: The message as the row gives it.
        remarks: List that receives a remark for every flag that was read.

    Returns:
        True where a flag of `TRAINED` or `DETAILS` excludes the turn from training.
    """
    for key, trained_value in TRAINED.items():
        flag = turn.get(key)
        if flag is None or flag == "":
            continue
        value = SPELLED.get(flag.strip().lower()) if isinstance(flag, str) else flag
        if not isinstance(value, int | float) or value not in (0, 1):
            remarks.append(f"`{key}` of an assistant turn is neither 0 nor 1: it counts in full")
        elif value != trained_value:
            shown = repr(flag) if isinstance(flag, bool | str) else f"{flag:g}"
            remarks.append(f"an assistant turn is not counted: its `{key}` is {shown}")
            return True
        elif isinstance(flag, str):
            remarks.append(f"`{key}` of an assistant turn is the text {flag!r}, read as {value}")
    return any(_untrained_ranges(turn, key, remarks) for key in DETAILS)


def _untrained_ranges(turn: dict[str, Any], key: str, remarks: list[str]) -> bool:
    """Whether ranges are given and none is trained.

    Where only some are trained, the turn counts in full, because tokens are counted turn by turn.

    Args:
        turn: The message as the row gives it.
        key: One of `DETAILS`.
        remarks: List that receives a remark where ranges were read.

    Returns:
        True where the turn has ranges and none of them is trained.
    """
    ranges = turn.get(key)
    if ranges is None:
        return False
    if not isinstance(ranges, list) or not all(isinstance(part, dict) for part in ranges):
        remarks.append(f"`{key}` of an assistant turn is no list of ranges: it counts in full")
        return False
    if any(part.get("train") for part in ranges):
        if not all(part.get("train") for part in ranges):
            remarks.append(f"`{key}` trains a part of an assistant turn: it counts in full")
        return False
    if not ranges and any(turn.get(flag) for flag in ("train", "training")):
        return False
    remarks.append(f"an assistant turn is not counted: its `{key}` trains nothing of it")
    return True
