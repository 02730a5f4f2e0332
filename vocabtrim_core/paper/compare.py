"""All nine panels in the order of the paper."""

from __future__ import annotations

from collections.abc import Sequence

from vocabtrim_core.paper import counts, throughput
from vocabtrim_core.paper.panels import Panel
from vocabtrim_core.serving.measurement import Measurement


def panels(measurements: Sequence[Measurement] = ()) -> tuple[Panel, ...]:
    """Compare every figure and table of the paper with the shipped counts.

    Args:
        measurements: Stored measurements; those on the paper's tasks stand in tables 2, 3 and 6.

    Returns:
        Figures 1 to 3, then tables 1 to 6.
    """
    measured = throughput.measured_by_task(measurements)
    return (
        counts.figure_1(),
        counts.figure_2(),
        counts.figure_3(),
        counts.table_1(),
        throughput.table_2(measured),
        throughput.table_3(measured),
        counts.table_4(),
        counts.table_5(),
        throughput.table_6(measured),
    )
