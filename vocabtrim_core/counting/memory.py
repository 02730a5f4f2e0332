"""How much memory this process has to itself, and giving back what it has freed."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import psutil
import pyarrow as pa


def private(pid: int | None = None) -> int:
    """Bytes only this process, or that of a pid, uses; where that is not told, all it uses."""
    info = psutil.Process(pid).memory_info()
    return info.rss - getattr(info, "shared", 0)


def allocated() -> int:
    """Bytes allocated and not freed, but for Arrow's; where the C library does not tell, about."""
    tell = _glibc().get("mallinfo2")
    if not tell:
        return private() - pa.total_allocated_bytes()
    info = tell()
    return info.uordblks + info.hblkhd


def release() -> None:
    """Return freed memory to the system; glibc keeps it otherwise, as much as was ever in use."""
    pa.default_memory_pool().release_unused()
    if trim := _glibc().get("malloc_trim"):
        trim(0)


class _Allocated(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    )  # fmt: skip


@functools.cache
def _glibc() -> dict[str, Callable[..., _Allocated]]:
    """Those of its functions that there are; none in another C library or system."""
    found = {}
    for name, result in (("malloc_trim", ctypes.c_int), ("mallinfo2", _Allocated)):
        try:
            found[name] = getattr(ctypes.CDLL(None), name)
        except (OSError, AttributeError, TypeError):
            continue
        found[name].restype = result
    return found
