"""The same work again and again: one CUDA graph on a GPU, a plain call elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UP = 3  # calls before the capture: libraries choose their kernels and workspaces


def captured(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """What replays `work`, which reads and writes the same tensors every time.

    On a CPU that is `work` itself. RuntimeError where it does what a graph cannot hold, such as
    waiting for the GPU.
    """
    if device.type != "cuda":
        return work
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
