"""What a kind of draft head costs: the weights a drafted token passes, and how often they are read.

A cycle drafts K tokens and verifies them once. Autoregressive kinds pass layers and head K times a
cycle; kinds that draft in parallel pass both once, with K rows. Only matrices count: no norms,
biases or routers, as everywhere.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from vocabtrim_core.layer_weights import LatentAttention

FUSION, ATTENTION, FEED_FORWARD = "Feature fusion", "Attention", "Feed-forward"
HEAD, MARKOV = "LM head", "Markov factor"
COMPONENTS = (FUSION, ATTENTION, FEED_FORWARD, HEAD, MARKOV)  # in the order of bars


class Shapes(Protocol):
    """The shapes of `DraftArchitecture` that a kind counts from."""

    @property
    def hidden_size(self) -> int:
        """H."""
        ...

    @property
    def intermediate_size(self) -> int:
        """Feed-forward width that one token passes."""
        ...

    @property
    def query_heads(self) -> int:
        """Query heads."""
        ...

    @property
    def key_value_heads(self) -> int:
        """Key and value heads."""
        ...

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        ...

    @property
    def layers(self) -> int:
        """Decoder layers of the draft."""
        ...

    @property
    def latent(self) -> LatentAttention | None:
        """Ranks of low-rank attention."""
        ...

    @property
    def attention_gate(self) -> bool:
        """Whether queries are projected to twice their width, half of it a gate."""
        ...

    @property
    def fusion_per_step(self) -> bool:
        """Whether the fusion is charged to the draft step."""
        ...

    @property
    def feature_width(self) -> int:
        """Width of the fusion's input where it reads hidden states of the target."""
        ...

    @property
    def markov_rank(self) -> int:
        """Rank of DSpark's factor over pairs of tokens."""
        ...


class HeadKind:
    """A kind of draft head; subclasses change what differs from EAGLE-1/2.

    Attributes:
        name: Its key in `KINDS`.
        title: Its name for people.
        source: Where the formula comes from.
        passes: What a cycle reads, in words.
        parallel: Whether one pass drafts all K tokens.
        shared_head: Whether the full head is the target's own, so that a trimmed one is a copy.
        from_target: Whether its shapes are in the target's config.json.
        trained_here: Whether SpecForge's EAGLE-3 trainer and `serving.torch_loop` support it.
        charges_fusion: Whether the fusion may be charged to the step or left to the cycle.
        refusal: Why nothing can be trimmed, a sentence; "" where something can.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]
    passes: ClassVar[str] = "Each of the K drafted tokens is a pass of its layers and its head."
    parallel: ClassVar[bool] = False
    shared_head: ClassVar[bool] = False
    from_target: ClassVar[bool] = False
    trained_here: ClassVar[bool] = False
    charges_fusion: ClassVar[bool] = False
    refusal: ClassVar[str] = ""

    def weights(self, shape: Shapes) -> dict[str, int]:
        """Count the weights that one drafted token passes before the head.

        Args:
            shape: Shapes of the draft.

        Returns:
            Component -> weights.
        """
        return {
            FUSION: self.fusion(shape),
            ATTENTION: self.attention(shape),
            FEED_FORWARD: shape.layers * 3 * shape.hidden_size * shape.intermediate_size,
        }

    def fusion(self, shape: Shapes) -> int:
        """Count the projection of the token's embedding and the hidden state: 2H -> H.

        Args:
            shape: Shapes of the draft.

        Returns:
            Weights.
        """
        return 2 * shape.hidden_size * shape.hidden_size

    def attention(self, shape: Shapes) -> int:
        """Count the attention of all layers.

        Args:
            shape: Shapes of the draft.

        Returns:
            Weights.
        """
        return shape.layers * attention_weights(shape, shape.hidden_size)

    def head_parts(self, shape: Shapes) -> dict[str, int]:
        """Count what one row of the head adds to a drafted token.

        Args:
            shape: Shapes of the draft.

        Returns:
            Component -> weights per row.
        """
        return {HEAD: shape.hidden_size}

    def body_reads(self, depth: int) -> int:
        """Passes of the layers in a cycle.

        Args:
            depth: Drafted tokens K per cycle.

        Returns:
            Their number.
        """
        return 1 if self.parallel else depth

    def row_parts(self, shape: Shapes, depth: int) -> dict[str, int]:
        """Count the weights of one row of the head that a cycle reads.

        Args:
            shape: Shapes of the draft.
            depth: Drafted tokens K per cycle.

        Returns:
            Component -> weights.
        """
        return {HEAD: self.body_reads(depth) * shape.hidden_size}

    def from_config(self, config: Any) -> dict[str, Any]:
        """Read the fields of `DraftArchitecture` that this kind alone has.

        Args:
            config: The config of the draft, or of the target (`from_target`).

        Returns:
            Field -> value.

        Raises:
            InputError: A field is missing or wrong.
        """
        return {}


def attention_weights(shape: Shapes, read: int) -> int:
    """Count one attention.

    Args:
        shape: Shapes of the draft.
        read: Width of its input.

    Returns:
        Weights of the projections of queries, keys, values and output.
    """
    if shape.latent is not None:
        return shape.latent.weights(read, shape.hidden_size, shape.query_heads)
    queries, keys = (n * shape.head_dim for n in (shape.query_heads, shape.key_value_heads))
    gated = 2 if shape.attention_gate else 1
    return read * (gated * queries + 2 * keys) + queries * shape.hidden_size
