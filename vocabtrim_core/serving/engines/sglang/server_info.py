"""The settings that an SGLang server reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.served import Served, Value

RECORDED = ("0.5.14", "0.5.23")  # the versions whose protocol was recorded

# Launch arguments that affect the numbers. Others are not recorded, since some are secrets.
ARGUMENTS = (
    "dtype",
    "quantization",
    "kv_cache_dtype",
    "context_length",
    "device",
    "tp_size",
    "pp_size",
    "dp_size",
    "attention_backend",
    "sampling_backend",
    "mem_fraction_static",
    "max_running_requests",
    "chunked_prefill_size",
    "cuda_graph_max_bs",
    "cuda_graph_max_bs_decode",
    "disable_cuda_graph",
    "disable_radix_cache",
    "disable_overlap_schedule",
    "enable_torch_compile",
    "load_format",
    "speculative_draft_load_format",
    "speculative_accept_threshold_single",
    "speculative_accept_threshold_acc",
    "speculative_attention_mode",
)


def read(server: EngineHttp) -> Served:
    """Read the settings of a server.

    Args:
        server: The server.

    Returns:
        Its settings.

    Raises:
        EngineError: It does not answer, is not ready, or is no SGLang server.
    """
    info = _info(server)
    try:
        target, version = info["model_path"], info.get("version")
        speculates = bool(info.get("speculative_algorithm"))
        served = Served(
            server.url,
            str(version or "of unknown version"),
            str(target),
            str(info.get("tokenizer_path") or target),
            str(info.get("speculative_algorithm") or ""),
            str(info.get("speculative_draft_model_path") or "") if speculates else "",
            *(
                int(info.get(f"speculative_{name}") or 0) if speculates else 0
                for name in ("num_steps", "eagle_topk", "num_draft_tokens")
            ),
            draft_vocab_size=_draft_vocab_size(info),
            arguments={name: _scalar(info[name]) for name in ARGUMENTS if name in info},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(
            f"{server.url} is no SGLang server: its /server_info has no sound "
            f"{error.args[0] if isinstance(error, KeyError) else 'speculative settings'}."
        ) from error
    if not server.healthy():
        raise EngineError(f"{server.url} is an SGLang server, but not ready: it starts or ends.")
    return served


def _info(server: EngineHttp) -> Mapping[str, Any]:
    """/server_info, or its name in older versions, with the model that is served now."""
    try:
        info = server.get("/server_info")
    except EngineError as error:
        if "HTTP 404" not in str(error):
            raise
        info = server.get("/get_server_info")
    try:  # a weight update may have changed the model since the launch
        model = server.get("/model_info")
    except EngineError:
        model = {}
    return {**info, **{n: model[n] for n in ("model_path", "tokenizer_path") if model.get(n)}}


def _draft_vocab_size(info: Mapping[str, Any]) -> int | None:
    names = ("draft_vocab_size", "speculative_draft_vocab_size")
    size = next((info[name] for name in names if info.get(name)), None)
    return int(size) if size else None


def _scalar(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)
