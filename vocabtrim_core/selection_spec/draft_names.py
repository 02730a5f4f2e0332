"""Draft architectures by name: presets, and config.json files of the workspace."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

if TYPE_CHECKING:
    from vocabtrim_core.draft_cost import DraftArchitecture
    from vocabtrim_core.draft_kinds.precision import WeightBytes


def own_drafts() -> list[str]:
    """Names of the config.json files in this workspace, sorted."""
    return sorted(path.name for path in workspace.folder("drafts").glob("*.json"))


def load_draft(name: str) -> DraftArchitecture:
    """Load a draft architecture by name.

    Args:
        name: A preset, or a config.json of this workspace.

    Returns:
        The architecture over its own V.

    Raises:
        InputError: The file cannot be read as one.
    """
    from vocabtrim_core.draft_config import load_architecture
    from vocabtrim_core.draft_presets import PRESETS

    return load_architecture(name if name in PRESETS else draft_file(name))


def draft_file(name: str) -> Path:
    """Locate the config.json of a draft that is no preset.

    Args:
        name: Its name in the workspace; folders in it are ignored.

    Returns:
        The path, whether or not the file exists.
    """
    return workspace.folder("drafts") / Path(name).name


def keep_config(content: bytes) -> str:
    """Store a config.json under a name made from its content.

    Args:
        content: The bytes of the file.

    Returns:
        The name.
    """
    name = f"config-{hashlib.sha256(content).hexdigest()[:8]}.json"
    write_atomic(draft_file(name), content)
    return name


def default_draft(vocab_size: int) -> DraftArchitecture:
    """Choose the draft architecture for a vocabulary size.

    Args:
        vocab_size: V.

    Returns:
        The preset that V decides, as in commands, else Llama 3.1's shapes over it, which stand in
        until one is chosen (`borrowed`).
    """
    from vocabtrim_core.draft_config import preset_of
    from vocabtrim_core.draft_presets import PAPER_DRAFT, PRESETS

    return preset_of(vocab_size) or replace(PRESETS[PAPER_DRAFT], vocab_size=vocab_size)


def is_unchosen(shape: DraftArchitecture) -> bool:
    """Whether shapes are those that stand in because no draft was chosen.

    Args:
        shape: The architecture, over V.

    Returns:
        True for the shapes of `default_draft` where V does not decide a preset.
    """
    from vocabtrim_core.draft_config import borrowed

    default = default_draft(shape.vocab_size)
    return (
        bool(borrowed(shape)) and replace(default, fusion_per_step=shape.fusion_per_step) == shape
    )


def stated_bytes_of(shape: DraftArchitecture) -> WeightBytes | None:
    """Find the bytes per weight that were stated for an architecture beside its shapes.

    Args:
        shape: The architecture.

    Returns:
        Its bytes per weight; None where they are its preset's or file's own.
    """
    named = load_draft(draft_name(shape))
    return None if named.weight_bytes == shape.weight_bytes else shape.part_bytes


def preset_name(shape: DraftArchitecture) -> str:
    """Find the preset that has the shapes of an architecture.

    Args:
        shape: The architecture; its V, its charge of the feature fusion and its bytes per weight
            are not compared.

    Returns:
        The preset's name, "" for other shapes.
    """
    from vocabtrim_core.draft_presets import PRESETS

    preset = PRESETS.get(shape.name)
    return shape.name if preset and _alike(preset, shape) else ""


def draft_name(shape: DraftArchitecture) -> str:
    """Find the name of an architecture, and store its config.json where it has none.

    Args:
        shape: The architecture.

    Returns:
        A preset, or a config.json of the workspace.
    """
    from vocabtrim_core.draft_config import kept_config

    if name := preset_name(shape):
        return name
    for name in sorted(own_drafts(), key=lambda name: name != f"{shape.name}.json"):
        try:
            if _alike(load_draft(name), shape):
                return name
        except InputError:
            continue  # a file that no longer reads as one
    config = kept_config(replace(shape, fusion_per_step=True))  # the widget `fusion` keeps it
    return keep_config(json.dumps(config, indent=1).encode())


def _alike(known: DraftArchitecture, shape: DraftArchitecture) -> bool:
    """Whether shapes are the same, but for what is stated beside them."""
    return (
        replace(
            known,
            vocab_size=shape.vocab_size,
            fusion_per_step=shape.fusion_per_step,
            weight_bytes=shape.weight_bytes,
        )
        == shape
    )
