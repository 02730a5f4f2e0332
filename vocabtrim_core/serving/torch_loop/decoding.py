"""Greedy decoding of one sequence by cycles: draft S tokens, verify them in one forward pass."""

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
    """One answer. tokens: with the end token, if it was reached.  accepted[j]: cycles of which j
    drafted tokens are in the answer; () without a draft.  Times: seconds from the beginning.
    """

    tokens: tuple[int, ...]
    seconds: float
    first_token_s: float
    accepted: tuple[int, ...] = ()


class Decoder:
    """Decodes with a target and a draft (None: the target alone, by the same path).

    A cycle drafts `steps` tokens after the newest one and lets the target say, in one forward pass,
    what it would have said after each; drafted tokens count up to the first it contradicts, and its
    word stands there. So every cycle yields 1..steps + 1 tokens, all of them the target's.
    """

    def __init__(self, target: TorchTarget, draft: Eagle3Draft | None, steps: int) -> None:
        self.target, self.draft, self.steps = target, draft, steps if draft else 0
        self._layers = draft.aux_layers if draft else ()
        self.device = target.embedding.device
        self.length, self.graph_error = 0, ""
        self._graphed = False

    @property
    def graphed(self) -> bool:
        """Whether cycles run as a CUDA graph."""
        return self._graphed

    def reserve(self, length: int) -> None:
        """Room for answers whose prompt and new tokens are `length` together, and the CUDA graph
        of a cycle; kept as long as they suffice.
        """
        if length <= self.length:
            return
        self.length = length
        # The warm-up of a capture moves through the caches, a cycle each time.
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
        """What a cycle reads and writes: see `Eagle3Draft.chain`."""
        rows = self.steps + 1
        width = self.draft.fc.in_features if self.draft is not None else 0
        self._aux = self.target.embedding.new_zeros(rows, width)
        self._tokens = torch.zeros(rows, dtype=torch.long, device=self.device)
        self._start = torch.zeros(1, dtype=torch.long, device=self.device)
        self._last = torch.zeros(1, dtype=torch.long, device=self.device)

    def _capture(self, room: int) -> None:
        """One graph for the whole cycle; none, where the target cannot be captured."""
        self._visible = room  # a graph always looks at the whole cache
        try:
            self._replay = captured(self._cycle, self.device)
            self._graphed, self.graph_error = True, ""
        except RuntimeError as error:
            torch.cuda.synchronize(self.device)
            self._graphed, self.graph_error = False, str(error).splitlines()[0]

    def _cycle(self) -> None:
        """Draft, verify, and note how many drafted tokens the target agrees with."""
        proposed = self._tokens
        if self.draft is not None:
            proposed = self.draft.chain(
                self._aux, self._tokens, self._start, self._last, self._visible
            )
        self._start += self._last + 1
        rows = len(proposed)
        at = self._start + torch.arange(rows, device=self.device)
        said, aux = self.target.forward(proposed[None], at, self._visible, rows, self._layers)
        agreed = (proposed[1:] == said[0, :-1]).long().cumprod(0).sum()
        self._last.copy_(agreed)
        self._tokens.copy_(said[0])
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
        """The answer to a prompt of 1 or more ids: up to `new` tokens, or to one of `ends`."""
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
            *said, agreed = torch.cat([self._tokens, self._last]).tolist()
            kept = _until(said[: agreed + 1], ends)[: new - len(answer)]
            answer += kept
            accepted[min(agreed, len(kept))] += 1
            if (now := time.perf_counter()) - checked > CHECK_SECONDS:
                checked = now
                check()
        seconds = time.perf_counter() - began
        return Decoded(tuple(answer), seconds, first, tuple(accepted) if self.draft else ())

    def _prefill(self, ids: Sequence[int]) -> int:
        """The first token; the target has read the prompt then."""
        n = len(ids)
        self._prompt = torch.tensor([ids], device=self.device)
        self._positions = torch.arange(n, device=self.device)
        said, self._read = self.target.forward(self._prompt, self._positions, n, 1, self._layers)
        self._tokens[0] = said[0, -1]
        self._start.fill_(n - 1)
        self._last.zero_()
        return int(self._tokens[0])

    def _read_prompt(self, ids: Sequence[int]) -> None:
        """The draft reads all pairs of the prompt but the last, which the first cycle reads."""
        if self.draft is None:
            return
        n = len(ids)
        self._aux[0] = self._read[0, -1]
        if n > 1:
            hidden = self.draft.fuse(self._read[:, :-1])
            self.draft.read(self._prompt[:, 1:], hidden, self._positions[:-1], n - 1)


def _until(tokens: list[int], ends: frozenset[int]) -> list[int]:
    """The tokens up to the first that ends an answer, that one included."""
    for i, token in enumerate(tokens):
        if token in ends:
            return tokens[: i + 1]
    return tokens
