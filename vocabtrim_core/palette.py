"""The colours of figures: Plotly's, and the SVGs and pages of reports.

They are data, so that one figure can be drawn for a light page, a dark page and a printed report.
The app's own charts take theirs from `.streamlit/config.toml`, which has the same values.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours by role, each as #RRGGBB.

    Attributes:
        ink: Text.
        muted: Secondary text.
        line: Grid lines and borders.
        accent: The choice.
        warn: Warnings.
        ground: Background.
        soft: Background of the chosen item.
        parts: Adjacent parts of a bar: fusion, attention, feed-forward, head, Markov factor.
        scale: A colour scale from low to high.
        series: Lines distinguished by colour alone.
    """

    ink: str
    muted: str
    line: str
    accent: str
    warn: str
    ground: str
    soft: str
    parts: tuple[str, ...]
    scale: tuple[str, ...]
    series: tuple[str, ...]


LIGHT = Palette(
    ink="#16202A",
    muted="#667482",
    line="#E3E8EC",
    accent="#0B7A75",
    warn="#C2570C",
    ground="#FFFFFF",
    soft="#D5EBE9",
    parts=("#B9C4CC", "#8B9AA6", "#5D6D7A", "#0B7A75", "#4FA8A2"),
    scale=("#F2F5F6", "#CFE5E3", "#98CECA", "#4FA8A2", "#0B7A75", "#043E3C"),
    series=("#0B7A75", "#C2570C", "#2F5FB3", "#8A5A9E", "#8B97A3"),
)
DARK = Palette(
    ink="#E8EDF1",
    muted="#95A3AF",
    line="#2B353E",
    accent="#2DB8AF",
    warn="#F0924E",
    ground="#0E1317",
    soft="#0C3D3B",
    parts=("#4A5864", "#6B7A87", "#93A1AD", "#2DB8AF", "#8FDDD6"),
    scale=("#141B21", "#0C3D3B", "#116663", "#1A918B", "#4BBDB6", "#BEE9E6"),
    series=("#2DB8AF", "#F0924E", "#7FA8F0", "#C397D8", "#7B8994"),
)
