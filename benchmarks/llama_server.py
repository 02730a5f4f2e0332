"""llama.cpp's server in one process, for benchmarks/engine_layers.py; runs where xllamacpp is.

python llama_server.py PORT TARGET.gguf [DRAFT.gguf]
"""

import sys
import threading

from xllamacpp import (  # pyright: ignore[reportMissingImports]
    CommonParams,
    Server,
    common_speculative_type,
)


def main() -> None:
    """Serve until the process is ended: greedy chains of three drafted tokens, one thread."""
    port, target, *draft = sys.argv[1:]
    p = CommonParams()
    p.model.path, p.port, p.hostnames = target, int(port), ["127.0.0.1"]
    p.n_ctx, p.n_parallel, p.cache_ram_mib, p.fit_params = 2048, 1, 0, False
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    p.endpoint_metrics = p.use_jinja = True
    if draft:
        d = p.speculative.draft
        d.mparams.path, d.n_max = draft[0], 3
        d.cpuparams.n_threads = d.cpuparams_batch.n_threads = 1
        kind = common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_EAGLE3
        p.speculative.types = [kind]
    server = Server(p)  # kept: it ends with its object
    print("listening at", server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
