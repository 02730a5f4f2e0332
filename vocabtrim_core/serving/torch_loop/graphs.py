"""Repeated work: as one CUDA graph on a GPU, as a plain call elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import torch

WARM_UP = 3  # calls before the capture: libraries choose their kernels and workspaces


def captured(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Capture a function as a CUDA graph.

    Args:
        work: The function, which reads and writes the same tensors every time.
        device: Its device.

    Returns:
        A function that does the same; on a CPU it is `work` itself. A RuntimeError of torch passes
        where the function does something that a graph does not allow, such as waiting for the GPU.
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
