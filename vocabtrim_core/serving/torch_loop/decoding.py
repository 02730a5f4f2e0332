"""Greedy decoding of one sequence in cycles: draft S tokens, verify them in one forward pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from vocabtrim_core.serving.torch_loop.draft import Eagle3Draft
from vocabtrim_core.serving.torch_loop.graphs import WARM_UP, captured
from vocabtrim_core.serving.torch_loop.target import TorchTarget

CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """One answer.

    Attributes:
        tokens: Its token ids, with the end token where it was reached.
        seconds: Time of the last token, from the start of decoding.
        first_token_s: Time of the first token, from the start of decoding.
        accepted: accepted[j] cycles gave j drafted tokens of the answer; () without a draft.
    """

    tokens: tuple[int, ...]
    seconds: float
    first_token_s: float
    accepted: tuple[int, ...] = ()


class Decoder:
    """Decodes with a target and a draft.

    A cycle drafts `steps` tokens after the newest one. One forward pass of the target then gives
    its own next token at each position. Drafted tokens are accepted up to the first that differs,
    where the target's token is taken. So every cycle gives 1..steps + 1 tokens, the same that the
    target alone would give.

    Args:
        target: The target.
        draft: The draft; None to decode with the target alone, by the same code.
        steps: Draft steps per cycle.

    Attributes:
        target: The target.
        draft: The draft, or None.
        steps: Draft steps per cycle, 0 without a draft.
        device: The target's device.
        length: Tokens for which memory is reserved.
        graph_error: Why cycles do not run as a CUDA graph on a GPU, else "".
    """

    def __init__(self, target: TorchTarget, draft: Eagle3Draft | None, steps: int) -> None:
        self.target, self.draft, self.steps = target, draft, steps if draft else 0
        self._layers = draft.aux_layers if draft else ()
        self.device = target.embedding.device
        self.length, self.graph_error = 0, ""
        self._graphed = False  # whether cycles run as a CUDA graph

    def reserve(self, length: int) -> None:
        """Allocate the caches, and capture the CUDA graph of a cycle, where they do not suffice.

        Args:
            length: Tokens of the prompt and the answer together.
        """
        if length <= self.length:
            return
        self.length = length
        # The warm-up of a capture runs cycles, each of which advances in the caches.
        room = max(length + self.steps, (WARM_UP + 2) * (self.steps + 1))
        with torch.inference_mode():
            self.target.reserve(room)
            if self.draft is not None:
                self.draft.reserve(room)
            self._state()
            self._replay = self._cycle
            if self.device.type == "cuda":
                self._capture(room)

    def _state(self) -> None:
        """Allocate the tensors that a cycle reads and writes (see `Eagle3Draft.chain`)."""
        rows = self.steps + 1
        width = self.draft.fc.in_features if self.draft is not None else 0
        self._aux = self.target.embedding.new_zeros(rows, width)
        self._tokens = torch.zeros(rows, dtype=torch.long, device=self.device)
        self._start = torch.zeros(1, dtype=torch.long, device=self.device)
        self._last = torch.zeros(1, dtype=torch.long, device=self.device)

    def _capture(self, room: int) -> None:
        """Capture a cycle as one CUDA graph, where the target can be captured."""
        self._visible = room  # the shapes in a graph are fixed, so it reads the whole cache
        try:
            self._replay = captured(self._cycle, self.device)
            self._graphed, self.graph_error = True, ""
        except RuntimeError as error:
            torch.cuda.synchronize(self.device)
            self._graphed, self.graph_error = False, str(error).splitlines()[0]

    def _cycle(self) -> None:
        """Draft, verify, and store the number of accepted tokens in `_last`."""
        proposed = self._tokens
        if self.draft is not None:
            proposed = self.draft.chain(
                self._aux, self._tokens, self._start, self._last, self._visible
            )
        self._start += self._last + 1
        rows = len(proposed)
        positions = self._start + torch.arange(rows, device=self.device)
        tokens, aux = self.target.forward(
            proposed[None], positions, self._visible, rows, self._layers
        )
        accepted = (proposed[1:] == tokens[0, :-1]).long().cumprod(0).sum()
        self._last.copy_(accepted)
        self._tokens.copy_(tokens[0])
        self._aux.copy_(aux[0])

    @torch.inference_mode()
    def decode(
        self,
        ids: Sequence[int],
        new: int,
        *,
        ends: frozenset[int] = frozenset(),
        check: Callable[[], None] = lambda: None,
    ) -> Decoded:
        """Decode the answer to a prompt.

        Args:
            ids: Token ids of the prompt, one or more.
            new: The most tokens of the answer.
            ends: Token ids that end the answer.
            check: Called about once a second; may raise Cancelled.

        Returns:
            The answer.
        """
        self.reserve(len(ids) + new)
        began = checked = time.perf_counter()
        answer = [self._prefill(ids)]
        first = time.perf_counter() - began
        self._read_prompt(ids)
        accepted = [0] * (self.steps + 1)
        while len(answer) < new and answer[-1] not in ends:
            if not self._graphed:
                self._visible = len(ids) + len(answer) + self.steps
            self._replay()
            *tokens, count = torch.cat([self._tokens, self._last]).tolist()
            added = _until(tokens[: count + 1], ends)[: new - len(answer)]
            answer += added
            accepted[min(count, len(added))] += 1
            if (now := time.perf_counter()) - checked > CHECK_SECONDS:
                checked = now
                check()
        seconds = time.perf_counter() - began
        return Decoded(tuple(answer), seconds, first, tuple(accepted) if self.draft else ())

    def _prefill(self, ids: Sequence[int]) -> int:
        """Run the target over the prompt; returns the first token of the answer."""
        n = len(ids)
        self._prompt = torch.tensor([ids], device=self.device)
        self._positions = torch.arange(n, device=self.device)
        tokens, self._prompt_aux = self.target.forward(
            self._prompt, self._positions, n, 1, self._layers
        )
        self._tokens[0] = tokens[0, -1]
        self._start.fill_(n - 1)
        self._last.zero_()
        return int(self._tokens[0])

    def _read_prompt(self, ids: Sequence[int]) -> None:
        """Run the draft over all pairs of the prompt but the last, which the first cycle reads."""
        if self.draft is None:
            return
        n = len(ids)
        self._aux[0] = self._prompt_aux[0, -1]
        if n > 1:
            hidden = self.draft.fuse(self._prompt_aux[:, :-1])
            self.draft.read(self._prompt[:, 1:], hidden, self._positions[:-1], n - 1)


def _until(tokens: list[int], ends: frozenset[int]) -> list[int]:
    """The tokens up to and including the first one in `ends`."""
    for i, token in enumerate(tokens):
        if token in ends:
            return tokens[: i + 1]
    return tokens
