"""Time the selection maths at the sizes of real vocabularies.

    python benchmarks/maths.py [--repeats 30]

Prints a table and writes benchmarks/results/maths.json and .md: the median and the fastest of
`--repeats` calls in one process, on counts that follow Zipf's law (the maths does not care).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.report import write_report
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.tradeoff import TradeOff


def milliseconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and minimum wall time of `call`."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), min(times)


def rows(vocab_size: int, repeats: int) -> list[dict[str, object]]:
    """One row per operation at this V."""
    rng = np.random.default_rng(0)
    counts = rng.permutation(np.floor(1e7 / np.arange(1, vocab_size + 1) ** 1.2).astype(np.int64))
    architecture = replace(PRESETS["llama-3.1-8b"], vocab_size=vocab_size)
    curve = CoverageCurve.of(counts)
    tradeoff = TradeOff(curve, architecture, alpha=0.5, floor=0.9)
    vocabulary = curve.vocabulary(min(32_000, vocab_size))
    alphas, floors = np.linspace(0.02, 0.98, 49), np.linspace(0, 0.99, 34)

    def from_counts() -> object:
        return TradeOff(CoverageCurve.of(counts), architecture, alpha=0.5, floor=0.9).optimum

    calls: dict[str, Callable[[], object]] = {
        "counts to exact optimum (sort, cumulate, argmax)": from_counts,
        "exact optimum once the curve is known": lambda: tradeoff.optimum,
        "optimum in closed form": tradeoff.optimum_closed_form,
        "Pareto frontier and feasible ks": lambda: (tradeoff.on_frontier(), tradeoff.within()),
        "alpha x floor landscape, 49 x 34": lambda: tradeoff.landscape(alphas, floors),
        "d2t and t2d of 32,000 tokens": lambda: (vocabulary.d2t, vocabulary.t2d),
    }
    out = []
    for name, call in calls.items():
        median, fastest = milliseconds(call, repeats)
        out.append(
            {
                "V": vocab_size,
                "operation": name,
                "median ms": round(median, 3),
                "fastest ms": round(fastest, 3),
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=30)
    repeats = parser.parse_args().repeats
    table = [row for size in (128_256, 151_936, 262_208) for row in rows(size, repeats)]
    write_report("maths", "Selection maths", table, f"{repeats} repeats in one process")


if __name__ == "__main__":
    main()
