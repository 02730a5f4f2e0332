"""The devices of this machine: names, free memory, and the state of GPUs.

A GPU that is hot, shared or power-capped is slower, so its state is stored with every result.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import machine
from vocabtrim_core.machine import cores
from vocabtrim_core.wording import counted

CPU_INFO = Path("/proc/cpuinfo")
QUERY_SECONDS = 20
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
    """The state of one GPU, as nvidia-smi prints it; "" for values it does not report.

    Attributes:
        name: Name of the GPU.
        driver: Version of the driver.
        sm: Clock of the multiprocessors, MHz.
        sm_max: Its maximum, MHz.
        memory: Clock of the memory, MHz.
        power: Power, W.
        power_limit: Its limit, W.
        temperature: Temperature, °C.
        slowed_by: Reasons for which the clocks are lowered now, in words.
    """

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
        """The state as a sentence without its end."""
        slowed = f"slowed by {' and '.join(self.slowed_by)}" if self.slowed_by else "not slowed"
        return (
            f"SM {self.sm} of {self.sm_max} MHz, memory {self.memory} MHz, {self.power} of "
            f"{self.power_limit} W, {self.temperature} °C, {slowed}"
        )


def gpus() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs of this machine, empty without a driver."""
    try:
        return tuple(map(_parse, _query(FIELDS).splitlines()))
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _query(fields: Sequence[str]) -> str:
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=QUERY_SECONDS, stdin=subprocess.DEVNULL
    )
    if result.returncode and "event_reasons" in fields[-1]:  # its name before driver 535
        return _query([*fields[:-1], "clocks_throttle_reasons.active"])
    result.check_returncode()
    return result.stdout.strip()


def _parse(line: str) -> Gpu:
    *plain, reasons = (part.strip().replace("[N/A]", "") for part in line.split(","))
    try:
        active = int(reasons, 16)
    except ValueError:
        active = 0
    slowed = tuple(name for bit, name in SLOWING.items() if active & bit)
    return Gpu(*plain, slowed_by=slowed)


def device_name(device: str) -> str:
    """Name of a device.

    Args:
        device: "cuda" or "cpu".

    Returns:
        The name of the GPU, or of the processor with the number of cores this process may use.
    """
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    if CPU_INFO.is_file():
        lines = CPU_INFO.read_text("utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return f"{name}, {counted(cores(), 'core')}"


def free_memory(device: str) -> int:
    """Bytes that can still be allocated on a device.

    Args:
        device: "cuda" or "cpu".

    Returns:
        Free bytes of the GPU's memory or of this machine's.
    """
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    return machine.free_memory()


def default_dtype(device: str) -> str:
    """The default dtype of weights: "bfloat16" on "cuda", "float32" (the fast one) on "cpu"."""
    return "bfloat16" if device == "cuda" else "float32"
