"""What a forecast assumes: the time of cycles, how long drafts are accepted, which text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import eval_sets
from pages.ui.forecast import length_form, measurement_form, timing_form
from pages.ui.format import plain
from pages.ui.links import linked_choice
from pages.ui.session import session
from pages.ui.widgets import drop_stale, linked
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.fields.codec import to_argv
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.retraining import AUTO, RETRAININGS
from vocabtrim_core.forecast.settings import NO_FORECAST, ForecastSettings
from vocabtrim_core.serving.calibration import Calibration

SHEET, ONE_RUN, TWO_RUNS, MEASURED = SOURCES = (
    "Data sheet",
    "One run",
    "Two measurements",
    "A measurement",
)


@dataclass(frozen=True, slots=True, eq=False)
class Assumed:
    """The controls' values. settings: full_length None is as often accepted as in the paper.

    calibration: the measurement that cycles and lengths come from, None where they were typed in.
    """

    served: tuple[StoredCounts, ...]
    settings: ForecastSettings
    calibration: Calibration | None = None

    def cycles(self, shape: DraftArchitecture) -> CycleRange:
        """The cycle model; InputError for measurements that make none."""
        measured_on = self.calibration
        return measured_on.cycles() if measured_on else cycle_times(self.settings, shape)

    @property
    def title(self) -> str:
        """Where the cycle time comes from, to go into a sentence."""
        if self.calibration:
            return f"From the measurement on {plain(self.calibration.where)}"
        if len(self.settings.cycles) > 1:
            return "With your two measurements"
        if self.settings.cycles:
            return f"With your run on {HARDWARE[self.settings.hardware].name}"
        batch = self.settings.batch
        sequences = f", {batch} sequences at once" if batch > 1 else ""
        return f"On {HARDWARE[self.settings.hardware].name}{sequences}"

    def arguments(self, chooser: StoredCounts) -> list[str]:
        """As arguments of `forecast`, defaults left out."""
        keys = [text.key for text in self.served]
        argv = [] if keys == [chooser.key] else ["--served", *keys]
        if measured_on := self.calibration:
            argv += [
                "--measurement",
                measured_on.measurement.key,
                "--batch",
                str(measured_on.concurrency),
            ]
            own = tuple(
                (k, v) for k, v in self.settings.measured if measured_on.lengths.get(k) != v
            )
            depth = NO_FORECAST.depth if measured_on.steps else self.settings.depth
            rest = ForecastSettings(depth=depth, measured=own, training=self.settings.training)
            return [*argv, *to_argv(rest)]
        return [*argv, *to_argv(self.settings)]


def form(stored: StoredCounts, vocab_size: int) -> Assumed | None:
    """Draw the controls; None while a measurement still has to be chosen.

    Args:
        stored: the counted set in view.
        vocab_size: V, the target's number of tokens.
    """
    source = st.selectbox("Cycle time from", SOURCES, **linked("timing"))
    if source == MEASURED:
        return _from_measurement(stored, vocab_size)
    depth = length_form.depth()
    full_length = length_form.full_length(depth)
    served = _served(stored)
    training = _training()
    if source == SHEET:
        how: dict[str, Any] = {"hardware": timing_form.hardware(), **timing_form.load(depth)}
    elif source == ONE_RUN:
        how = {
            "hardware": timing_form.hardware(),
            "cycles": timing_form.points(vocab_size, depth, runs=1),
        }
    else:
        how = {"cycles": timing_form.points(vocab_size, depth)}
    if source in (SHEET, ONE_RUN):
        how["head_format"] = timing_form.head_format()
    measured = tuple(length_form.measured(vocab_size).items())
    how |= length_form.of_opened(depth, full_length)
    how = {"full_length": full_length, **how}
    settings = ForecastSettings(depth=depth, measured=measured, training=training, **how)
    return Assumed(served, settings)


def _from_measurement(stored: StoredCounts, vocab_size: int) -> Assumed | None:
    """Times and lengths of what was measured; only what it does not tell is asked."""
    calibrated = measurement_form.choose(vocab_size)
    if calibrated is None:
        return None
    depth = calibrated.steps or length_form.depth()
    served = _served(stored)
    measured = tuple((calibrated.lengths | length_form.measured(vocab_size)).items())
    cycles = tuple((p.k, p.cycle.mean) for p in calibrated.points)
    settings = ForecastSettings(
        calibrated.lengths.get(vocab_size),
        depth,
        measured,
        batch=calibrated.concurrency,
        cycles=cycles,
        training=_training(),
        rates=calibrated.rates(vocab_size),
        length_noise=calibrated.length_noise,
    )
    return Assumed(served, settings, calibrated)


def _served(stored: StoredCounts) -> tuple[StoredCounts, ...]:
    others, _ = eval_sets.comparable(stored)
    sets = [stored, *others]
    by_key, names = {counted_set.key: counted_set for counted_set in sets}, eval_sets.names_of(sets)
    drop_stale("served", by_key)
    keys = st.multiselect(
        "Evaluation traffic",
        list(by_key),
        [stored.key] if session.served is None else None,
        format_func=names.__getitem__,
        **linked_choice("served", names, several=True),
        placeholder=names[stored.key],
        help="The text that is served; of several the one that gains least decides. Coverage of "
        "the counted set above, which chooses the tokens, is held out: each tenth of its "
        "conversations with the tokens of the other nine.",
    )
    return tuple(by_key[key] for key in by_key if key in keys) or (stored,)


def _training() -> str:
    names = {AUTO: "As the traffic says", **{k: v.title for k, v in RETRAININGS.items()}}
    return st.selectbox(
        "Trimmed draft",
        list(names),
        format_func=names.__getitem__,
        **linked_choice("training", names),
        help="Training the draft again for k tokens changes its acceptance. Unless chosen, a draft "
        "trained on the counted set serves such text, and any other set is other text.",
    )
