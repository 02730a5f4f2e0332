"""A model folder in the hub's layout: config.json and weights that are mapped, not read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vocabtrim_core.drafts.tensor_files import StoredTensor, read_tensors
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG, ModelConfig, read_config
from vocabtrim_core.reproducible_files import load_json

SINGLE, INDEX, TORCH = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """An opened model folder.

    Attributes:
        folder: The folder.
        config: The content of config.json.
        shards: Weight file -> its tensors by name, in file order.
    """

    folder: Path
    config: Mapping[str, Any]
    shards: Mapping[str, Mapping[str, StoredTensor]]

    @property
    def name(self) -> str:
        """The model's name: the last part of its path."""
        return self.folder.resolve().name

    @property
    def tensors(self) -> dict[str, StoredTensor]:
        """All tensors by name."""
        return {name: t for shard in self.shards.values() for name, t in shard.items()}

    @property
    def sharded(self) -> bool:
        """Whether an index file says where each tensor is."""
        return (self.folder / INDEX).is_file()

    @cached_property
    def model(self) -> ModelConfig:
        """config.json with its sections and transformers' defaults."""
        return ModelConfig(self.config, str(self.folder / CONFIG))

    def size(self, name: str) -> int | None:
        """Read a size from config.json.

        Args:
            name: The field.

        Returns:
            A positive whole number; None when the field is absent.

        Raises:
            InputError: The value is something else.
        """
        return self.model.size(name)


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Open a local model folder.

    Args:
        folder: The folder.

    Returns:
        The config and the tensors, which are mapped into memory, not read.

    Raises:
        InputError: There is no such folder, a file of it is missing or damaged, or its weights are
            in no known file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(
            f"There is no model folder at {folder}; give a local one that holds {CONFIG} and its "
            "weights (`hf download` fetches one from the hub)."
        )
    config = read_config(folder).whole
    shards = {name: read_tensors(folder / name) for name in _files(folder)}
    return Checkpoint(folder, config, shards)


def _files(folder: Path) -> list[str]:
    """List the weight files, in a fixed order."""
    if (folder / INDEX).is_file():
        return _indexed(folder)
    for name in (SINGLE, TORCH):
        if (folder / name).is_file():
            return [name]
    candidates = sorted(path.name for path in folder.glob("*.safetensors"))
    if len(candidates) == 1:
        return candidates
    raise InputError(
        f"{folder} has no weights that can be read: {SINGLE}, {INDEX} with its files, or {TORCH}."
    )


def _indexed(folder: Path) -> list[str]:
    places = load_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f'{folder / INDEX} must hold a "weight_map" of tensors and files.')
    files = sorted({str(name) for name in places.values()})
    for name in files:
        if Path(name).name != name:
            raise InputError(f"{folder / INDEX} names {name}, which is not a file beside it.")
        if not (folder / name).is_file():
            raise InputError(f"{folder / INDEX} names {name}, but that file is missing.")
    file_of = {tensor: name for name in files for tensor in read_tensors(folder / name)}
    for tensor, name in places.items():
        if file_of.get(tensor) != name:
            raise InputError(f"{folder / INDEX} places {tensor} in {name}, but it is not there.")
    return files
