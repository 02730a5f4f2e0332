"""Coverage of a vocabulary on several sets of traffic, with intervals, and the transfer matrix."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from vocabtrim_core.coverage import HeldOut
from vocabtrim_core.figures.style import LIGHT, Palette, dot, layout, translucent, whiskers
from vocabtrim_core.generalization.compare import TransferMatrix
from vocabtrim_core.generalization.intervals import CoverageInterval

MOST_NAMED = 16  # cells of a transfer matrix are labelled up to this many sets


def axis_names(names: Sequence[str], length: int = 26) -> list[str]:
    """Shorten names so that they fit an axis; the middle of a long one is left out.

    Args:
        names: The names, all different.
        length: Most characters of each.

    Returns:
        Names that are all different too: those that would look alike stay whole, since an axis
        would draw them in one place.
    """
    shorter = [n if len(n) <= length else f"{n[: length - 10]}…{n[-9:]}" for n in names]
    return [
        name if shorter.count(text) > 1 else text for name, text in zip(names, shorter, strict=True)
    ]


class CoverageRow(NamedTuple):
    """Coverage of one set.

    Attributes:
        name: Name of the set.
        coverage: Share of its tokens that is kept, 0..1; held out where the set chose the
            vocabulary, None where that is not known.
        unique: Share of its distinct tokens that is kept, 0..1.
        interval: 95 % interval of the coverage, None where it is not known.
        in_sample: Of the set that chose the vocabulary, coverage of the very text that chose.
    """

    name: str
    coverage: float | None
    unique: float
    interval: tuple[float, float] | None
    in_sample: float | None

    @property
    def shown(self) -> float:
        """The best number there is."""
        return self.coverage if self.coverage is not None else self.in_sample or 0.0


def coverage_info(
    rows: Sequence[tuple[HeldOut, CoverageInterval | None]],
    chosen_on: Collection[str] = (),
    held_out: CoverageInterval | None = None,
) -> tuple[CoverageRow, ...]:
    """Order sets by rising coverage, so that the best is drawn at the top.

    Args:
        rows: Coverage of each set with its interval, which is left out for a set that chose: it
            says nothing of new text.
        chosen_on: Names of the sets that the vocabulary was chosen on.
        held_out: Held-out coverage, where one set chose alone.

    Returns:
        The rows.
    """
    info = []
    for held, interval in rows:
        coverage, between, in_sample = held.coverage, interval, None
        if held.name in chosen_on:
            coverage, between, in_sample = None, held_out, held.coverage
            if held_out:
                coverage = held_out.value
        low, high = (between.low, between.high) if between else (None, None)
        ends = None if low is None or high is None else (low, high)
        info.append(CoverageRow(held.name, coverage, held.unique_coverage, ends, in_sample))
    return tuple(sorted(info, key=lambda row: row.shown))


def coverage_figure(info: tuple[CoverageRow, ...], palette: Palette = LIGHT) -> go.Figure:
    """Draw dots with intervals, one line per set; unique coverage as open dots.

    Args:
        info: The rows.
        palette: The colours.

    Returns:
        The figure.
    """
    figure = go.Figure()
    names = axis_names([row.name for row in info])
    figure.add_scatter(
        x=[100 * row.unique for row in info],
        y=names,
        mode="markers",
        name="Share of its distinct tokens",
        marker=dot(9, "circle-open", palette.muted),
        hovertemplate="<b>%{y}</b><br>%{x:.1f}% of its distinct tokens kept<extra></extra>",
    )
    for chose, label, colour in (
        (False, "Share of its tokens", palette.accent),
        (True, "The set that chose, held out", palette.ink),
    ):
        rows = [
            (name, row)
            for name, row in zip(names, info, strict=True)
            if (row.in_sample is not None) == chose and row.coverage is not None
        ]
        if not rows:
            continue
        ends = [
            (row.shown - row.interval[0], row.interval[1] - row.shown)
            if row.interval
            else (0.0, 0.0)
            for _, row in rows
        ]
        figure.add_scatter(
            x=[100 * row.shown for _, row in rows],
            y=[name for name, _ in rows],
            mode="markers",
            name=label,
            marker={"size": 10, "color": colour},
            error_x=whiskers(
                [100 * high for _, high in ends],
                [100 * low for low, _ in ends],
                colour=colour,
                thickness=2.5,
                width=7,
            ),
            customdata=100 * np.array([row.interval or (np.nan, np.nan) for _, row in rows]),
            hovertemplate="<b>%{y}</b><br>coverage %{x:.2f}%<br>95% interval %{customdata[0]:.2f}"
            " to %{customdata[1]:.2f}%<extra></extra>",
        )
    in_sample = [
        (name, row.in_sample)
        for name, row in zip(names, info, strict=True)
        if row.in_sample is not None
    ]
    if in_sample:
        figure.add_scatter(
            x=[100 * coverage for _, coverage in in_sample],
            y=[name for name, _ in in_sample],
            mode="markers",
            name="The set that chose, in sample",
            marker=dot(12, "diamond-open", palette.muted),
            hovertemplate="<b>%{y}</b><br>in sample %{x:.2f}%<extra></extra>",
        )
    layout(figure, palette, height=190 + 44 * len(info), hovermode="closest")
    figure.update_xaxes(title_text="Kept by the vocabulary", ticksuffix="%", side="bottom")
    figure.update_yaxes(showgrid=True, categoryorder="array", categoryarray=names)
    return figure


def matrix_figure(matrix: TransferMatrix, palette: Palette = LIGHT) -> go.Figure:
    """Draw a heat map: chosen on the row, measured on the column.

    The tints are pale enough to read the numbers on them.

    Args:
        matrix: The coverages.
        palette: The colours.

    Returns:
        The figure.
    """
    names = axis_names(matrix.names, 20)
    share = 100 * matrix.coverage
    labelled = len(names) <= MOST_NAMED
    texts = [
        [f"{value:.1f}<br><sub>{basis}</sub>" if basis else f"{value:.1f}" for value, basis in row]
        for row in (zip(*pair, strict=True) for pair in zip(share, matrix.basis, strict=True))
    ]
    figure = go.Figure(
        go.Heatmap(
            z=share,
            x=names,
            y=names,
            zmax=100,
            xgap=2,
            ygap=2,
            text=texts if labelled else None,
            colorscale=[
                [0, translucent(palette.accent, 0.04)],
                [1, translucent(palette.accent, 0.55)],
            ],
            texttemplate="%{text}" if labelled else None,
            textfont={"color": palette.ink, "size": 11},
            customdata=100 * matrix.unique,
            hovertext=matrix.basis,
            showscale=not labelled,
            colorbar={
                "title": {"text": "Coverage, %", "side": "right"},
                "thickness": 12,
                "outlinewidth": 0,
            },
            hovertemplate=f"top {matrix.k:,} of <b>%{{y}}</b><br>on <b>%{{x}}</b>: %{{z:.2f}}%"
            " %{hovertext}"
            "<br>of its distinct tokens %{customdata:.1f}%<extra></extra>",
        )
    )
    layout(figure, palette, height=190 + 44 * len(names))
    figure.update_xaxes(side="bottom", showgrid=False, tickangle=-35)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure
