"""Choose the draft vocabulary of a speculative decoder, prove the choice, export it."""

import os
import platform

__version__ = "0.1.0"

# Arrow asks for this once, when it is imported. Of its allocators jemalloc gives freed memory back
# soonest without being told: a count then stays small without stopping for it. It is in the wheels
# for this platform; elsewhere Arrow's own choice stands.
if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    # Twice as long as Arrow has it: a count needs as much again soon, and new pages take time.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "dirty_decay_ms:2000")
