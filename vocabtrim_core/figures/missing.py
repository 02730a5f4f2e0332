"""Missing tokens by kind."""

from __future__ import annotations

import plotly.graph_objects as go

from vocabtrim_core.figures.style import LIGHT, Palette, layout
from vocabtrim_core.generalization.missing import Group, Missing

MOST_GROUPS = 10


def missing_info(report: Missing) -> tuple[Group, ...]:
    """Order the groups of missing tokens by rising share.

    Args:
        report: The missing tokens.

    Returns:
        At most `MOST_GROUPS` groups; the smallest ones beyond are summed up as one.
    """
    groups = list(report.groups)
    if len(groups) > MOST_GROUPS:
        small = groups[MOST_GROUPS - 1 :]
        summed = Group(
            f"{len(small)} other kinds",
            sum(group.distinct for group in small),
            sum(group.occurrences for group in small),
            sum(group.share for group in small),
        )
        groups = [*groups[: MOST_GROUPS - 1], summed]
    return tuple(sorted(groups, key=lambda group: group.occurrences))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%" if share >= 5e-5 else "<0.01%"


def missing_figure(groups: tuple[Group, ...], palette: Palette = LIGHT) -> go.Figure:
    """Draw the share of the set that is missing, by kind of token.

    Args:
        groups: The groups.
        palette: The colours.

    Returns:
        The figure.
    """
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
    largest = max((group.share for group in groups), default=0)
    figure.update_xaxes(
        title_text="Share of the set's tokens",
        ticksuffix="%",
        range=[0, 155 * largest],
        showgrid=True,
    )
    figure.update_yaxes(showgrid=False)
    return figure
