"""The metrics that SpecForge prints while it trains, as numbers; stored per k in metrics.jsonl.

    step 5: {'train/loss': 0.42, 'train/acc_0': 0.17, ...}      step 10: {'eval/avg_loss': ...}

Names are SpecForge's without the prefix `train/`; evaluations keep theirs (`eval/`).
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "metrics.jsonl"
STEP = re.compile(r"^step (\d+): (\{.*\})\s*$")
# nan and inf are neither Python literals nor JSON; strings are valid in both.
NOT_FINITE = re.compile(r"(?<=[:\[,]) *(-?(?:nan|inf))(?=[,}\]])")
LENGTH = "eval/simulated_acc_len"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The metrics of one line.

    Attributes:
        step: The optimizer step.
        kind: "train" or "eval".
        values: Name -> number, nan and inf included.
        time: Seconds since the epoch when the line was read.
    """

    step: int
    kind: str
    values: Mapping[str, float]
    time: float = 0.0

    @property
    def broken(self) -> str | None:
        """The first of losses and gradient norm that is not finite; None when all are."""
        for name in ("loss", "grad_norm", "eval/avg_loss"):
            if not math.isfinite(self.values.get(name, 0.0)):
                return name
        return None

    @property
    def acceptance_length(self) -> float | None:
        """Tokens per verification, the bonus token included: 1 + what SpecForge simulates."""
        return 1 + self.values[LENGTH] if LENGTH in self.values else None

    def json(self) -> str:
        """Return the line of metrics.jsonl."""
        plain = {k: v if math.isfinite(v) else str(v) for k, v in self.values.items()}
        return json.dumps(
            {"step": self.step, "kind": self.kind, "time": round(self.time, 3), **plain}
        )


def parse(line: str, time: float = 0.0) -> Metrics | None:
    """Read the metrics in a line of SpecForge's output.

    Args:
        line: The line.
        time: Seconds since the epoch, for the record.

    Returns:
        The metrics; None for any other line.
    """
    match = STEP.match(line)
    if not match:
        return None
    try:
        raw = ast.literal_eval(NOT_FINITE.sub(r" '\1'", match[2]))
    except (ValueError, SyntaxError):
        return None
    values: dict[str, float] = {}
    for name, value in raw.items():
        numbers = (
            [(f"{name}/{i}", item) for i, item in enumerate(value)]
            if isinstance(value, list)
            else [(name, value)]
        )
        values |= {key.removeprefix("train/"): float(item) for key, item in numbers}
    kind = "eval" if all(name.startswith("eval/") for name in values) else "train"
    return Metrics(int(match[1]), kind, values, time)


def read_metrics(path: Path) -> list[Metrics]:
    """Read the metrics of a training.

    Args:
        path: The metrics.jsonl, which may be absent.

    Returns:
        The metrics by step; of a step trained again after a resume, the later ones.
    """
    by_step: dict[tuple[int, str], Metrics] = {}
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            # A line may be half-written where the training stopped.
            with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                record: dict[str, Any] = json.loads(line)
                step, when = int(record.pop("step")), float(record.pop("time"))
                kind = str(record.pop("kind"))
                values = {name: float(value) for name, value in record.items()}
                by_step[step, kind] = Metrics(step, kind, values, when)
    return [by_step[key] for key in sorted(by_step)]


def best(metrics: Iterable[Metrics]) -> Metrics | None:
    """Find the evaluation with the longest acceptance, whose checkpoint SpecForge keeps.

    Args:
        metrics: The metrics of one training.

    Returns:
        The evaluation; None without any.
    """
    scored = [m for m in metrics if m.kind == "eval" and LENGTH in m.values]
    return max(scored, key=lambda m: m.values[LENGTH], default=None)
