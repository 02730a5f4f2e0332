"""A panel: a figure or table of the paper, row by row with our value, difference and reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vocabtrim_core.wording import between, percent, signed

Kind = Literal[
    "count", "share", "change", "mflops", "length", "rate", "seconds", "utility", "alpha"
]
Basis = Literal["measured", "estimated", ""]
NOTHING = "\N{EN DASH}"
ABSOLUTE = ("share", "change", "utility", "alpha")


@dataclass(frozen=True, slots=True)
class PanelRow:
    """One number of the paper and ours.

    Attributes:
        label: What it is.
        kind: How it is written.
        paper: The paper's; None where it has none.
        ours: Ours; None where nothing was measured or computed.
        basis: What ours is.
        half: Half the width of the paper's 95 % interval.
        ends: Ends of our interval or band.
        reason: Why they differ, in one sentence; empty where they do not, or the panel says it.
    """

    label: str
    kind: Kind
    paper: float | None
    ours: float | None = None
    basis: Basis = "measured"
    half: float | None = None
    ends: tuple[float, float] | None = None
    reason: str = ""

    @property
    def paper_text(self) -> str:
        """The paper's number; a dash without one."""
        if self.paper is None:
            return NOTHING
        half = f" ± {self.half:.2f}" if self.half is not None else ""
        return f"{_written(self.kind, self.paper)}{half}"

    @property
    def our_text(self) -> str:
        """Our number with its interval; a dash without one."""
        if self.ours is None:
            return NOTHING
        text = _written(self.kind, self.ours)
        if self.ends is None:
            return text
        low, high = self.ends
        if self.kind == "change":
            return f"{text} ({between(low, high)})"
        return f"{text} ({_written(self.kind, low)} to {_written(self.kind, high)})"

    @property
    def difference(self) -> float | None:
        """Ours less the paper's: absolute for the kinds in ABSOLUTE, else relative."""
        if self.paper is None or self.ours is None:
            return None
        absolute = self.ours - self.paper
        return absolute if self.kind in ABSOLUTE else absolute / self.paper

    @property
    def difference_text(self) -> str:
        """The difference as it is written, 0 where it rounds to that; a dash without one."""
        if self.difference is None:
            return NOTHING
        if self.kind in ("utility", "alpha"):
            text = f"{self.difference:+.3f}".replace("-", "\N{MINUS SIGN}")
            return text if text.strip("+\N{MINUS SIGN}0.") else "0"
        if abs(self.difference) < 0.0005:
            return "0"
        text = signed(self.difference)
        points = self.kind in ("share", "change")
        return f"{text.removesuffix('%')} points" if points else text


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure or table of the paper beside ours.

    Attributes:
        place: Such as "Figure 1".
        title: What it shows.
        rows: Its numbers.
        reason: What the differences of all rows come from, in one sentence or two.
    """

    place: str
    title: str
    rows: tuple[PanelRow, ...]
    reason: str


def _written(kind: Kind, value: float) -> str:
    if kind == "count":
        return f"{value:,.0f}"
    if kind == "share":
        return percent(value)
    if kind == "change":
        return signed(value)
    if kind == "mflops":
        return f"{value:,.1f}M"
    if kind in ("utility", "alpha"):
        return f"{value:.4f}" if kind == "utility" else f"{value:.3f}"
    return f"{value:,.2f}"
