"""What is measured, on what: the engine that is attached, target, drafts, prompts, runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import streamlit as st

from pages.ui.format import code_span
from pages.ui.frame import shell
from pages.ui.throughput import drafts_form
from pages.ui.widgets import drop_stale, lines_of, persisted
from vocabtrim_core.programs import ENGINE, configured

TORCH, SGLANG, LAUNCH, IMPORT = "torch", "sglang", "launch", "import"
ATTACHED = {
    TORCH: "Torch loop on this machine",
    SGLANG: "SGLang servers, by URL",
    LAUNCH: "SGLang, launched here (CUDA)",
    IMPORT: "Nothing: import results",
}
ABOUT = {
    TORCH: "Lossless greedy decoding in plain torch, on the GPU where there is one, else on the "
    "CPU. Always there. It compares drafts with each other; it is not SGLang's speed.",
    SGLANG: "Servers that run already, one per configuration. Version, launch arguments and draft "
    "vocabulary are read from each and recorded.",
    LAUNCH: "This machine starts one server after the other with an engine you added, measures and "
    "stops it. Needs an NVIDIA GPU and an environment with SGLang.",
    IMPORT: "Nothing is attached. Results of other tools are read from their files.",
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What is attached, as arguments. missing: what has to be named first, empty when nothing."""

    name: str
    arguments: tuple[str, ...]
    missing: str = ""


def loop() -> EngineChoice:
    target = drafts_form.choose_target()
    drafts = drafts_form.choose_drafts(target)
    missing = "" if target else "Name the target."
    missing = missing or ("" if drafts else "Choose the drafts to compare.")
    arguments = ["--target", target or "TARGET"]
    arguments += ["--draft", *drafts] if drafts else []
    return EngineChoice(TORCH, tuple(arguments), missing)


def launched() -> EngineChoice:
    known = configured(ENGINE)
    drop_stale("engine_name", known)  # removed in a shell meanwhile
    name = st.selectbox(
        "Engine",
        list(known),
        **persisted("engine_name"),
        placeholder="none is configured",
        disabled=not known,
    )
    if name in known:
        st.caption(code_span(shlex.join(known[name])))
    with st.popover("Add an engine", icon=":material/terminal:", type="tertiary", key="engine_add"):
        st.markdown(
            "Programs are named in a shell only, never on a page. Here `sglang` is the name; after "
            "it comes the Python of an environment with SGLang."
        )
        shell(["engine", "--add", "sglang", "/opt/gpu-env/bin/python"])
    engine = loop()
    missing = "" if name else "Add an engine first, in a shell."
    arguments = ("--engine", LAUNCH, "--interpreter", name or "NAME", *engine.arguments)
    return EngineChoice(LAUNCH, arguments, missing or engine.missing)


def servers() -> EngineChoice:
    text = st.text_area(
        "Servers, one per line",
        **persisted("sglang_urls"),
        height=100,
        placeholder="13264=http://gpu-1:30000\n128256=http://gpu-1:30001\nhttp://gpu-1:30002",
        help="A number before = is the draft vocabulary size that the server must have; any other "
        "name is what to call it.",
    )
    urls = lines_of(text)
    target = st.text_input(
        "Target they serve, for its tokenizer",
        **persisted("sglang_target"),
        placeholder="as the servers name it",
    ).strip()
    insist = st.toggle(
        "Compare servers that differ",
        **persisted("sglang_insist"),
        help="Servers with another target, tokenizer, steps, top-k or draft tokens are refused "
        "unless this is on; what differs is noted beside the numbers.",
    )
    arguments = [part for url in urls or ["URL"] for part in ("--url", url)]
    arguments += ["--target", target] if target else []
    arguments += ["--insist"] if insist else []
    missing = "" if urls else "Give the address of at least one server."
    return EngineChoice(SGLANG, tuple(arguments), missing)
