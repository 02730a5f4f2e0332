"""Timing of draft steps and verifications with random weights on this machine's device."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name

from vocabtrim_core.drafts.features import choose_device
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.hardware import default_dtype, device_name, free_memory, gpus
from vocabtrim_core.serving.latency_probe import LEAST, Probe, ProbeRow, Timing, VerifyRow
from vocabtrim_core.serving.probe_request import DTYPES as DTYPE_NAMES
from vocabtrim_core.serving.probe_request import ProbeRequest
from vocabtrim_core.serving.random_target import random_target, verification
from vocabtrim_core.serving.torch_loop.draft import Eagle3Draft, draft_config, with_embedding
from vocabtrim_core.serving.torch_loop.graphs import captured
from vocabtrim_core.wording import format_bytes as in_words

DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in DTYPE_NAMES}
# Bytes written between timings, so that weights are read from memory, as they are in a cycle: the
# target is larger than the caches.
FLUSHED = {"cuda": 256 * 2**20, "cpu": 64 * 2**20}
TABLE = 4096  # rows of the embedding; a step reads one, so V rows are not needed
SPARE = 0.9  # share of the free memory that may be used
Progress = Callable[..., Any]
Work = Callable[[], object]


def run_probe(
    request: ProbeRequest, progress: Progress = lambda *_, **__: None, *, command: str = ""
) -> Probe:
    """Time draft steps, and verifications where requested.

    Args:
        request: The settings.
        progress: Called as `Progress` is; may raise Cancelled.
        command: The command line, stored in the result.

    Returns:
        The probe.

    Raises:
        InputError: The memory does not suffice, or there is no such device.
        RuntimeError: torch failed for another reason.
    """
    device = choose_device(request.device)
    dtype = default_dtype(device) if request.dtype == "auto" else request.dtype
    shape = replace(request.architecture, bytes_per_weight=DTYPES[dtype].itemsize)
    request = replace(request, architecture=shape, device=device, dtype=dtype)
    _check_memory(request)
    try:
        return _probe(request, progress, command)
    except MemoryError as error:
        raise InputError(_too_large(request, "more than there is")) from error
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise InputError(_too_large(request, "more than there is")) from error


def _probe(request: ProbeRequest, progress: Progress, command: str) -> Probe:
    shape, device, dtype = request.architecture, request.device, request.dtype
    ks, batches = sorted(set(request.ks)), sorted(set(request.batches))
    rows, verify = [], []
    with torch.inference_mode():
        steps = Steps(request)
        clock = Clock(device)
        notes = [
            f"Random weights; attention over {request.context:,} tokens; before each timing "
            f"{FLUSHED[device] // 2**20} MiB of other memory are written, as a target's weights "
            "would push the draft's out of the caches."
        ]
        notes += [gpu.sentence for gpu in gpus()[:1]] if device == "cuda" else []
        for i, batch in enumerate(batches):
            report = _BatchProgress(progress, i, len(batches), f"Batch {batch}")
            rows += _rows(batch, ks, _timed(steps.cells(batch, ks), clock, request, report))
        del steps
        if request.with_target:
            progress(0, None, "Building a random target")
            target = random_target(shape, device, DTYPES[dtype])
            for i, batch in enumerate(batches):
                report = _BatchProgress(progress, i, len(batches), f"Verification, batch {batch}")
                work, problem = verification(
                    target, batch=batch, rows=request.depth + 1, context=request.context
                )
                seconds = _timed({"verify": work}, clock, request, report)["verify"]
                verify.append(VerifyRow(batch, request.depth + 1, Timing.of(seconds)))
                notes += [f"The verification ran without CUDA graphs: {problem}."] * bool(problem)
    return Probe(
        architecture=shape,
        device=device_name(device),
        dtype=dtype,
        context=request.context,
        topk=request.topk,
        graphs=device == "cuda",
        rows=tuple(rows),
        verify=tuple(verify),
        versions={name: version(name) for name in ("torch", "transformers")},
        command=command,
        notes=tuple(dict.fromkeys(notes)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _rows(batch: int, ks: Sequence[int], seconds: dict[Any, list[float]]) -> Iterator[ProbeRow]:
    times = {cell: Timing.of(repeats) for cell, repeats in seconds.items()}
    for k in ks:
        yield ProbeRow(
            batch,
            k,
            times["step", k],
            times["fusion"],
            times["layer"],
            times["head", k],
            times["pick", k],
        )


class Clock:
    """Measures the seconds of one call, after other data was written through the caches.

    Args:
        device: "cuda" or "cpu".
    """

    def __init__(self, device: str) -> None:
        self.flushed = torch.empty(FLUSHED[device], dtype=torch.uint8, device=device)
        self.cuda = device == "cuda"

    def __call__(self, work: Work) -> float:
        """Time one call.

        Args:
            work: The function to call; on a GPU it may return before its work is done.

        Returns:
            Seconds.
        """
        self.flushed.zero_()
        if not self.cuda:
            began = time.perf_counter()
            work()
            return time.perf_counter() - began
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3


@dataclass(frozen=True, slots=True)
class _BatchProgress:
    """Reports the progress of one batch size, in percent of all batch sizes."""

    progress: Progress
    index: int
    of: int
    message: str

    def __call__(self, share: float) -> None:
        self.progress(round(100 * (self.index + min(share, 1)) / self.of), 100, self.message)


def _timed(
    cells: dict[Any, Work], clock: Clock, request: ProbeRequest, report: _BatchProgress
) -> dict[Any, list[float]]:
    """Seconds of each cell. Cells alternate, so that a slow minute affects all sizes equally."""
    for work in cells.values():  # the first call allocates
        report(0)
        work()
    seconds = defaultdict(list)
    began, rounds = time.monotonic(), LEAST
    for i in range(request.repeats):
        if i >= rounds:
            break
        for j, (cell, work) in enumerate(cells.items()):
            report((i + j / len(cells)) / rounds)
            seconds[cell].append(clock(work))
        fits = request.seconds * (i + 1) / max(time.monotonic() - began, 1e-9)
        rounds = max(LEAST, min(request.repeats, round(fits)))
    return seconds


class Steps:
    """The steps of a draft with random weights. Its head has V rows; a size k uses the first k.

    Args:
        request: The settings, with a device and dtype other than "auto".
    """

    def __init__(self, request: ProbeRequest) -> None:
        self.request, shape = request, request.architecture
        self.device, dtype = torch.device(request.device), DTYPES[request.dtype]
        torch.manual_seed(0)
        config = draft_config(shape.draft_config(shape.vocab_size))
        with torch.device("meta"):
            module = Eagle3Draft(config, shape.vocab_size, shape.feature_width)
        module = module.to(dtype).to_empty(device=self.device)
        for name, weight in module.named_parameters():
            weight.fill_(1) if "norm" in name else weight.normal_(0, 0.02)
        table = torch.zeros(TABLE, shape.hidden_size, dtype=dtype, device=self.device).normal_()
        ids = torch.arange(shape.vocab_size, device=self.device)
        self.draft = with_embedding(module, config, table, ids)

    def cells(self, batch: int, ks: Sequence[int]) -> dict[Any, Work]:
        """The functions to time for a batch size.

        Args:
            batch: Sequences at once.
            ks: Sizes.

        Returns:
            The functions by "fusion", "layer", ("head", k), ("pick", k) and ("step", k).
        """
        draft, shape, room = self.draft, self.request.architecture, self.request.context
        draft.reserve(room)

        def random(*sizes: int) -> torch.Tensor:
            return draft.embedding.new_empty(batch, 1, *sizes).normal_()

        aux, hidden = random(shape.feature_width), random(shape.hidden_size)
        tokens = torch.randint(0, TABLE, (batch, 1), device=self.device)
        position = torch.tensor([room - 1], device=self.device)

        def layer(state: torch.Tensor) -> torch.Tensor:
            return draft.read(tokens, state, position, room)

        def head(state: torch.Tensor, k: int) -> torch.Tensor:
            return F.linear(draft.norm(state), draft.lm_head.weight[:k])

        cells: dict[Any, Work] = {
            "fusion": lambda: draft.fuse(aux),
            "layer": lambda: layer(hidden),
        }
        for k in ks:
            logits = random(k)
            cells["head", k] = lambda k=k: head(hidden, k)
            cells["pick", k] = lambda logits=logits: self.pick(logits)
            cells["step", k] = lambda k=k: self.pick(head(layer(draft.fuse(aux)), k))
        return {cell: captured(work, self.device) for cell, work in cells.items()}

    def pick(self, logits: torch.Tensor) -> torch.Tensor:
        """The next tokens: the most likely one, or the top-k, as engines draft trees.

        Args:
            logits: float[batch, 1, k].

        Returns:
            int64[batch, 1] or int64[batch, 1, topk] target ids.
        """
        if self.request.topk == 1:
            return self.draft.pick(logits)
        return self.draft.ids[logits.float().softmax(-1).topk(self.request.topk).indices]


# --- memory -------------------------------------------------------------------------------------


def needed_bytes(request: ProbeRequest) -> int:
    """Memory that a probe needs, estimated from the shapes.

    Args:
        request: The settings, with a device other than "auto".

    Returns:
        Bytes of weights, caches and logits of the draft or of the target, whichever is more: they
        are not in memory at the same time.
    """
    shape, batch = request.architecture, max(request.batches)
    cached = 2 * batch * shape.key_value_heads * shape.head_dim * request.context
    weights = sum(replace(shape, fusion_per_step=True).weights.values())
    head = shape.hidden_size * (shape.vocab_size + TABLE)
    logits = 4 * batch * sum(request.ks)
    draft = weights + head + cached + logits
    target = 0
    if request.with_target and shape.target_weights and shape.target_layers:
        embedding = shape.hidden_size * shape.vocab_size
        outputs = 2 * batch * (request.depth + 1) * shape.vocab_size
        target = shape.target_weights + embedding + shape.target_layers * cached + outputs
    return max(draft, target) * shape.bytes_per_weight + FLUSHED[request.device]


def _check_memory(request: ProbeRequest) -> None:
    needed, free = needed_bytes(request), free_memory(request.device)
    if needed > SPARE * free:
        raise InputError(_too_large(request, f"about {in_words(needed)}", in_words(free)))


def _too_large(request: ProbeRequest, needs: str, free: str | None = None) -> str:
    available = f", but {free} are free" if free else ""
    advice = ", or leave the target out" if request.with_target else ""
    return (
        f"Probing {request.architecture.name} needs {needs}{available} on the {request.device} "
        f"device; lower the largest batch or --context, use bfloat16 or a smaller draft{advice}."
    )
