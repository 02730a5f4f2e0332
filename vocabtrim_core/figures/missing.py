"""Missing tokens by kind."""

from __future__ import annotations

import plotly.graph_objects as go

from vocabtrim_core.figures.base import LIGHT, Palette, layout
from vocabtrim_core.generalization.missing import Group, Missing


def missing_info(found: Missing, most: int = 10) -> tuple[Group, ...]:
    """The groups by rising share, the small ones of many summed up as the rest."""
    groups = list(found.groups)
    if len(groups) > most:
        rest = groups[most - 1 :]
        others = Group(
            f"{len(rest)} other kinds",
            sum(group.distinct for group in rest),
            sum(group.occurrences for group in rest),
            sum(group.share for group in rest),
        )
        groups = [*groups[: most - 1], others]
    return tuple(sorted(groups, key=lambda group: group.occurrences))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%" if share >= 5e-5 else "<0.01%"


def missing_figure(groups: tuple[Group, ...], palette: Palette = LIGHT) -> go.Figure:
    """Bars: the share of the set that is missing, by kind of token."""
    figure = go.Figure(
        go.Bar(
            x=[100 * group.share for group in groups],
            y=[group.kind for group in groups],
            orientation="h",
            marker={"color": palette.accent},
            text=[f"{_percent(group.share)} · {group.distinct:,} tokens" for group in groups],
            textposition="outside",
            cliponaxis=False,
            customdata=[[group.distinct, group.occurrences] for group in groups],
            hovertemplate="<b>%{y}</b><br>%{customdata[0]:,} tokens, %{customdata[1]:,} times"
            "<br>%{x:.3f}% of the set<extra></extra>",
        )
    )
    layout(figure, palette, height=90 + 32 * len(groups), bargap=0.35, showlegend=False)
    most = max((group.share for group in groups), default=0)
    figure.update_xaxes(
        title_text="Share of the set's tokens", ticksuffix="%", range=[0, 155 * most], showgrid=True
    )
    figure.update_yaxes(showgrid=False)
    return figure
