"""Devices a draft may run on: data-sheet values, and measurements."""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.errors import InputError

# Where nothing was measured on a device: shares of the data sheet's bandwidth, and of the time
# that reading the weights takes.
ASSUMED_EFFECTIVE = (0.65, 0.85)
ASSUMED_OVERHEAD = (0.10, 0.65)
NOT_MEASURED = "no public cycle time; bandwidth share and overhead are assumed"
# vLLM on two cores with SmolLM2: dropping 156 and 165 MB of head rows saved 9 and 13 ms a cycle.
CPU_EFFECTIVE = (0.15, 0.70)
CPU_MEASURED = "vLLM on two cores: 12 to 17 GB/s over the head rows that were dropped"
CPU = "On CPUs a smaller head saves more time than its bytes explain; measure two sizes."


@dataclass(frozen=True, slots=True)
class Hardware:
    """A device.

    Attributes:
        name: For menus.
        bandwidth: Peak memory bandwidth, bytes/s, from the data sheet.
        flops: Peak dense bf16 compute, FLOP/s.
        memory: Bytes that weights and cache may take.
        source: Where the peaks come from.
        effective: Least and most share of the peak bandwidth that products with few rows reach.
        overhead: Least and most time of a cycle beyond reading weights and cache, as a share of
            that: launches, sampling, the scheduler.
        measured: What `effective` and `overhead` rest on.
        caution: Where the model is known not to be right, a sentence; else empty.
    """

    name: str
    bandwidth: float
    flops: float
    memory: float
    source: str
    effective: tuple[float, float] = ASSUMED_EFFECTIVE
    overhead: tuple[float, float] = ASSUMED_OVERHEAD
    measured: str = NOT_MEASURED
    caution: str = ""

    @property
    def expected_bandwidth(self) -> float:
        """Bytes/s in the middle of the effective range."""
        return self.bandwidth * sum(self.effective) / 2


AMPERE = "NVIDIA A100 data sheet"
HOPPER = "NVIDIA H100 data sheet"
BLACKWELL = "NVIDIA RTX Blackwell architecture paper"
PAPER = (
    "the paper's A100 runs: the head read at 73 to 78 % of the peak, cycles 14 to 63 % longer "
    "than the reading of weights"
)
A100_EFFECTIVE, A100_OVERHEAD = (0.70, 0.80), (0.15, 0.60)

HARDWARE = {
    "a100-40g": Hardware(
        "A100 40 GB", 1.555e12, 312e12, 40e9, AMPERE, A100_EFFECTIVE, A100_OVERHEAD, PAPER
    ),
    "a100-80g": Hardware(
        "A100 80 GB SXM", 2.039e12, 312e12, 80e9, AMPERE, A100_EFFECTIVE, A100_OVERHEAD, PAPER
    ),
    "h100-pcie": Hardware("H100 PCIe", 2.0e12, 756e12, 80e9, HOPPER),
    "h100": Hardware("H100 SXM", 3.35e12, 989e12, 80e9, HOPPER),
    "h200": Hardware(
        "H200 SXM",
        4.8e12,
        989e12,
        141e9,
        "NVIDIA H200 data sheet",
        effective=(0.70, 0.80),
        overhead=(0.35, 0.65),
        measured="SpecBundle's Llama-3.1-8B runs: 7.17 ms a cycle at K = 3, 0.35 ms per draft step",
    ),
    "b200": Hardware("B200", 8.0e12, 2250e12, 180e9, "NVIDIA DGX B200 data sheet"),
    "l4": Hardware("L4", 0.3e12, 121e12, 24e9, "NVIDIA L4 data sheet"),
    "l40s": Hardware("L40S", 0.864e12, 362e12, 48e9, "NVIDIA L40S data sheet"),
    "rtx-3090": Hardware("RTX 3090", 0.936e12, 71e12, 24e9, "NVIDIA Ampere architecture paper"),
    "rtx-4090": Hardware("RTX 4090", 1.008e12, 165e12, 24e9, "NVIDIA Ada architecture paper"),
    "rtx-5080": Hardware("RTX 5080", 0.960e12, 112e12, 16e9, BLACKWELL),
    "rtx-5090": Hardware("RTX 5090", 1.792e12, 209e12, 32e9, BLACKWELL),
    "rtx-pro-6000": Hardware("RTX PRO 6000 Blackwell", 1.792e12, 252e12, 96e9, BLACKWELL),
    "gb10": Hardware(
        "GB10 (DGX Spark)",
        0.273e12,
        125e12,
        128e9,
        "NVIDIA DGX Spark data sheet",
        effective=(0.60, 0.88),
        overhead=ASSUMED_OVERHEAD,
        measured="public MTP runs: 163 to 241 GB/s, products of one row and copies",
    ),
    "jetson-thor": Hardware(
        "Jetson AGX Thor", 0.273e12, 250e12, 128e9, "NVIDIA Jetson Thor data sheet"
    ),
    "strix-halo": Hardware("Ryzen AI Max+ 395", 0.256e12, 59e12, 128e9, "AMD product page"),
    "apple-ultra": Hardware("Apple M3 Ultra", 0.819e12, 57e12, 512e9, "Apple product page"),
    "apple-pro": Hardware(
        "Apple M5 Pro", 0.307e12, 17e12, 64e9, "Apple product page; FLOPs assumed"
    ),
    "apple-max": Hardware("Apple M4 Max", 0.546e12, 34e12, 128e9, "Apple product page"),
    "epyc": Hardware(
        "EPYC 9005, one socket",
        0.576e12,
        15e12,
        1536e9,
        "12 channels of DDR5-6000; FLOPs assumed",
        effective=CPU_EFFECTIVE,
        measured=CPU_MEASURED,
        caution=CPU,
    ),
    "laptop-cpu": Hardware(
        "Laptop CPU",
        0.0768e12,
        1e12,
        32e9,
        "dual-channel DDR5-4800; FLOPs assumed",
        effective=CPU_EFFECTIVE,
        measured=CPU_MEASURED,
        caution=CPU,
    ),
}


def device(name: str) -> Hardware:
    """The device of this name.

    Args:
        name: A key of HARDWARE.

    Returns:
        The device.

    Raises:
        InputError: There is no such device.
    """
    if name not in HARDWARE:
        raise InputError(f"There is no hardware {name!r}; choose one of {', '.join(HARDWARE)}.")
    return HARDWARE[name]
