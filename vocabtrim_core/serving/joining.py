"""Measurements made one after the other, such as of one server at a time, as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.measurement import Measurement

SAME: tuple[tuple[str, Callable[[Measurement], object]], ...] = (
    ("prompts", lambda m: m.prompts_key or m.prompts),
    ("target", lambda m: m.target),
    ("V", lambda m: m.vocab_size),
    ("engine", lambda m: m.engine),
    ("device", lambda m: m.device),
    ("max_new_tokens", lambda m: m.settings.get("max_new_tokens")),
    ("temperature", lambda m: m.settings.get("temperature")),
    ("ignore_eos", lambda m: m.settings.get("ignore_eos")),
    ("draft steps, top-k and draft tokens", lambda m: _shapes(m) or None),
)


def joined(first: Measurement, second: Measurement, *, insist: bool = False) -> Measurement:
    """The configurations and runs of both; a configuration that both have is the second's.

    InputError, naming both values, where something must be equal and is not, unless the user
    insists; then it is a note. Another note always says that the runs did not take turns.
    """
    notes = [
        f"The measurements {first.key} and {second.key} differ in {words}: {mine} and {theirs}."
        for words, value in SAME
        if (mine := value(first)) != (theirs := value(second)) and None not in (mine, theirs)
    ]
    if notes and not insist:
        raise InputError(f"{notes[0]} Insist (--insist) to compare them all the same.")
    new = {each.label for each in second.configurations}
    kept = [each for each in first.configurations if each.label not in new]
    labels = {each.label for each in kept}
    return replace(
        second,
        configurations=(*kept, *second.configurations),
        runs=(*(run for run in first.runs if run.configuration in labels), *second.runs),
        vocab_size=second.vocab_size or first.vocab_size,
        toy=first.toy or second.toy,
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


def _shapes(measurement: Measurement) -> tuple[tuple[int, int, int], ...]:
    """How its drafts are used, in every way there is."""
    found = {(c.steps, c.topk, c.draft_tokens) for c in measurement.configurations if c.draft}
    return tuple(sorted(found))
