"""The trade-off: utility, floor, exact optimum, alpha path, Pareto frontier (section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError


@dataclass(frozen=True, slots=True)
class Choice:
    """One point of the trade-off.

    Attributes:
        k: Size of the draft vocabulary.
        coverage: C(k), 0..1.
        latency_reduction: R(k), 0..1.
        utility: U(k), 0..1.
    """

    k: int
    coverage: float
    latency_reduction: float
    utility: float


@dataclass(frozen=True, slots=True, eq=False)
class TradeOff:
    """Coverage against draft cost for every k in 1..V, with one objective over it.

    Attributes:
        curve: Coverage by k.
        architecture: Cost of the draft by k, with the same V.
        alpha: Weight of coverage against latency reduction, 0..1 (equation 4).
        floor: Least coverage allowed, 0..1 (equation 5).
        k_min: Smallest k of the search.
        k_max: Largest k of the search, None for V.
    """

    curve: CoverageCurve
    architecture: DraftArchitecture
    alpha: float = 0.5
    floor: float = 0.0
    k_min: int = 1
    k_max: int | None = None

    def __post_init__(self) -> None:
        if self.curve.vocab_size != self.architecture.vocab_size:
            raise InputError(
                f"The counts have V = {self.curve.vocab_size:,}, but the draft architecture "
                f"{self.architecture.name} has V = {self.architecture.vocab_size:,}; choose the "
                "architecture of the tokenizer's model."
            )
        for name, value in (("alpha", self.alpha), ("min-coverage", self.floor)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} must lie within 0..1, but it is {value}.")
        self.curve.check_k(self.k_min)
        self.curve.check_k(self.last_k)
        if self.k_min > self.last_k:
            raise InputError(
                f"The smallest k, {self.k_min:,}, is above the largest k, {self.last_k:,}; lower "
                "the one or raise the other."
            )

    @property
    def last_k(self) -> int:
        """The largest k of the search."""
        return self.curve.vocab_size if self.k_max is None else self.k_max

    @property
    def ks(self) -> np.ndarray:
        """int64[V]: 1..V, the k of each entry of the curves."""
        return np.arange(1, self.curve.vocab_size + 1)

    @property
    def latency_reduction(self) -> np.ndarray:
        """float64[V], R(k) (equation 3)."""
        return self.architecture.latency_reduction(self.ks)

    @property
    def utility(self) -> np.ndarray:
        """float64[V], U(k) = alpha C(k) + (1 - alpha) R(k) (equation 4)."""
        return self.alpha * self.curve.coverage + (1 - self.alpha) * self.latency_reduction

    def at(self, k: int) -> Choice:
        """Compute the trade-off at one k, inside or outside the search bounds.

        Args:
            k: 1..V.

        Returns:
            Its coverage, latency reduction and utility.

        Raises:
            InputError: k is outside 1..V.
        """
        coverage = self.curve.at(k)
        reduction = float(self.architecture.latency_reduction(k))
        return Choice(k, coverage, reduction, self.alpha * coverage + (1 - self.alpha) * reduction)

    def feasible(self, k: int) -> bool:
        """Check whether k lies within the search bounds and reaches the floor.

        Args:
            k: 1..V.

        Returns:
            True if both hold.

        Raises:
            InputError: k is outside 1..V.
        """
        return self.k_min <= k <= self.last_k and self.curve.at(k) >= self.floor

    def objective(self, k: int) -> float:
        """Compute the objective of equation 5.

        Args:
            k: 1..V.

        Returns:
            U(k) where C(k) reaches the floor, else -1, the penalty of the released code.

        Raises:
            InputError: k is outside 1..V.
        """
        choice = self.at(k)
        return choice.utility if choice.coverage >= self.floor else -1.0

    @property
    def optimum(self) -> Choice:
        """The feasible k in k_min..k_max with the largest utility, the smallest in a tie.

        Returns:
            The trade-off at that k.

        Raises:
            InputError: No k within the bounds reaches the floor.
        """
        first = max(self.k_min, self._floor_k())
        window = self.utility[first - 1 : self.last_k]
        return self.at(first + int(np.argmax(window)))

    def optimum_closed_form(self) -> Choice:
        """Compute the optimum without evaluating every k (see `_unbounded`).

        Returns:
            The same as `optimum`.

        Raises:
            InputError: No k within the bounds reaches the floor.
        """
        grown = int(self._unbounded(np.array([self.alpha]))[0])
        return self.at(int(np.clip(grown, max(self.k_min, self._floor_k()), self.last_k)))

    def _unbounded(self, alphas: np.ndarray) -> np.ndarray:
        """The k in k_min..k_max with the largest U for each alpha, without the floor.

        C is concave there and R linear, so U grows exactly while a token's share of the corpus
        exceeds (1 - alpha)/alpha * 2H/FLOPs(V). The floor only raises the smallest k. Below k_min C
        need not be concave: under selection rules protected tokens come first.

        Returns:
            int64[alphas].
        """
        least_count = self.least_share(alphas) * self.curve.tokens
        rising = self.curve.sorted_counts[self.k_min : self.last_k][::-1]
        return self.last_k - np.searchsorted(rising, least_count, side="right")

    def least_share(self, alphas: float | np.ndarray) -> np.ndarray:
        """Compute the share of the corpus that a token must exceed to raise the utility.

        Args:
            alphas: Weight of coverage, 0..1.

        Returns:
            float64 of the same shape; infinite for alpha = 0.
        """
        slope = 2 * self.architecture.row_weights / self.architecture.flops(self.curve.vocab_size)
        weight = np.asarray(alphas, np.float64)
        with np.errstate(divide="ignore", over="ignore"):
            return (1 - weight) / weight * slope

    def _floor_k(self) -> int:
        needed = self.curve.smallest_k(self.floor) if self.floor > 0 else 1
        if needed > self.last_k:
            raise InputError(
                f"A coverage of {100 * self.floor:.6g}% is unreachable within k <= "
                f"{self.last_k:,}: the most there is {100 * self.curve.at(self.last_k):.6g}%; "
                "lower the floor or raise the largest k."
            )
        return needed

    def alpha_path(self, alphas: np.ndarray) -> np.ndarray:
        """Find k* for each alpha, under the same floor and bounds.

        Args:
            alphas: float64[n], 0..1.

        Returns:
            int64[n].

        Raises:
            InputError: No k within the bounds reaches the floor.
        """
        first = max(self.k_min, self._floor_k())
        return np.clip(self._unbounded(np.asarray(alphas)), first, self.last_k)

    def landscape(self, alphas: np.ndarray, floors: np.ndarray) -> np.ndarray:
        """Find k* for each pair of alpha and floor, under the same bounds.

        Args:
            alphas: float64[alphas], 0..1.
            floors: float64[floors], 0..1.

        Returns:
            float64[floors, alphas]; NaN where the floor is unreachable.
        """
        first = np.maximum(self.k_min, self.curve.smallest_k(np.asarray(floors)))[:, None]
        grid = np.clip(self._unbounded(np.asarray(alphas))[None, :], first, self.last_k)
        return np.where(first > self.last_k, np.nan, grid)

    def on_frontier(self) -> np.ndarray:
        """Find the Pareto-optimal k: no other k has at least its coverage at lower cost.

        R falls strictly with k, so k is dominated exactly when it covers no more than k - 1.

        Returns:
            bool[V].
        """
        return self.curve.sorted_counts > 0

    def within(self) -> np.ndarray:
        """bool[V]: whether k lies within the bounds and reaches the floor."""
        ks = self.ks
        return (ks >= self.k_min) & (ks <= self.last_k) & (self.curve.coverage >= self.floor)
