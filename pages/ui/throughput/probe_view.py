"""The time of a draft step against k, measured on this device with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from pages.ui import jobpanel, plots
from pages.ui.format import ESTIMATED, MEASURED, plain
from pages.ui.frame import footer
from pages.ui.throughput.shown_measurement import committed, here
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.figures import latency as figures
from vocabtrim_core.serving import latency_probe
from vocabtrim_core.serving.latency_probe import Probe

ABOUT = (
    "What a draft step costs does not depend on what its weights say. So the curve can be measured "
    "on this device for any architecture, without a trained draft, and held against what FLOPs and "
    "bytes predict."
)
START = "llama-3.2-1b"
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


def panel() -> None:
    """What to time at the right, the measured curve at the left."""
    left, right = st.columns([2.5, 1], gap="large")
    with right.container(border=True):
        argv = _form()
    with left:
        jobpanel.watch(lambda: jobpanel.unfinished("probe"), "probe")
        choice = _choose()
        if choice:
            _results(choice)
        else:
            st.markdown(ABOUT)
            st.info(
                "Nothing is timed here yet. **Time the draft step** at the right takes about "
                "two minutes on a laptop.",
                icon=":material/timer:",
            )
    footer(argv)


def _form() -> list[str]:
    names = [name for name, shape in PRESETS.items() if shape.trainable]
    draft = st.selectbox(
        "Draft architecture", names, names.index(START), **persisted("probe_draft")
    )
    batches = st.multiselect("Sequences at once", BATCHES, [1, 8, 64], **persisted("probe_batches"))
    target = st.toggle(
        "Also a verification by the target",
        **persisted("probe_target"),
        help="A target of these shapes with random "
        "weights; with it the time of a whole cycle is known.",
    )
    with st.popover("How it is timed", icon=":material/tune:", type="tertiary", key="probe_more"):
        context = st.number_input(
            "Tokens attention looks back on",
            1,
            131_072,
            512,
            **persisted("probe_context"),
        )
        topk = st.number_input(
            "Branches per step", 1, 64, 1, **persisted("probe_topk"), help="1 is a chain."
        )
        depth = st.number_input("Draft steps per cycle", 1, 16, 3, **persisted("probe_depth"))
    argv = ["probe", "--draft", draft, "--batch", *map(str, sorted(batches) or [1])]
    for flag, value, start in (
        ("--context", context, 512),
        ("--topk", topk, 1),
        ("--depth", depth, 3),
    ):
        argv += [flag, str(int(value))] if value != start else []
    argv += ["--with-target"] if target else []
    jobpanel.start_button(
        "Time the draft step",
        argv,
        f"Time the draft step of {draft}",
        possible=bool(batches),
        type="primary",
        icon=":material/timer:",
        key="probe",
        width="stretch",
    )
    return argv


@dataclass(frozen=True, slots=True)
class ProbeChoice:
    """A probe and the batch size in view."""

    probe: Probe
    batch: int
    committed: bool


def _choose() -> ProbeChoice | None:
    own = {probe.key: probe for probe in latency_probe.stored()}
    by_key = {**own, **{probe.key: probe for probe in committed()[1]}}
    if not by_key:
        return None
    drop_stale("probe_key", by_key)
    left, right = st.columns([3, 1.4], vertical_alignment="bottom")
    key = left.selectbox(
        "Timed", list(by_key), **persisted("probe_key"), format_func=lambda key: _title(by_key[key])
    )
    probe = by_key[key]
    drop_stale("probe_batch", probe.batches)
    with right:
        batch = st.segmented_control(
            "Sequences at once",
            probe.batches,
            default=probe.batches[0],
            required=True,
            **persisted("probe_batch"),
        )
    return ProbeChoice(probe, batch or probe.batches[0], key not in own)


def _title(probe: Probe) -> str:
    graphs = ", CUDA graphs" if probe.graphs else ""
    when = probe.created[:16].replace("T", " ")
    return f"{probe.architecture.name} · {probe.device}, {probe.dtype}{graphs} · {when}"


def _results(choice: ProbeChoice) -> None:
    """The curve beside FLOPs and bytes, and every size as a row."""
    probe, batch = choice.probe, choice.batch
    rows = probe.at(batch)
    small, full = rows[0], rows[-1]
    shape = probe.architecture
    measured = here(probe.device) if choice.committed else MEASURED
    share = small.step.seconds / full.step.seconds
    st.markdown(
        f"At {small.k:,} tokens a draft step takes **{100 * share:.0f}%** of its time at "
        f"{full.k:,} on {plain(probe.device)} {measured}; its FLOPs say "
        f"{100 * shape.flops(small.k) / shape.flops(full.k):.0f}%, its bytes "
        f"{100 * float(probe.moved_bytes(small.k, batch) / probe.moved_bytes(full.k, batch)):.0f}% "
        f"{ESTIMATED}"
    )
    info = figures.latency_info(probe, batch)
    plots.draw(
        figures.latency_figure(info, plots.palette()), "probe_curve", figures.latency_alt(info)
    )
    number = st.column_config.NumberColumn(format="%.3f")
    share_of = st.column_config.NumberColumn(format="%.0f")
    table = _table(probe, batch)
    columns = {name: share_of if name.endswith("%") else number for name in table}
    columns["k"] = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        table,
        hide_index=True,
        key="probe_rows",
        column_config=columns,
        alt="Time of a draft step by draft vocabulary size",
    )
    for note in probe.notes:
        st.caption(plain(note))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "JSON",
            probe.encoded(),
            f"probe-{probe.key}.json",
            "application/json",
            key="get_probe",
            icon=":material/download:",
            on_click="ignore",
        )
        if not choice.committed:
            st.button(
                "Remove",
                key="drop_probe",
                type="tertiary",
                icon=":material/delete:",
                on_click=latency_probe.remove,
                args=(probe.key,),
            )
    st.caption(f"`{probe.command}`")


def _table(probe: Probe, batch: int) -> pd.DataFrame:
    """Milliseconds; shares of the largest size in percent."""
    rows, shape = probe.at(batch), probe.architecture
    full = rows[-1]
    moved = float(probe.moved_bytes(full.k, batch))
    return pd.DataFrame(
        {
            "k": [row.k for row in rows],
            "Step, ms": [1e3 * row.step.seconds for row in rows],
            "from": [1e3 * row.step.low for row in rows],
            "to": [1e3 * row.step.high for row in rows],
            "Head, ms": [1e3 * row.head.seconds for row in rows],
            "Layer, ms": [1e3 * row.layer.seconds for row in rows],
            "Fusion, ms": [1e3 * row.fusion.seconds for row in rows],
            "Pick, ms": [1e3 * row.pick.seconds for row in rows],
            f"Time of {full.k:,}, %": [100 * row.step.seconds / full.step.seconds for row in rows],
            "FLOPs, %": [100 * shape.flops(row.k) / shape.flops(full.k) for row in rows],
            "Bytes, %": [100 * float(probe.moved_bytes(row.k, batch)) / moved for row in rows],
        }
    )
