"""An EAGLE-3 draft as SpecForge trains it and engines serve it, in plain torch.

At position t it reads the target's hidden states there (of three layers, fused to one by `fc`) and
the embedding of the next token, t + 1. One decoder layer attends over all such pairs, and the head
predicts the token at t + 2 among the draft vocabulary. For the next draft step the layer's output
takes the place of the fused hidden states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    repeat_kv,
)

from vocabtrim_core.drafts.checkpoint import Checkpoint
from vocabtrim_core.drafts.lm_head import EMBEDDING, HEAD, Head
from vocabtrim_core.drafts.tensor_files import StoredTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.serving.torch_loop.cache import Place, Rewindable

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Attention(nn.Module):
    """Attention over pairs: queries, keys and values project from [embedding; hidden].

    Args:
        config: Shapes of the draft.
        head_dim: Width of a head.
    """

    def __init__(self, config: LlamaConfig, head_dim: int) -> None:
        super().__init__()
        width, queries = config.hidden_size, config.num_attention_heads * head_dim
        heads = config.num_key_value_heads or config.num_attention_heads
        self.head_dim, self.groups = head_dim, config.num_attention_heads // heads
        self.q_proj = nn.Linear(2 * width, queries, bias=False)
        self.k_proj = nn.Linear(2 * width, heads * head_dim, bias=False)
        self.v_proj = nn.Linear(2 * width, heads * head_dim, bias=False)
        self.o_proj = nn.Linear(queries, width, bias=False)

    def forward(self, x: torch.Tensor, angles: Any, cache: Rewindable, mask: Any) -> torch.Tensor:
        """Attend over the pairs in the cache.

        Args:
            x: [B, n, 2H], pairs of embedding and hidden state.
            angles: Cosines and sines of the rotary embedding.
            cache: The cache of the layer.
            mask: bool[1, 1, n, visible].

        Returns:
            [B, n, H].
        """
        projected = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        q, k, v = (y.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for y in projected)
        q, k = apply_rotary_pos_emb(q, k, *angles)
        keys, values = (repeat_kv(y, self.groups) for y in cache.update(k, v))
        output = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return self.o_proj(output.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """The decoder layer.

    Args:
        config: Shapes of the draft.
        head_dim: Width of a head.
    """

    def __init__(self, config: LlamaConfig, head_dim: int) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm = LlamaRMSNorm(width, eps)
        self.hidden_norm = LlamaRMSNorm(width, eps)
        self.self_attn = Attention(config, head_dim)
        self.post_attention_layernorm = LlamaRMSNorm(width, eps)
        self.mlp = LlamaMLP(config)
        # speculators' drafts may add attention to the normed hidden states
        self.norm_before_residual = getattr(config, "norm_before_residual", False)

    def forward(
        self, embedded: torch.Tensor, hidden: torch.Tensor, angles: Any, cache: Any, mask: Any
    ) -> torch.Tensor:
        """Run the layer.

        Args:
            embedded: [B, n, H], embeddings of the tokens.
            hidden: [B, n, H], fused hidden states or earlier outputs of the layer.
            angles: Cosines and sines of the rotary embedding.
            cache: The cache of the layer.
            mask: bool[1, 1, n, visible].

        Returns:
            [B, n, H].
        """
        normed = self.hidden_norm(hidden)
        pair = torch.cat([self.input_layernorm(embedded), normed], -1)
        hidden = (normed if self.norm_before_residual else hidden) + self.self_attn(
            pair, angles, cache, mask
        )
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Eagle3Draft(nn.Module):
    """An EAGLE-3 draft with the cache of one sequence (or a batch of equal length).

    Args:
        config: Shapes of the draft.
        k: Draft vocabulary size.
        aux_width: Width of the target's hidden states together, three times the target's H.

    Attributes:
        embedding: [V, H], usually the target's.
        ids: int64[k], the target id of each row of the head.
        aux_layers: Indices of the target's layers whose outputs `fc` fuses.
    """

    def __init__(self, config: LlamaConfig, k: int, aux_width: int) -> None:
        super().__init__()
        width = config.hidden_size
        head_dim = getattr(config, "head_dim", None) or width // config.num_attention_heads
        self.fc = nn.Linear(aux_width, width, bias=False)
        norms = [LlamaRMSNorm(aux_width // 3, config.rms_norm_eps) for _ in range(3)]
        self.fc_norm = nn.ModuleList(norms) if getattr(config, "fc_norm", False) else None
        self.midlayer = Layer(config, head_dim)
        self.norm = LlamaRMSNorm(width, config.rms_norm_eps)
        self.norm_output = getattr(config, "norm_output", True)
        self.lm_head = nn.Linear(width, k, bias=False)
        self.place = Place()
        self.aux_layers: tuple[int, ...] = ()
        self.embedding = self.ids = torch.empty(0)
        self.cache = Rewindable(self.place, 0)
        self.rotary: nn.Module | None = None

    def reserve(self, length: int) -> None:
        """Replace the cache by an empty one.

        Args:
            length: Tokens of the sequence at most.
        """
        self.cache = Rewindable(self.place, length)

    def fuse(self, aux: torch.Tensor) -> torch.Tensor:
        """Fuse hidden states of the target.

        Args:
            aux: [..., aux_width], those of three layers, concatenated.

        Returns:
            [..., H].
        """
        if self.fc_norm is not None:
            parts = zip(self.fc_norm, aux.chunk(3, -1), strict=True)
            aux = torch.cat([norm(part) for norm, part in parts], -1)
        return self.fc(aux)

    def read(
        self, tokens: torch.Tensor, hidden: torch.Tensor, positions: torch.Tensor, visible: int
    ):
        """Run the layer over pairs, and store them in the cache.

        Args:
            tokens: int64[B, n], target ids.
            hidden: [B, n, H].
            positions: int64[n], positions of the pairs.
            visible: Rows of the cache to attend over, at least the last position + 1.

        Returns:
            [B, n, H].
        """
        assert self.rotary is not None
        self.place.set(positions, visible)
        angles = self.rotary(hidden, positions[None])
        embedded = F.embedding(tokens, self.embedding)
        return self.midlayer(embedded, hidden, angles, self.cache, self.place.mask())

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of the head.

        Args:
            hidden: [..., H], outputs of the layer.

        Returns:
            [..., k].
        """
        return self.lm_head(self.norm(hidden) if self.norm_output else hidden)

    def pick(self, logits: torch.Tensor) -> torch.Tensor:
        """The most likely token.

        Args:
            logits: [..., k].

        Returns:
            int64[...], target ids.
        """
        return self.ids[logits.argmax(-1)]

    def chain(
        self,
        aux: torch.Tensor,
        tokens: torch.Tensor,
        start: torch.Tensor,
        last: torch.Tensor,
        visible: int,
    ) -> torch.Tensor:
        """Draft S tokens after the newest one.

        Rejected pairs are computed too, so that shapes never change; drafted pairs overwrite them
        in the cache before they are attended to.

        Args:
            aux: [S + 1, aux_width], the target's hidden states of its last forward pass.
            tokens: int64[S + 1], the target's next tokens there.
            start: int64[1], position of the first row.
            last: int64[1], the last accepted row; rows after it are rejected.
            visible: Rows of the cache to attend over.

        Returns:
            int64[S + 1] target ids to verify: the newest token and S drafted ones.
        """
        rows = len(tokens)
        positions = start + torch.arange(rows, device=start.device)
        hidden = self.read(tokens[None], self.fuse(aux)[None], positions, visible)
        hidden = hidden.index_select(1, last)
        drafted = [tokens.index_select(0, last)]
        for step in range(1, rows):
            if step > 1:
                hidden = self.read(drafted[-1][None], hidden, start + last + step - 1, visible)
            drafted.append(self.pick(self.logits(hidden))[0])
        return torch.cat(drafted)


def draft_config(fields: Mapping[str, Any]) -> LlamaConfig:
    """A draft's config.json as a config of transformers.

    Args:
        fields: The fields of the file. Drafts of speculators have the layer's in the section
            transformer_layer_config.

    Returns:
        The config, without the dtype.
    """
    fields = {**(fields.get("transformer_layer_config") or {}), **fields}
    return LlamaConfig(**{n: v for n, v in fields.items() if n not in ("dtype", "torch_dtype")})


def assemble(
    draft: Checkpoint, head: Head, embedding: torch.Tensor, aux_layers: Sequence[int]
) -> Eagle3Draft:
    """Build a draft from its checkpoint.

    Args:
        draft: The checkpoint.
        head: Its LM head.
        embedding: [V, H], the target's, used where the checkpoint has none; the draft gets its
            dtype and device.
        aux_layers: Indices of the target's layers whose outputs the draft reads.

    Returns:
        The draft.

    Raises:
        InputError: A tensor is missing, has another shape, or is quantised.
    """
    config = draft_config(draft.model.fields)
    dtype, device = embedding.dtype, embedding.device
    with torch.device("meta"):
        module = Eagle3Draft(config, len(head.ids), len(aux_layers) * embedding.shape[1])
    module.aux_layers = tuple(aux_layers)
    expected = module.state_dict()
    weights = {}
    for name, stored in draft.tensors.items():
        name = name.removeprefix("model.").replace("layers.0.", "midlayer.")
        if name in expected and name != HEAD:
            weights[name] = _tensor(stored, draft).to(device, dtype)
        elif name == EMBEDDING:
            embedding = _tensor(stored, draft).to(device, dtype)
    weights[HEAD] = _tensor(head.tensor, draft).to(device, dtype)
    for name, tensor in expected.items():
        if name not in weights or weights[name].shape != tensor.shape:
            state = f"has shape {list(weights[name].shape)}" if name in weights else "is missing"
            raise InputError(
                f"{draft.folder}: {name} {state}, but {CONFIG} asks for {list(tensor.shape)}."
            )
    module.load_state_dict(weights, assign=True)
    return with_embedding(module, config, embedding, torch.from_numpy(np.array(head.ids)))


def with_embedding(
    module: Eagle3Draft, config: LlamaConfig, embedding: torch.Tensor, ids: torch.Tensor
) -> Eagle3Draft:
    """Complete a draft with its embedding, its ids and the rotary embedding.

    Args:
        module: The draft, which is changed.
        config: Its config.
        embedding: [V, H].
        ids: int64[k], the target id of each row of the head.

    Returns:
        The draft in evaluation mode; all parts are on the embedding's device.
    """
    module.embedding, module.ids = embedding, ids.to(embedding.device)
    module.rotary = LlamaRotaryEmbedding(config).to(embedding.device)
    return module.eval().requires_grad_(False)


def _tensor(stored: StoredTensor, draft: Checkpoint) -> torch.Tensor:
    if stored.dtype not in DTYPES:
        raise InputError(
            f"{draft.folder}: {stored.name} is {stored.dtype}; the torch loop reads unquantised "
            "drafts (F32, F16, BF16)."
        )
    flat = torch.from_numpy(np.array(stored.data))
    return flat.view(DTYPES[stored.dtype]).reshape(stored.shape)
