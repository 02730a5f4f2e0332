"""How drafts are trained and where: SpecForge's settings, the target's own answers, GPUs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.ui import jobpanel
from pages.ui.format import code_span, plain
from pages.ui.frame import shell
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.drafts.plan import (
    MAX_LENGTH,
    STARTS,
    TOY_MAX_LENGTH,
    TOY_MAX_TOKENS,
    TOY_PLAN,
    Deployment,
    TrainingPlan,
)
from vocabtrim_core.drafts.training_env import Trainer, known_trainer, trainer_command
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.programs import TRAINER, configured
from vocabtrim_core.templates.presets import NAMED

WHO = ("The target here", "A server")
HELD_OUT = 0.05


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of a training with the arguments of `train` that give them, defaults left out."""

    plan: TrainingPlan
    deployment: Deployment
    max_length: int
    max_tokens: int | None
    held_out: float
    template: str
    tokenizer: str | None
    name: str
    arguments: tuple[str, ...]
    run_arguments: tuple[str, ...]  # where it runs


def choose(toy: bool) -> Options:
    """Draw the settings, folded away; InputError for values that cannot be."""
    argv: list[str] = []
    with st.expander("Training settings", icon=":material/tune:"):
        plan = _plan(toy, argv)
        length, tokens, held_out, template, tokenizer = _reading(toy, argv)
        name = st.text_input(
            "Name of the run", **persisted("train_name"), placeholder="from its settings"
        ).strip()
    with st.expander("The target's own answers first", icon=":material/autorenew:"):
        argv += _answers()
    with st.expander("GPU and cluster", icon=":material/memory:"):
        deployment, where = _where()
    return Options(
        plan,
        deployment,
        length,
        tokens,
        held_out,
        template,
        tokenizer,
        name,
        tuple(argv),
        tuple(where),
    )


def _number(column, label: str, key: str, usual, least, argv: list[str], flag: str, **more) -> Any:
    """A number whose usual value stands in it greyed; the argument only where it was changed."""
    shown = f"{usual:,}" if isinstance(usual, int) else "none" if usual is None else f"{usual:g}"
    value = column.number_input(
        label, least, None, None, **persisted(f"train_{key}"), placeholder=shown, **more
    )
    if value is None:
        return usual
    argv += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return value


def _plan(toy: bool, argv: list[str]) -> TrainingPlan:
    usual = TOY_PLAN if toy else TrainingPlan()
    a, b, c, d = st.columns(4, gap="small")
    epochs = _number(a, "Epochs", "epochs", usual.epochs, 1, argv, "--epochs")
    steps = _number(b, "Steps at most", "steps", usual.max_steps, 1, argv, "--max-steps")
    batch = _number(
        c,
        "Batch",
        "batch",
        usual.batch_size,
        1,
        argv,
        "--batch-size",
        help="Conversations per optimizer step.",
    )
    accumulation = _number(
        d, "Accumulation", "accumulation", usual.accumulation, 1, argv, "--accumulation"
    )
    a, b, c, d = st.columns(4, gap="small")
    rate = _number(
        a,
        "Learning rate",
        "rate",
        usual.learning_rate,
        1e-7,
        argv,
        "--learning-rate",
        format="%.1e",
    )
    positions = _number(
        b,
        "Draft positions",
        "ttt",
        usual.ttt_length,
        1,
        argv,
        "--ttt-length",
        help="Unrolled in training; SpecForge's ttt_length.",
    )
    evaluations = _number(
        c,
        "Evaluations",
        "evaluations",
        usual.evaluations,
        1,
        argv,
        "--evaluations",
        help="And checkpoints, per training.",
    )
    start = d.selectbox(
        "Head starts",
        STARTS,
        STARTS.index(usual.start),
        **persisted(f"train_start_{toy}"),
        help="scratch: random, as in the paper. target: the target's rows of the kept tokens.",
    )
    argv += ["--start", start] if start != usual.start else []
    return TrainingPlan(
        epochs=epochs,
        max_steps=steps,
        batch_size=batch,
        accumulation=accumulation,
        learning_rate=rate,
        ttt_length=positions,
        evaluations=evaluations,
        start=start,
    )


def _reading(toy: bool, argv: list[str]) -> tuple[int, int | None, float, str, str | None]:
    a, b, c, d = st.columns(4, gap="small")
    usual = TOY_MAX_LENGTH if toy else MAX_LENGTH
    length = _number(
        a,
        "Length limit",
        "length",
        usual,
        2,
        argv,
        "--max-length",
        help="Tokens of a conversation that are used.",
    )
    tokens = _number(
        b,
        "Tokens at most",
        "tokens",
        TOY_MAX_TOKENS if toy else None,
        100,
        argv,
        "--max-tokens",
        help="Read in all.",
    )
    held_out = _number(
        c,
        "Held out",
        "held_out",
        HELD_OUT,
        0.001,
        argv,
        "--held-out",
        help="Share of conversations kept from training.",
    )
    template = d.selectbox(
        "Template",
        ["auto", *NAMED],
        **persisted("train_template"),
        help="auto: the tokenizer's own",
    )
    argv += ["--template", template] if template != "auto" else []
    tokenizer = st.text_input(
        "Tokenizer, where it is not beside the weights",
        **persisted("train_tok"),
        placeholder="beside the weights",
    ).strip()
    argv += ["--tokenizer", tokenizer] if tokenizer else []
    return length, tokens, held_out, template, tokenizer or None


def _answers() -> list[str]:
    """Arguments that let the target answer the prompts before anything is captured."""
    st.caption(
        "The paper's alignment step: every prompt is answered by the target itself, and the draft "
        "learns from those answers."
    )
    if not st.toggle("Regenerate the answers", **persisted("train_regenerate")):
        return []
    return answer_arguments("train_by", "--regenerate")


def answer_arguments(key: str, flag: str) -> list[str]:
    """Who answers, how warm and how long: arguments of `train` and `regenerate`."""
    who = st.segmented_control("Who answers", WHO, default=WHO[0], required=True, **persisted(key))
    by = "local"
    if who == WHO[1]:
        by = (
            st.text_input(
                "Address of the server",
                **persisted(f"{key}_url"),
                placeholder="http://127.0.0.1:30000",
            ).strip()
            or "URL"
        )
    left, right = st.columns(2)
    warm = left.number_input("Temperature", 0.0, 2.0, 0.0, 0.1, **persisted(f"{key}_warm"))
    most = right.number_input("Tokens per answer", 1, None, 128, **persisted(f"{key}_most"))
    return [flag, by, "--temperature", f"{warm:g}", "--answer-tokens", str(most)]


# --- where it runs --------------------------------------------------------------------------------


def _where() -> tuple[Deployment, list[str]]:
    found = known_trainer()
    _environment(found)
    device = st.segmented_control(
        "Device",
        ("auto", "cpu", "cuda"),
        default="auto",
        required=True,
        **persisted("train_device"),
    )
    a, b, c = st.columns([1, 1, 2], gap="small")
    processes = a.number_input(
        "GPUs per node", 1, None, 1, **persisted("train_processes"), help="nproc_per_node"
    )
    nodes = b.number_input(
        "Nodes",
        1,
        None,
        1,
        **persisted("train_nodes"),
        help="nnodes; the same command is started on each",
    )
    address = c.text_input(
        "First node's address", **persisted("train_address"), placeholder="only for several nodes"
    ).strip()
    rank = None
    if nodes > 1:
        rank = int(st.number_input("Rank of this node", 0, nodes - 1, 0, **persisted("train_rank")))
    known = found.device if found else "cpu"
    made = Deployment(
        known if device == "auto" else str(device),
        int(processes),
        int(nodes),
        rank,
        address or None,
    )
    argv = [] if device == "auto" else ["--device", str(device)]
    argv += ["--processes", str(processes)] if processes > 1 else []
    argv += ["--nodes", str(nodes), "--node-rank", str(rank)] if nodes > 1 else []
    return made, argv + (["--master-addr", address] if address and nodes > 1 else [])


def _environment(found: Trainer | None) -> None:
    """Which Python trains, and the others that a shell has named."""
    st.caption(trainer_words(found))
    known = configured(TRAINER)
    if known:
        _choose_trainer(known)
    with st.popover("Add a trainer", icon=":material/terminal:", type="tertiary", key="train_add"):
        st.markdown(
            "Programs are named in a shell only, never on a page. Here `gpu` is the name; after it "
            "comes the Python of an environment with torch and SpecForge, or, quoted, a command "
            "that starts one on another host, where this workspace has the same path."
        )
        shell(["trainer", "--add", "gpu", "ssh gpu-host /opt/specforge/bin/python"])
    jobpanel.watch(lambda: jobpanel.unfinished("trainer")[:1], "trainer")


def _choose_trainer(known: Mapping[str, tuple[str, ...]]) -> None:
    """Train with another one of the workspace from now on."""
    now = next((name for name, command in known.items() if command == trainer_command()), "")
    drop_stale("train_with", ["", *known])  # removed in a shell meanwhile
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    options = ["", *known]
    name = left.selectbox(
        "Trainer",
        options,
        options.index(now),
        **persisted("train_with"),
        format_func=lambda n: n or "the app's own environment",
    )
    if name in known:
        st.caption(code_span(shlex.join(known[name])))
    if right.button("Use it", key="train_use", width="stretch", disabled=name == now):
        jobs.start(["trainer", "--use", name], "Look at the trainer")
        st.rerun()


def trainer_words(found: Trainer | None) -> str:
    """What trains, in one line."""
    if found is None:
        return "What trains is not known yet."
    where = ", ".join(plain(name) for name in found.devices) or "CPU"
    packages = ", ".join(
        f"{name} {found.versions[name]}"
        for name in ("specforge", "torch")
        if name in found.versions
    )
    return f"Trains with {code_span(' '.join(found.command))}: {where}, {plain(packages)}."
