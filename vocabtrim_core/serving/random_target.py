"""A target with random weights, for timing: the time does not depend on their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.serving.torch_loop.graphs import captured
from vocabtrim_core.serving.torch_loop.target import TorchTarget


def random_target(shape: DraftArchitecture, device: str, dtype: torch.dtype) -> TorchTarget:
    """A target of the Llama architecture.

    Args:
        shape: Shapes of the draft, which are the target's too; `target_layers` is not None.
        device: Device on which it is made.
        dtype: Data type of the weights.

    Returns:
        The target.
    """
    from transformers import AutoModelForCausalLM, LlamaConfig

    assert shape.target_layers is not None
    config = LlamaConfig(
        vocab_size=shape.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.target_layers,
        num_attention_heads=shape.query_heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.max_position_embeddings,
        tie_word_embeddings=False,
    )
    with torch.device(device):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return TorchTarget(model.eval().requires_grad_(False))


def verification(
    target: TorchTarget, *, batch: int, rows: int, context: int
) -> tuple[Callable[[], object], str]:
    """A function that does one verification.

    Args:
        target: The target.
        batch: Sequences at once.
        rows: Tokens of each sequence in the forward pass.
        context: Tokens before them in the cache.

    Returns:
        The function, and on a GPU why it could not be captured as a CUDA graph, else "".

    Raises:
        torch.OutOfMemoryError: The GPU's memory does not suffice.
    """
    device, size = target.embedding.device, len(target.embedding)
    room = context + rows
    target.reserve(room)
    ids = torch.randint(0, size, (batch, rows), device=device)
    positions = torch.arange(context, room, device=device)

    def work() -> object:
        return target.forward(ids, positions, room, rows)

    try:
        return captured(work, device), ""
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        torch.cuda.synchronize(device)
        return work, str(error).splitlines()[0]
