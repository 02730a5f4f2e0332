"""Measuring: several runs of each configuration over the same prompts, in alternation.

A run is one pass over the prompts with one configuration. Before it the engine answers some of them
to warm up, and empties its caches. Where changing the configuration is cheap, run 1 of each comes
before run 2 of any, and every second round is in reverse order. A machine that becomes slower then
affects all configurations. Where a change means starting a server, runs come in two blocks, in
opposite orders.
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
from vocabtrim_core.serving.run_checkpoint import RunCheckpoint, RunKey

GREEDY = Generation()
WARM_UP = 2  # prompts, or as many as there are requests at once where that is more

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
    """Measure configurations, save the measurement, and return it.

    A measurement that was stopped (Cancelled) continues after its last finished run when the same
    is measured again. A run that fails is stored with its error, and the others go on. A
    measurement whose runs all failed is not saved. The caller closes the engine.

    Args:
        attached: The engine.
        configurations: Configurations with different labels.
        prompts: The prompts.
        generation: Settings of the generation.
        concurrencies: Numbers of requests at once.
        runs: Runs of each configuration at each concurrency.
        warm_up: Prompts answered before a run whose configuration or concurrency is new, or as many
            as there are requests at once where that is more; 0 for no warm-up.
        local: Whether this machine's GPUs do the work, so that their state is recorded.
        progress: Called as `Progress` is, in prompts of all runs; may raise Cancelled.
        command: The command line, stored in the measurement.
        resume_key: Anything else that determines the results.

    Returns:
        The measurement, with failed runs.

    Raises:
        InputError: A setting is out of range, or the engine refuses one.
    """
    _check(configurations, prompts, concurrencies, runs)
    checkpoint = RunCheckpoint.open(
        {
            "engine": attached.label,
            "device": attached.device,
            "target": attached.target,
            "versions": dict(attached.versions),
            "settings": dict(attached.settings),
            "configurations": [asdict(configuration) for configuration in configurations],
            "prompts": prompts.key,
            "generation": asdict(generation),
            "warm_up": warm_up,
            "else": resume_key,
            "format": measurement.FORMAT,
        }
    )
    session = _Session(
        attached, prompts, generation, max(concurrencies), warm_up, local, checkpoint
    )
    turns = list(schedule(configurations, concurrencies, runs, alternate=attached.alternates))
    finished: dict[RunKey, Run] = {}
    for i, turn in enumerate(turns):
        configuration, at_once, index = turn
        key = configuration.label, at_once, index
        message = f"{configuration.label}, run {index + 1} of {runs}"
        message += f", {at_once} at once" if len(concurrencies) > 1 else ""

        def check(i: int = i, message: str = message) -> None:
            answered, all_prompts = session.answered, len(prompts.prompts)
            doing = message if answered is None else f"{message}, prompt {answered + 1}"
            doing += f", {session.preparing}" if session.preparing else ""
            done = i * all_prompts + (answered or 0)
            progress(min(done, len(turns) * all_prompts), len(turns) * all_prompts, doing)

        check()
        finished[key] = checkpoint.runs.get(key) or session.run(turn, check)
    progress(len(turns) * len(prompts.prompts), len(turns) * len(prompts.prompts), "Measured")
    result = Measurement(
        prompts.name,
        attached.target,
        attached.label,
        tuple(configurations),
        tuple(_ordered(finished, configurations)),
        attached.vocab_size,
        prompts.key,
        attached.device,
        settings={
            **attached.settings,
            **asdict(generation),
            "prompts": len(prompts.prompts),
            "warm_up_prompts": warm_up,
            **_clock_settings(checkpoint.clocks),
        },
        versions=attached.versions,
        command=command,
        notes=(*attached.notes, *prompts.notes, *session.notes),
        created=checkpoint.began or _now(),
    )
    if any(not run.error for run in result.runs):
        measurement.save(result)
    checkpoint.delete()
    return result


def schedule(
    configurations: Sequence[Configuration],
    concurrencies: Sequence[int],
    runs: int,
    *,
    alternate: bool,
) -> Iterator[Turn]:
    """The order of the runs.

    Args:
        configurations: The configurations.
        concurrencies: Numbers of requests at once.
        runs: Runs of each configuration at each concurrency.
        alternate: Whether configurations alternate in rounds of one run each, every second round in
            reverse order; otherwise runs come in two such rounds of half the runs each.

    Yields:
        Configuration, concurrency and index of each run.
    """
    half = -(-runs // 2)
    rounds = [[i] for i in range(runs)] if alternate else [range(half), range(half, runs)]
    for number, indices in enumerate(rounds):
        order = [*configurations][:: -1 if number % 2 else 1]
        if alternate:
            yield from ((c, n, i) for n in concurrencies for c in order for i in indices)
        else:
            yield from ((c, n, i) for c in order for i in indices for n in concurrencies)


def resources(engine: str, device: str = "auto", *, urls: bool = False) -> tuple[str, ...]:
    """Resources that a job needs for a measurement, so that it never shares the GPU.

    Args:
        engine: Kind of engine: "torch", "llama.cpp", "vllm" or "sglang".
        device: Device of the torch engine.
        urls: Whether servers are attached by URL.

    Returns:
        ("gpu",), or () where the work is not done on this machine's GPU.
    """
    if urls or (engine == "torch" and device == "cpu"):
        return ()
    return ("gpu",) if engine in ("torch", "sglang") or hardware.gpus() else ()


class _Session:
    """Makes runs; changes the engine's configuration only where the next run needs another."""

    def __init__(
        self,
        attached: Attached,
        prompts: PromptSet,
        generation: Generation,
        most_at_once: int,
        warm_up: int,
        local: bool,
        checkpoint: RunCheckpoint,
    ) -> None:
        self.attached, self.prompts, self.generation = attached, prompts.prompts, generation
        self.most_at_once, self.warm_up, self.local = most_at_once, warm_up, local
        self.checkpoint = checkpoint
        self.notes: list[str] = []
        self.preparing = ""  # what is done before a run, in words
        self._ready: tuple[str, int] | None = None  # configuration and concurrency in use
        self._counts = False  # whether the answers of the engine are those of a run

    @property
    def answered(self) -> int | None:
        """Prompts of the run going on that are answered; None while none is, as in a warm-up."""
        return getattr(self.attached, "answered", 0) if self._counts else None

    def run(self, turn: Turn, check: Callable[[], None]) -> Run:
        """Make one run and store it; one that failed has its error and is not stored."""
        configuration, at_once, index = turn
        label, started = configuration.label, _now()
        try:
            self._prepare(configuration, at_once, check)
            self._counts = True
            answers, seconds = self.attached.answer(self.prompts, self.generation, at_once, check)
            if not sum(answer.tokens for answer in answers):
                raise EngineError("The engine answered without a single token.")
        except EngineError as error:
            self._ready = None  # the next run sets the engine up again
            return Run(label, at_once, index, error=str(error), started=started)
        finally:
            self._counts = False
        counted = self.attached.counted()
        run = Run.of(label, at_once, index, answers, seconds, started, counted)
        if self.local:
            self._record_clocks(label, index)
        self.checkpoint.add(run)
        return run

    def _prepare(
        self, configuration: Configuration, at_once: int, check: Callable[[], None]
    ) -> None:
        label = configuration.label
        try:
            if self._ready is None or self._ready[0] != label:
                self._ready = None
                self.preparing = "setting the engine up"
                check()
                self.attached.use(configuration, self.most_at_once)
            if self._ready != (label, at_once) and self.warm_up:
                self.preparing = "warming up"
                few = self.prompts[: max(self.warm_up, at_once)]
                self.attached.answer(few, self.generation, at_once, check)
        finally:
            self.preparing = ""
        self._ready = label, at_once
        self.attached.flush()

    def _record_clocks(self, label: str, index: int) -> None:
        """Record the state of the GPUs right after a run, while they are still warm from it."""
        for gpu in hardware.gpus():
            self.checkpoint.clocks.append(gpu.sentence)
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
    labels = [configuration.label for configuration in configurations]
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


def _ordered(runs: dict[RunKey, Run], configurations: Sequence[Configuration]) -> list[Run]:
    """The runs by configuration, concurrency and index, whatever the order they were made in."""
    rank = {configuration.label: i for i, configuration in enumerate(configurations)}
    return [runs[key] for key in sorted(runs, key=lambda p: (rank[p[0]], *p[1:]))]


def _clock_settings(clocks: Sequence[str]) -> dict[str, str]:
    return {"clocks_first": clocks[0], "clocks_last": clocks[-1]} if clocks else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
