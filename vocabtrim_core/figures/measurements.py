"""What figures of measurements share: roles, names, styles and intervals of configurations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from vocabtrim_core.figures.style import Palette, whiskers
from vocabtrim_core.forecast.paper import SHIPPED_K
from vocabtrim_core.serving.measurement import Configuration, Measurement
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.serving.summary import Row, drafts_nothing, summary
from vocabtrim_core.wording import EARLIER_DEMO

NONE, FULL, SHIPPED, DRAFT = "none", "full", "shipped", "draft"  # roles of a configuration
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def role(measurement: Measurement, configuration: Configuration) -> str:
    """Classify a configuration as one of the baselines or as a draft.

    Args:
        measurement: Its measurement.
        configuration: The configuration.

    Returns:
        `NONE` (no speculation), `FULL` (V tokens), `SHIPPED` (32,000 tokens) or `DRAFT`.
    """
    if drafts_nothing(configuration):
        return NONE
    if configuration.k is not None and configuration.k == measurement.vocab_size:
        return FULL
    return SHIPPED if configuration.k == SHIPPED_K else DRAFT


def ordered(measurement: Measurement) -> list[Configuration]:
    """Order the configurations: no speculation, then from the largest size to the smallest.

    Args:
        measurement: The measurement.

    Returns:
        The configurations; those of unknown size come last.
    """
    return sorted(
        measurement.configurations,
        key=lambda c: (not drafts_nothing(c), -(c.k or 0), c.steps, c.label),
    )


def colour_of(kind: str, palette: Palette) -> str:
    """Choose the colour of a role: baselines in grey, drafts in the accent.

    Args:
        kind: The role.
        palette: The colours.

    Returns:
        The colour.
    """
    greys = {NONE: palette.parts[0], SHIPPED: palette.parts[1], FULL: palette.parts[2]}
    return greys.get(kind, palette.accent)


def styles_of(roles: Sequence[str], palette: Palette) -> list[dict[str, Any]]:
    """Choose line styles: baselines in grey as in the bars, drafts told apart by dashes.

    Args:
        roles: The role of each line.
        palette: The colours.

    Returns:
        Plotly's `line`, one per role.
    """
    dashes = itertools.cycle(DASHES)
    return [
        {
            "color": colour_of(kind, palette),
            "width": 2.5,
            "dash": next(dashes) if kind == DRAFT else "solid",
        }
        for kind in roles
    ]


def baseline_name(measurement: Measurement, kind: str) -> str:
    """Name a baseline as `serving.statistics` does.

    Args:
        measurement: The measurement.
        kind: Its role.

    Returns:
        The name.
    """
    size = measurement.vocab_size
    return {NONE: "no speculation", SHIPPED: f"{SHIPPED_K:,}"}.get(kind, f"{size or 0:,}")


def rows_of(measurement: Measurement, concurrency: int) -> list[tuple[Row, str]]:
    """Summarise the configurations with a run that did not fail.

    Args:
        measurement: The measurement.
        concurrency: Requests at once.

    Returns:
        (row, role) of each, in the order of `ordered`.
    """
    rows = {row.label: row for row in summary(measurement, concurrency) if row.runs}
    candidates = [(rows.get(c.label), role(measurement, c)) for c in ordered(measurement)]
    return [(row, kind) for row, kind in candidates if row]


def names_of(measurements: Sequence[Measurement]) -> list[str]:
    """Name measurements so that they can be told apart.

    Args:
        measurements: The measurements.

    Returns:
        Their prompts, with the engine where engines differ; else with the device; else with the
        key.
    """
    engines = {m.engine for m in measurements}
    tags = [f", {EARLIER_DEMO}" if m.target == EARLIER_DEMO else "" for m in measurements]
    names: list[str] = []
    for more in (lambda m: "", lambda m: f", {m.device or m.engine}", lambda m: f", {m.key[:6]}"):
        names = [
            m.prompts + (f" on {m.engine.split(',')[0]}" if len(engines) > 1 else "") + more(m)
            for m in measurements
        ]
        if len(set(names)) == len(names):
            break
    return [f"{name}{tag}" for name, tag in zip(names, tags, strict=True)]


def error_bars(intervals: Sequence[RatioInterval], colour: str) -> dict[str, Any]:
    """Make error bars from intervals.

    Args:
        intervals: The values with their intervals.
        colour: The colour.

    Returns:
        Plotly's error bars, invisible where no value has an interval.
    """
    halves = [ratio.half or 0 for ratio in intervals]
    return {**whiskers(halves, colour=colour, thickness=1.6, width=5), "visible": any(halves)}


def interval_text(ratio: RatioInterval, digits: int = 1) -> str:
    """Write a value with its interval for hover texts, such as '172.5 ± 0.7'.

    Args:
        ratio: The value.
        digits: Digits after the decimal point.

    Returns:
        The text.
    """
    half = f" ± {ratio.half:,.{digits}f}" if ratio.half is not None else ", one run"
    return f"{ratio.mean:,.{digits}f}{half}"
