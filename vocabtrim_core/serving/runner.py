"""Measuring well: the same prompts in the same order, configurations in turns, several runs.

A run is one pass over the prompts with one configuration. Before it the engine warms up on a few
of them and forgets what it cached. Where changing the configuration is cheap, run 1 of each comes
before run 2 of any, and every second round goes backwards, so that a machine that slows down slows
all of them; where it means starting a server, runs come in two blocks, in opposite orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import hardware, measurement
from vocabtrim_core.serving.engine import Attached, EngineError, Generation
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.prompts.prompt_set import PromptSet
from vocabtrim_core.serving.run_checkpoint import Place, RunCheckpoint

GREEDY = Generation()
WARM_UP = 2  # prompts at least, and one for each request at once

Turn = tuple[Configuration, int, int]  # concurrency, index


def measure(
    attached: Attached,
    configurations: Sequence[Configuration],
    prompts: PromptSet,
    *,
    generation: Generation = GREEDY,
    concurrencies: Sequence[int] = (1,),
    runs: int = 3,
    warm_up: int = WARM_UP,
    local: bool = True,
    progress: Callable[..., Any] = lambda *_, **__: None,
    command: str = "",
    resume_key: str = "",
) -> Measurement:
    """Run everything, save the measurement (unless every run failed), and return it.

    What was stopped (Cancelled) goes on after its last finished run when the same is measured
    again; a run that fails is kept with its reason, and the others stand. local: the GPUs of this
    machine do the work, so their clocks are recorded.  resume_key: whatever else decides results.
    InputError for settings that mean nothing, and for what the engine refuses. The engine stays
    attached; whoever attached it closes it.
    """
    _check(configurations, prompts, concurrencies, runs)
    generated = {name: value for name, value in asdict(generation).items()}
    journal = RunCheckpoint.open(
        {
            "engine": attached.label,
            "device": attached.device,
            "target": attached.target,
            "versions": dict(attached.versions),
            "settings": dict(attached.settings),
            "configurations": [asdict(each) for each in configurations],
            "prompts": prompts.key,
            "generation": generated,
            "warm_up": warm_up,
            "else": resume_key,
        }
    )
    done = _Session(attached, prompts, generation, max(concurrencies), warm_up, local, journal)
    turns = list(schedule(configurations, concurrencies, runs, alternate=attached.alternates))
    finished: dict[Place, Run] = {}
    for i, turn in enumerate(turns):
        each, at_once, index = turn
        place = each.label, at_once, index
        words = f"{each.label}, run {index + 1} of {runs}"
        words += f", {at_once} at once" if len(concurrencies) > 1 else ""

        def check(i: int = i, words: str = words) -> None:
            progress(i, len(turns), words)

        check()
        finished[place] = journal.runs.get(place) or done.run(turn, check)
    progress(len(turns), len(turns), "Measured")
    found = Measurement(
        prompts.name,
        attached.target,
        attached.label,
        tuple(configurations),
        tuple(_ordered(finished, configurations)),
        attached.vocab_size,
        prompts.key,
        attached.device,
        toy=attached.toy,
        settings={
            **attached.settings,
            **generated,
            "prompts": len(prompts.prompts),
            "warm_up_prompts": warm_up,
            **_clock_settings(journal.clocks),
        },
        versions=attached.versions,
        command=command,
        notes=(*attached.notes, *prompts.notes, *done.notes),
        created=journal.began or _now(),
    )
    if any(not run.error for run in found.runs):
        measurement.save(found)
    journal.forget()
    return found


def schedule(
    configurations: Sequence[Configuration],
    concurrencies: Sequence[int],
    runs: int,
    *,
    alternate: bool,
) -> Iterator[Turn]:
    """The runs in the order they are made: in rounds that turn around, or in two blocks."""
    half = -(-runs // 2)
    rounds = [[i] for i in range(runs)] if alternate else [range(half), range(half, runs)]
    for number, indices in enumerate(rounds):
        order = [*configurations][:: -1 if number % 2 else 1]
        if alternate:
            yield from ((c, n, i) for n in concurrencies for c in order for i in indices)
        else:
            yield from ((c, n, i) for c in order for i in indices for n in concurrencies)


def resources(engine: str, device: str = "auto") -> tuple[str, ...]:
    """What a job that measures must name, so that it never shares the GPU with a training."""
    return ("gpu",) if engine == "launch" or (engine == "torch" and device != "cpu") else ()


class _Session:
    """Makes runs one by one, changing the configuration only where the next run needs another."""

    def __init__(
        self,
        attached: Attached,
        prompts: PromptSet,
        generation: Generation,
        most_at_once: int,
        warm_up: int,
        local: bool,
        journal: RunCheckpoint,
    ) -> None:
        self.attached, self.prompts, self.generation = attached, prompts.prompts, generation
        self.most_at_once, self.warm_up, self.local = most_at_once, warm_up, local
        self.journal = journal
        self.notes: list[str] = []
        self._ready: tuple[str, int] | None = None  # configuration and concurrency in use

    def run(self, turn: Turn, check: Callable[[], None]) -> Run:
        """One run; one that failed says why. What finished goes into the journal."""
        each, at_once, index = turn
        started = _now()
        try:
            self._prepare(each, at_once, check)
            answers, seconds = self.attached.answer(self.prompts, self.generation, at_once, check)
            if not sum(answer.tokens for answer in answers):
                raise EngineError("The engine answered without a single token.")
        except EngineError as error:
            self._ready = None  # whatever failed is set up anew for the next run
            return Run(each.label, at_once, index, error=str(error), started=started)
        found = Run.of(each.label, at_once, index, answers, seconds, started)
        if self.local:
            self._look_at_clocks(each.label, index)
        self.journal.add(found)
        return found

    def _prepare(self, each: Configuration, at_once: int, check: Callable[[], None]) -> None:
        if self._ready is None or self._ready[0] != each.label:
            self._ready = None
            self.attached.use(each, self.most_at_once)
        if self._ready != (each.label, at_once) and self.warm_up:
            few = self.prompts[: max(self.warm_up, at_once)]
            self.attached.answer(few, self.generation, at_once, check)
        self._ready = each.label, at_once
        self.attached.flush()

    def _look_at_clocks(self, label: str, index: int) -> None:
        """Right after a run, while the GPU is still as warm as the run made it."""
        for gpu in hardware.gpus():
            self.journal.clocks.append(gpu.sentence)
            if gpu.slowed_by:
                why = " and ".join(gpu.slowed_by)
                self.notes.append(f"{gpu.name} was slowed by {why} in run {index + 1} of {label}.")


def _check(
    configurations: Sequence[Configuration],
    prompts: PromptSet,
    concurrencies: Sequence[int],
    runs: int,
) -> None:
    if not configurations:
        raise InputError("Name at least one draft, server or configuration to measure.")
    labels = [each.label for each in configurations]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputError(f"Two configurations are called {twice!r}; rename one.")
    if runs < 1:
        raise InputError(f"At least 1 run is needed, but runs is {runs}.")
    if not concurrencies or min(concurrencies) < 1 or len(set(concurrencies)) < len(concurrencies):
        raise InputError("Concurrencies must be different whole numbers from 1 on.")
    if max(concurrencies) > len(prompts.prompts):
        raise InputError(
            f"{max(concurrencies)} requests at once need as many prompts, but {prompts.name} has "
            f"{len(prompts.prompts)} here; raise the limit."
        )


def _ordered(runs: dict[Place, Run], configurations: Sequence[Configuration]) -> list[Run]:
    """By configuration, concurrency and index: equal measurements list them the same way."""
    rank = {each.label: i for i, each in enumerate(configurations)}
    return [runs[place] for place in sorted(runs, key=lambda p: (rank[p[0]], *p[1:]))]


def _clock_settings(seen: Sequence[str]) -> dict[str, str]:
    return {"clocks_first": seen[0], "clocks_last": seen[-1]} if seen else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
