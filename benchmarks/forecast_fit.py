"""What the forecast's constants are rounded from, and how it does on sources left out.

    python benchmarks/forecast_fit.py

Fits the two terms of `vocabtrim_core.forecast.retraining` by maximum likelihood with scipy on the
paper's seven tasks and the public pairs of one draft whose coverage and lengths are known. Then
fits again without all rows of one source, with the assumed ranges for every device of that source,
and forecasts its lengths and its gains; the paper's tasks are also left out one at a time. Holds
the shipped forecast against all shipped evidence. Writes benchmarks/results/forecast_fit.json and
.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from unittest.mock import patch

import numpy as np
from msgspec import structs
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.report import write_report
from vocabtrim_core.forecast import acceptance_model, evidence, evidence_check
from vocabtrim_core.forecast.devices import ASSUMED_EFFECTIVE, HARDWARE
from vocabtrim_core.forecast.evidence import Evidence
from vocabtrim_core.forecast.evidence_check import Checked
from vocabtrim_core.forecast.retraining import LENGTH_NOISE, RARITY, RETRAININGS

NODES = norm.ppf((np.arange(80) + 0.5) / 80)
PAPER_NOISE, PUBLIC_NOISE = 0.005, LENGTH_NOISE  # of each measured length, relative
START = (0.8, 1.4, -0.035, 0.01, -0.004, 0.015)  # rarity, its spread, three shifts, their spread
SHIFTS = ("other-text", "same-text", "sliced")
SHIFT_PRIOR = 0.03  # standard deviation of a shift of which nothing is known
STEPS = np.array([0.05, 0.05, 0.002, 0.002, 0.001, 0.002])  # of the numerical second derivative
# The same two arms, measured twice by one source.
REPEATED = (
    ("german-1", "german-2"),
    ("german-1-e2e", "german-2-e2e"),
    *((f"german-1-thr-b{n}", f"german-2-thr-b{n}") for n in (1, 2, 4)),
    *((f"pro6000-frspec-1-b{n}", f"pro6000-frspec-2-b{n}") for n in (1, 4)),
    ("k3f98-b1-s1", "k3f98-b1-s2"),
    ("bonsai-98k-deep1", "bonsai-98k-deep2"),
    ("m5pro-oct8-dutch", "m5pro-oct9-dutch"),
    ("m5pro-oct8-english", "m5pro-oct9-english"),
    *(
        (f"sglang-gb10-{text}", f"sglang-gb10-{text}-boot2")
        for text in ("code-off", "prose-off", "code-on", "prose-on")
    ),
)


@dataclass(frozen=True)
class Case:
    """A trimmed draft of known coverage: what its length is, and what the full one's was."""

    name: str
    source: str
    training: str
    depth: int
    missing: float
    full: float
    trimmed: float
    noise: float


@dataclass(frozen=True)
class Constants:
    """What a fit says: mean and standard deviation of rarity and of each shift."""

    rarity: tuple[float, float]
    shifts: dict[str, tuple[float, float]]


def source_of(row: Evidence) -> str:
    """The repository, paper or file that a measurement is from."""
    if row.id.startswith("paper"):
        return "the paper"
    if row.source.startswith("own"):
        return "own"
    if note := re.search(r"on arXiv ([\d.]+)", row.source):
        return note[1]
    return (
        row.source.split()[0]
        if "/" in row.source.split()[0]
        else " ".join(re.sub(r"[,(].*", "", row.source).split()[:4])
    )


def cases() -> list[Case]:
    """Those of the shipped evidence that tell coverage and both lengths, against all of V."""
    return [
        Case(
            row.id,
            source_of(row),
            row.training,
            row.depth,
            1 - row.coverage_k,
            row.length_base,
            row.length_k,
            PAPER_NOISE if row.id.startswith("paper") else PUBLIC_NOISE,
        )
        for row in evidence.shipped()
        if row.kind == "P" and row.k_base == row.vocab_size and row.training in SHIFTS
        if row.coverage_k and row.length_base and row.length_k and row.depth
    ]


@cache
def position_rates(length: float, depth: int) -> np.ndarray:
    """Acceptance of the full draft at each position."""
    return np.clip(acceptance_model.position_rates(length, depth), 1e-9, 1 - 1e-9)


def lengths(case: Case, rarity: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """float64[n] the trimmed length for n values of both terms; the model, written again."""
    total = product = np.ones(len(rarity))
    for rate in position_rates(case.full, case.depth):
        theta = 1 / (1 + np.exp(-(math.log(rate / (1 - rate)) - rarity)))
        here = (rate - theta * case.missing) * np.exp(shift)
        product = product * np.clip(here, 0, 1 - case.missing)
        total = total + product
    return total


def drawn(
    case: Case, rarity: tuple[float, float], shift: tuple[float, float]
) -> tuple[np.ndarray, float]:
    """Lengths over the spread of rarity, and the standard deviation around each."""
    rarities = rarity[0] + rarity[1] * NODES
    middle = lengths(case, rarities, np.full(len(NODES), shift[0]))
    moved = lengths(case, rarities, np.full(len(NODES), shift[0] + 0.01))
    per_shift = float(np.mean(moved - middle)) / 0.01
    noise = math.sqrt(2) * case.noise * case.trimmed  # of both lengths
    return middle, math.hypot(per_shift * shift[1], noise)


def _loss(some: list[Case]) -> Callable[[np.ndarray], float]:
    """Minus the logarithm of the posterior, with weak priors around 0 shift and a rarity of 1."""

    def loss(terms: np.ndarray) -> float:
        mean, spread, *shifts, between = terms
        total = 0.0
        for case in some:
            shift = shifts[SHIFTS.index(case.training)]
            middle, deviation = drawn(case, (mean, abs(spread)), (shift, abs(between)))
            density = norm.pdf(case.trimmed, middle, deviation).mean()
            total -= math.log(density + 1e-300)
        total -= norm.logpdf(mean, 1, 1) + norm.logpdf(shifts, 0, SHIFT_PRIOR).sum()
        spreads = np.log(np.abs([spread, between]) + 1e-9)
        return total - norm.logpdf(spreads, np.log([1.2, 0.015]), 0.5).sum()

    return loss


def fitted(some: list[Case], start: Iterable[float] = START) -> tuple[np.ndarray, Constants]:
    """The most likely terms, and the constants: spread between tasks and error of each mean.

    The error of a mean is that of a normal approximation at the most likely terms.
    """
    loss = _loss(some)
    options = {"maxiter": 2000, "xatol": 1e-4, "fatol": 1e-4}
    terms = minimize(loss, np.array(tuple(start)), method="Nelder-Mead", options=options).x
    second = np.zeros((len(terms), len(terms)))
    moves = np.diag(STEPS)
    for i, one in enumerate(moves):
        for j, other in enumerate(moves[: i + 1]):
            corners = (a * b * loss(terms + a * one + b * other) for a in (1, -1) for b in (1, -1))
            second[i, j] = second[j, i] = sum(corners) / (4 * STEPS[i] * STEPS[j])
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(second)), 0))
    deviations = np.hypot([abs(terms[1]), *[abs(terms[5])] * 3], [errors[0], *errors[2:5]])
    rarity = (float(terms[0]), float(deviations[0]))
    pairs = zip(map(float, terms[2:5]), map(float, deviations[1:]), strict=True)
    return terms, Constants(rarity, dict(zip(SHIFTS, pairs, strict=True)))


@contextmanager
def forecasting(constants: Constants, devices: set[str]) -> Iterator[None]:
    """The product's forecast with other constants, and assumed ranges for these devices."""
    trainings = {
        name: replace(RETRAININGS[name], shift=shift, spread=spread)
        for name, (shift, spread) in constants.shifts.items()
    }
    hardware = {
        name: replace(HARDWARE[name], effective=ASSUMED_EFFECTIVE)
        for name in devices
        if name in HARDWARE
    }
    with (
        patch.object(acceptance_model, "RARITY", constants.rarity),
        patch.dict(RETRAININGS, trainings),
        patch.dict(HARDWARE, hardware),
    ):
        yield


Line = dict[str, object]


def left_out(known: list[Case], start: np.ndarray, group: Callable[[str, str], str]) -> list[Line]:
    """Forecasts of every group of rows from constants fitted without it.

    Args:
        known: Cases to fit on.
        start: Where fits begin.
        group: Of a row's id and source; an empty one is never left out.

    Returns:
        A line per length or gain.
    """
    rows = [(row, group(row.id, source_of(row))) for row in evidence.shipped()]
    names = {case.name: group(case.name, case.source) for case in known}
    _, whole = fitted(known, start)
    lines: list[Line] = []
    for name in sorted({name for _, name in rows} - {""}):
        members = [row for row, of_row in rows if of_row == name]
        rest = [case for case in known if names[case.name] != name]
        constants = whole if len(rest) == len(known) else fitted(rest, start)[1]
        if any(row.training == "short" for row in members):
            unknown = {"short": (0.0, SHIFT_PRIOR)}
            constants = replace(constants, shifts=constants.shifts | unknown)
        for case in known:
            if names[case.name] == name:
                lines.append(_length_line(case, constants))
        with forecasting(constants, {row.device for row in members}):
            checked = [evidence_check.check(row) for row in members if row.kind in "PL"]
        lines += [_gain_line(entry) for entry in checked if entry.inside is not None]
    return lines


def _length_line(case: Case, constants: Constants) -> Line:
    middle, deviation = drawn(case, constants.rarity, constants.shifts[case.training])
    points = (middle[:, None] + deviation * NODES).ravel()
    ends = (min(float(x), case.depth + 1) for x in np.quantile(points, [0.05, 0.5, 0.95]))
    low, mid, high = ends
    return {
        "left out": case.source,
        "row": case.name,
        "of": "length",
        "measured": f"{case.trimmed:.2f}",
        "forecast": f"{mid:.2f}",
        "band": f"{low:.2f} to {high:.2f}",
        "inside": "yes" if low <= case.trimmed <= high else "no",
        "error": f"{mid / case.trimmed - 1:+.1%}",
    }


def _gain_line(entry: Checked) -> Line:
    gain, row = entry.forecast, entry.evidence
    assert gain is not None
    return {
        "left out": source_of(row),
        "row": row.id,
        "of": "gain",
        "measured": f"{row.observed or 0.0:+.1%}",
        "forecast": f"{gain.middle:+.1%}",
        "band": f"{gain.low:+.1%} to {gain.high:+.1%}",
        "inside": "yes" if entry.inside else "no",
        "error": f"{entry.error or 0.0:+.1%}",
    }


def _told(title: str, lines: list[Line]) -> str:
    """How many of some lines are inside, and the median error."""
    inside = sum(line["inside"] == "yes" for line in lines)
    errors = [abs(float(str(line["error"]).strip("%"))) for line in lines]
    of = lines[0]["of"]
    unit = "%" if of == "length" else "points"
    return (
        f"{title}: {inside} of {len(lines)} {of}s inside the 90 % band, median error "
        f"{median(errors):.1f} {unit}."
    )


def repeats() -> str:
    """By how much gains differ that one source measured twice."""
    gains = {row.id: row.observed or 0.0 for row in evidence.shipped()}
    apart = [math.log((1 + gains[a]) / (1 + gains[b])) / math.sqrt(2) for a, b in REPEATED]
    return (
        f"{len(apart)} gains were measured twice by their source: standard deviation "
        f"{100 * math.sqrt(np.mean(np.square(apart))):.1f} %, from the median "
        f"{100 * median(map(abs, apart)) / norm.ppf(0.75):.1f} % "
        f"(shipped {100 * evidence.UNSTATED_NOISE:g} %, for sources that give no interval)."
    )


def shipped_scores() -> list[str]:
    """The shipped forecast, with the noise of the measurements in its band and without it."""
    told = []
    for title, papers in (("the paper's seven", True), ("public rows of class P and L", False)):
        rows = [
            row
            for row in evidence.shipped()
            if row.kind in "PL" and row.id.startswith("paper") == papers
        ]
        for noise, with_noise in (("", True), (", without the noise of a measurement", False)):
            score = evidence_check.score(
                evidence_check.check(row if with_noise else structs.replace(row, noise=0.0))
                for row in rows
            )
            assert score is not None
            told.append(
                f"Shipped forecast, {title}{noise}: {score.inside} of {score.pairs} gains inside "
                f"the 90 % band, median error {100 * score.median_error:.1f} points, median width "
                f"{100 * score.median_width:.1f} points."
            )
    return told


def main() -> None:
    known = cases()
    start, whole = fitted(known)
    by_source = left_out(known, start, lambda _, source: source)
    by_task = left_out(known, start, lambda name, source: name if source == "the paper" else "")
    told = [
        f"Fitted on all {len(known)}: rarity {whole.rarity[0]:.2f} with a spread of "
        f"{whole.rarity[1]:.2f} (shipped {RARITY[0]} and {RARITY[1]}); shift per position "
        + ", ".join(
            f"{name} {shift:+.3f} with a spread of {spread:.3f} (shipped "
            f"{RETRAININGS[name].shift:+.3f} and {RETRAININGS[name].spread:.3f})"
            for name, (shift, spread) in whole.shifts.items()
        )
        + ".",
        repeats(),
    ]
    for of in ("length", "gain"):
        of_source = [line for line in by_source if line["of"] == of]
        paper = [line for line in of_source if line["left out"] == "the paper"]
        public = [line for line in of_source if line["left out"] != "the paper"]
        tasks = [line for line in by_task if line["of"] == of]
        told.append(_told("Left out by source, public rows", public))
        told.append(_told("Left out as a whole, the paper", paper))
        told.append(_told("Left out one at a time, the paper's tasks", tasks))
    told += shipped_scores()
    for line in by_task:
        line["left out"] = "this task"
    rows = by_source + by_task
    write_report("forecast_fit", "What the forecast's constants rest on", rows, "  \n".join(told))


if __name__ == "__main__":
    main()
