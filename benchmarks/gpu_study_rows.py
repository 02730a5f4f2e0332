"""What the GPU study found, as rows of its report."""

from __future__ import annotations

from typing import Any

from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.roofline import roofline
from vocabtrim_core.serving.latency_probe import Probe
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import acceptance_length, interval

DEPTH = 3  # draft steps per cycle


def steps(found: Probe, batch: int) -> list[dict[str, Any]]:
    """Every size at this batch, as measured and as shares of the largest."""
    rows, shape = found.at(batch), found.architecture
    full = rows[-1]
    return [
        {
            "batch": batch,
            "k": row.k,
            **times(row.step),
            **{
                f"{name}_ms": _ms(getattr(row, name).seconds)
                for name in ("fusion", "layer", "head", "pick")
            },
            "ratio_to_V": _share(row.step.seconds / full.step.seconds),
            "flops_ratio": _share(shape.flops(row.k) / shape.flops(full.k)),
            "bytes_ratio": _share(
                float(found.moved_bytes(row.k, batch) / found.moved_bytes(full.k, batch))
            ),
        }
        for row in rows
    ]


def cycles(found: Probe, batch: int) -> list[dict[str, Any]]:
    """T(k)/T(V), as measured, as the roofline has it, and as the paper's runs had it."""
    points = found.cycle_points(batch, DEPTH)
    full = points[-1][1]
    model = roofline(found.architecture, HARDWARE["h200"], DEPTH, batch=batch)
    size = found.architecture.vocab_size
    paper = {r.k: paper_ratio(r) for r in RESULTS[:1] if (batch, size) == (1, FULL_K)}
    return [
        {
            "batch": batch,
            "k": k,
            "median_ms": _ms(seconds),
            "ratio_to_V": _share(seconds / full),
            "bytes_ratio": " to ".join(
                _share(float(m.cycle_s(k) / m.cycle_s(size))) for m in (model.fast, model.slow)
            ),
            "paper_ratio": _share(paper[k]) if k in paper else "",
        }
        for k, seconds in points
    ]


def paper_ratio(result: Any) -> float:
    """Seconds per cycle at k over those at V, from acceptance lengths and throughputs."""
    trimmed = result.length_trimmed / result.throughput_trimmed
    return trimmed / (result.length_full / result.throughput_full)


def measured(found: Measurement) -> list[dict[str, Any]]:
    """Every configuration over one set of prompts, and what must be known about it."""
    rows = []
    for each in found.configurations:
        runs = found.good(each.label)
        failed = next((run.error for run in found.runs if run.error), "")
        speed = interval([run.throughput for run in runs]) if runs else None
        length = acceptance_length(runs)
        rows.append(
            {
                "what": f"{found.prompts}: {each.label}",
                "k": each.k or "",
                "runs": len(runs),
                "tokens_per_s": f"{speed.mean:.1f} ± {speed.half or 0:.1f}" if speed else failed,
                "acceptance_length": f"{length:.3f}" if length else "",
                "position_acceptance": ", ".join(
                    f"{share:.0%}" for share in (runs[0].position_acceptance if runs else ())
                ),
            }
        )
    return [*rows, {"what": " ".join(found.notes)}]


def times(timing: Any) -> dict[str, Any]:
    """Median and its interval in milliseconds."""
    return {
        "median_ms": _ms(timing.seconds),
        "low_ms": _ms(timing.low),
        "high_ms": _ms(timing.high),
        "n": timing.n,
    }


def _ms(seconds: float) -> float:
    return round(1e3 * seconds, 4)


def _share(value: float) -> str:
    return f"{value:.4f}"
