"""Do the intervals of Generalize hold as often as they say? Replications on real conversations.

    python benchmarks/generalize_calibration.py [--replications 200] [--sizes 1000 5000 20000]

Samples are drawn from the conversations of the blend in ../shared (else from Zipf's law) with
replacement, so that the blend is exactly the text they come from, and every estimate from a sample
is compared with what the whole blend says. A 95 % interval should hold that in about 95 % of the
samples, and be no wider than it must: "2 sd + bias" is what k* itself does from sample to sample.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.report import write_report
from vocabtrim_core.counting.kernels import weighted_counts
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.generalization.domains import coverage_by_domain, held_out_by_domain
from vocabtrim_core.generalization.held_out import held_out_coverage
from vocabtrim_core.generalization.intervals import CoverageInterval, coverage_interval
from vocabtrim_core.generalization.stability import stability
from vocabtrim_core.generalization.unseen import unseen, unseen_mass
from vocabtrim_core.tradeoff import TradeOff

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LLAMA = PRESETS["llama-3.1-8b"]
KEPT = 8_000  # tokens of the vocabularies whose coverage is measured
HALVES = 40  # per interval of k*; the command takes 200
PIECES = 64


def blend() -> tuple[Responses, str]:
    """The conversations to draw from, and what they are."""
    if not SHARED.is_dir():
        rng = np.random.default_rng(0)
        tokens, conversations = 4_000_000, 20_000
        ids = np.minimum(rng.zipf(1.2, tokens) - 1, LLAMA.vocab_size - 1).astype(np.uint32)
        offsets = np.linspace(0, tokens, conversations + 1).astype(np.int64)
        labels = (np.arange(conversations) % 4).astype(np.int16)
        numbers = np.arange(conversations)
        made = Responses(ids, offsets, numbers, labels, tuple("abcd"), LLAMA.vocab_size)
        return made, "Zipf's law"
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.counting.response_files import find_responses
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(SHARED / "tokenizers" / "llama-3.1")
    template = resolve_template(tokenizer, "llama3")
    (path,) = (SHARED / "corpora").glob("blend_train.jsonl.*")
    counts = count(open_corpus([path]), tokenizer, template, rule="content")
    found = find_responses(counts.key, counts)
    assert found is not None
    return found, "the blend"


class Sample(Responses):
    """Conversations that remember the halves drawn from them, for the next question about them."""

    def weighted(self, times: np.ndarray) -> np.ndarray:
        known = _known.setdefault(id(self), {})
        key = times.tobytes()
        if key not in known:
            at = self.conversation_offsets()
            known[key] = weighted_counts(self.ids, at, times, self.vocab_size)
        return known[key]


_known: dict[int, dict[bytes, np.ndarray]] = {}


def drawn(source: Responses, chosen: np.ndarray) -> Sample:
    """These conversations of the source, each as often as it is named."""
    at = source.conversation_offsets()
    ids = np.concatenate([source.ids[at[c] : at[c + 1]] for c in chosen])
    offsets = np.concatenate([[0], np.cumsum(np.diff(at)[chosen])])
    size = len(chosen)
    return Sample(
        ids, offsets, np.arange(size), source.domain[chosen], source.domains, source.vocab_size
    )


@dataclass
class Tally:
    """What one interval did over the samples."""

    truths: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    ends: list[tuple[float, float]] = field(default_factory=list)

    def add(self, truth: float, found: CoverageInterval | float) -> None:
        """One sample; a number stands for an estimate without an interval."""
        self.truths.append(truth)
        if isinstance(found, CoverageInterval):
            self.values.append(found.value)
            self.ends.append((found.low, found.high))
        else:
            self.values.append(found)

    def row(self, show: Callable[[float], str]) -> dict[str, object]:
        """Columns of the report."""
        errors = np.subtract(self.values, self.truths)
        inside = [
            low <= truth <= high for truth, (low, high) in zip(self.truths, self.ends, strict=False)
        ]
        widths = [high - low for low, high in self.ends]
        spread, bias = float(errors.std(ddof=1)), float(errors.mean())
        return {
            "estimates": len(errors),
            "intervals that hold the truth": f"{np.mean(inside):.1%}" if inside else "",
            "truth": show(statistics.mean(self.truths)),
            "estimate": show(statistics.mean(self.values)),
            "bias": show(bias),
            "sd": show(spread),
            "2 sd + bias": show(2 * spread + abs(bias)),
            "half-width": show(statistics.mean(widths) / 2) if widths else "",
        }


SETTINGS = {  # alpha, least coverage
    "alpha 0.5": (0.5, 0.0),
    "alpha 0.57": (0.57, 0.0),
    "alpha 0.7": (0.7, 0.0),
    "alpha 0.3, floor 95 %": (0.3, 0.95),
}


class Truth:
    """What the whole text says."""

    def __init__(self, source: Responses) -> None:
        self.counts = source.counts()
        curve = CoverageCurve.of(self.counts)
        self.tradeoffs = {name: TradeOff(curve, LLAMA, *each) for name, each in SETTINGS.items()}
        at = source.conversation_offsets()
        self.by_domain = {
            name: weighted_counts(
                source.ids, at, (source.domain == code).view(np.uint8), source.vocab_size
            )
            for code, name in enumerate(source.domains)
        }
        elsewhere = next(reversed(self.by_domain.values()))
        self.foreign = top(elsewhere)

    def coverage(self, kept: np.ndarray, domain: str | None = None) -> float:
        """Share of the whole text, or of a domain of it, that is kept."""
        counts = self.by_domain[domain] if domain else self.counts
        return float(counts[kept].sum() / counts.sum())


def top(counts: np.ndarray) -> np.ndarray:
    """bool[V]: the KEPT most frequent tokens."""
    kept = np.zeros(len(counts), bool)
    kept[np.argsort(-counts, kind="stable")[:KEPT]] = True
    return kept


Found = list[tuple[str, str, float, CoverageInterval | float]]  # kind, what, truth, estimate


class Replication:
    """One sample and all that is estimated from it; picklable, so that processes can share work."""

    def __init__(self, source: Responses) -> None:
        self.source, self.truth = source, Truth(source)

    def __call__(self, task: tuple[int, int]) -> Found:
        """The estimates from one sample of a size, by the seed of the sample."""
        size, seed = task
        rng = np.random.default_rng([size, seed])
        sample = drawn(self.source, np.sort(rng.integers(0, self.source.conversations, size)))
        found: Found = []
        for name, tradeoff in self.truth.tradeoffs.items():
            k = stability(sample, tradeoff, sizes=[], draws=HALVES, seed=seed).k
            found.append(("k*", name, tradeoff.optimum.k, k))
        _known.clear()
        found += [("share", *each) for each in self._coverages(sample, seed)]
        found += [("share", *each) for each in self._unseen(sample, rng)]
        _known.clear()
        return found

    def _coverages(
        self, sample: Responses, seed: int
    ) -> Iterator[tuple[str, float, CoverageInterval]]:
        truth, own = self.truth, top(sample.counts())
        elsewhere = truth.foreign
        found = coverage_interval(sample, elsewhere)
        yield "coverage of tokens chosen elsewhere", truth.coverage(elsewhere), found
        for row in coverage_by_domain(sample, elsewhere):
            if row.interval:
                yield "the same by domain", truth.coverage(elsewhere, row.domain), row.interval
        found = held_out_coverage(sample, KEPT, seed=seed)
        yield "coverage held out", truth.coverage(own), found
        for row in held_out_by_domain(sample, KEPT, seed=seed):
            if row.interval:
                yield "the same held out by domain", truth.coverage(own, row.domain), row.interval
        found = coverage_interval(sample, own)
        yield "coverage in sample (not shown as an interval)", truth.coverage(own), found

    def _unseen(
        self, sample: Responses, rng: np.random.Generator
    ) -> Iterator[tuple[str, float, CoverageInterval | float]]:
        counts = sample.counts()
        missed = self.truth.coverage(counts == 0)
        found = unseen(counts, sample)
        assert found.low is not None
        assert found.high is not None
        ends = CoverageInterval(found.value, found.low, found.high)
        yield "unseen in a new conversation", missed, ends
        place = rng.permutation(sample.conversations) % PIECES
        rows = (sample.weighted((place == p).view(np.uint8)) for p in range(PIECES))
        pieces = ShardCounts.of(rows, np.bincount(place, minlength=PIECES))
        yield f"unseen from {PIECES} pieces", missed, unseen(counts, pieces=pieces).value
        yield "unseen by Good-Turing", missed, unseen_mass(counts)


SHOWN: dict[str, Callable[[float], str]] = {"k*": "{:,.0f}".format, "share": "{:.3%}".format}
_worker: list[Replication] = []


def _start(replication: Replication) -> None:
    _worker.append(replication)


def _replicate(task: tuple[int, int]) -> Found:
    return _worker[0](task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 5000, 20_000])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["VOCABTRIM_HOME"] = home
        source, name = blend()
    tasks = [(size, seed) for size in arguments.sizes for seed in range(arguments.replications)]
    tallies: dict[tuple[str, int, str], Tally] = defaultdict(Tally)
    with multiprocessing.get_context("spawn").Pool(
        arguments.processes, _start, (Replication(source),)
    ) as pool:
        for number, ((size, _), found) in enumerate(
            zip(tasks, pool.imap(_replicate, tasks, 4), strict=True)
        ):
            for kind, what, truth, estimate in found:
                tallies[kind, size, what].add(truth, estimate)
            if number % 20 == 0:
                print(f"{number} of {len(tasks)} samples", file=sys.stderr, flush=True)
    rows = [
        {"conversations": size, f"95 % interval of ({kind})": what} | tally.row(SHOWN[kind])
        for (kind, size, what), tally in sorted(tallies.items(), key=lambda each: each[0][0])
    ]
    write_report(
        "generalize_calibration",
        "Do the intervals hold?",
        rows,
        f"{arguments.replications} samples of each size from {name}, "
        f"{source.conversations:,} conversations; {HALVES} halves per interval of k*; "
        f"{KEPT:,} tokens kept for coverage.",
    )


if __name__ == "__main__":
    main()
