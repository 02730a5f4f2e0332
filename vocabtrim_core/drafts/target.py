"""The target of a training run: a model folder, checked for what capture and SpecForge need."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.draft_config import architecture_from_config
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds.aux_layers import default, with_layers
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.checkpoint import Checkpoint, open_checkpoint
from vocabtrim_core.drafts.lm_head import EMBEDDING, HEAD
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.tokenizers.files import licence
from vocabtrim_core.wording import EARLIER_DEMO
from vocabtrim_core.workspace.files import write_atomic

DEMO = "demo"  # name of the target that earlier versions trained
INDEX_SUFFIX = ".index.json"
EDGE = 2**20  # bytes of either end of a weight file that go into the fingerprint
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A model that drafts are trained for.

    Attributes:
        folder: The model folder, an absolute path.
        name: Its name for people.
        architecture: The shapes of a draft for it.
        layers: Number of its decoder layers.
        aux_layers: The three decoder layers whose outputs an EAGLE-3 draft fuses, 0-based.
        head_key: Name of the head's tensor; the embedding's when the two are tied.
        embedding_key: Name of the embedding's tensor.
        special_ids: bos_token_id, eos_token_id and pad_token_id, as far as known.
        licence: The licence that its folder names.
        bundled: Whether it is the bundled target.
        fingerprint: Hex sha256 of its config and of parts of its weights.
    """

    folder: Path
    name: str
    architecture: DraftArchitecture
    layers: int
    aux_layers: tuple[int, int, int]
    head_key: str
    embedding_key: str
    special_ids: Mapping[str, int]
    fingerprint: str
    licence: str
    bundled: bool

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.architecture.hidden_size

    @property
    def vocab_size(self) -> int:
        """V."""
        return self.architecture.vocab_size

    def draft_config(self, k: int) -> dict[str, Any]:
        """Build the config.json of a draft: one decoder layer of the target's shape.

        The captured layers are always named, so that no reader has to guess them.

        Args:
            k: Rows of the draft's head.

        Returns:
            The content of config.json.
        """
        config = {**self.architecture.draft_config(k), **self.special_ids}
        return with_layers(config, self.aux_layers)


def target_folder(spec: str | Path, progress: Progress = lambda *_, **__: None) -> Path:
    """Return the folder of a target: the bundled one is converted first, others are downloaded.

    Args:
        spec: A model folder, the name of the bundled target (smollm2), or a hub id.
        progress: Called as progress(done, total, message) during a conversion.

    Returns:
        The folder, which exists.

    Raises:
        InputError: There is no such folder, or the model cannot be converted or downloaded.
    """
    if bundled_target.is_bundled(spec):
        return bundled_target.ensure(progress).folder
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return folder
    if str(spec) == DEMO:
        earlier = workspace.folder("targets") / DEMO
        here = f", or {earlier} for the {EARLIER_DEMO}" if earlier.is_dir() else ""
        raise InputError(
            f"There is no target {DEMO} any more; give {bundled_target.NAME}, the bundled "
            f"{bundled_target.TITLE}{here}."
        )
    return _from_hub(str(spec))


def target_path(spec: Path | None, progress: Progress = lambda *_, **__: None) -> Path | None:
    """Return the folder of a target that is given by path or as the bundled one.

    Args:
        spec: A path, the name of the bundled target, or None.
        progress: As for `target_folder`.

    Returns:
        The folder, which need not exist where it is a path; None for None.

    Raises:
        InputError: The bundled target cannot be converted.
    """
    named = spec is not None and (bundled_target.is_bundled(spec) or str(spec) == DEMO)
    return target_folder(spec, progress) if spec and named else spec


def target_architecture(spec: str | Path) -> DraftArchitecture:
    """Return the shapes of a draft for a target, without converting the bundled one.

    Args:
        spec: As for `load_target`.

    Returns:
        The shapes.

    Raises:
        InputError: As for `load_target`.
    """
    if bundled_target.is_bundled(spec):
        return PRESETS[bundled_target.ARCHITECTURE]
    return load_target(spec).architecture


def load_target(spec: str | Path, progress: Progress = lambda *_, **__: None) -> Target:
    """Open and check a target.

    Args:
        spec: A model folder, the name of the bundled target (smollm2), or a hub id.
        progress: Called as progress(done, total, message) where the bundled one is converted first.

    Returns:
        The target; its weights are not read.

    Raises:
        InputError: Config, weights or head are missing, it has fewer than four decoder layers, or
            the hub model cannot be downloaded.
    """
    folder = target_folder(spec, progress)
    checkpoint = open_checkpoint(folder)
    layers = checkpoint.size("num_hidden_layers")
    if layers is None or layers < 4:
        raise InputError(
            f"{folder / CONFIG} names {layers or 'no'} decoder layers; EAGLE-3 needs four, to "
            "fuse three below the last one."
        )
    embedding = _key(checkpoint, EMBEDDING)
    tied = bool(checkpoint.model.get("tie_word_embeddings"))
    return Target(
        folder=folder.resolve(),
        name=checkpoint.name,
        architecture=architecture_from_config(checkpoint.model, checkpoint.name),
        layers=layers,
        aux_layers=aux_layers(layers),
        head_key=embedding if tied else _key(checkpoint, HEAD),
        embedding_key=embedding,
        special_ids=_special_ids(checkpoint),
        fingerprint=_fingerprint(checkpoint),
        licence=licence(folder),
        bundled=folder.resolve() == bundled_target.folder().resolve(),
    )


def aux_layers(layers: int) -> tuple[int, int, int]:
    """Choose a low, a middle and a high layer to fuse.

    This is the default of SpecForge and the engines, which repeats layers below 7. The last layer
    is never chosen, since its output is only seen after the norm.

    Args:
        layers: Number of the target's decoder layers, at least 4.

    Returns:
        Three 0-based layers, ascending.
    """
    if layers >= 7:
        return default(layers)
    return 0, (layers - 2) // 2, layers - 2


def trainer_folder(target: Target, home: Path) -> Path:
    """Return a folder of the target that SpecForge can read: exactly one index file of the weights.

    Args:
        target: The target.
        home: The folder in which a view of the target is made where its own has no such index.

    Returns:
        The target's own folder, or `home`/target with links and an index.

    Raises:
        InputError: The target's folder is no longer sound.
    """
    if len(list(target.folder.glob(f"*{INDEX_SUFFIX}"))) == 1:
        return target.folder
    view = home / "target"
    view.mkdir(parents=True, exist_ok=True)
    checkpoint = open_checkpoint(target.folder)
    for path in target.folder.iterdir():
        link = view / path.name
        if path.is_file() and not path.name.endswith(INDEX_SUFFIX) and not link.is_symlink():
            link.symlink_to(path)
    file_of = {name: file for file, shard in checkpoint.shards.items() for name in shard}
    index = {"metadata": {}, "weight_map": dict(sorted(file_of.items()))}
    content = json.dumps(index, indent=1).encode()
    path = view / "model.safetensors.index.json"
    # Resuming compares the files of the target, so an equal file is left as it is.
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
    return view


def _from_hub(name: str) -> Path:
    """Download the files of a hub model; none of them is executed."""
    from huggingface_hub import snapshot_download

    allowed = ["*.json", "*.safetensors", "*.jinja", "LICENSE*"]
    if name.count("/") != 1 or name.startswith((".", "/")):
        raise InputError(
            f"There is no model folder at {name}; give a folder, a hub id such as "
            f"meta-llama/Llama-3.2-1B-Instruct, or {bundled_target.NAME}."
        )
    try:
        return Path(snapshot_download(name, allow_patterns=allowed))
    except Exception as error:
        raise InputError(
            f"The hub model {name} cannot be downloaded ({type(error).__name__}); check the name "
            "and the internet connection, or give a folder that holds the model."
        ) from error


def _key(checkpoint: Checkpoint, suffix: str) -> str:
    names = [name for name in checkpoint.tensors if name == suffix or name.endswith(f".{suffix}")]
    if len(names) != 1:
        raise InputError(
            f"{checkpoint.folder} has {len(names) or 'no'} tensors named {suffix}; a target needs "
            "exactly one (a quantised target cannot be trained for: give the original)."
        )
    return names[0]


def _special_ids(checkpoint: Checkpoint) -> dict[str, int]:
    """Return pad, bos and eos as one id each; config.json may list several eos ids."""
    ids = {}
    for role in ("bos_token_id", "eos_token_id", "pad_token_id"):
        value = checkpoint.model.stated(role)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, int) and value >= 0:
            ids[role] = value
    ids.setdefault("pad_token_id", ids.get("eos_token_id", 0))
    return ids


def _fingerprint(checkpoint: Checkpoint) -> str:
    """Hash config.json, tensor names and shapes, and both ends of each weight file.

    Hashing every byte of many gigabytes would take longer than a small capture.

    Returns:
        Hex sha256.
    """
    digest = hashlib.sha256(json.dumps(checkpoint.config, sort_keys=True).encode())
    for name, shard in checkpoint.shards.items():
        path = checkpoint.folder / name
        shapes = {tensor: list(stored.shape) for tensor, stored in shard.items()}
        digest.update(json.dumps([path.stat().st_size, shapes], sort_keys=True).encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE))
            file.seek(max(path.stat().st_size - EDGE, 0), os.SEEK_SET)
            digest.update(file.read(EDGE))
    return digest.hexdigest()
