"""What came out of a run: acceptance length per k, the drafts, and how engines serve them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.engine_tabs import engine_tabs
from pages.ui.format import ESTIMATED, MEASURED, code_span, megabytes, percent, plain
from vocabtrim_core.drafts import alignment
from vocabtrim_core.drafts.runs import TrainedDraft, TrainingRun
from vocabtrim_core.jobs.progress import duration
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError


def table(run: TrainingRun) -> None:
    """Finished sizes side by side, with what the smaller ones keep of the full one.

    Args:
        run: a training run.
    """
    done = [draft for draft in run.drafts if draft.draft]
    if not done:
        return
    full = next((d for d in done if d.k == run.vocab_size), None)
    st.markdown(_sentence(done, full))
    rows = pd.DataFrame([_row(draft, full) for draft in done])
    number = st.column_config.NumberColumn(format="localized")
    st.dataframe(
        rows,
        hide_index=True,
        key="train_table",
        alt="Trained drafts of this run",
        column_config={"k": number},
    )
    result = done[0].result
    st.caption(
        f"Simulated on {result['held_out_tokens']:,} tokens of "
        f"{result['held_out_conversations']:,} "
        "conversations nobody trained on; in brackets the 95% interval over conversations. "
        "Engines measure on text of their own."
    )
    for sentence in dict.fromkeys(draft.result.get("coverage_of", "") for draft in done):
        st.caption(plain(sentence))
    alignment_file = run.folder / alignment.FILE
    if alignment_file.is_file():
        with suppress(DamagedError):
            about = records.read(alignment_file, dict[str, Any])
            st.markdown(plain(str(about.get("sentence", ""))) + f" {MEASURED}")


def _row(draft: TrainedDraft, full: TrainedDraft | None) -> dict[str, object]:
    r = draft.result
    length = r["acceptance_length"]
    against = length / full.result["acceptance_length"] if full else None
    return {
        "k": draft.k,
        "Acceptance length": f"{length:.3f}" + _span(r.get("acceptance_interval")),
        "Of the full draft's": percent(against) if against else "",
        "First position correct": percent(r["per_position_accuracy"][0]),
        "Coverage": percent(r["coverage"], 2),
        "Coverage, held out": percent(r["coverage_held_out"], 2)
        if "coverage_held_out" in r
        else "",
        "Draft FLOPs saved": percent(r["flops_reduction"]),
        "LM head": megabytes(r["head_bytes"]),
        "Best step": f"{r['best_step']:,} of {r['steps']:,}",
        "Trained in": duration(r["seconds"]),
    }


def _span(interval: list[float] | None) -> str:
    """A 95 % interval, as it stands behind a value."""
    return f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""


def _sentence(done: list[TrainedDraft], full: TrainedDraft | None) -> str:
    small = min(done, key=lambda draft: draft.k)
    length = small.result["acceptance_length"]
    words = (
        f"**{length:.2f} tokens come out of every cycle** with the draft of {small.k:,} tokens, "
        f"where 1 is no help {MEASURED}"
    )
    if full and full is not small:
        whole = full.result["acceptance_length"]
        saved = small.result["flops_reduction"]
        words += (
            f". That is {percent(length / whole)} of the {whole:.2f} with all {full.k:,}, for "
            f"{percent(1 - saved)} of the FLOPs of a draft step {ESTIMATED}"
        )
        if _overlap(small.result, full.result):
            words += ". Their intervals overlap: this much text does not tell the two apart"
    return words


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    a, b = (result.get("acceptance_interval") for result in (one, other))
    return bool(a and b and a[0] <= b[1] and b[0] <= a[1])


def drafts(run: TrainingRun) -> None:
    """Each exported draft: its folder, its provenance, and how engines take it.

    Args:
        run: a training run.
    """
    done = [draft for draft in run.drafts if draft.draft]
    if not done:
        return
    st.subheader("The drafts", anchor=False)
    by_k = {draft.k: draft for draft in done}
    k = st.segmented_control(
        "Draft",
        list(by_k),
        default=min(by_k),
        required=True,
        format_func=lambda k: f"k = {k:,}",
        key=f"train_draft_{run.name}",
        label_visibility="collapsed",
    )
    draft = by_k.get(k or 0, done[-1])
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        st.caption("A draft directory that engines load, with its provenance in vocabtrim.json:")
        st.code(str(draft.draft), language=None, wrap_lines=True)
        st.markdown(_provenance(run, draft))
    with right:
        engine_tabs(draft.k)


def _provenance(run: TrainingRun, draft: TrainedDraft) -> str:
    spec, r = run.spec, draft.result
    versions = ", ".join(f"{name} {v}" for name, v in r["trainer"].items())
    chosen = spec["vocabularies"][str(draft.k)]["counts"]
    chosen = "the training conversations" if chosen == "features" else chosen
    rows = {
        "Target": f"{plain(spec['target']['name'])} (sha256 {spec['target']['sha256'][:12]}…)",
        "Vocabulary": f"sha256 {draft.vocabulary_sha256[:12]}…, chosen from {plain(chosen)}",
        "Trained on": plain(spec["corpus"])
        + (f", answered by {plain(spec['regenerated_by'])}" if spec["regenerated_by"] else ""),
        "Features": code_span(spec["features"]),
        "Evaluated on": f"{r['held_out_tokens']:,} tokens of {r['held_out_conversations']:,} "
        "held-out conversations",
        "By position": ", ".join(percent(a) for a in r["per_position_accuracy"]),
        "With": f"{plain(versions)}, on {plain(r['device'])}",
    }
    return "\n".join(f"- **{name}**: {value}" for name, value in rows.items())
