"""The result of `forecast` as text for people."""

from __future__ import annotations

from vocabtrim_core.cli.calibrate import check_text
from vocabtrim_core.cli.command import Result, table
from vocabtrim_core.wording import expected, signed


def forecast_text(result: Result) -> str:
    """Write a forecast for people.

    Args:
        result: What `forecast` gives.

    Returns:
        The decision, a table of sizes, the gain by sequences at once, and what it rests on.
    """
    head = (
        "k",
        f"coverage ({result['basis']})",
        "ceiling",
        "accept length",
        *(f"over {int(base):,}" for base in result["table"][0]["gains"]),
    )
    rows = [
        (
            row["k"],
            f"{row['coverage']:.2%}",
            f"{row['ceiling']:.2f}",
            "{1:.2f} ({0:.2f} to {2:.2f})".format(*row["accept_length"]),
            *(_percent(*gain) for gain in row["gains"].values()),
        )
        for row in result["table"]
    ]
    streams = [
        f"{point['streams']}: {_percent(*point['gain'])}"
        for point in result["streams"]
        if point["gain"]
    ]
    worst = max(abs(c["error"]) for c in result["paper_check"])
    return "\n\n".join(
        [
            "\n".join(result["decision_text"]),
            table([head, *rows]),
            *(
                [f"Gain of {result['decision']['k']:,} by sequences at once: {'; '.join(streams)}."]
                if streams
                else []
            ),
            f"A head that cost nothing would make cycles {result['largest_gain']:.1%} faster at "
            "most.",
            *(
                [check_text(result["measured_check"], result["measured_where"])]
                if result["measurement"]
                else []
            ),
            "\n".join(f"- {sentence}" for sentence in result["assumptions"]),
            "Check: calibrated on MT-Bench alone, the cycle model predicts the paper's other six "
            f"gains from their acceptance lengths within {100 * worst:.1f} points; `evidence` "
            "holds the forecast against public measurements.",
        ]
    )


def _percent(low: float, middle: float, high: float) -> str:
    """The expected gain with its 90 % band; one number where the band has no width."""
    if abs(high - low) < 0.0005:
        return signed(middle)
    return expected(low, middle, high)
