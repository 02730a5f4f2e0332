"""Joining of measurements made one after the other, such as of one server at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.wording import listed

SAME: tuple[tuple[str, Callable[[Measurement], object]], ...] = (
    ("prompts", lambda m: m.prompts_key or m.prompts),
    ("target", lambda m: m.target),
    ("V", lambda m: m.vocab_size),
    ("device", lambda m: m.device),
    ("max_new_tokens", lambda m: m.settings.get("max_new_tokens")),
    ("temperature", lambda m: m.settings.get("temperature")),
    ("ignore_eos", lambda m: m.settings.get("ignore_eos")),
    ("draft steps, top-k and draft tokens", lambda m: _shapes(m) or None),
)


def joined(
    first: Measurement,
    second: Measurement,
    *,
    insist: bool = False,
    across_engines: bool = False,
) -> Measurement:
    """Join two measurements of the same prompts on the same engine.

    A note in the result says that the runs of the two did not alternate.

    Args:
        first: The earlier measurement.
        second: The later one. Of a configuration that both have, its runs are taken.
        insist: Whether differences are noted instead of refused.
        across_engines: Whether different engines, or versions of one, are noted instead of refused.

    Returns:
        A measurement with the configurations and runs of both.

    Raises:
        InputError: Prompts, target, engine, device or settings differ.
    """
    notes = [
        f"The measurements {first.key} and {second.key} differ in {words}: {a} and {b}."
        for words, value in SAME
        if (a := value(first)) != (b := value(second)) and None not in (a, b)
    ]
    if notes and not insist:
        raise InputError(f"{notes[0]} Insist (--insist) to compare them all the same.")
    if first.engine != second.engine:
        differ = (
            f"The measurements {first.key} and {second.key} are of different engines: "
            f"{first.engine} and {second.engine}."
        )
        if not across_engines:
            raise InputError(f"{differ} Compare them all the same with --across-engines.")
        notes.append(f"{differ} Their kernels differ by more than the draft.")
    new = {c.label for c in second.configurations}
    earlier = [c for c in first.configurations if c.label not in new]
    labels = {c.label for c in earlier}
    return replace(
        second,
        configurations=(*earlier, *second.configurations),
        runs=(*(run for run in first.runs if run.configuration in labels), *second.runs),
        vocab_size=second.vocab_size or first.vocab_size,
        settings={n: v for n, v in second.settings.items() if first.settings.get(n, v) == v},
        versions={**first.versions, **second.versions},
        notes=tuple(
            dict.fromkeys(
                (
                    *first.notes,
                    *second.notes,
                    *notes,
                    f"{', '.join(labels)} was measured before the others, not in turns with them: "
                    "what changed on the machine in between is in the difference.",
                )
            )
        ),
    )


def of_one_engine(measurements: Sequence[Measurement]) -> tuple[list[Measurement], str]:
    """Leave out what was measured on another engine than the first.

    Args:
        measurements: The measurements.

    Returns:
        Those on the engine of the first, in order, and a sentence on the others; "" where there is
        none.
    """
    engines = list(dict.fromkeys(measurement.engine for measurement in measurements))
    if len(engines) < 2:
        return list(measurements), ""
    same = [measurement for measurement in measurements if measurement.engine == engines[0]]
    return same, (
        f"Shown is what was measured on {engines[0]}; {listed(engines[1:])} is left out, because "
        "engines differ by more than the draft. Compare them all the same with --across-engines."
    )


def _shapes(measurement: Measurement) -> tuple[tuple[int, int, int], ...]:
    """All (steps, top-k, draft tokens) of its drafts, sorted."""
    shapes = {(c.steps, c.topk, c.draft_tokens) for c in measurement.configurations if c.draft}
    return tuple(sorted(shapes))
