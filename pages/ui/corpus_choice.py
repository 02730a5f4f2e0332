"""Choose conversations: the demo, a path, an upload or the hub; see how they are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pages.ui import demo
from pages.ui.words import code_span
from vocabtrim_core import workspace
from vocabtrim_core.corpora import SHAPES, Corpus, CorpusInfo, Mapping, open_corpus
from vocabtrim_core.corpora.presets import DATASET_PRESETS

SOURCES = ("Demo", "Path", "Upload", "Hub")
SUFFIXES = ["jsonl", "ndjson", "json", "parquet", "csv", "gz", "zst"]
COLUMNS: dict[str, tuple[str, ...]] = {
    "conversation": ("conversation",),
    "prompt_response": ("prompt", "response", "system"),
    "text": ("text",),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A corpus and the arguments of `count` that name it; a hub dataset is fetched by the count."""

    name: str
    corpus: Corpus | None
    arguments: tuple[str, ...]


def choose() -> Chosen | None:
    """Draw the choice; None until there is one. InputError for what cannot be opened."""
    source = st.segmented_control(
        "Where from", SOURCES, default="Demo", required=True, key="corpus_source",
        persist_state="session",
    )  # fmt: skip
    if source == "Hub":
        return _hub()
    paths = {"Demo": _demo, "Path": _path, "Upload": _upload}[source or "Demo"]()
    if not paths:
        return None
    limit = _limit()
    corpus = open_corpus(paths, limit=limit)
    info = corpus.describe()
    _about(info)
    mapping = _mapping(info)
    arguments = ["--data", *paths, *_limit_argument(limit)]
    if mapping != info.mapping:
        corpus = open_corpus(paths, mapping=mapping, limit=limit)
        arguments += _mapping_arguments(mapping)
    return Chosen(corpus.name, corpus, tuple(arguments))


def _limit() -> int | None:
    return st.number_input(
        "Row limit", 1, None, None, key="corpus_limit", placeholder="all rows",
        persist_state="session",
    )  # fmt: skip


def _limit_argument(limit: int | None) -> list[str]:
    return ["--limit", str(limit)] if limit else []


def _demo() -> list[str]:
    built = demo.files()
    if not built:
        demo.prepare()
        st.caption("The demo's conversations are being built; the job stands below.")
        return []
    name = st.selectbox("Domain", list(built), key="demo_domain", persist_state="session")
    st.caption("Built from the standard library and the packages installed here; no download.")
    return [str(built[name])]


def _path() -> list[str]:
    text = st.text_area(
        "Files, folders or globs on this machine, one per line", key="corpus_paths", height=80,
        placeholder="/data/conversations/*.jsonl.zst", persist_state="session",
    )  # fmt: skip
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _upload() -> list[str]:
    cap = workspace.UPLOAD_CAP // 2**20
    file = st.file_uploader(
        "JSONL, JSON, Parquet or CSV, plain or compressed", SUFFIXES, key="corpus_file",
        max_upload_size=cap,
    )  # fmt: skip
    if file and st.session_state.get("corpus_file_seen") != file.file_id:
        workspace.store_upload(file, file.name)
        st.session_state.corpus_file_seen = file.file_id
    uploads = {upload.key: upload for upload in workspace.list_uploads()}
    if not uploads:
        st.caption(f"Up to {cap} MB; larger corpora are opened by their path instead.")
        return []
    key = st.selectbox(
        "Uploaded corpus", list(uploads), key="corpus_upload",
        format_func=lambda k: f"{uploads[k].label} ({workspace.size(uploads[k].bytes)})",
    )  # fmt: skip
    return [str(uploads[key].path)]


def _hub() -> Chosen | None:
    presets = {name: p for name, p in DATASET_PRESETS.items() if p.responses}
    own = "another dataset"
    name = st.selectbox(
        "Dataset", [*presets, own], key="hub_preset", persist_state="session",
        format_func=lambda n: presets[n].title if n in presets else "Another dataset",
    )  # fmt: skip
    arguments: list[str] = []
    if name == own:
        columns = st.columns([2, 1, 1])
        title = columns[0].text_input("Id on the hub", key="hub_id", placeholder="org/name")
        options = (
            ("--split", columns[1].text_input("Split", "train", key="hub_split")),
            ("--dataset-config", columns[2].text_input("Configuration", key="hub_config")),
        )
        arguments += [part for flag, value in options if value for part in (flag, value.strip())]
        name = title.strip()
    else:
        preset = presets[name]
        title = preset.title
        about = f"`{preset.dataset}`, split {preset.split}, licence {preset.licence}."
        st.caption(f"{about} {preset.note}")
    st.caption("Needs internet: the rows are downloaded, then counted, in the background.")
    arguments += _limit_argument(_limit())
    return Chosen(title, None, ("--dataset", name, *arguments)) if name else None


def _about(info: CorpusInfo) -> None:
    kinds = sorted({file.format for file in info.files})
    shape = SHAPES.get(info.mapping.shape, "not recognised")
    first = info.files[0]
    files = f"{len(info.files):,} files" if len(info.files) > 1 else first.name
    st.markdown(
        f"- {files}, {workspace.size(info.bytes)}, {', '.join(kinds)}\n"
        f"- Read as: {shape}{'' if info.sure else ' (please check the columns)'}\n"
        f"- Columns: {', '.join(map(code_span, first.columns))}"
    )
    for note in info.notes:
        st.caption(note)
    if info.left_out:
        st.caption(f"Left out: {', '.join(info.left_out[:5])}")


def _mapping(info: CorpusInfo) -> Mapping:
    """The recognised mapping, or the one chosen by hand."""
    with st.expander("Columns", expanded=not info.sure, icon=":material/view_column:"):
        names = list(SHAPES)
        guess = info.mapping
        shape = st.selectbox(
            "Each row holds", names, names.index(guess.shape) if guess.shape else 0,
            format_func=SHAPES.__getitem__,
        )  # fmt: skip
        columns = list(info.files[0].columns)
        chosen = {}
        for field in COLUMNS[shape]:
            options = ["", *columns] if field == "system" else columns
            value = getattr(guess, field)
            start = options.index(value) if value in options else 0
            chosen[field] = st.selectbox(field.capitalize(), options, start)
        if shape == guess.shape and all(chosen[f] == getattr(guess, f) for f in chosen):
            return guess
        return replace(Mapping(), shape=shape, **chosen)


def _mapping_arguments(mapping: Mapping) -> list[str]:
    named = {field: getattr(mapping, field) for field in COLUMNS[mapping.shape]}
    return [part for name, value in named.items() if value for part in ("--map", f"{name}={value}")]
