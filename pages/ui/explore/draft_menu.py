"""The draft's architecture, its bytes per weight and the search bounds, behind one button."""

from __future__ import annotations

import json

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import state
from pages.ui.format import plain
from pages.ui.frame import plain_errors
from pages.ui.links import linked_choice
from pages.ui.session import session
from pages.ui.widgets import LinkedName, linked
from vocabtrim_core.draft_config import (
    architecture_from_config,
    borrowed,
    fitted,
    kept_config,
    preset_of,
    published,
)
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_kinds import KINDS, TRIMMED
from vocabtrim_core.draft_kinds.precision import LEAST, MOST
from vocabtrim_core.draft_presets import PRESETS, PUBLISHED
from vocabtrim_core.model_config import parse_config
from vocabtrim_core.selection_spec.draft_kind import LABEL
from vocabtrim_core.selection_spec.draft_names import (
    default_draft,
    keep_config,
    load_draft,
    own_drafts,
)

FUSION_HELP = (
    "The paper charges the feature fusion to every draft step. Engines run it once per "
    "verification cycle; switch this off to leave it out of the step."
)
BYTES_HELP = (
    "With scales and zero points: bf16 2, fp8 1, 4-bit with a 16-bit scale per 32 weights 0.5625. "
    "Empty: as the config or preset says."
)


def draft_menu(vocab_size: int) -> None:
    """The draft's architecture and the search bounds: changed rarely, so behind one button.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    name = session.draft or default_draft(vocab_size).name
    with st.popover(
        "Choose the draft" if _stands_in(name, vocab_size) else name,
        icon=":material/memory:",
        width="stretch",
        key="draft_menu",
        help="Draft architecture and search bounds",
    ):
        _draft(vocab_size)


def ask_for_draft(vocab_size: int) -> None:
    """A warning where no draft of a model with this V is chosen, so that another's stands in.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    if sentence := _stands_in(session.draft or default_draft(vocab_size).name, vocab_size):
        st.warning(plain(sentence), icon=":material/memory:")


def _stands_in(name: str, vocab_size: int) -> str:
    return borrowed(fitted(load_draft(name), vocab_size)[0])


def _draft(vocab_size: int) -> None:
    state.clip("kmin", vocab_size)
    state.clip("kmax", vocab_size)
    default = preset_of(vocab_size)
    order = [default.kind, *KINDS] if default else [*KINDS]  # so that the default stands first
    presets = sorted(PRESETS, key=lambda name: order.index(PRESETS[name].kind))
    fitting = [name for name in presets if PRESETS[name].vocab_size == vocab_size]
    others = [name for name in presets if name not in fitting]
    options = [*fitting, *own_drafts(), *others]
    if session.pending_draft:
        session.draft = session.pending_draft
        del session.pending_draft
    labels = {option: _label(option) for option in options}
    name = st.selectbox(
        "Draft architecture",
        options,
        options.index(default.name) if default else None,
        format_func=labels.__getitem__,
        **linked_choice("draft", labels),
        placeholder="Choose one",
        help="By kind of head; first those of models with this vocabulary size.",
    )
    shape = load_draft(name) if name else default_draft(vocab_size)
    notes = (fitted(shape, vocab_size)[1], published(shape), _about(name or ""))
    for note in filter(None, notes):
        st.caption(plain(note))
    st.toggle(
        "Charge feature fusion to every step",
        True,
        **linked("fusion"),
        help=FUSION_HELP,
        disabled=not shape.head_kind.charges_fusion,
    )
    _weight_bytes(shape)
    low, high = st.columns(2)
    low.number_input("Smallest k", 1, vocab_size, 1, **linked("kmin"))
    high.number_input("Largest k", 1, vocab_size, None, **linked("kmax"), placeholder="all")
    kind = st.selectbox(
        "Kind of head in the config",
        [None, *TRIMMED],
        format_func=lambda key: KINDS[key].title if key else "as the file says",
        key="draft_kind",
        help="Of a target's config: EAGLE-3 as SpecForge derives it, or the target's MTP layer.",
    )
    uploaded = st.file_uploader(
        "Custom config.json",
        "json",
        max_upload_size=1,
        key="draft_file",
        help="Of the draft; or of the target, for the dense one-layer draft that SpecForge "
        "derives from it, or the kind named above.",
    )
    seen = f"{uploaded.file_id} {kind}" if uploaded else ""
    if uploaded and seen != session.draft_file_seen:
        session.draft_file_seen = seen
        with plain_errors():
            session.pending_draft = _keep_config(uploaded.getvalue(), uploaded.name, kind)
            st.rerun()


def _weight_bytes(shape: DraftArchitecture) -> None:
    """Fields for the bytes of a weight, each empty for what config or preset says."""
    own = shape.part_bytes
    target, layers, head = st.columns(3)
    fields: tuple[tuple[DeltaGenerator, str, LinkedName, float], ...] = (
        (target, "Target, bytes per weight", "target_bytes", own.target),
        (layers, "Draft layers", "layer_bytes", own.layers),
        (head, "Head rows", "row_bytes", own.head),
    )
    for column, label, key, stated in fields:
        column.number_input(
            label,
            LEAST,
            MOST,
            None,
            0.0625,
            **linked(key),
            placeholder=f"{stated:g}",
            help=BYTES_HELP,
        )


def _label(name: str) -> str:
    """A preset with its kind of head; a file of the workspace by its name."""
    return f"{PRESETS[name].head_kind.title}{LABEL}{name}" if name in PRESETS else name


def _about(name: str) -> str:
    """Where a preset's shapes come from, and the size of the published draft."""
    about = PUBLISHED.get(name)
    if about is None:
        return ""
    size = about.draft_vocab_size
    draft = f" The published draft has {size:,} tokens." if size else ""
    return f"Shapes: {about.source}.{draft}"


def _keep_config(content: bytes, label: str, kind: str | None) -> str:
    """Store an uploaded config under its content's name; InputError when it is none."""
    shape = architecture_from_config(parse_config(content, label), label, kind=kind)
    return keep_config(json.dumps(kept_config(shape), indent=1).encode() if kind else content)
