"""Time what Generalize and Forecast compute.

    python benchmarks/generalize.py [--repeats 3]

On the 16.2 million tokens of the blend in ../shared with seven other corpora there, else on as
many tokens drawn from Zipf's law. Sliders are timed at V = 151,936 with eight corpora.

How often the intervals hold is for generalize_calibration.py.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import write_report
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.forecast.ceiling import ceiling
from vocabtrim_core.forecast.decision import TrafficForecast, decide
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.inputs import acceptance_on, served_text
from vocabtrim_core.forecast.roofline import roofline
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.generalization.held_out import held_out_coverage, optimism
from vocabtrim_core.generalization.intervals import coverage_interval
from vocabtrim_core.generalization.missing import missing
from vocabtrim_core.generalization.stability import stability
from vocabtrim_core.selection.covering import covering_vocabulary
from vocabtrim_core.selection.selection import Rules, apply_rules, mix
from vocabtrim_core.tradeoff import TradeOff

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
NAMES = (
    "blend_train",
    "gsm8k_test",
    "mt_bench",
    "humaneval",
    "math500",
    "aime",
    "function_calling_test",
    "ner_test",
)
LLAMA = PRESETS["llama-3.1-8b"]

Corpora = tuple[list[TokenCounts], Responses]


def real() -> Corpora:
    """Counts of eight corpora, and the responses of the first, from ../shared."""
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(SHARED / "tokenizers" / "llama-3.1")
    template = resolve_template(tokenizer, "llama3")
    sets = []
    for name in NAMES:
        (path,) = (SHARED / "corpora").glob(f"{name}.jsonl.*")
        sets.append(count(open_corpus([path]), tokenizer, template, rule="content"))
    responses = find_responses(sets[0].key, sets[0])
    assert responses is not None
    return sets, responses


def synthetic() -> Corpora:
    """As many tokens and conversations, drawn from Zipf's law."""
    rng = np.random.default_rng(0)
    n, conversations = 16_200_000, 76_590
    ids = np.minimum(rng.zipf(1.2, n) - 1, LLAMA.vocab_size - 1).astype(np.uint32)
    offsets = np.linspace(0, n, conversations + 1).astype(np.int64)
    responses = Responses(
        ids,
        offsets,
        np.arange(conversations),
        np.full(conversations, -1, np.int16),
        (),
        LLAMA.vocab_size,
    )
    made = Provenance("content", "zipf", "", "none", "", corpora=({"name": "zipf", "sha256": ""},))
    counts = responses.counts()
    sets = [TokenCounts(np.roll(counts, 500 * i), 1, 0, made) for i in range(8)]
    return sets, responses


def seconds(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall times of `call`, after one call that compiles and warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def timings(corpora: Corpora, repeats: int) -> list[dict[str, object]]:
    """One row per operation."""
    sets, responses = corpora
    curve = CoverageCurve.of(sets[0])
    tradeoff = TradeOff(curve, LLAMA)
    kept = curve.vocabulary(13_264)
    settings = ForecastSettings(depth=3)
    found = acceptance_on(served_text(curve, sets[0], responses=responses), settings)
    acceptance = found.model
    cycles = roofline(LLAMA, HARDWARE["a100-80g"], 3)
    wide = replace(LLAMA, vocab_size=151_936)
    rng = np.random.default_rng(1)
    zipf = 1e7 / np.arange(1, 151_937) ** 1.2
    eight = [
        TokenCounts(rng.permutation(zipf).astype(np.int64), 1, 0, sets[0].provenance)
        for _ in range(8)
    ]
    rules = Rules(frozenset(range(300)), frozenset(range(1000, 1100)), 64)

    def slider() -> object:
        return TradeOff(CoverageCurve.of(mix(eight, range(1, 9))), wide).optimum

    def ruled_slider() -> object:
        return apply_rules(mix(eight, range(1, 9)), rules).tradeoff(wide).optimum

    tokens = f"{responses.tokens / 1e6:.1f} M tokens"
    calls: dict[str, Callable[[], object]] = {
        f"acceptance ceiling, all k, K = 1..16, {tokens}": lambda: ceiling(
            responses.batches(), curve.ranks()
        ),
        "forecast for all k, once the ceiling is known": lambda: (
            decide(tradeoff, [TrafficForecast("", "", forecast(acceptance, cycles))]).equivalent
        ),
        f"k* of 200 random halves, {tokens}": lambda: stability(
            responses, tradeoff, sizes=[], draws=200
        ),
        f"held-out coverage, 10 folds, {tokens}": lambda: held_out_coverage(responses, 13_264),
        f"coverage interval, {tokens}": lambda: coverage_interval(responses, kept.t2d),
        f"in-sample and held-out curves, 10 halves, {tokens}": lambda: optimism(responses),
        "90 % on each of 8 corpora": lambda: covering_vocabulary(sets, 0.9),
        "95 % on each of 8 corpora": lambda: covering_vocabulary(sets, 0.95),
        "missing tokens of a corpus": lambda: missing(sets[-1], kept),
        "mix of 8 corpora to curve and k*, V = 151,936": slider,
        "the same with 300 protected, 100 excluded tokens": ruled_slider,
    }
    rows = []
    for name, call in calls.items():
        times = seconds(call, repeats)
        rows.append(
            {
                "operation": name,
                "median s": round(statistics.median(times), 4),
                "fastest s": round(min(times), 4),
            }
        )
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["VOCABTRIM_HOME"] = home
        corpora = real() if SHARED.is_dir() else synthetic()
        note = "On the blend and seven other real corpora. " if SHARED.is_dir() else "Zipf's law. "
        note += f"{arguments.repeats} repeats after a warm-up, in one process."
        rows = timings(corpora, arguments.repeats)
        write_report("generalize", "Generalisation and forecast", rows, note)


if __name__ == "__main__":
    main()
