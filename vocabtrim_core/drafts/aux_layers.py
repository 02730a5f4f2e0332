"""Which of the target's layers an EAGLE-3 draft reads, as its config.json says it.

A draft fuses the outputs of (mostly) three decoder layers. Two numberings are in use, under one
name in two places, and each engine reads its own without a word about the other:

    eagle_config.eagle_aux_hidden_state_layer_ids    [1, 14, 26]  SGLang, Model-Optimizer
        0 is the output of the first decoder layer, as SpecForge and everything here counts
    eagle_aux_hidden_state_layer_ids (top level)     [2, 15, 27]  vLLM, llama.cpp, speculators
        0 is the embedding, 1 the output of the first decoder layer

vLLM takes the first place, unchanged, where there is nothing at the second: one layer too early.
So drafts are written with both; with neither, all engines take the layers that `default` gives.
TensorRT-LLM reads neither: its eagle3_layers_to_capture counts as SpecForge does.
Read in vLLM 0.32.0, SGLang 0.5.23, llama.cpp of October 2026, speculators 0.9.0, Model-Optimizer
0.47.0 and TensorRT-LLM's sources of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vocabtrim_core.errors import InputError

KEY, NESTED = "eagle_aux_hidden_state_layer_ids", "eagle_config"
MARK = "vocabtrim_aux_layers"  # ours, counted as SpecForge does; engines pass over it


def default(layers: int) -> tuple[int, int, int]:
    """What engines read where a draft names no layers, for a target of so many decoder layers."""
    return 1, layers // 2 - 1, layers - 4


def with_layers(config: Mapping[str, Any], layers: Sequence[int]) -> dict[str, Any]:
    """config.json of a draft that reads the outputs of these layers (0-based) in every engine."""
    nested = {**(config.get(NESTED) or {}), KEY: list(layers)}
    return {**config, KEY: [i + 1 for i in layers], NESTED: nested, MARK: list(layers)}


def same_draft(config: Mapping[str, Any], other: Mapping[str, Any], where: str) -> bool:
    """Whether two config.json say the same, the layers in whatever way each has it."""
    layers = read_layers(config, where)
    return layers == read_layers(other, where) and (
        with_layers(config, layers or ()) == with_layers(other, layers or ())
    )


def read_layers(config: Mapping[str, Any], where: str) -> tuple[int, ...] | None:
    """The 0-based decoder layers whose outputs the draft was trained on; None where none are named.

    Our mark decides; without it, each place has the numbering of the formats that use it.
    InputError where two places name different layers, or the value is no list of layers.
    where: the file, for the message.
    """
    found = _named(config, where)
    if MARK in found:
        return found[MARK]
    if len(set(found.values())) > 1:
        ours, theirs = (list(config[NESTED][KEY]), list(config[KEY]))
        raise InputError(
            f"{where}: {NESTED}.{KEY} = {ours} and the top-level {KEY} = {theirs} are different "
            "layers (SGLang counts decoder layers from 0, vLLM from 1), so nothing says which the "
            f"draft was trained on; set {MARK} to the 0-based layers."
        )
    return next(iter(found.values()), None)


def named_for(config: Mapping[str, Any]) -> str:
    """Which engines find the layers where this config.json names them, in a few words."""
    nested = isinstance(config.get(NESTED), Mapping) and bool(config[NESTED].get(KEY))
    if nested and config.get(KEY):
        return "layers are named for vLLM, llama.cpp and SGLang"
    if nested:
        return "layers are named for SGLang alone (vLLM takes them one too early): export it again"
    return "layers are named for vLLM and llama.cpp, not for SGLang"


def disagreement(config: Mapping[str, Any], where: str) -> str | None:
    """What an engine would read wrongly in a folder whose layers are known by our mark."""
    found = _named(config, where)
    for place, layers in found.items():
        if layers != found.get(MARK, layers):
            return (
                f"{where}: {place} gives an engine the layers {list(layers)}, but the draft was "
                f"trained on {list(found[MARK])} ({MARK}); export it again."
            )
    return None


def _named(config: Mapping[str, Any], where: str) -> dict[str, tuple[int, ...]]:
    """0-based layers by the place that names them."""
    nested = {} if config.get(NESTED) is None else config[NESTED]
    if not isinstance(nested, Mapping):
        raise InputError(f"{where}: {NESTED} must be an object, not {nested!r}.")
    places = (
        (MARK, config.get(MARK), 0),
        (f"{NESTED}.{KEY}", nested.get(KEY), 0),
        (KEY, config.get(KEY), 1),
    )
    found = {}
    for place, value, first in places:
        if value is None or value == []:
            continue
        if not isinstance(value, list | tuple) or not all(type(i) is int and i >= 0 for i in value):
            raise InputError(f"{where}: {place} must be a list of layer numbers, not {value!r}.")
        found[place] = tuple(i - first for i in value)
    return found
