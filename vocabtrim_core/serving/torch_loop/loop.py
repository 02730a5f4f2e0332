"""The torch loop as an engine for measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.drafts.checkpoint import open_checkpoint
from vocabtrim_core.drafts.draft_specs import draft_folder
from vocabtrim_core.drafts.target import Target, load_target
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.hardware import default_dtype, device_name, free_memory
from vocabtrim_core.serving.measurement import Answer, Configuration, Counted
from vocabtrim_core.wording import format_bytes

if TYPE_CHECKING:
    from vocabtrim_core.serving.torch_loop.decoding import Decoded, Decoder
    from vocabtrim_core.serving.torch_loop.target import TorchTarget
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

DTYPES = ("float32", "bfloat16", "float16", "float64")
NARROW = ("bfloat16", "float16")


class TorchLoop:
    """Greedy speculative decoding in this process, one sequence at a time; see `Attached`.

    Rounding depends on how many tokens are computed at once, so where two tokens are nearly tied,
    answers with and without a draft may differ. Answers are compared, and `notes` say how many
    differ.

    Args:
        target: Folder, hub id, or smollm2.
        device: "auto", "cpu" or "cuda".
        dtype: One of DTYPES, or "auto" for float32 on a CPU and bfloat16 on a GPU.

    Raises:
        InputError: There is no such target, device or dtype.
    """

    alternates = True

    def __init__(
        self, target: str | Path | Target, *, device: str = "auto", dtype: str = "auto"
    ) -> None:
        from vocabtrim_core.drafts.features import choose_device

        self._target = target if isinstance(target, Target) else load_target(target)
        self._device = choose_device(device)
        self.dtype = default_dtype(self._device) if dtype == "auto" else dtype
        if self.dtype not in DTYPES:
            raise InputError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}.")
        self.target = self._target.name
        self.vocab_size: int | None = self._target.vocab_size
        self.device = device_name(self._device)
        self.versions: Mapping[str, str] = {
            name: version(name) for name in ("torch", "transformers")
        }
        self.label = f"torch loop, torch {self.versions['torch']}, {self.dtype}"
        self.settings: Mapping[str, str | int | float | bool | None] = {"dtype": self.dtype}
        # Answers by request and configuration, in the order of use.
        self._answers: dict[tuple[Generation, tuple[int, ...]], dict[str, tuple[int, ...]]] = {}
        self._in_use = ""
        self.answered = 0  # prompts of the `answer` going on
        self._model: TorchTarget | None = None
        self._decoder: Decoder | None = None
        self._tokenizer: Tokenizer | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Attached.notes`; depends on the answers so far."""
        notes = ["One sequence at a time, chain drafting, greedy, no server between."]
        is_equal = [
            tokens == first
            for first, *others in map(dict.values, self._answers.values())
            for tokens in others
        ]
        if not all(is_equal):
            notes.append(
                f"{is_equal.count(False):,} of {len(is_equal):,} answers differ from those of the "
                f"first configuration: near ties that {self.dtype} rounds either way."
            )
        elif is_equal:
            notes.append(f"All {len(is_equal):,} answers equal those of the first configuration.")
        elif self.dtype in NARROW:
            notes.append(
                f"In {self.dtype} a near tie may fall either way, depending on how many tokens "
                "are verified at once."
            )
        if self._decoder is not None and self._decoder.graph_error:
            notes.append(f"Without CUDA graphs: {self._decoder.graph_error}.")
        return tuple(notes)

    def use(self, configuration: Configuration, concurrency: int = 1) -> None:
        """Load the draft, and on first use the target.

        Args:
            configuration: The configuration; a chain, or no draft.
            concurrency: 1.

        Raises:
            InputError: The configuration is not supported, the draft does not belong to the target,
                or the memory does not suffice.
            EngineError: The memory ran out, or torch failed.
        """
        _check(configuration, concurrency)
        from vocabtrim_core.serving.torch_loop.decoding import Decoder
        from vocabtrim_core.serving.torch_loop.fitting import load_draft
        from vocabtrim_core.serving.torch_loop.target import load_model

        folder = draft_folder(configuration.draft) if configuration.k is not None else None
        try:
            self._decoder = None  # free the caches of the last configuration
            if self._model is None:
                self._check_memory()
                self._model = load_model(self._target, self._device, self.dtype)
            draft = load_draft(configuration, folder, self._target, self._model) if folder else None
            self._decoder = Decoder(self._model, draft, configuration.steps)
            self._in_use = configuration.label
        except MemoryError as error:
            raise EngineError(_memory(self._device)) from error
        except RuntimeError as error:
            raise EngineError(_failure(error, self._device)) from error

    def _check_memory(self) -> None:
        """Raise InputError before the weights are read where they do not fit into memory."""
        stored = open_checkpoint(self._target.folder).tensors.values()
        weights = sum(math.prod(tensor.shape) for tensor in stored)
        needed = weights * {"float64": 8, "float32": 4}.get(self.dtype, 2)
        free = free_memory(self._device)
        if needed > free:
            raise InputError(
                f"The weights of {self.target} take about {format_bytes(needed)} in "
                f"{self.dtype}, but {format_bytes(free)} are free on the {self._device} device; "
                "use bfloat16, or a smaller target."
            )

    def flush(self) -> None:
        """Does nothing, because no cache outlives a request."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """Answer one prompt after the other.

        Args:
            prompts: The requests.
            generation: Settings of the generation.
            concurrency: 1.
            check: Called between requests and about once a second; raises Cancelled.

        Returns:
            The answers in the order of the prompts, and the wall time in seconds.

        Raises:
            InputError: An argument is not supported, or a prompt is too long for the target.
            EngineError: The memory ran out, or torch failed.
        """
        if concurrency != 1:
            raise InputError(_ONE)
        encoded = [self._ids(prompt) for prompt in prompts]
        longest = max((len(ids) for ids in encoded), default=0)
        self.reserve(longest + generation.max_new_tokens)
        began = time.perf_counter()
        answers: list[Answer] = []
        self.answered = 0
        for ids in encoded:
            check()
            decoded = self.decode(ids, generation, check)
            answers.append(
                Answer(
                    len(decoded.tokens),
                    decoded.seconds,
                    decoded.first_token_s,
                    sum(decoded.accepted) if decoded.accepted else None,
                    decoded.accepted,
                )
            )
            self.answered = len(answers)
        return answers, time.perf_counter() - began

    def reserve(self, tokens: int) -> None:
        """Allocate the caches before times are measured.

        Args:
            tokens: Tokens of the longest prompt and its answer together.

        Raises:
            InputError: The target supports fewer positions.
            EngineError: The memory ran out, or torch failed.
        """
        most = self._target.architecture.max_position_embeddings
        if tokens > most:
            raise InputError(
                f"The longest prompt and its answer take {tokens:,} tokens, but the target "
                f"{self.target} was made for {most:,}; lower the new tokens, or leave out long "
                "prompts."
            )
        try:
            self._ready().reserve(tokens)
        except RuntimeError as error:
            raise EngineError(_failure(error, self._device)) from error

    def decode(
        self,
        ids: Sequence[int],
        generation: Generation,
        check: Callable[[], None] = lambda: None,
    ) -> Decoded:
        """Decode the answer to one prompt with the configuration in use.

        Args:
            ids: Token ids of the prompt.
            generation: Settings of the generation, with temperature 0.
            check: Called about once a second; raises Cancelled.

        Returns:
            The answer.

        Raises:
            InputError: The temperature is not 0, or the ids are not the target's.
            EngineError: The memory ran out, or torch failed.
        """
        if generation.temperature:
            raise InputError("The torch loop decodes greedily; set the temperature to 0.")
        if not ids or min(ids) < 0 or max(ids) >= self._target.vocab_size:
            raise InputError(
                f"A prompt for the target {self.target} needs token ids within "
                f"0..{self._target.vocab_size - 1:,}, one at least; use its own tokenizer."
            )
        decoder = self._ready()
        ends = frozenset() if generation.ignore_eos else decoder.target.ends
        try:
            decoded = decoder.decode(ids, generation.max_new_tokens, ends=ends, check=check)
        except MemoryError as error:
            raise EngineError(_memory(self._device)) from error
        except RuntimeError as error:
            raise EngineError(_failure(error, self._device)) from error
        self._answers.setdefault((generation, tuple(ids)), {})[self._in_use] = decoded.tokens
        return decoded

    def _ready(self) -> Decoder:
        if self._decoder is None:
            raise EngineError("No configuration is in use; call `use` first.")
        return self._decoder

    def _ids(self, prompt: Prompt) -> Sequence[int]:
        if prompt.ids:
            return prompt.ids
        if self._tokenizer is None:
            from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

            self._tokenizer = load_tokenizer(self._target.folder)
        return self._tokenizer.ids(prompt.text)

    def counted(self) -> Counted:
        """See `Attached.counted`: the answers hold everything."""
        return Counted()

    def close(self) -> None:
        """Free the memory."""
        self._model = self._decoder = None
        if self._device == "cuda":
            import torch

            torch.cuda.empty_cache()


_ONE = (
    "The torch loop decodes one sequence at a time; set the concurrency to 1, or measure higher "
    "ones with SGLang."
)


def _check(configuration: Configuration, concurrency: int) -> None:
    """Raise InputError for a configuration that the loop does not support."""
    c = configuration
    if concurrency != 1:
        raise InputError(_ONE)
    if c.topk != 1 or c.draft_tokens not in (0, c.steps + 1):
        raise InputError(
            f"{c.label!r} drafts a tree; the torch loop drafts chains only: topk 1, and steps + 1 "
            "draft tokens."
        )
    if c.k is None and (c.draft or c.steps):
        raise InputError(f"{c.label!r} has a draft or steps, but no k to draft from.")
    if c.k is not None and (not c.draft or c.steps < 1):
        raise InputError(f"{c.label!r} has a k, so it needs a draft folder and 1 step at least.")


def _memory(device: str) -> str:
    return (
        f"Out of memory on the {device} device; use a smaller target, bfloat16, shorter prompts "
        "or fewer new tokens."
    )


def _failure(error: RuntimeError, device: str) -> str:
    """The message for a RuntimeError of torch, which may mean that the memory ran out."""
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "out of memory" in first.lower() or "can't allocate" in first:
        return _memory(device)
    return f"The torch loop failed: {first}."
