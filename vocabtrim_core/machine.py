"""What this machine gives the process."""

from __future__ import annotations

import os


def cores() -> int:
    """Processor cores that this process may use; where the system does not tell, all there are."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1
