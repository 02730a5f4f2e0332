"""Plotly figures in two steps: `X_info(...)` gathers plain numbers, `X_figure(info)` draws them.

Sizes are drawn on a log axis unless stated otherwise, shares in percent. Each module holds the
figures of one subject.
"""

from vocabtrim_core.figures.breakdown import BreakdownInfo, breakdown_figure, breakdown_info
from vocabtrim_core.figures.cycle import CycleInfo, cycle_figure, cycle_info
from vocabtrim_core.figures.domains import DomainLine, domains_figure, domains_info
from vocabtrim_core.figures.frontier import FrontierInfo, frontier_figure, frontier_info
from vocabtrim_core.figures.landscape import (
    AlphaPathInfo,
    LandscapeInfo,
    alpha_path_figure,
    alpha_path_info,
    landscape_figure,
    landscape_info,
)
from vocabtrim_core.figures.style import DARK, LIGHT, Palette, layout, log_sizes, size_axis
from vocabtrim_core.figures.trials import TrialsInfo, trials_figure, trials_info

__all__ = [
    "DARK",
    "LIGHT",
    "AlphaPathInfo",
    "BreakdownInfo",
    "CycleInfo",
    "DomainLine",
    "FrontierInfo",
    "LandscapeInfo",
    "Palette",
    "TrialsInfo",
    "alpha_path_figure",
    "alpha_path_info",
    "breakdown_figure",
    "breakdown_info",
    "cycle_figure",
    "cycle_info",
    "domains_figure",
    "domains_info",
    "frontier_figure",
    "frontier_info",
    "landscape_figure",
    "landscape_info",
    "layout",
    "log_sizes",
    "size_axis",
    "trials_figure",
    "trials_info",
]
