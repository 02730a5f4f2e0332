"""Resources of this machine."""

from __future__ import annotations

import os


def cores() -> int:
    """Processor cores this process may use; all cores where the system has no such limit."""
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
