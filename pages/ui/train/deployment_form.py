"""Where drafts are trained: the Python that trains, its device, GPUs and nodes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import streamlit as st

from pages.ui.format import code_span, plain
from pages.ui.frame import shell
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.drafts.plan import (
    Deployment,
)
from vocabtrim_core.drafts.training_env import Trainer, known_trainer, trainer_command
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.programs import TRAINER, configured


def where() -> tuple[Deployment, list[str]]:
    """Draw where the training runs; returns it with its arguments of `train`."""
    trainer = known_trainer()
    _environment(trainer)
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
    known = trainer.device if trainer else "cpu"
    deployment = Deployment(
        known if device == "auto" else str(device),
        int(processes),
        int(nodes),
        rank,
        address or None,
    )
    argv = [] if device == "auto" else ["--device", str(device)]
    argv += ["--processes", str(processes)] if processes > 1 else []
    argv += ["--nodes", str(nodes), "--node-rank", str(rank)] if nodes > 1 else []
    return deployment, argv + (["--master-addr", address] if address and nodes > 1 else [])


def _environment(trainer: Trainer | None) -> None:
    """Which Python trains, and the others that a shell has named."""
    st.caption(trainer_words(trainer))
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


def trainer_words(trainer: Trainer | None) -> str:
    """What trains, in one line.

    Args:
        trainer: the environment that trains.
    """
    if trainer is None:
        return "Detecting the training environment."
    where = ", ".join(plain(name) for name in trainer.devices) or "CPU"
    packages = ", ".join(
        f"{name} {trainer.versions[name]}"
        for name in ("specforge", "torch")
        if name in trainer.versions
    )
    return f"Trains with {code_span(' '.join(trainer.command))}: {where}, {plain(packages)}."
