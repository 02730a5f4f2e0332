"""Choose the vocabulary of a draft model for speculative decoding, check it, and export it."""

import os
import platform

__version__ = "0.1.0"

# Arrow reads these variables when it is imported. Of its allocators jemalloc returns freed memory
# to the system soonest, which keeps a count's memory small. Only the wheels for this platform have
# it; elsewhere Arrow's default stays.
if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # Twice Arrow's own delay: a count soon allocates as much again, and new pages take time.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "dirty_decay_ms:2000")
