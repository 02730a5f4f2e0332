"""The memory that a capture of features takes, and the batches that fit into what is free."""

from __future__ import annotations

import math

from vocabtrim_core.drafts.checkpoint import open_checkpoint
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.errors import InputError
from vocabtrim_core.machine import free_memory
from vocabtrim_core.wording import format_bytes

# Python, torch and transformers, so that benchmarks/results/capture_memory.md is met from above.
PROGRAM_BYTES = 550e6
MASK_BYTES = 4  # of a pair of positions; sdpa computes attention without its scores in memory
WIDTH = 2  # bytes of a bfloat16
LEAST_TOKENS = 64  # of a conversation that is worth capturing
BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}


def capture_bytes(target: Target, tokens: int, longest: int) -> int:
    """Estimate the most memory of a capture from shapes.

    Args:
        target: The target.
        tokens: Tokens of a batch, with padding.
        longest: Tokens of its longest conversation.

    Returns:
        Bytes.
    """
    return round(_fixed(target) + tokens * _of_token(target, longest))


def _fixed(target: Target) -> float:
    """The program, and the weights in bfloat16."""
    stored = open_checkpoint(target.folder).tensors.values()
    return PROGRAM_BYTES + WIDTH * sum(math.prod(tensor.shape) for tensor in stored)


def _of_token(target: Target, longest: int) -> float:
    """The hidden states of all layers, what is fused of them, and the layer that is computed."""
    shape = target.architecture
    states = target.layers + 1 + 2 * len(target.aux_layers)
    layer = 8 * shape.hidden_size + 3 * shape.intermediate_size
    return WIDTH * (states * shape.hidden_size + layer) + MASK_BYTES * longest


def capture_problem(target: Target, longest: int, free: int) -> str | None:
    """Say that not even one conversation at a time fits into memory, and what to do.

    Args:
        target: The target.
        longest: Tokens of the longest conversation.
        free: Free bytes.

    Returns:
        A sentence; None where it fits.
    """
    needed = capture_bytes(target, longest, longest)
    if needed <= free:
        return None
    weights = capture_bytes(target, LEAST_TOKENS, LEAST_TOKENS) > free
    remedy = "take a smaller target" if weights else "lower --max-length"
    return (
        f"Capturing conversations of {longest:,} tokens with {target.name} takes about "
        f"{format_bytes(needed)} of memory and {format_bytes(free)} are free; {remedy}, close "
        "other programs, or capture on a device with more memory."
    )


def batch_tokens(target: Target, longest: int, device: str) -> int:
    """Choose the tokens of a batch: the usual number, or fewer where memory is short.

    Args:
        target: The target.
        longest: Tokens of the longest conversation.
        device: "cpu" or "cuda".

    Returns:
        Tokens with padding, at least `longest`.

    Raises:
        InputError: Not even one conversation at a time fits.
    """
    free = _free(device)
    if problem := capture_problem(target, longest, free):
        raise InputError(problem)
    room = int((free - _fixed(target)) / _of_token(target, longest))
    return max(min(BATCH_TOKENS[device], room), longest)


def _free(device: str) -> int:
    if device != "cuda":
        return free_memory()
    import torch

    return torch.cuda.mem_get_info()[0]
