"""What is trimmed: one cycle as bars to scale, with the head of all tokens and of k of them."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds.kind import COMPONENTS, HEAD, MARKOV
from vocabtrim_core.figures.style import LIGHT, UNIFORM_TEXT, Palette, layout

TARGET, LAYERS = "Target", "Draft layers"


class CycleInfo(NamedTuple):
    """Bytes of weights that one cycle reads, for all tokens and for k of them.

    Attributes:
        sizes: (V, k).
        depth: Drafted tokens K per cycle.
        parts: Part -> its bytes at V and at k, in the order they are drawn.
        has_target: Whether the target's layers are known, and a part.
    """

    sizes: tuple[int, int]
    depth: int
    parts: dict[str, tuple[float, float]]
    has_target: bool


def cycle_info(architecture: DraftArchitecture, k: int, depth: int) -> CycleInfo:
    """Compute the bytes of a cycle by part, at V and at k.

    Args:
        architecture: The draft, over V.
        k: Size of the draft vocabulary.
        depth: Drafted tokens K per cycle.

    Returns:
        The bytes; the target's at batch 1, with the experts of one token.
    """
    sizes = (architecture.vocab_size, k)
    read = [architecture.cycle_bytes(size, depth) for size in sizes]
    rows = [name for name in (HEAD, MARKOV) if name in read[0]]
    layers = sum(count for name, count in read[0].items() if name not in rows)
    parts = {LAYERS: (layers, layers)}
    if architecture.target_weights is not None:
        verified = architecture.target_bytes(architecture.target_weights)
        parts = {TARGET: (verified, verified), **parts}
    parts |= {name: (read[0][name], read[1][name]) for name in rows}
    return CycleInfo(sizes, depth, parts, TARGET in parts)


def cycle_figure(info: CycleInfo, palette: Palette = LIGHT) -> go.Figure:
    """Draw a cycle as one bar for V and one for k, to scale.

    Args:
        info: The bytes.
        palette: The colours.

    Returns:
        The figure.
    """
    colours = {TARGET: palette.parts[0], LAYERS: palette.parts[2]}
    colours |= dict(zip(COMPONENTS[3:], palette.parts[3:], strict=True))
    longest = max(sum(side) for side in zip(*info.parts.values(), strict=True))
    unit, name = (1e9, "GB") if longest >= 1e9 else (1e6, "MB")
    figure = go.Figure()
    for part, sides in info.parts.items():
        figure.add_bar(
            y=[f"{size:,}" for size in info.sizes],
            x=[side / unit for side in sides],
            orientation="h",
            name=part,
            marker={"color": colours[part], "line": {"color": palette.ground, "width": 1}},
            text=[f"{side / unit:,.2f}" for side in sides],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            insidetextfont={"color": palette.ground} if part == HEAD else None,
            hovertemplate=f"<b>{part}</b><br>%{{x:,.3f}} {name} a cycle<extra></extra>",
        )
    layout(figure, palette, height=240, barmode="stack", bargap=0.3)
    figure.update_layout(legend_traceorder="normal", uniformtext=UNIFORM_TEXT)
    figure.update_yaxes(autorange="reversed", showgrid=False, type="category", ticksuffix=" ")
    figure.update_xaxes(title_text=f"Weights read per cycle, K = {info.depth:,}: {name}")
    return figure
