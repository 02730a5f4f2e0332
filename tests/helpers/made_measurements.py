"""Measurements made up for tests: plausible shapes, plainly not results."""

from __future__ import annotations

import math
import random

from vocabtrim_core.serving.measurement import Configuration, Latency, Measurement, Run

V, SHIPPED, SMALL = 128_256, 32_000, 13_264
HISTOGRAM = (300, 250, 200, 250)  # of cycles by accepted tokens: 70 %, 45 %, 25 % reached


def configuration(k: int | None) -> Configuration:
    if k is None:
        return Configuration("no speculation")
    return Configuration(f"{k:,}", k, f"/drafts/{k}", 3, 1, 4)


def run(label: str, index: int, rate: float, length: float | None, concurrency: int = 1) -> Run:
    tokens = 20_000
    return Run(
        label,
        concurrency,
        index,
        rate,
        tokens,
        tokens / rate,
        round(tokens / length) if length else None,
        length,
        Latency(2.0, 1.8, 3.5),
        Latency(0.05, 0.04, 0.09),
        HISTOGRAM if length else (),
    )


def made(
    prompts: str = "MT-Bench",
    ks: tuple[int | None, ...] = (None, V, SHIPPED, SMALL),
    runs: int = 3,
    concurrencies: tuple[int, ...] = (1,),
    seed: int = 0,
    **more,
) -> Measurement:
    """Throughput rises by six percent as k falls to nothing; runs differ by half a percent."""
    noise = random.Random(seed)
    found = []
    for k in ks:
        rate = 100.0 if k is None else 172 * (1 + 0.06 * (1 - k / V))
        for at_once in concurrencies:
            for index in range(runs):
                length = None if k is None else 2.6 + 0.05 * math.log10(k) + noise.gauss(0, 0.005)
                spread = 1 + noise.gauss(0, 0.005)
                found.append(
                    run(
                        configuration(k).label, index, rate * at_once**0.8 * spread, length, at_once
                    )
                )
    fields = {
        "target": "made-up-8b",
        "engine": "made-up engine 0.1",
        "vocab_size": V,
        "device": "made-up device",
        "created": "2026-01-02T03:04:05Z",
        "command": "python -m vocabtrim_core bench --target demo",
        "versions": {"torch": "2.13"},
        "settings": {"max_new_tokens": 64},
    }
    return Measurement(
        prompts, configurations=tuple(map(configuration, ks)), runs=tuple(found), **fields | more
    )


def measured(throughputs: dict[str, list[float | str]], **about) -> Measurement:
    """Runs of these tokens/s; a text is the reason why a run failed. Labels are sizes or names."""
    configurations, runs = [], []
    for label, values in throughputs.items():
        k = int(label) if label.isdigit() else None
        configurations.append(
            Configuration(label, k, f"draft-{label}" if k else "", *((3, 1, 4) if k else ()))
        )
        for i, value in enumerate(values):
            if isinstance(value, str):
                runs.append(Run(label, 1, i, error=value))
            else:
                runs.append(Run(label, 1, i, throughput=value))
    made = {"vocab_size": V, **about}
    return Measurement("MT-Bench", "target", "engine", tuple(configurations), tuple(runs), **made)
