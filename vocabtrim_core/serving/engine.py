"""What an attached engine must offer; how it is driven is `runner`'s business."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from vocabtrim_core.fields.kinds import FLAG, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.serving.measurement import Answer, Configuration


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request: the rendered text that is sent, and its token ids where the engine takes ids."""

    text: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """How answers are generated. Greedy at temperature 0, the only one that is compared."""

    max_new_tokens: Annotated[int, Leaf(WHOLE, "--max-new-tokens", help="of an answer")] = 128
    temperature: float = 0.0
    ignore_eos: Annotated[
        bool, Leaf(FLAG, "--ignore-eos", help="answers of exactly so many tokens")
    ] = False


class EngineError(Exception):
    """A run failed: the server died, stalled or answered garbage. One sentence, kept in the run."""


class Attached(Protocol):
    """An engine that decodes with one configuration at a time.

    label: engine and version.  device: what it runs on.  versions: package -> version.
    notes: sentences that must stand beside its numbers.  settings: what all configurations share.
    alternates: changing the configuration is cheap, so runs may alternate between them.
    """

    @property
    def label(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def vocab_size(self) -> int | None: ...
    @property
    def toy(self) -> bool: ...
    @property
    def versions(self) -> Mapping[str, str]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]: ...
    @property
    def alternates(self) -> bool: ...

    def use(self, configuration: Configuration, concurrency: int) -> None:
        """Get ready for this configuration: load the draft, launch or check the server.

        InputError for what the user must change; EngineError for what failed.
        """
        ...

    def flush(self) -> None:
        """Forget what earlier requests left in caches."""
        ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """Answers in the order of the prompts, and the wall time of all of them in seconds.

        check: called between requests; it raises Cancelled. EngineError when a request fails.
        """
        ...

    def close(self) -> None:
        """Give everything back, servers included."""
        ...
