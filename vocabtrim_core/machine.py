"""Resources of this machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vocabtrim_core.errors import InputError

# Limit, use and statistics of this container, where there is one: cgroup 2, then 1.
_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
_CGROUP_HOME = Path("/sys/fs/cgroup")


def cores() -> int:
    """Processor cores this process may use; all cores where the system has no such limit."""
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def idle_cores() -> int:
    """Cores that had no work in the last minute, at least 1; all where the system does not say."""
    load = getattr(os, "getloadavg", None)
    return max(cores() - round(load()[0]), 1) if load else cores()


def free_memory() -> int:
    """Bytes of memory that can still be allocated: the system's, or a container's where less."""
    import psutil

    free = psutil.virtual_memory().available
    for limit, used, statistics in _CGROUPS:
        with suppress(OSError, ValueError):  # no such group, or the limit is "max"
            allowed = int((_CGROUP_HOME / limit).read_text())
            taken = int((_CGROUP_HOME / used).read_text())
            lines = (_CGROUP_HOME / statistics).read_text().splitlines()
            cached = sum(int(n) for name, n in map(str.split, lines) if name == "inactive_file")
            return min(free, max(allowed - taken + cached, 0))
    return free


def require_memory(needed: int, purpose: str) -> None:
    """Check that there is enough free memory, before the system ends a process for lack of it.

    Args:
        needed: Bytes that will be allocated.
        purpose: What they are for, such as "capturing features".

    Raises:
        InputError: Fewer are free.
    """
    from vocabtrim_core.wording import format_bytes

    free = free_memory()
    if free < needed:
        raise InputError(
            f"There is too little memory for {purpose}: about {format_bytes(needed)} are needed "
            f"and {format_bytes(free)} are free; close other programs."
        )
