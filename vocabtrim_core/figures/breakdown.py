"""FLOPs and weight bytes of a draft step per component, before and after (paper Table 1)."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds.kind import COMPONENTS
from vocabtrim_core.figures.style import LIGHT, UNIFORM_TEXT, Palette, layout


class BreakdownInfo(NamedTuple):
    """FLOPs and weight bytes of one draft step per component, for all tokens and for k of them.

    Attributes:
        components: Names of the components.
        sizes: (V, k).
        flops: FLOPs of each component, at V and at k.
        weight_bytes: Bytes of each component's weights, at V and at k.
    """

    components: tuple[str, ...]
    sizes: tuple[int, int]
    flops: tuple[tuple[float, ...], tuple[float, ...]]
    weight_bytes: tuple[tuple[float, ...], tuple[float, ...]]


def breakdown_info(architecture: DraftArchitecture, k: int) -> BreakdownInfo:
    """Compute the cost of a draft step by component, at V and at k (paper Table 1).

    Args:
        architecture: The draft, over V.
        k: Size of the draft vocabulary.

    Returns:
        FLOPs and bytes.
    """
    sizes = (architecture.vocab_size, k)
    flops, read = zip(
        *(
            (
                tuple(2.0 * weights for weights in architecture.breakdown(size).values()),
                tuple(architecture.cycle_bytes(size, 1).values()),
            )
            for size in sizes
        ),
        strict=True,
    )
    return BreakdownInfo(tuple(architecture.breakdown(k)), sizes, flops, read)


def breakdown_figure(info: BreakdownInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw stacked bars of FLOPs and bytes, each for V and for k.

    Args:
        info: FLOPs and bytes.
        palette: The colours.

    Returns:
        The figure.
    """
    labels = [f"{size:,} tokens" for size in info.sizes]
    axis = [["FLOPs, millions"] * 2 + ["Weights read, MB"] * 2, labels * 2]
    figure = go.Figure()
    for i, component in enumerate(info.components):
        colour = palette.parts[COMPONENTS.index(component)]
        values = [side[i] / 1e6 for side in (*info.flops, *info.weight_bytes)]
        totals = [sum(side) / 1e6 for side in (*info.flops, *info.weight_bytes)]
        figure.add_bar(
            y=axis,
            x=values,
            orientation="h",
            name=component,
            marker={"color": colour, "line": {"color": palette.ground, "width": 1}},
            text=[f"{v:,.1f}" for v in values],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": palette.ground} if component == "LM head" else None,
            customdata=[v / t for v, t in zip(values, totals, strict=True)],
            hovertemplate=f"<b>{component}</b><br>%{{x:,.1f}} of this bar's total"
            " (%{customdata:.1%})<extra></extra>",
        )
    layout(figure, palette, height=330, barmode="stack", bargap=0.28)
    figure.update_layout(legend_traceorder="normal", uniformtext=UNIFORM_TEXT)
    figure.update_yaxes(autorange="reversed", showgrid=False, dividercolor="rgba(0,0,0,0)")
    figure.update_xaxes(title_text="Per draft step: MFLOPs, or MB of weights")
    return figure
