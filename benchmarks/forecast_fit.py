"""What the forecast's constants are rounded from, and how it does on points left out.

    python benchmarks/forecast_fit.py

Fits the two terms of `vocabtrim_core.forecast.retraining` by maximum likelihood with scipy on the
paper's seven tasks and the public pairs of one draft whose coverage and lengths are known; then
fits again without one task at a time and predicts it. Holds the shipped forecast against all
shipped evidence. Writes benchmarks/results/forecast_fit.json and .md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.optimize import minimize
from scipy.stats import norm

from benchmarks.report import write_report
from vocabtrim_core.forecast import evidence, evidence_check
from vocabtrim_core.forecast.acceptance_model import position_rates
from vocabtrim_core.forecast.retraining import RARITY, RETRAININGS

NODES = norm.ppf((np.arange(200) + 0.5) / 200)
PAPER_NOISE, PUBLIC_NOISE = 0.005, 0.02  # standard deviation of a measured length, relative
START = (0.8, 1.4, -0.035, 0.01, -0.004, 0.015)  # rarity, its spread, three shifts, their spread
SHIFTS = ("other-text", "same-text", "sliced")


@dataclass(frozen=True)
class Case:
    """A trimmed draft of known coverage: what its length is, and what the full one's was."""

    name: str
    training: str
    depth: int
    missing: float
    full: float
    trimmed: float
    noise: float


def cases() -> list[Case]:
    """Those of the shipped evidence that tell coverage and both lengths, against all of V."""
    return [
        Case(
            row.id,
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


def lengths(case: Case, rarity: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """float64[n] the trimmed length for n values of both terms; the model, written again."""
    total = product = np.ones(len(rarity))
    for rate in np.clip(position_rates(case.full, case.depth), 1e-9, 1 - 1e-9):
        theta = 1 / (1 + np.exp(-(math.log(rate / (1 - rate)) - rarity)))
        here = (rate - theta * case.missing) * np.exp(shift)
        product = product * np.clip(here, 0, 1 - case.missing)
        total = total + product
    return total


def drawn(case: Case, terms: np.ndarray) -> tuple[np.ndarray, float]:
    """Lengths over the spread of rarity, and the standard deviation around each."""
    mean, spread, *shifts, between = terms
    shift = shifts[SHIFTS.index(case.training)]
    rarity = mean + abs(spread) * NODES
    middle = lengths(case, rarity, np.full(len(NODES), shift))
    moved = lengths(case, rarity, np.full(len(NODES), shift + 0.01))
    per_shift = float(np.mean(moved - middle)) / 0.01
    return middle, math.hypot(per_shift * abs(between), case.noise * case.trimmed)


def fitted(some: list[Case]) -> np.ndarray:
    """Maximum likelihood, with weak priors around 0 shift and a rarity of 1."""

    def loss(terms: np.ndarray) -> float:
        total = 0.0
        for case in some:
            middle, deviation = drawn(case, terms)
            density = norm.pdf(case.trimmed, middle, deviation).mean()
            total -= math.log(density + 1e-300)
        total -= norm.logpdf(terms[0], 1, 1) + norm.logpdf(terms[2:5], 0, 0.03).sum()
        return (
            total
            - norm.logpdf(np.log(np.abs(terms[[1, 5]]) + 1e-9), np.log([1.2, 0.015]), 0.5).sum()
        )

    return minimize(loss, START, method="Nelder-Mead", options={"maxiter": 4000}).x


def main() -> None:
    known = cases()
    whole = fitted(known)
    rows = []
    for case in known:
        terms = fitted([other for other in known if other is not case])
        middle, deviation = drawn(case, terms)
        points = (middle[:, None] + deviation * NODES).ravel()
        low, mid, high = (
            min(float(x), case.depth + 1) for x in np.quantile(points, [0.05, 0.5, 0.95])
        )
        rows.append(
            {
                "left out": case.name,
                "trained": case.training,
                "missing": f"{case.missing:.1%}",
                "full": case.full,
                "measured": case.trimmed,
                "predicted": round(mid, 2),
                "band": f"{low:.2f} to {high:.2f}",
                "inside": "yes" if low <= case.trimmed <= high else "no",
                "error": f"{mid / case.trimmed - 1:+.1%}",
            }
        )
    checked = [evidence_check.check(row) for row in evidence.shipped()]
    said = [
        f"Fitted on all {len(known)}: rarity {whole[0]:.2f} with a spread of {abs(whole[1]):.2f} "
        f"(shipped {RARITY[0]} and {RARITY[1]}); shift per position "
        + ", ".join(
            f"{name} {value:+.3f} (shipped {RETRAININGS[name].shift:+.3f})"
            for name, value in zip(SHIFTS, whole[2:5], strict=True)
        )
        + f"; spread of the shifts {abs(whole[5]):.3f}.",
    ]
    for title, some in (
        ("the paper's seven", [r for r in rows if r["left out"].startswith("paper")]),
        ("all", rows),
    ):
        inside = sum(row["inside"] == "yes" for row in some)
        errors = [abs(float(str(row["error"]).strip("%+"))) for row in some]
        said.append(
            f"Left out one at a time, {title}: {inside} of {len(some)} lengths inside the 90 % "
            f"band, median error {median(errors):.1f} %."
        )
    for title, kinds, papers in (
        ("the paper's seven gains", "P", True),
        ("public pairs of class P and L, the paper's left out", "PL", False),
    ):
        score = evidence_check.score(
            c
            for c in checked
            if c.evidence.kind in kinds and c.evidence.id.startswith("paper") == papers
        )
        if score:
            said.append(
                f"Shipped forecast, {title}: {score.inside} of {score.pairs} gains inside the 90 % "
                f"band, median error {100 * score.median_error:.1f} points, median width "
                f"{100 * score.median_width:.1f} points."
            )
    write_report("forecast_fit", "What the forecast's constants rest on", rows, "  \n".join(said))


if __name__ == "__main__":
    main()
