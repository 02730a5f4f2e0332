"""The target's layers that an EAGLE-3 draft reads, as its config.json names them.

A draft fuses the outputs of (mostly) three decoder layers. Two numberings are in use, under one
name in two places, and each engine reads one of them without a warning about the other:

    eagle_config.eagle_aux_hidden_state_layer_ids    [1, 14, 26]  SGLang, Model-Optimizer
        0 is the output of the first decoder layer, the numbering of SpecForge and of this package
    eagle_aux_hidden_state_layer_ids (top level)     [2, 15, 27]  vLLM, llama.cpp, speculators
        0 is the embedding, 1 the output of the first decoder layer

vLLM takes the first place, unchanged, where there is nothing at the second: one layer too early.
So drafts are written with both; with neither, all engines take the layers that `default` gives.
TensorRT-LLM reads neither: its eagle3_layers_to_capture has SpecForge's numbering.
Source: the code of vLLM 0.32.0, SGLang 0.5.23, llama.cpp of October 2026, speculators 0.9.0,
Model-Optimizer 0.47.0 and TensorRT-LLM of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vocabtrim_core.errors import InputError

KEY, NESTED = "eagle_aux_hidden_state_layer_ids", "eagle_config"
MARK = "vocabtrim_aux_layers"  # ours, with SpecForge's numbering; engines ignore it


def default(layers: int) -> tuple[int, int, int]:
    """Return the layers that engines read for a draft that names none.

    Args:
        layers: Number of the target's decoder layers.

    Returns:
        Three 0-based decoder layers, which repeat or are negative below 7 layers.
    """
    return 1, layers // 2 - 1, layers - 4


def with_layers(config: Mapping[str, Any], layers: Sequence[int]) -> dict[str, Any]:
    """Name the layers that a draft reads, for every engine.

    Args:
        config: The draft's config.json.
        layers: 0-based decoder layers of the target.

    Returns:
        A new config.json with the layers in both places, and under MARK.
    """
    nested = {**(config.get(NESTED) or {}), KEY: list(layers)}
    return {**config, KEY: [i + 1 for i in layers], NESTED: nested, MARK: list(layers)}


def same_draft(config: Mapping[str, Any], other: Mapping[str, Any], where: str) -> bool:
    """Compare two config.json, the layers in whatever way each names them.

    Args:
        config: One config.json.
        other: The other one.
        where: The file of the first, for messages.

    Returns:
        Whether both describe the same draft.

    Raises:
        InputError: One of them names its layers wrongly, as in `read_layers`.
    """
    layers = read_layers(config, where)
    return layers == read_layers(other, where) and (
        with_layers(config, layers or ()) == with_layers(other, layers or ())
    )


def read_layers(config: Mapping[str, Any], where: str) -> tuple[int, ...] | None:
    """Read the decoder layers whose outputs a draft was trained on.

    MARK decides where it is present. Without it, each place has the numbering of the formats that
    use it.

    Args:
        config: The draft's config.json.
        where: The file, for messages.

    Returns:
        0-based decoder layers of the target; None where none are named.

    Raises:
        InputError: Two places name different layers, or a value is no list of layer numbers.
    """
    by_place = _named(config, where)
    if MARK in by_place:
        return by_place[MARK]
    if len(set(by_place.values())) > 1:
        nested, top_level = (list(config[NESTED][KEY]), list(config[KEY]))
        raise InputError(
            f"{where}: {NESTED}.{KEY} = {nested} and the top-level {KEY} = {top_level} are "
            "different layers (SGLang counts decoder layers from 0, vLLM from 1), so nothing says "
            f"which the draft was trained on; set {MARK} to the 0-based layers."
        )
    return next(iter(by_place.values()), None)


def named_for(config: Mapping[str, Any]) -> str:
    """Describe for which engines a config.json names its layers.

    Args:
        config: The draft's config.json, which names layers somewhere.

    Returns:
        A few words for a list of checks.
    """
    nested = isinstance(config.get(NESTED), Mapping) and bool(config[NESTED].get(KEY))
    if nested and config.get(KEY):
        return "layers are named for vLLM, llama.cpp and SGLang"
    if nested:
        return "layers are named for SGLang alone (vLLM takes them one too early): export it again"
    return "layers are named for vLLM and llama.cpp, not for SGLang"


def disagreement(config: Mapping[str, Any], where: str) -> str | None:
    """Describe what an engine would read wrongly, where MARK says which layers are right.

    Args:
        config: The draft's config.json.
        where: The file, for messages.

    Returns:
        A sentence; None when all places agree, or there is no MARK.

    Raises:
        InputError: A value is no list of layer numbers.
    """
    by_place = _named(config, where)
    for place, layers in by_place.items():
        if layers != by_place.get(MARK, layers):
            return (
                f"{where}: {place} gives an engine the layers {list(layers)}, but the draft was "
                f"trained on {list(by_place[MARK])} ({MARK}); export it again."
            )
    return None


def _named(config: Mapping[str, Any], where: str) -> dict[str, tuple[int, ...]]:
    """Read the 0-based layers by the place that names them."""
    nested = {} if config.get(NESTED) is None else config[NESTED]
    if not isinstance(nested, Mapping):
        raise InputError(f"{where}: {NESTED} must be an object, not {nested!r}.")
    places = (
        (MARK, config.get(MARK), 0),
        (f"{NESTED}.{KEY}", nested.get(KEY), 0),
        (KEY, config.get(KEY), 1),
    )
    by_place = {}
    for place, value, first_layer in places:
        if value is None or value == []:
            continue
        if not isinstance(value, list | tuple) or not all(type(i) is int and i >= 0 for i in value):
            raise InputError(f"{where}: {place} must be a list of layer numbers, not {value!r}.")
        by_place[place] = tuple(i - first_layer for i in value)
    return by_place
