"""What work runs on here: its name, the memory that is left, and how fast GPUs run just now.

A GPU that is hot, shared or capped gives other numbers, so their state stands beside every result.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core.machine import cores

CPU_INFO = Path("/proc/cpuinfo")
ASK_SECONDS = 20
FIELDS = (
    "name",
    "driver_version",
    "clocks.sm",
    "clocks.max.sm",
    "clocks.mem",
    "power.draw",
    "power.limit",
    "temperature.gpu",
    "clocks_event_reasons.active",
)
# Bits of clocks_event_reasons.active that slow a GPU down (NVML, nvmlClocksEventReasons).
SLOWING = {
    0x4: "the power cap",
    0x8: "a hardware slowdown",
    0x20: "temperature",
    0x40: "hardware temperature",
    0x80: "the hardware power brake",
}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU. Clocks in MHz, power in watts, temperature in °C; "" where the driver is silent."""

    name: str
    driver: str
    sm: str
    sm_max: str
    memory: str
    power: str
    power_limit: str
    temperature: str
    slowed_by: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The clocks' state in words."""
        slowed = f"slowed by {' and '.join(self.slowed_by)}" if self.slowed_by else "not slowed"
        return (
            f"SM {self.sm} of {self.sm_max} MHz, memory {self.memory} MHz, {self.power} of "
            f"{self.power_limit} W, {self.temperature} °C, {slowed}"
        )


def gpus() -> tuple[Gpu, ...]:
    """All GPUs of this machine; none where there is no NVIDIA driver."""
    try:
        return tuple(map(_parsed, _ask(FIELDS).splitlines()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _ask(fields: Sequence[str]) -> str:
    query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(
        query, capture_output=True, text=True, timeout=ASK_SECONDS, stdin=subprocess.DEVNULL
    )
    if done.returncode and "event_reasons" in fields[-1]:  # drivers before 535 call it otherwise
        return _ask([*fields[:-1], "clocks_throttle_reasons.active"])
    done.check_returncode()
    return done.stdout.strip()


def _parsed(line: str) -> Gpu:
    *plain, reasons = (part.strip().replace("[N/A]", "") for part in line.split(","))
    try:
        active = int(reasons, 16)
    except ValueError:
        active = 0
    slowed = tuple(name for bit, name in SLOWING.items() if active & bit)
    return Gpu(*plain, slowed_by=slowed)


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
