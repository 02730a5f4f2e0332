"""The target of the torch loop: a model of transformers with the caches of `cache`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.cache_utils import Cache
from transformers.utils import logging

from vocabtrim_core.drafts.target import Target
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.torch_loop.cache import Place, Rewindable


class TorchTarget:
    """A causal language model that decodes one sequence (or a batch of equal length) at a time.

    Args:
        model: A model of transformers with full attention in every layer.
        ends: Token ids that end an answer.
    """

    def __init__(self, model: Any, ends: Sequence[int] = ()) -> None:
        self.model, self.ends = model, frozenset(ends)
        self.place = Place()
        self.cache: Cache | None = None

    @property
    def embedding(self) -> torch.Tensor:
        """The input embedding, [V, H]."""
        return self.model.get_input_embeddings().weight

    def reserve(self, length: int) -> None:
        """Replace the caches by empty ones.

        Args:
            length: Tokens of the sequence at most.
        """
        layers = self.model.config.get_text_config().num_hidden_layers
        self.cache = Cache(layers=[Rewindable(self.place, length) for _ in range(layers)])

    def forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        visible: int,
        rows: int,
        aux: Sequence[int] = (),
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """One forward pass.

        Args:
            ids: int64[B, n].
            positions: int64[n], positions of the ids.
            visible: Rows of the caches to attend over, at least the last position + 1.
            rows: How many of the last positions get a next token.
            aux: Indices of layers whose outputs are returned.

        Returns:
            int64[B, rows], the most likely next tokens; and [B, n, len(aux) * H], the outputs of
            the layers, concatenated.
        """
        self.place.set(positions, visible)
        output = self.model(
            input_ids=ids,
            attention_mask=self.place.mask(),
            position_ids=positions[None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=rows,
            output_hidden_states=bool(aux),
        )
        # hidden_states[i + 1] is the output of layer i.
        states = [output.hidden_states[layer + 1] for layer in aux]
        empty = self.embedding.new_empty(*ids.shape, 0)
        return output.logits.argmax(-1), torch.cat([empty, *states], -1)


def load_model(target: Target, device: str, dtype: str) -> TorchTarget:
    """Load a target. Code in its folder is never run.

    Args:
        target: The target.
        device: "cpu" or "cuda".
        dtype: Name of a dtype of torch.

    Returns:
        The model.

    Raises:
        InputError: A layer has a sliding window or linear attention, whose caches cannot drop
            rejected tokens.
    """
    logging.disable_progress_bar()  # progress is reported by `Progress`
    model: Any = AutoModelForCausalLM.from_pretrained(
        target.folder, dtype=dtype, trust_remote_code=False, attn_implementation="sdpa"
    )
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ("full_attention",))
    if kinds != {"full_attention"}:
        raise InputError(
            f"{target.name} has layers of {', '.join(sorted(kinds - {'full_attention'}))}; the "
            "torch loop decodes targets with full attention only, so measure it with SGLang."
        )
    ends = model.generation_config.eos_token_id
    ends = config.eos_token_id if ends is None else ends
    ends = ends if isinstance(ends, list) else [ends]
    model = model.to(device).eval().requires_grad_(False)
    return TorchTarget(model, [i for i in ends if i is not None])
