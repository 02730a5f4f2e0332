"""What work runs on here: its name, and the memory that is left."""

from __future__ import annotations

import platform
from pathlib import Path

from vocabtrim_core.machine import cores

CPU_INFO = Path("/proc/cpuinfo")


def device_name(device: str) -> str:
    """The GPU's name, or the processor's with the cores this process may use."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    if CPU_INFO.is_file():
        lines = CPU_INFO.read_text("utf-8", errors="replace").splitlines()
        found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = found[0] if found else name
    count = cores()
    return f"{name}, {count} core{'s' if count != 1 else ''}"


def free_memory(device: str) -> int:
    """Bytes that can still be allocated on the device."""
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available


def default_dtype(device: str) -> str:
    """What weights are computed in unless said: a CPU is fast with float32 only."""
    return "bfloat16" if device == "cuda" else "float32"
