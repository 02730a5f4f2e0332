"""The memory of this process: how much it uses, and returning what is free to the system."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable

import psutil
import pyarrow as pa


def private(pid: int | None = None) -> int:
    """Measure the memory that only one process uses.

    Args:
        pid: The process, by default this one.

    Returns:
        Bytes; where the system does not separate shared memory, all that the process uses.
    """
    info = _process(pid or os.getpid()).memory_info()
    return info.rss - getattr(info, "shared", 0)


@functools.lru_cache(maxsize=4)
def _process(pid: int) -> psutil.Process:
    """The process object, cached: making it costs ten times as much as reading its memory."""
    return psutil.Process(pid)


def allocated() -> int:
    """Bytes allocated and not freed, without Arrow's; an estimate where it is not glibc."""
    mallinfo = _glibc().get("mallinfo2")
    if not mallinfo:
        return private() - pa.total_allocated_bytes()
    info = mallinfo()
    return info.uordblks + info.hblkhd


def release() -> None:
    """Return freed memory to the system; glibc keeps the most that was ever in use otherwise."""
    pa.default_memory_pool().release_unused()
    if malloc_trim := _glibc().get("malloc_trim"):
        malloc_trim(0)


class _NoPandas:
    """An import finder that reports pandas as not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not needed here", name=name)


def without_pandas() -> None:
    """Keep pyarrow from loading pandas, which it does otherwise on its first conversion.

    For processes that never pass objects of pandas to pyarrow; saves 28 MB and 0.2 s of CPU time.
    Does nothing where pandas is loaded already.
    """
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _NoPandas)
    try:
        pa.array(["text"]).to_numpy(zero_copy_only=False)
    finally:
        sys.meta_path.remove(_NoPandas)


class _Allocated(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "keepcost",
        )
    )


@functools.cache
def _glibc() -> dict[str, Callable[..., _Allocated]]:
    """Functions of the C library that exist here; none in another library or system."""
    functions = {}
    for name, result in (("malloc_trim", ctypes.c_int), ("mallinfo2", _Allocated)):
        try:
            functions[name] = getattr(ctypes.CDLL(None), name)
        except (OSError, AttributeError, TypeError):
            continue
        functions[name].restype = result
    return functions
