"""The settings of a forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, NUMBERS, PAIRS, TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.retraining import AUTO, LENGTH_NOISE, retraining

FULL_LENGTH = "acceptance length of the full-vocabulary draft, 1..K+1"
DEPTH = "tokens drafted per cycle"
LENGTHS = "acceptance lengths measured at other k; they narrow the interval"
SHEETS = f"what it runs on: {', '.join(HARDWARE)}"
BATCH = "sequences decoded together"
SECONDS = (
    "seconds per cycle (acceptance length / throughput) at two or more k, instead of hardware; at "
    "one k, with the bandwidth of the hardware"
)
CONTEXT = "tokens of one sequence that attention reads from the cache"
HEAD = "how the rows of the draft's head are stored: bf16, fp8, int4"
MADE = (
    "how the trimmed draft is made: other-text (trained again, serves other text), same-text "
    "(trained again, serves such text), short (trained for minutes), sliced (rows cut out); auto: "
    "same-text where the evaluation traffic is a part of the text that chooses, else other-text"
)
FULL_RANGE = (
    "least and most of the acceptance length of the full-vocabulary draft, where that was not "
    "measured"
)
NOISE = (
    "standard deviation of a measured acceptance length, relative; it widens a full draft's length "
    "that is inferred from it"
)
RATES = "measured acceptance at draft positions 1 .. K of the full-vocabulary draft, each 0..1"
# Bytes per weight; int4 in groups of 128 with a 16-bit scale each.
HEAD_BYTES = {"bf16": 2.0, "fp8": 1.0, "int4": 0.5 + 2 / 128}
WIDTH = "branches extended per draft step, 1 for a chain"
VERIFIED = "tokens verified per cycle and sequence"
ALL = "depth x width + 1"

Pairs = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """The settings of a forecast.

    Attributes:
        full_length: Acceptance length of the full-vocabulary draft; None for no forecast.
        depth: Tokens drafted per cycle, K.
        measured: (k, acceptance length) of trained drafts.
        hardware: A key of HARDWARE.
        batch: Sequences decoded together.
        cycles: (k, seconds per cycle): two sizes or more instead of the hardware, one with it.
        baseline_k: The k compared with; None for V.
        width: Branches of a tree per draft step.
        verified: Tokens verified per cycle and sequence; None for all drafted and one.
        context: Tokens of one sequence that attention reads from the cache.
        head_format: How head rows are stored, a key of HEAD_BYTES.
        training: How the trimmed draft is made, a key of RETRAININGS, or AUTO.
        rates: Measured acceptance per position of the full draft, K values or none.
        full_range: Least and most of `full_length` that 90 % hold, where it was not measured.
        length_noise: Standard deviation of the logarithm of a measured length, 0 or more.
    """

    full_length: Annotated[
        float | None, Leaf(NUMBER, "--accept-length", "", FULL_LENGTH, metavar="TAU")
    ] = None
    depth: Annotated[int, Leaf(WHOLE, "--depth", "", DEPTH, metavar="K", stated=True)] = 3
    measured: Annotated[Pairs, Leaf(PAIRS, "--measured-length", "", LENGTHS, metavar="K=TAU")] = ()
    hardware: Annotated[str, Leaf(TEXT, "--hardware", "", SHEETS, metavar="NAME")] = "a100-80g"
    batch: Annotated[int, Leaf(WHOLE, "--batch", "", BATCH)] = 1
    cycles: Annotated[Pairs, Leaf(PAIRS, "--measured", "", SECONDS, metavar="K=SECONDS")] = ()
    baseline_k: int | None = None
    width: Annotated[int, Leaf(WHOLE, "--tree-width", "", WIDTH)] = 1
    verified: Annotated[int | None, Leaf(WHOLE, "--verified", "", VERIFIED, unset=ALL)] = None
    context: Annotated[int, Leaf(WHOLE, "--context", "", CONTEXT, later=True)] = 1024
    head_format: Annotated[str, Leaf(TEXT, "--head-format", "", HEAD, later=True)] = "bf16"
    training: Annotated[str, Leaf(TEXT, "--training", "", MADE, later=True)] = AUTO
    rates: Annotated[
        tuple[float, ...], Leaf(NUMBERS, "--position-acceptance", "", RATES, later=True)
    ] = ()
    full_range: Annotated[
        tuple[float, ...], Leaf(NUMBERS, "--accept-length-range", "", FULL_RANGE, later=True)
    ] = ()
    length_noise: Annotated[float, Leaf(NUMBER, "--length-noise", "", NOISE, later=True)] = (
        LENGTH_NOISE
    )

    def __post_init__(self) -> None:
        if self.head_format not in HEAD_BYTES:
            raise InputError(
                f"There is no head format {self.head_format!r}; choose one of "
                f"{', '.join(HEAD_BYTES)}."
            )
        if self.training != AUTO:
            retraining(self.training)


NO_FORECAST = ForecastSettings()
