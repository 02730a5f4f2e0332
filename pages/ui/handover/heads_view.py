"""The heads of a model: what its draft reads, what the choice saves, and a copy with fewer rows.

The model is named by a folder, a GGUF file or an id of the hub, of which headers alone are read;
what is written goes to the workspace under a name made from what is asked.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel, report_forecast
from pages.ui.caching import cached
from pages.ui.format import ESTIMATED, MEASURED, code_span, percent, plain
from pages.ui.handover import heads_copy
from pages.ui.handover.chosen_tokens import chosen_tokens
from pages.ui.tables import WHOLE, table
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.drafts.hub_checkpoint import is_hub_id
from vocabtrim_core.drafts.mtp.gguf_heads import GGUF, GgufHeads, heads_in
from vocabtrim_core.drafts.mtp.heads import KINDS, DraftHead, ModelHeads
from vocabtrim_core.drafts.mtp.savings import savings
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.wording import format_bytes

TITLE = "Heads of a model"  # of its tab
ABOUT = (
    "Models with multi-token prediction draft with a layer of their own and the target's head. A "
    "smaller head is a copy of its rows, bit for bit, beside the whole one. Only headers are read "
    "to show what is there."
)
NO_DRAFT = (
    "There is no draft in it: no mtp.*, no layer with eh_proj, no fc. A draft in a folder of its "
    "own is trimmed under *Trim a draft you have*."
)


def panel(stored: StoredCounts) -> list[list[str]]:
    """The section; returns the commands it stands for.

    Args:
        stored: the counted set in view.
    """
    st.markdown(ABOUT)
    left, right = st.columns([1, 1.6], gap="large")
    with left:
        vocabulary, file = chosen_tokens(stored)
        model = _model()
        hardware = _hardware()
        sidecar = _is_sidecar(model)
    argv = _arguments(model, file, sidecar)
    with right:
        if model is None:
            st.info("Name a model to see what it drafts with.", icon=":material/folder_open:")
        else:
            _shown(model, vocabulary, hardware, argv)
    jobpanel.watch(lambda: jobpanel.unfinished("trim-mtp"), "trim-mtp")
    if model is not None and Path(argv[-1]).exists():
        heads_copy.result(argv)
    asked = ["heads", str(model or "MODEL"), "--vocabulary", str(file), "--hardware", hardware]
    return [asked, [*argv[:-1], "PATH"]]


def _model() -> Path | None:
    text = st.text_input(
        "Folder, GGUF file, or hub id of the model",
        **persisted("heads_model"),
        placeholder="/models/Qwen3.8-27B",
        help="Of a model on the hub only config, index and headers are fetched; to write a copy "
        "it has to be on this machine.",
    ).strip()
    return Path(text).expanduser() if text else None


def _hardware() -> str:
    return st.selectbox(
        "Device",
        list(HARDWARE),
        list(HARDWARE).index(report_forecast.assumed().hardware),
        format_func=lambda name: HARDWARE[name].name,
        **persisted("heads_hardware"),
    )


def _is_sidecar(model: Path | None) -> bool:
    return (
        model is not None
        and model.suffix == GGUF
        and st.toggle(
            "The file is a draft of its own",
            **persisted("heads_sidecar"),
            help="Its head gets smaller and a tensor d2t names the tokens, for a patched reader. "
            "Off: a copy of the whole model with a smaller head beside the whole one.",
        )
    )


def _arguments(model: Path | None, file: Path, sidecar: bool) -> list[str]:
    """`trim-mtp`, into the workspace."""
    source = "MODEL" if model is None else str(model) if is_hub_id(model) else str(model.resolve())
    line = ["trim-mtp", source, "--vocabulary", str(file), *(["--sidecar"] if sidecar else [])]
    folder = jobpanel.folder_of("trimmed-heads", line)
    is_file = model is not None and model.suffix == GGUF
    return [*line, "--out", str(folder.with_suffix(GGUF) if is_file else folder)]


@cached(8, "Reading the headers")
def _heads(model: str, stamp: tuple[tuple[str, int, int], ...]) -> ModelHeads | GgufHeads:
    """The heads of a model in this state of its files."""
    return heads_in(Path(model))


def _stamp(model: Path) -> tuple[tuple[str, int, int], ...]:
    if not model.exists():
        return ()
    files = sorted(model.iterdir()) if model.is_dir() else [model]
    stats = ((path.name, path.stat()) for path in files if path.is_file())
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats)


def _shown(model: Path, vocabulary: DraftVocabulary, hardware: str, argv: list[str]) -> None:
    heads = _heads(str(model), _stamp(model))
    if not heads.drafts:
        st.warning(NO_DRAFT, icon=":material/search_off:")
    for draft in heads.drafts:
        _draft(draft, vocabulary, hardware)
    if heads.drafts:
        heads_copy.act(model, heads, vocabulary, argv)
    _tensors(model, heads)


def _draft(draft: DraftHead, vocabulary: DraftVocabulary, hardware: str) -> None:
    """One draft: its head at V and at k, and what that saves."""
    head, device = draft.head, HARDWARE[hardware]
    owner = "its own" if draft.own else "the target's"
    smaller = savings(draft, len(vocabulary), device)
    st.markdown(
        f"**{plain(draft.name)}**: {KINDS[draft.kind]}. Its head is {code_span(head.name)}, "
        f"{owner}, {plain(head.layout)}, "
        f"{head.rows:,} x {head.width:,} {MEASURED}"
    )
    least, most = smaller.seconds or (0.0, 0.0)
    changed = "more, a copy of rows" if smaller.memory_change > 0 else "less"
    metrics = (
        (
            "Head",
            format_bytes(smaller.head_bytes),
            f"of {format_bytes(head.bytes)}",
        ),
        (
            "Share of a drafted token",
            percent(smaller.share),
            f"of {percent(draft.share(head.rows))} with all rows",
        ),
        ("Memory", format_bytes(abs(smaller.memory_change)), changed),
        (
            "Time saved",
            f"{1e3 * least:.2f} to {1e3 * most:.2f} ms",
            f"per drafted token, {device.name}",
        ),
    )
    cells = [cell for _ in range(2) for cell in st.columns(2)]
    for column, metric in zip(cells, metrics, strict=True):
        column.metric(*metric, delta_color="off", delta_arrow="off")
    st.caption(
        f"A drafted token reads {format_bytes(draft.step_bytes)} of the layer's "
        f"{format_bytes(draft.layer_bytes)}. The time is that of reading the "
        f"{format_bytes(smaller.saved_bytes)} that fall away, at "
        f"{percent(device.effective[0])} to {percent(device.effective[1])} of "
        f"{device.bandwidth / 1e9:,.0f} GB/s. {ESTIMATED}"
    )
    if draft.trimmed:
        st.caption(f"A smaller head of {draft.trimmed:,} rows stands beside it already.")


def _tensors(model: Path, heads: ModelHeads | GgufHeads) -> None:
    """Types and shapes of all tensors."""
    stored: Counter[str] = Counter()
    for _, dtype, _, size in heads.tensors:
        stored[dtype] += size
    summary = ", ".join(f"{name} {format_bytes(size)}" for name, size in stored.most_common())
    with st.expander(f"{len(heads.tensors):,} tensors: {summary}"):
        rows = [
            {"Tensor": name, "Type": dtype, "Shape": " x ".join(map(str, shape)), "Bytes": size}
            for name, dtype, shape, size in heads.tensors
        ]
        table(rows, f"Tensors of {model.name}", {"Bytes": WHOLE}, height=300)
