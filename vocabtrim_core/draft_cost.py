"""The cost of a draft: FLOPs and bytes per component, step and cycle (paper section 2.3).

What differs between kinds of draft heads is in `draft_kinds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from vocabtrim_core.draft_kinds import EAGLE3, KINDS, HeadKind, find_kind
from vocabtrim_core.draft_kinds.eagle3 import trained_config
from vocabtrim_core.draft_kinds.kind import attention_weights
from vocabtrim_core.draft_kinds.precision import WeightBytes
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.layer_cache import TargetCache
from vocabtrim_core.layer_weights import LatentAttention
from vocabtrim_core.model_config import LARGEST

if TYPE_CHECKING:
    import numpy as np

FEATURE_LAYERS = 3  # EAGLE-3 fuses hidden states of a low, a middle and a high target layer


@dataclass(frozen=True, slots=True)
class DraftArchitecture:
    """Shapes of a draft, of a kind in `KINDS`.

    FLOPs are those of the matrix products per drafted token, a multiply-add counted as two; bytes
    are the weights read for it.

    Attributes:
        name: Name for people.
        hidden_size: H.
        intermediate_size: Width of the feed-forward; of a mixture of experts the sum over the
            experts that one token passes.
        query_heads: Query heads of the attention.
        key_value_heads: Key and value heads of the attention.
        head_dim: Width of a head.
        vocab_size: V of the target.
        max_position_embeddings: Longest sequence, in tokens.
        rms_norm_eps: Epsilon of the RMS norms.
        rope_theta: Base of the rotary position embedding.
        bytes_per_weight: Bytes per weight, 2 for bfloat16.
        fusion_per_step: Whether the fusion counts in every draft step, as in the paper, or once per
            verification cycle, as engines run it.
        target_layers: Decoder layers of the target, None where unknown.
        active_experts: Feed-forwards a token passes in each layer of a mixture-of-experts target.
        layers: Decoder layers of the draft.
        target_hidden_size: H of the target, None where it is the draft's.
        draft_experts: Experts of the draft that a token passes.
        latent: Ranks of a draft with low-rank attention, None for ordinary attention.
        target_layer_weights: Weights of the target's layers that a token passes; None for
            `target_layers` layers of the draft's shapes.
        stored_layer_weights: Weights of the target's layers with all experts; None for those that a
            token passes.
        stored_experts: Experts that each layer of a mixture-of-experts target chooses from.
        cache: What the target's layers keep per token; None for `target_layers` layers with the
            draft's key-value heads.
        kind: A key of KINDS.
        feature_layers: Hidden states of the target that the fusion reads.
        attention_gate: Whether queries are projected to twice their width, half of it a gate.
        markov_rank: Rank of DSpark's factor over pairs of tokens, 0 without.
        stored_width: Feed-forward width of the draft over all experts; None where a token passes
            all of it.
        weight_bytes: Bytes per weight of target, layers and head; None for `bytes_per_weight`.
    """

    name: str
    hidden_size: int
    intermediate_size: int
    query_heads: int
    key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int = 131_072
    rms_norm_eps: float = 1e-5
    rope_theta: float = 500_000.0
    bytes_per_weight: int = 2
    fusion_per_step: bool = True
    target_layers: int | None = None
    active_experts: int = 1
    layers: int = 1
    target_hidden_size: int | None = None
    draft_experts: int = 1
    latent: LatentAttention | None = None
    target_layer_weights: int | None = None
    stored_layer_weights: Annotated[int | None, Leaf(later=True)] = None
    stored_experts: Annotated[int, Leaf(later=True)] = 1
    cache: Annotated[TargetCache | None, Leaf(later=True)] = None
    kind: Annotated[str, Leaf(later=True)] = EAGLE3
    feature_layers: Annotated[int, Leaf(later=True)] = FEATURE_LAYERS
    attention_gate: Annotated[bool, Leaf(later=True)] = False
    markov_rank: Annotated[int, Leaf(later=True)] = 0
    stored_width: Annotated[int | None, Leaf(later=True)] = None
    weight_bytes: Annotated[WeightBytes | None, Leaf(later=True)] = None

    def __post_init__(self) -> None:
        find_kind(self.kind)
        for name in (
            "hidden_size",
            "intermediate_size",
            "query_heads",
            "key_value_heads",
            "head_dim",
            "vocab_size",
            "bytes_per_weight",
            "layers",
            "draft_experts",
            "feature_layers",
            "target_hidden_size",
            "stored_width",
        ):
            value = getattr(self, name)
            if name in ("target_hidden_size", "stored_width") and value is None:
                continue
            if not isinstance(value, int) or not 1 <= value <= LARGEST:
                raise InputError(
                    f"Draft architecture {self.name}: {name} must be a positive whole number up "
                    f"to {LARGEST:,}, but it is {value!r}."
                )
        if self.step_bytes(self.vocab_size) >= 2**60:
            raise InputError(
                f"Draft architecture {self.name}: its sizes make a draft step of "
                f"{self.step_bytes(self.vocab_size) / 2**50:,.0f} PiB, which is no model; mend "
                "them."
            )

    @property
    def head_kind(self) -> HeadKind:
        """What is counted for this kind of draft."""
        return KINDS[self.kind]

    @property
    def feature_width(self) -> int:
        """Width of the fusion's input: the target's hidden states of some layers."""
        return self.feature_layers * (self.target_hidden_size or self.hidden_size)

    @property
    def weights(self) -> dict[str, int]:
        """Weights per component that do not depend on k."""
        return self.head_kind.weights(self)

    @property
    def row_weights(self) -> int:
        """Weights that one row of the head adds to a drafted token: H, for most kinds."""
        return sum(self.head_kind.head_parts(self).values())

    @property
    def part_bytes(self) -> WeightBytes:
        """Bytes per weight of target, layers and head."""
        return self.weight_bytes or WeightBytes(*3 * (self.bytes_per_weight,))

    def breakdown(self, k: int) -> dict[str, int]:
        """Weights per component with a head of k rows.

        Args:
            k: Draft vocabulary size.

        Returns:
            The number of weights by component. FLOPs are twice that.
        """
        return {**self.weights, **{n: w * k for n, w in self.head_kind.head_parts(self).items()}}

    def cycle_bytes(self, k: int, depth: int) -> dict[str, float]:
        """Bytes of weights that a cycle reads for the draft, per component.

        Args:
            k: Draft vocabulary size.
            depth: Drafted tokens K per cycle.

        Returns:
            Component -> bytes.
        """
        kind, per_weight = self.head_kind, self.part_bytes
        reads = kind.body_reads(depth)
        body = {name: reads * per_weight.layers * w for name, w in kind.weights(self).items()}
        rows = kind.row_parts(self, depth)
        return {**body, **{name: per_weight.head * w * k for name, w in rows.items()}}

    def flops(self, k: int | np.ndarray) -> Any:
        """FLOPs of one drafted token with a head of k rows.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            FLOPs, an int or an int64 array of the shape of k.
        """
        return 2 * (sum(self.weights.values()) + self.row_weights * k)

    def step_bytes(self, k: int | np.ndarray) -> Any:
        """Bytes of weights that a cycle with one drafted token reads: one pass of the draft.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            Bytes, a number or an array of the shape of k.
        """
        weights, rows = sum(self.weights.values()), self.row_weights
        if self.weight_bytes is None:
            return self.bytes_per_weight * (weights + rows * k)
        return self.weight_bytes.layers * weights + self.weight_bytes.head * rows * k

    def row_reads(self, depth: int) -> int:
        """Weights of one row of the head that a cycle reads.

        Args:
            depth: Drafted tokens K per cycle.

        Returns:
            Weights; K x H where each drafted token is a pass.
        """
        return sum(self.head_kind.row_parts(self, depth).values())

    def head_bytes(self, k: int) -> Any:
        """Bytes of an LM head of k rows, with what belongs to its rows."""
        if self.weight_bytes is None:
            return self.bytes_per_weight * self.row_weights * k
        return self.weight_bytes.head * self.row_weights * k

    def copied_bytes(self, k: int) -> Any:
        """Memory that a trimmed head takes beside the full one.

        Args:
            k: Draft vocabulary size.

        Returns:
            Bytes: of a copy of k rows where the full head is the target's own, else 0, as the
            trimmed head replaces the draft's.
        """
        copied = self.head_kind.shared_head and k < self.vocab_size
        return self.part_bytes.head * self.hidden_size * k if copied else 0

    def latency_reduction(self, k: int | np.ndarray) -> Any:
        """R(k) = 1 - FLOPs(k) / FLOPs(V), equation 3 of the paper.

        All K tokens of a cycle cost the same, so a cycle's share is that of a drafted token.

        Args:
            k: Draft vocabulary size, or int64 sizes of any shape.

        Returns:
            The share of FLOPs saved, 0 at k = V: a float or a float64 array of the shape of k.
        """
        return 1 - self.flops(k) / self.flops(self.vocab_size)

    def byte_reduction(self, k: int, depth: int) -> float:
        """The same for the bytes of weights that the draft reads in a cycle.

        Args:
            k: Draft vocabulary size.
            depth: Drafted tokens K per cycle.

        Returns:
            The share of bytes saved, 0 at k = V.
        """
        full = sum(self.cycle_bytes(self.vocab_size, depth).values())
        return 1 - sum(self.cycle_bytes(k, depth).values()) / full

    def read_layer_weights(self, rows: int) -> int:
        """Weights of the draft's layers that one pass reads for several tokens.

        Args:
            rows: Tokens of the pass, each with experts of its own.

        Returns:
            The expected weights, those of one token where it has no experts.
        """
        active = sum(self.weights.values())
        count, chosen = self.stored_experts, self.draft_experts
        if self.stored_width is None or count <= chosen:
            return active
        more = distinct_experts(count, chosen, rows) - chosen
        bank = 3 * self.layers * self.hidden_size * (self.stored_width - self.intermediate_size)
        return active + round(bank * more / (count - chosen))

    @property
    def memory_layer_weights(self) -> int:
        """Weights of the draft's layers in memory, all experts included."""
        width = self.stored_width or self.intermediate_size
        more = 3 * self.layers * self.hidden_size * (width - self.intermediate_size)
        return sum(self.weights.values()) + more

    @property
    def target_weights(self) -> int | None:
        """Weights of layers and head that the target reads per token; None without layers."""
        if self.target_layers is None:
            return None
        body = self.target_layer_weights
        if body is None:
            h = self.hidden_size
            feed_forward = 3 * h * self.intermediate_size * self.active_experts
            body = self.target_layers * (attention_weights(self, h) + feed_forward)
        return body + self.target_head_weights

    def read_weights(self, rows: int) -> int | None:
        """Weights that the target reads for several tokens, each with experts of its own.

        Args:
            rows: Tokens whose experts are taken to be drawn independently.

        Returns:
            The expected weights, `target_weights` for a dense target; None without layers.
        """
        active = self.target_weights
        if active is None or self.stored_layer_weights is None:
            return active
        count, chosen = self.stored_experts, self.active_experts
        if count <= chosen:
            return active
        more = distinct_experts(count, chosen, rows) - chosen
        return active + round((self.memory_weights - active) * more / (count - chosen))

    @property
    def memory_weights(self) -> int:
        """Weights of the target in memory, all experts included; 0 without layers."""
        active = self.target_weights
        if active is None or self.stored_layer_weights is None:
            return active or 0
        return self.stored_layer_weights + self.target_head_weights

    @property
    def target_head_weights(self) -> int:
        """Weights of the target's head."""
        return (self.target_hidden_size or self.hidden_size) * self.vocab_size

    def target_bytes(self, weights: int) -> float:
        """Bytes of weights of the target.

        Args:
            weights: Their number, the head's among them.

        Returns:
            Bytes, with the head stored as the draft's is.
        """
        stored, head = self.part_bytes, self.target_head_weights
        return stored.target * (weights - head) + stored.head * head

    def target_cache_bytes(self, context: int) -> int:
        """Bytes that the target's layers keep and read for one sequence.

        Args:
            context: Its tokens.

        Returns:
            Bytes, 0 without layers.
        """
        if self.cache is not None:
            return self.cache.bytes_at(context)
        return (self.target_layers or 0) * self.cache_bytes_per_layer * context

    @property
    def cache_bytes_per_layer(self) -> int:
        """Bytes that one decoder layer of the draft keeps per token of context, in 16-bit values.

        Keys and values of every key-value head; with low-rank attention the compressed vector and
        the rotary part, which all heads share.
        """
        if self.latent is not None:
            return 2 * (self.latent.key_value_rank + self.latent.rope_dim)
        return 2 * 2 * self.key_value_heads * self.head_dim

    @property
    def _kind(self) -> str:
        """How a draft differs from one dense layer of ordinary attention, in words."""
        parts = [] if self.head_kind.trained_here else [f"kind {self.head_kind.title}"]
        parts += [f"{self.layers} layers"] if self.layers > 1 else []
        fused = self.feature_layers
        parts += [f"a fusion of {fused} layers"] if fused != FEATURE_LAYERS else []
        parts += [f"{self.draft_experts} experts per token"] if self.draft_experts > 1 else []
        return " with ".join(parts + ["low-rank attention"] * (self.latent is not None))

    @property
    def trainable(self) -> bool:
        """Whether SpecForge's EAGLE-3 trainer and `serving.torch_loop` support the draft."""
        plain = self.layers == self.draft_experts == 1 and self.latent is None
        plain = plain and self.feature_layers == FEATURE_LAYERS
        return plain and self.head_kind.trained_here

    def draft_config(self, draft_vocab_size: int) -> dict[str, Any]:
        """The config.json with which SpecForge trains the draft and engines serve it.

        Args:
            draft_vocab_size: k.

        Returns:
            The JSON object.

        Raises:
            InputError: SpecForge has no class for such a draft.
        """
        if not self.trainable:
            raise InputError(
                f"{self.name} is a draft of {self._kind}, and SpecForge's EAGLE-3 trainer has only "
                "one dense layer of ordinary attention, over three layers of the target; give such "
                "a draft, or the target's config.json."
            )
        return trained_config(self, draft_vocab_size)


def distinct_experts(count: int, chosen: int, rows: int) -> float:
    """Expected number of experts that several tokens pass, each drawing its own.

    Args:
        count: Experts of a layer.
        chosen: Experts that a token passes.
        rows: Tokens.

    Returns:
        `chosen` for one token, towards `count` for many.
    """
    return count * (1 - (1 - chosen / count) ** rows)
