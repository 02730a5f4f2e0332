"""What a turn says about being trained on, as trainers write it."""

from __future__ import annotations

from typing import Any

# Key -> the number (or truth value) that says the turn is trained on; the other one says it is not.
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
    """Whether an assistant turn says that it is not trained on; every reading is remarked.

    One flag that says so is enough. A value that is neither yes nor no leaves the turn as it is.
    """
    for key, on in TRAINED.items():
        said = turn.get(key)
        if said is None or said == "":
            continue
        value = SPELLED.get(said.strip().lower()) if isinstance(said, str) else said
        if not isinstance(value, int | float) or value not in (0, 1):
            remarks.append(f"`{key}` of an assistant turn is neither 0 nor 1: it counts in full")
        elif value != on:
            shown = repr(said) if isinstance(said, bool | str) else f"{said:g}"
            remarks.append(f"an assistant turn is not counted: its `{key}` is {shown}")
            return True
        elif isinstance(said, str):
            remarks.append(f"`{key}` of an assistant turn is the text {said!r}, read as {value}")
    return any(_untrained_ranges(turn, key, remarks) for key in DETAILS)


def _untrained_ranges(turn: dict[str, Any], key: str, remarks: list[str]) -> bool:
    """Whether ranges are given and none is trained. Where only some are, the turn counts in full:
    tokens are counted turn by turn."""
    ranges = turn.get(key)
    if ranges is None:
        return False
    if not isinstance(ranges, list) or not all(isinstance(each, dict) for each in ranges):
        remarks.append(f"`{key}` of an assistant turn is no list of ranges: it counts in full")
        return False
    if any(each.get("train") for each in ranges):
        if not all(each.get("train") for each in ranges):
            remarks.append(f"`{key}` trains a part of an assistant turn: it counts in full")
        return False
    if not ranges and any(turn.get(flag) for flag in ("train", "training")):
        return False
    remarks.append(f"an assistant turn is not counted: its `{key}` trains nothing of it")
    return True
