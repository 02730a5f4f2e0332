"""Choose a tokenizer: bundled, from a path, uploaded, or from the hub; and try it on some text."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from pages.ui import state, tokens
from pages.ui.fields import told
from pages.ui.format import counted, plain
from pages.ui.frame import plain_errors
from pages.ui.marked_text import marked_text
from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import LARGEST
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import PRESETS, Tokenizer
from vocabtrim_core.tokenizers.vocab_size import ASSUMED, known_vocab_sizes, smallest_vocab_size
from vocabtrim_core.workspace.files import write_atomic

SOURCES = ("Bundled", "Path", "Upload", "Hub")
# An upload is stored under these names only; what the browser calls a file never becomes a path.
UPLOADS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
SAMPLE = "def hello(name):\n    print(f'Good morning, {name}!')"


def choose() -> Tokenizer | None:
    """Draw the choice and what is known about it; None until there is one."""
    source = st.segmented_control(
        "Where from",
        SOURCES,
        default="Bundled",
        required=True,
        key="tok_source",
        persist_state="session",
    )
    with plain_errors():
        spec, revision = {"Bundled": _bundled, "Path": _path, "Upload": _upload, "Hub": _hub}[
            source or "Bundled"
        ]()
        if not spec:
            return None
        found = tokens.load(spec, revision)
        tokens.note_source(found)
        if found.vocab_size_from == ASSUMED:
            found = _with_v(found, spec, revision)
        _about(found)
        return found
    return None


def _with_v(found: Tokenizer, spec: str, revision: str | None) -> Tokenizer:
    """The field for the model's V where no config.json says it, with the sizes that are known."""
    key = f"model_v_{found.fingerprint[:16]}"
    sizes, needed = known_vocab_sizes(found.backend), smallest_vocab_size(found.backend)
    if sizes:
        st.pills(
            "Models with this tokenizer have V",
            sizes,
            key=f"{key}_known",
            format_func=lambda size: f"{size:,}",
            persist_state="session",
            on_change=_take,
            args=(key,),
        )
    size = st.number_input(
        "Model's V",
        None,
        LARGEST,
        None,
        key=key,
        persist_state="session",
        placeholder=f"{found.vocab_size:,}, the tokenizer's own",
        help="The vocab_size of the model's config.json: rows of its head, and of every mapping. "
        f"At least {needed:,}, the largest id + 1.",
    )
    return tokens.load(spec, revision, int(size)) if size is not None else found


def _take(key: str) -> None:
    """A known V was picked: it is the field's."""
    if (picked := st.session_state[f"{key}_known"]) is not None:
        st.session_state[key] = picked


def _bundled() -> tuple[str, None]:
    name = st.selectbox(
        "Tokenizer",
        list(PRESETS),
        format_func=lambda n: f"{PRESETS[n].title}",
        key="tok_preset",
        persist_state="session",
    )
    return name, None


def _path() -> tuple[str, None]:
    hint = "a folder with tokenizer.json, or the file itself"
    return st.text_input(
        "Path on this machine", key="tok_path", placeholder=hint, persist_state="session"
    ).strip(), None


def _hub() -> tuple[str, str | None]:
    left, right = st.columns([2, 1])
    hub_id = left.text_input(
        "Model on the hub", key="tok_hub", placeholder="Qwen/Qwen3-8B", persist_state="session"
    )
    revision = right.text_input(
        "Revision", key="tok_revision", placeholder="main", persist_state="session"
    )
    st.caption("Needs internet. Only small text files are downloaded; no code of theirs is run.")
    return hub_id.strip(), revision.strip() or None


def _upload() -> tuple[str, None]:
    files = st.file_uploader(
        "tokenizer.json, and beside it tokenizer_config.json and config.json",
        ["json", "jinja"],
        accept_multiple_files=True,
        key="tok_files",
        max_upload_size=50,
    )
    if not files:
        return st.session_state.get("tok_uploaded", ""), None
    known = {file.name: file.getvalue() for file in files if file.name in UPLOADS}
    if "tokenizer.json" not in known:
        raise InputError(
            f"The upload has no tokenizer.json; choose files named {', '.join(UPLOADS)}."
        )
    digest = hashlib.sha256(b"".join(name.encode() + known[name] for name in sorted(known)))
    folder = workspace.folder("tokenizers") / f"upload-{digest.hexdigest()[:12]}"
    for name, content in known.items():
        write_atomic(folder / name, content)
    st.session_state.tok_uploaded = str(folder)
    return str(folder), None


def _about(found: Tokenizer) -> None:
    try:
        template = resolve_template(found).name
        written = "its own" if template == "tokenizer" else template
    except InputError:
        what = "its own, which cannot be used" if found.chat_template else "none found"
        written = f"{what}; choose a named one below"
    st.markdown(
        f"- V = {found.vocab_size:,} ({found.vocab_size_from}), {len(found.specials):,} special "
        "tokens\n"
        f"- Chat template: {written}\n- Licence: {found.licence}\n"
        f"- Fingerprint: `{found.fingerprint[:16]}`"
    )
    for warning in found.warnings:
        st.warning(told(warning), icon=":material/warning:")


def try_it(tokenizer: Tokenizer) -> None:
    """A box to type text and see which of its tokens the draft vocabulary keeps."""
    text = st.text_area("Text to try", SAMPLE, key="try_text", height=96, max_chars=5000)
    pieces = tokenizer.pieces(text or "")
    name, kept = _chosen(tokenizer) or ("", None)
    kinds = ["token" if kept is None else "in" if kept[i] else "out" for _, i in pieces]
    marked = [
        (piece, kind, f"id {i}{', left out' * (kind == 'out')}")
        for (piece, i), kind in zip(pieces, kinds, strict=True)
    ]
    marked_text(marked, key="try_marked", alt="The text cut into its tokens")
    if kept is None:
        st.caption(
            f"{counted(len(pieces), 'token')}. Once a set is counted with this tokenizer, they are "
            "coloured by whether the draft vocabulary keeps them."
        )
    elif pieces:
        st.caption(
            f"{kinds.count('in'):,} of {counted(len(pieces), 'token')} are in the draft vocabulary "
            f"of {int(kept.sum()):,} now chosen on Explore for {plain(name)}; the others are drawn "
            "in orange."
        )


def _chosen(tokenizer: Tokenizer) -> tuple[str, np.ndarray] | None:
    """(set, bool[V] of the vocabulary chosen on it): the set in view if this tokenizer counted it,
    else the newest that it did; None where there is none."""
    sets = [
        s
        for s in state.counted_sets()
        if s.counts.provenance.tokenizer_sha256 == tokenizer.fingerprint
    ]
    if not sets:
        return None
    by_key = {stored.key: stored for stored in sets}
    stored = by_key.get(st.session_state.get("counts_key", ""), sets[0])
    curve = state.curve_of(stored.key, stored.counts)
    settings = state.settings(curve.vocab_size)
    tradeoff = state.tradeoff_of(settings, curve)
    return stored.counts.name, curve.vocabulary(settings.k or tradeoff.optimum.k).t2d
