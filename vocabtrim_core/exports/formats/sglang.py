"""SGLang's token map, for EAGLE-1 and EAGLE-2 drafts that use the target's head."""

from __future__ import annotations

from vocabtrim_core.exports.exporter import Exporter
from vocabtrim_core.exports.layouts import token_list

NAME = "freq_<N>.pt"
write, read = token_list(NAME)

EXPORTER = Exporter(
    name="sglang",
    title="SGLang (token map for EAGLE-1 and 2)",
    consumer="SGLang 0.5.14 to 0.5.23, serving",
    stage="serve",
    semantics="absolute",
    order="frequency",
    files=(NAME,),
    how="Name the file when the server starts with an EAGLE-1 or EAGLE-2 draft.",
    example="python -m sglang.launch_server --model-path TARGET --speculative-algorithm EAGLE \\\n"
    "  --speculative-draft-model-path DRAFT --speculative-token-map sglang/freq_<N>.pt",
    limits="For EAGLE-1 and EAGLE-2 only, without training: the head's rows are cut from the "
    "target's. With EAGLE3 SGLang ignores the map and says so in a warning, because such a draft "
    "carries its own d2t; train one with the SpecForge or speculators files instead. Rejection "
    "sampling (--speculative-use-rejection-sampling) refuses a map.",
    proof="loaded",
    checked="Read by SGLang 0.5.23's own load_token_map, taken out of its package and run alone "
    "(in tests where SGLang is installed); no server was started with it.",
    full="sglang: all V tokens are kept, so the map changes nothing but the order of the head's "
    "rows; leave --speculative-token-map out.",
    write=write,
    read=read,
    wants={"counts": "sglang: the ids ascend instead of falling in frequency: no counts given."},
)
