"""The interface of an engine, which `runner` measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

from vocabtrim_core.fields.kinds import FLAG, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.serving.measurement import Answer, Configuration, Counted


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request.

    Attributes:
        text: The rendered text.
        ids: Its token ids, for engines that take ids.
    """

    text: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """Settings of the generation.

    Attributes:
        max_new_tokens: Most tokens of an answer.
        temperature: 0 for greedy decoding, the only one whose answers are compared.
        ignore_eos: Whether answers go on after the end-of-sequence token.
    """

    max_new_tokens: Annotated[int, Leaf(WHOLE, "--max-new-tokens", help="of an answer")] = 128
    temperature: float = 0.0
    ignore_eos: Annotated[
        bool, Leaf(FLAG, "--ignore-eos", help="answers of exactly so many tokens")
    ] = False


class EngineError(Exception):
    """A run failed, such as a server that ended, stalled or sent an invalid response.

    The message is one sentence, stored in the run.
    """


class Attached(Protocol):
    """An engine that decodes with one configuration at a time.

    Four back-ends have these methods: the loop in torch (`torch_loop`), and llama.cpp, vLLM and
    SGLang (`engines`), each launched here or attached by URL. `use` launches a server or checks it,
    and waits until it is ready with its draft; `answer` sends token ids; answers and `counted` hold
    the accepted tokens by position; `close` stops what was started.
    """

    @property
    def label(self) -> str:
        """Name and version of the engine."""
        ...

    @property
    def device(self) -> str:
        """Name of the device it runs on."""
        ...

    @property
    def target(self) -> str:
        """Name or path of the target."""
        ...

    @property
    def vocab_size(self) -> int | None:
        """V of the target, None where unknown."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of packages, by name."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that readers of the numbers must know."""
        ...

    @property
    def settings(self) -> Mapping[str, str | int | float | bool | None]:
        """Settings that all configurations share, by name."""
        ...

    @property
    def alternates(self) -> bool:
        """Whether changing the configuration is cheap, so that runs may alternate."""
        ...

    @property
    def answered(self) -> int:
        """Number of prompts that the `answer` going on has answered so far."""
        ...

    def use(self, configuration: Configuration, concurrency: int) -> None:
        """Prepare a configuration: load the draft, or launch or check the server.

        Args:
            configuration: The configuration of the next requests.
            concurrency: The most requests at once that will be sent.

        Raises:
            InputError: The user must change something.
            EngineError: The engine failed.
        """
        ...

    def flush(self) -> None:
        """Empty the caches that earlier requests filled."""
        ...

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """Generate answers.

        Args:
            prompts: The requests.
            generation: Settings of the generation.
            concurrency: Requests at once.
            check: Called between requests; raises Cancelled.

        Returns:
            The answers in the order of the prompts, and the wall time of all in seconds.

        Raises:
            EngineError: A request failed.
            Cancelled: From `check`.
        """
        ...

    def counted(self) -> Counted:
        """What the engine counted during the last `answer`, beside what its answers hold."""
        ...

    def close(self) -> None:
        """Free all resources, and stop servers it started."""
        ...
