"""How much memory this process has to itself, and giving back what it has freed."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import psutil
import pyarrow as pa


def private() -> int:
    """Bytes that only this process uses; where the system does not tell, all that it uses."""
    info = psutil.Process().memory_info()
    return info.rss - getattr(info, "shared", 0)


def release() -> None:
    """Return freed memory to the system; glibc keeps it otherwise, as much as was ever in use."""
    pa.default_memory_pool().release_unused()
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim  # glibc's own
    except (OSError, AttributeError, TypeError):  # another C library, another system
        return lambda keep: None
