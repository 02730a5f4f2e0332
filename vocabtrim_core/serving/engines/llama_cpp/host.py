"""llama.cpp's server inside a Python that has xllamacpp: python host.py SETTINGS

SETTINGS is a JSON object: port, target, draft ("" for none), steps, threads, context (tokens of one
sequence), at_once. It runs until it is ended, and imports nothing of this package.
"""

import importlib
import json
import sys
import threading
from typing import Any

NO_EAGLE3 = 3  # exit codes
NO_XLLAMACPP = 4


def main() -> int:
    """Serve until the process is ended.

    Returns:
        The exit code of a server that cannot start.
    """
    settings = json.loads(sys.argv[1])
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")
    except ImportError as error:
        print(f"ImportError: this Python has no xllamacpp ({error}).", flush=True)
        return NO_XLLAMACPP
    try:
        parameters = _parameters(xllamacpp, settings)
    except AttributeError as error:
        print(f"RuntimeError: this xllamacpp has no EAGLE-3 ({error}).", flush=True)
        return NO_EAGLE3
    server = xllamacpp.Server(parameters)  # ends with its object
    print("listening at", server.listening_address, flush=True)
    threading.Event().wait()
    return 0


def _parameters(xllamacpp: Any, settings: dict[str, Any]) -> Any:
    p = xllamacpp.CommonParams()
    p.model.path, p.port, p.hostnames = settings["target"], settings["port"], ["127.0.0.1"]
    p.n_parallel, p.n_ctx = settings["at_once"], settings["context"] * settings["at_once"]
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = settings["threads"]
    p.endpoint_metrics, p.fit_params, p.cache_ram_mib = True, False, 0
    if settings["draft"]:
        draft = p.speculative.draft
        draft.mparams.path, draft.n_max = settings["draft"], settings["steps"]
        draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = settings["threads"]
        kinds = xllamacpp.common_speculative_type
        p.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_EAGLE3]
    return p


if __name__ == "__main__":
    sys.exit(main())
