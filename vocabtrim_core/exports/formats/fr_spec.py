"""FR-Spec's frequency-ranked token list, beside an EAGLE-2 draft."""

from __future__ import annotations

from vocabtrim_core.exports.exporter import Exporter
from vocabtrim_core.exports.layouts import token_list

NAME = "freq_<N>.pt"
write, read = token_list(NAME)

EXPORTER = Exporter(
    name="fr-spec",
    title="FR-Spec",
    consumer="FR-Spec, serving EAGLE-2 drafts (NanoSpec and CPM.cu read the same file)",
    stage="serve",
    semantics="absolute",
    order="frequency",
    files=(NAME,),
    how="Copy the file into the EAGLE-2 draft's folder and name that folder and the size.",
    example="cp fr-spec/freq_<N>.pt DRAFT\n"
    "python3 evaluation/inference_eagle.py --model-path TARGET \\\n"
    "  --eagle-path DRAFT --V <N>",
    limits="The name's number must be the list's length. Ids are read as int32. NanoSpec needs a "
    "draft whose head has the full vocabulary.",
    proof="documented",
    checked="Written to the documented format, a list torch.load reads with weights_only; not "
    "loaded with FR-Spec's code, which needs its CUDA build.",
    full="fr-spec: all V tokens are kept, so the list changes nothing but the order of the head's "
    "rows.",
    write=write,
    read=read,
    wants={"counts": "fr-spec: the ids ascend instead of falling in frequency: no counts given."},
)
