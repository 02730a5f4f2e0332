"""Measurements: configurations, runs over the same prompts, and the machine they ran on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.earlier_formats import from_format_1, from_format_2
from vocabtrim_core.serving.runs import Answer as Answer
from vocabtrim_core.serving.runs import Counted as Counted
from vocabtrim_core.serving.runs import Latency as Latency
from vocabtrim_core.serving.runs import Run as Run
from vocabtrim_core.serving.store import Storable, Store

# In 1, the acceptance length of measured runs was tokens / verifications; in 2, a field said
# whether the target was one that was trained here.
FORMAT = 3


@dataclass(frozen=True, slots=True)
class Configuration:
    """One draft with its settings, or decoding without a draft.

    Attributes:
        label: Name for people, unique within a measurement.
        k: Draft vocabulary size; None without a draft, or where unknown.
        draft: Folder or id of the draft.
        steps: Draft steps per cycle.
        topk: Branches per step, 1 for a chain.
        draft_tokens: Tokens verified per cycle.
    """

    label: str
    k: int | None = None
    draft: str = ""
    steps: int = 0
    topk: int = 1
    draft_tokens: int = 0


@dataclass(frozen=True)
class Measurement(Storable):
    """Runs of several configurations over the same prompts on one engine.

    Attributes:
        prompts: Name of the prompt set, such as MT-Bench.
        target: Name or path of the target.
        engine: Name and version of the engine.
        configurations: The configurations; their labels differ.
        runs: The runs, failed ones included.
        vocab_size: V of the target, None where unknown.
        prompts_key: SHA-256 of the prompts; "" where an import does not have it.
        device: Name of the GPU or CPU, "" where unknown.
        origin: "measured" or "imported".
        settings: Settings of generation and server that all configurations share, by name, such as
            max_new_tokens and temperature.
        versions: Versions of packages, by name.
        command: The command that repeats the measurement.
        notes: Sentences that readers of the numbers must know.
        created: UTC, ISO 8601.
        format: Version of the stored format.

    Raises:
        InputError: Two labels are equal, or a run belongs to no configuration.
    """

    prompts: str
    target: str
    engine: str
    configurations: tuple[Configuration, ...]
    runs: tuple[Run, ...] = ()
    vocab_size: int | None = None
    prompts_key: str = ""
    device: str = ""
    origin: str = "measured"
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    notes: tuple[str, ...] = ()
    created: str = ""
    format: int = FORMAT

    def __post_init__(self) -> None:
        labels = [c.label for c in self.configurations]
        if len(set(labels)) < len(labels):
            raise InputError("Two configurations of a measurement have the same label; rename one.")
        if unknown := {run.configuration for run in self.runs} - set(labels):
            raise InputError(f"A run belongs to {unknown.pop()!r}, which is not among {labels}.")

    def good(self, label: str, concurrency: int | None = None) -> tuple[Run, ...]:
        """The runs of a configuration that did not fail.

        Args:
            label: Label of the configuration.
            concurrency: Requests at once; None for all.

        Returns:
            The runs by concurrency and index.
        """
        runs = (
            run
            for run in self.runs
            if run.configuration == label
            and not run.error
            and concurrency in (None, run.concurrency)
        )
        return tuple(sorted(runs, key=lambda run: (run.concurrency, run.index)))

    @property
    def concurrencies(self) -> tuple[int, ...]:
        """Concurrencies of all runs, ascending."""
        return tuple(sorted({run.concurrency for run in self.runs}))

    def configuration(self, label: str) -> Configuration:
        """A configuration by its label.

        Args:
            label: The label.

        Returns:
            The configuration.

        Raises:
            InputError: There is none of this label.
        """
        for configuration in self.configurations:
            if configuration.label == label:
                return configuration
        raise InputError(f"There is no configuration {label!r} in this measurement.")


MEASUREMENTS = Store(
    Measurement,
    "measurements",
    FORMAT,
    "measurement",
    "measurements",
    "`measurements list` names all",
    {1: from_format_1, 2: from_format_2},
)
decode, save, stored, find, remove = (
    MEASUREMENTS.decode,
    MEASUREMENTS.save,
    MEASUREMENTS.stored,
    MEASUREMENTS.find,
    MEASUREMENTS.remove,
)
