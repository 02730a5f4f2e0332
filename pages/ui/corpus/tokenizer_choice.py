"""Choose a tokenizer: bundled, from a path, uploaded, or from the hub; and try it on some text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui import state, tokens
from pages.ui.corpus.marked_text import marked_text
from pages.ui.fields import with_labels
from pages.ui.format import counted, plain
from pages.ui.frame import plain_errors
from pages.ui.session import session
from pages.ui.uploads import require_readable
from pages.ui.widgets import choose_source, persisted, set_values, value_of
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import LARGEST
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import PRESETS, Tokenizer
from vocabtrim_core.tokenizers.vocab_size import ASSUMED, known_vocab_sizes, smallest_vocab_size
from vocabtrim_core.workspace.uploads import write_together

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
    places = {"Bundled": _bundled, "Path": _path, "Upload": _upload, "Hub": _hub}
    with plain_errors():
        spec, revision = choose_source(places, "tok_source")
        if not spec:
            return None
        tokenizer = tokens.load(spec, revision)
        tokens.note_source(tokenizer)
        if tokenizer.vocab_size_from == ASSUMED:
            tokenizer = _with_v(tokenizer, spec, revision)
        _about(tokenizer)
        return tokenizer
    return None


def _with_v(tokenizer: Tokenizer, spec: str, revision: str | None) -> Tokenizer:
    """The field for the model's V where no config.json says it, with the sizes that are known."""
    key = f"model_v_{tokenizer.fingerprint[:16]}"
    if sizes := known_vocab_sizes(tokenizer.backend):
        st.pills(
            "Models with this tokenizer have V",
            sizes,
            **persisted(f"{key}_known"),
            format_func=lambda size: f"{size:,}",
            wrap=True,
            on_change=_take,
            args=(key,),
        )
    size = st.number_input(
        "Model's V",
        None,
        LARGEST,
        None,
        **persisted(key),
        placeholder=f"{tokenizer.vocab_size:,}, the tokenizer's own",
        help="The vocab_size of the model's config.json: rows of its head, and of every mapping. "
        f"At least {smallest_vocab_size(tokenizer.backend):,}, the largest id + 1.",
    )
    return tokens.load(spec, revision, int(size)) if size is not None else tokenizer


def _take(key: str) -> None:
    """A known V was picked: it is the field's."""
    if (picked := value_of(f"{key}_known")) is not None:
        set_values({key: picked})


def _bundled() -> tuple[str, None]:
    titles = {name: preset.title for name, preset in PRESETS.items()}
    return st.selectbox(
        "Tokenizer", list(titles), format_func=titles.__getitem__, **persisted("tok_preset")
    ), None


def _path() -> tuple[str, None]:
    hint = "a folder with tokenizer.json, or the file itself"
    return st.text_input(
        "Path on this machine", **persisted("tok_path"), placeholder=hint
    ).strip(), None


def _hub() -> tuple[str, str | None]:
    left, right = st.columns([2, 1])
    hub_id = left.text_input(
        "Model on the hub", **persisted("tok_hub"), placeholder="Qwen/Qwen3-8B"
    )
    revision = right.text_input("Revision", **persisted("tok_revision"), placeholder="main")
    st.caption("Needs internet. Only small text files are downloaded; no code from the hub is run.")
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
        return _readable(session.tok_uploaded), None
    known = {file.name: file.getvalue() for file in files if file.name in UPLOADS}
    if "tokenizer.json" not in known:
        raise InputError(
            f"The upload has no tokenizer.json; choose files named {', '.join(UPLOADS)}."
        )
    session.tok_uploaded = str(write_together("tokenizers", "upload-", known))
    return _readable(session.tok_uploaded), None


def _readable(folder: str) -> str:
    if folder:
        require_readable("tokenizer", Path(folder))
    return folder


def _about(tokenizer: Tokenizer) -> None:
    try:
        name = resolve_template(tokenizer).name
        template = "its own" if name == "tokenizer" else name
    except InputError:
        problem = "its own, which cannot be used" if tokenizer.chat_template else "none found"
        template = f"{problem}; choose a named one below"
    st.markdown(
        f"- V = {tokenizer.vocab_size:,} ({tokenizer.vocab_size_from}), "
        f"{len(tokenizer.specials):,} special "
        "tokens\n"
        f"- Chat template: {template}\n- Licence: {tokenizer.licence}\n"
        f"- Fingerprint: `{tokenizer.fingerprint[:16]}`"
    )
    for warning in tokenizer.warnings:
        st.warning(with_labels(warning), icon=":material/warning:")


def try_it(tokenizer: Tokenizer) -> None:
    """A box to type text and see which of its tokens the draft vocabulary keeps.

    Args:
        tokenizer: the tokenizer.
    """
    text = st.text_area("Try the tokenizer", SAMPLE, key="try_text", height=96, max_chars=5000)
    pieces = tokenizer.pieces(text or "")
    name, in_draft = _chosen(tokenizer) or ("", None)
    kinds = ["token" if in_draft is None else "in" if in_draft[i] else "out" for _, i in pieces]
    marked = [
        (piece, kind, f"id {i}{', left out' * (kind == 'out')}")
        for (piece, i), kind in zip(pieces, kinds, strict=True)
    ]
    marked_text(marked, key="try_marked", alt="The text cut into its tokens")
    if in_draft is None:
        st.caption(
            f"{counted(len(pieces), 'token')}. Once a set is counted with this tokenizer, they are "
            "coloured by whether the draft vocabulary keeps them."
        )
    elif pieces:
        st.caption(
            f"{kinds.count('in'):,} of {counted(len(pieces), 'token')} are in the draft vocabulary "
            f"of {int(in_draft.sum()):,} now chosen on Explore for {plain(name)}; the others are "
            "drawn "
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
    stored = next((s for s in sets if s.key == session.counts_key), sets[0])
    vocabulary = state.curve_of(stored).vocabulary(state.k_in_view(stored))
    return stored.counts.name, vocabulary.t2d
