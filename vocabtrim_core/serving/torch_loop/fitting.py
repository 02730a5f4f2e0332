"""Loading of a draft, with the checks that it belongs to the target."""

from __future__ import annotations

from pathlib import Path

from vocabtrim_core.draft_kinds.aux_layers import read_layers
from vocabtrim_core.drafts.checkpoint import open_checkpoint
from vocabtrim_core.drafts.lm_head import check_draft, find_head
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.serving.measurement import Configuration
from vocabtrim_core.serving.torch_loop.draft import Eagle3Draft, assemble
from vocabtrim_core.serving.torch_loop.target import TorchTarget


def load_draft(
    configuration: Configuration, folder: Path, target: Target, model: TorchTarget
) -> Eagle3Draft:
    """Load a draft.

    Args:
        configuration: The configuration, with the draft's k.
        folder: Folder of the draft.
        target: The target.
        model: The target's model, whose embedding the draft shares.

    Returns:
        The draft.

    Raises:
        InputError: The draft is for another target, has another k, reads layers the target does not
            have, or cannot be read.
    """
    draft = open_checkpoint(folder)
    width, rows = check_draft(draft)
    target_width = draft.size("target_hidden_size") or width
    if (target_width, rows) != (target.hidden_size, target.vocab_size):
        raise InputError(
            f"{folder} is a draft for H = {target_width:,} and V = {rows:,}, but the target "
            f"{target.name} has {target.hidden_size:,} and {target.vocab_size:,}; they belong to "
            "different models."
        )
    head = find_head(draft, open_checkpoint(target.folder))
    if len(head.ids) != configuration.k:
        raise InputError(
            f"{folder} drafts {len(head.ids):,} tokens, but the configuration "
            f"{configuration.label!r} says k = {configuration.k:,}."
        )
    layers = read_layers(draft.config, str(folder / CONFIG)) or target.aux_layers
    if len(layers) != 3 or not all(0 <= i < target.layers - 1 for i in layers):
        raise InputError(
            f"{folder} reads the layers {list(layers)}, but the target {target.name} has layers "
            f"0..{target.layers - 1}, of which a draft reads three below the last."
        )
    return assemble(draft, head, model.embedding, layers)
