"""What a forecast assumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vocabtrim_core.fields.kinds import NUMBER, PAIRS, TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf

FULL_LENGTH = "acceptance length of the full-vocabulary draft, 1..K+1"
DEPTH = "tokens drafted per cycle"
LENGTHS = "acceptance lengths measured at other k; they narrow the interval"
SHEETS = "from a data sheet: a100-80g, h100, h200, l4, rtx-4090, laptop-cpu"
BATCH = "sequences decoded together"
SECONDS = "seconds per cycle at two or more k (acceptance length / throughput), instead of hardware"
WIDTH = "branches extended per draft step, 1 for a chain"
VERIFIED = "tokens verified per cycle and sequence"
ALL = "depth x width + 1"

Pairs = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """What a forecast assumes. full_length: acceptance length of the full-vocabulary draft, None
    for no forecast. measured: (k, acceptance length). cycles: (k, seconds), instead of hardware.
    width: branches per draft step. verified: tokens verified per cycle, None for all drafted."""

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


NO_FORECAST = ForecastSettings()
