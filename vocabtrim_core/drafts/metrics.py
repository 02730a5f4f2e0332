"""What SpecForge prints while it trains, as numbers; kept per k in metrics.jsonl.

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
# nan and inf are no Python literals, nor JSON; as strings they pass through both.
NOT_FINITE = re.compile(r"(?<=[:\[,]) *(-?(?:nan|inf))(?=[,}\]])")
LENGTH = "eval/simulated_acc_len"


@dataclass(frozen=True, slots=True)
class Metrics:
    """One line. kind: "train" or "eval".  values: name -> number (nan and inf included)."""

    step: int
    kind: str
    values: Mapping[str, float]
    time: float = 0.0  # seconds since the epoch when it was read

    @property
    def broken(self) -> str | None:
        """The first of loss and gradient that is no number any more; None when all is well."""
        for name in ("loss", "grad_norm", "eval/avg_loss"):
            if not math.isfinite(self.values.get(name, 0.0)):
                return name
        return None

    @property
    def acceptance_length(self) -> float | None:
        """Tokens per verification, the bonus token included: 1 + what SpecForge simulates."""
        return 1 + self.values[LENGTH] if LENGTH in self.values else None

    def json(self) -> str:
        """One line of metrics.jsonl."""
        plain = {k: v if math.isfinite(v) else str(v) for k, v in self.values.items()}
        return json.dumps(
            {"step": self.step, "kind": self.kind, "time": round(self.time, 3), **plain}
        )


def parse(line: str, time: float = 0.0) -> Metrics | None:
    """The metrics in a line of SpecForge's output; None for any other line."""
    found = STEP.match(line)
    if not found:
        return None
    try:
        raw = ast.literal_eval(NOT_FINITE.sub(r" '\1'", found[2]))
    except (ValueError, SyntaxError):
        return None
    values: dict[str, float] = {}
    for name, value in raw.items():
        named = (
            [(f"{name}/{i}", item) for i, item in enumerate(value)]
            if isinstance(value, list)
            else [(name, value)]
        )
        values |= {key.removeprefix("train/"): float(item) for key, item in named}
    kind = "eval" if all(name.startswith("eval/") for name in values) else "train"
    return Metrics(int(found[1]), kind, values, time)


def read_metrics(path: Path) -> list[Metrics]:
    """What was logged, by step; a step trained again after a resume counts once, the later."""
    found: dict[tuple[int, str], Metrics] = {}
    with suppress(FileNotFoundError), path.open(encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):  # a line half-written when it stopped
                record: dict[str, Any] = json.loads(line)
                step, kind, when = (record.pop(name) for name in ("step", "kind", "time"))
                values = {name: float(value) for name, value in record.items()}
                found[step, kind] = Metrics(step, kind, values, when)
    return [found[key] for key in sorted(found)]


def best(metrics: Iterable[Metrics]) -> Metrics | None:
    """The evaluation with the longest acceptance; SpecForge keeps that checkpoint."""
    scored = [m for m in metrics if m.kind == "eval" and LENGTH in m.values]
    return max(scored, key=lambda m: m.values[LENGTH], default=None)
