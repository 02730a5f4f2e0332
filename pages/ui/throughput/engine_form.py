"""What is measured, on what: the engine that is attached, target, drafts, prompts, runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import code_span, plain
from pages.ui.frame import shell
from pages.ui.throughput import drafts_form, import_form, prompts_form
from pages.ui.widgets import drop_stale, lines_of, persisted
from vocabtrim_core.jobs.job import Job
from vocabtrim_core.programs import ENGINE, configured
from vocabtrim_core.serving.runner import resources

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
CONCURRENCIES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What is attached, as arguments. missing: what has to be named first, empty when nothing."""

    name: str
    arguments: tuple[str, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True)
class MeasurementRequest:
    """The command of the choices made."""

    argv: list[str]


def open_jobs(*verbs: str) -> list[Job]:
    """Jobs that run, or ended otherwise than well; those that measure, unless others are named."""
    return jobpanel.unfinished(*(verbs or ("bench", "measurements")))


def can_measure() -> bool:
    """Whether this workspace has a target with a draft of its own."""
    return any(
        draft.target == target.folder
        for target in drafts_form.targets()
        for draft in drafts_form.drafts(target.folder)
    )


def form() -> MeasurementRequest | None:
    """Draw the choices and the button that measures; None where nothing can be started."""
    kind = st.selectbox(
        "Attached to", list(ATTACHED), **persisted("attached"), format_func=ATTACHED.__getitem__
    )
    st.caption(ABOUT[kind])
    if kind == IMPORT:
        return MeasurementRequest(import_form.panel())
    engine = {TORCH: _loop, SGLANG: _servers, LAUNCH: _launched}[kind]()
    argv = ["bench", *engine.arguments, *_load(engine), *_more(engine)]
    start(argv, engine, "Measure", ":material/speed:", "measure", f"Measure: {ATTACHED[kind]}")
    return MeasurementRequest(argv)


def search(draw: Callable[[EngineChoice], list[str]]) -> tuple[list[str], EngineChoice]:
    """The same for a search, which has to change drafts by itself: so no servers by URL.

    draw: what is searched, below the choices both share; returns its arguments.
    """
    kind = st.selectbox(
        "Attached to",
        [TORCH, LAUNCH],
        **persisted("tune_attached"),
        format_func=ATTACHED.__getitem__,
    )
    engine = _loop() if kind == TORCH else _launched()
    return ["tune", *engine.arguments, *_load(engine), *draw(engine)], engine


def start(
    argv: list[str], engine: EngineChoice, label: str, icon: str, key: str, title: str
) -> None:
    """The button that starts the command as a job, and what it still lacks."""
    st.button(
        label,
        type="primary",
        icon=icon,
        key=key,
        width="stretch",
        disabled=jobpanel.is_running(argv) or bool(engine.missing),
        on_click=jobpanel.begin,
        args=(argv, title, resources(engine.name)),
        help="Runs in the background, survives closing this page, and keeps finished runs "
        "when it is stopped.",
    )
    if engine.missing:
        st.caption(plain(engine.missing))


# --- what is attached ---------------------------------------------------------------------------


def _loop() -> EngineChoice:
    target = drafts_form.choose_target()
    drafts = drafts_form.choose_drafts(target)
    missing = "" if target else "Name the target."
    missing = missing or ("" if drafts else "Choose the drafts to compare.")
    arguments = ["--target", target or "TARGET"]
    arguments += ["--draft", *drafts] if drafts else []
    return EngineChoice(TORCH, tuple(arguments), missing)


def _launched() -> EngineChoice:
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
    engine = _loop()
    missing = "" if name else "Add an engine first, in a shell."
    arguments = ("--engine", LAUNCH, "--interpreter", name or "NAME", *engine.arguments)
    return EngineChoice(LAUNCH, arguments, missing or engine.missing)


def _servers() -> EngineChoice:
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


# --- how it is measured -------------------------------------------------------------------------


def _load(engine: EngineChoice) -> list[str]:
    """Prompts, runs and what else all configurations share, defaults left out."""
    prompts = prompts_form.choose()
    left, right = st.columns(2)
    runs = left.number_input(
        "Runs",
        1,
        100,
        3,
        **persisted("measure_runs"),
        help="Of each configuration. With one there is no interval.",
    )
    limit = right.number_input(
        "How many",
        1,
        10_000,
        16,
        **persisted("measure_limit"),
        help="Prompts, drawn once with a fixed seed.",
    )
    argv = ["--prompts", *prompts, "--limit", str(int(limit))]
    argv += ["--runs", str(int(runs))] if runs != 3 else []
    return argv


def _more(engine: EngineChoice) -> list[str]:
    """What seldom changes."""
    with st.popover(
        "Decoding and load", icon=":material/tune:", type="tertiary", key="measure_more"
    ):
        argv = answers()
        if engine.name == TORCH:
            st.caption("The torch loop decodes one request at a time.")
        else:
            argv += _at_once()
        if engine.name != SGLANG:  # servers that run already have decided how they draft
            steps = st.number_input("Draft steps per cycle", 1, 16, 3, **persisted("measure_steps"))
            argv += ["--steps", str(int(steps))] if steps != 3 else []
            argv += _tree(int(steps)) if engine.name == LAUNCH else []
    return argv


def answers() -> list[str]:
    """How long answers may be."""
    tokens = st.number_input(
        "Tokens of an answer, at most", 1, 8192, 128, **persisted("measure_tokens")
    )
    return ["--max-new-tokens", str(int(tokens))] if tokens != 128 else []


def _at_once() -> list[str]:
    chosen = st.multiselect(
        "Requests at once",
        CONCURRENCIES,
        [1],
        **persisted("measure_at_once"),
        help="Several make a sweep.",
    )
    numbers = sorted(chosen) or [1]
    return ["--concurrency", *map(str, numbers)] if numbers != [1] else []


def _tree(steps: int) -> list[str]:
    """Branches of a draft tree; the torch loop drafts chains only."""
    topk = st.number_input(
        "Branches per draft step", 1, 64, 1, **persisted("measure_topk"), help="1 is a chain."
    )
    if topk == 1:
        return []
    tokens = st.number_input(
        "Tokens verified per cycle",
        steps + 1,
        1024,
        8,
        **persisted("measure_width"),
    )
    return ["--topk", str(int(topk)), "--draft-tokens", str(int(tokens))]
