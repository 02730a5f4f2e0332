"""The settings of a probe of draft steps: the options of the command, and their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import FLAG, NUMBER, WHOLE, WHOLES, one_of
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.forecast.settings import BATCH, DEPTH
from vocabtrim_core.serving.latency_probe import LEAST

DTYPES = ("float32", "bfloat16", "float16")
KS, SPREAD = "draft vocabulary sizes", "12 up to V, among them 4,380, 13,264 and 32,000"
CONTEXT = "tokens that attention looks back on"
TOPK = "branches of a step: 1 takes the most likely token, more the top-k of the probabilities"
TARGET = "time a verification by a random target of these shapes too"
WEIGHTS = "of the weights; auto: float32 on a CPU, bfloat16 on a GPU"
SECONDS = "per batch size, after which no more is repeated"
SIZES = replace(WHOLES, metavar="K")
DEVICE, DTYPE = one_of("auto", "cpu", "cuda"), one_of("auto", *DTYPES)


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """The settings of a probe.

    Attributes:
        architecture: Shapes of the draft.
        ks: Sizes, in any order.
        batches: Batch sizes, in any order.
        context: Tokens that attention reads.
        topk: Branches of a step, 1 for a chain.
        depth: Draft steps per cycle; a verification takes depth + 1 tokens.
        device: "auto", "cuda" or "cpu".
        dtype: "auto" or one of DTYPES.
        repeats: Repeats of each timing.
        seconds: Seconds for each batch size, after which repeats end early, but not below 6.
        with_target: Whether verifications are timed too.

    Raises:
        InputError: A setting is out of range, or there is no such draft or target.
    """

    architecture: DraftArchitecture
    ks: Annotated[Sequence[int], Leaf(SIZES, "--k", "", KS, unset=SPREAD)] = ()
    batches: Annotated[Sequence[int], Leaf(WHOLES, "--batch", "", BATCH, stated=True)] = (1, 8, 64)
    context: Annotated[int, Leaf(WHOLE, "--context", "", CONTEXT, stated=True)] = 512
    topk: Annotated[int, Leaf(WHOLE, "--topk", "", TOPK, stated=True)] = 1
    depth: Annotated[int, Leaf(WHOLE, "--depth", "", DEPTH, metavar="K", stated=True)] = 3
    device: Annotated[str, Leaf(DEVICE, "--device", "", "where the model runs", stated=True)] = (
        "auto"
    )
    dtype: Annotated[str, Leaf(DTYPE, "--dtype", "", WEIGHTS, stated=True)] = "auto"
    repeats: Annotated[int, Leaf(WHOLE, "--repeats", "", "of each timing", stated=True)] = 30
    seconds: Annotated[float, Leaf(NUMBER, "--seconds", "", SECONDS, metavar="S", stated=True)] = (
        20.0
    )
    with_target: Annotated[bool, Leaf(FLAG, "--with-target", "", TARGET)] = False

    def __post_init__(self) -> None:
        for name in ("context", "topk", "depth"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be 1 or more, but it is {getattr(self, name)}.")
        if not self.ks or not self.batches or min(self.batches) < 1:
            raise InputError("A probe needs a size k and a batch size, 1 or more each.")
        size = self.architecture.vocab_size
        if not self.topk <= min(self.ks) <= max(self.ks) <= size:
            raise InputError(f"Sizes k lie within {self.topk}..{size:,} for this draft and top-k.")
        if self.repeats < LEAST or self.seconds <= 0:
            raise InputError(f"A probe needs {LEAST} repeats or more, and some seconds for them.")
        if self.dtype not in ("auto", *DTYPES):
            raise InputError(f"dtype must be auto, {', '.join(DTYPES)}, not {self.dtype!r}.")
        if self.with_target and self.architecture.target_layers is None:
            raise InputError(
                f"{self.architecture.name} does not say how many layers its target has; give the "
                "target's config.json, or probe without the target."
            )
        shape = self.architecture
        differs = shape.active_experts > 1 or shape.target_layer_weights is not None
        if self.with_target and differs:
            raise InputError(
                f"The target of {self.architecture.name} has other layers than its draft (a "
                "mixture of experts, say), which are not timed here; probe without the target."
            )
        self.architecture.draft_config(min(self.ks))  # raises for drafts that cannot be timed
