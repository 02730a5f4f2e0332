"""Choose conversations: the demo, a path, an upload or the hub; see how they are read."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages.ui import demo
from pages.ui.caching import cached
from pages.ui.corpus import column_mapping
from pages.ui.format import code_span
from pages.ui.session import session
from pages.ui.uploads import require_readable
from pages.ui.widgets import choose_source, lines_of, persisted
from vocabtrim_core.corpora import (
    SHAPES,
    Corpus,
    CorpusInfo,
    SkipReport,
    open_corpus,
)
from vocabtrim_core.corpora.presets import DATASET_PRESETS
from vocabtrim_core.corpora.skips import NoConversationsError
from vocabtrim_core.corpora.uploads import UPLOAD_CAP, list_uploads, remove_upload, store_upload
from vocabtrim_core.counting.preflight import LOOKED_AT
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

SUFFIXES = ["jsonl", "ndjson", "json", "parquet", "arrow", "csv", "tsv", "gz", "zst", "bz2"]


@dataclass(frozen=True, slots=True)
class ChosenCorpus:
    """A corpus and the arguments of `count` that name it; a hub dataset is fetched by the count."""

    name: str
    corpus: Corpus | None
    arguments: tuple[str, ...]
    paths: tuple[str, ...] = ()


def choose() -> ChosenCorpus | None:
    """Draw the choice; None until there is one. InputError for what cannot be opened."""
    places = {"Demo": _demo, "Path": _path, "Upload": _upload, "Hub": _hub}
    paths = choose_source(places, "corpus_source")
    if not isinstance(paths, list):
        return paths
    if not paths:
        return None
    limit = _limit()
    corpus = open_corpus(paths, limit=limit)
    about, guessed = st.container(), corpus.describe()
    mapping = column_mapping.choose(guessed, column_mapping.unknown_roles(paths))
    arguments = ["--data", *paths, *_limit_argument(limit)]
    if mapping != guessed.mapping:
        corpus = open_corpus(paths, mapping=mapping, limit=limit)
        arguments += column_mapping.arguments(mapping)
    with about:
        _about(corpus.describe())
    return ChosenCorpus(corpus.name, corpus, tuple(arguments), tuple(paths))


def ask_for_roles(chosen: ChosenCorpus, report: SkipReport) -> None:
    """Roles nobody knows, for which rows are left out, get a field under Columns.

    Args:
        chosen: the corpus.
        report: the rows that were skipped, and why.
    """
    known = column_mapping.unknown_roles(chosen.paths)
    unknown = [role for role in report.unknown_roles() if role not in known]
    new = unknown[: column_mapping.MOST_ROLES]
    if new:
        session.unknown_roles = {**session.unknown_roles, chosen.paths: (*known, *new)}
        st.rerun()


def problem(chosen: ChosenCorpus) -> InputError | None:
    """Why a corpus cannot be counted, as far as its first rows say; None when nothing is known.

    Args:
        chosen: the corpus.
    """
    if chosen.corpus is None:
        return None
    modified = tuple(path.stat().st_mtime_ns for path in chosen.corpus.files)
    error, report = _problem(chosen.corpus, modified)
    ask_for_roles(chosen, report)
    return error


@cached(8, "Reading the first rows")
def _problem(corpus: Corpus, modified: tuple[int, ...]) -> tuple[InputError | None, SkipReport]:
    try:
        return None, corpus.require_conversations(LOOKED_AT)
    except NoConversationsError as error:
        return error, error.report
    except InputError as error:
        return error, SkipReport()


def _limit() -> int | None:
    return st.number_input(
        "Row limit",
        1,
        None,
        None,
        **persisted("corpus_limit"),
        placeholder="all rows",
    )


def _limit_argument(limit: int | None) -> list[str]:
    return ["--limit", str(limit)] if limit else []


def _demo() -> list[str]:
    built = demo.files()
    if not built:
        demo.building()
        return []
    name = st.selectbox("Domain", list(built), **persisted("demo_domain"))
    st.caption("Built from the standard library and the packages installed here; no download.")
    return [str(built[name])]


def _path() -> list[str]:
    return lines_of(
        st.text_area(
            "Files, folders or globs on this machine, one per line",
            **persisted("corpus_paths"),
            height=80,
            placeholder="/data/conversations/*.jsonl.zst",
        )
    )


def _upload() -> list[str]:
    cap = UPLOAD_CAP // 2**20
    file = st.file_uploader(
        "JSONL, JSON, Parquet or CSV, plain or compressed",
        SUFFIXES,
        key="corpus_file",
        max_upload_size=cap,
    )
    if file and session.corpus_file_seen != file.file_id:
        session.corpus_upload = store_upload(file, file.name).key
        session.corpus_file_seen = file.file_id
    uploads = {upload.key: upload for upload in list_uploads()}
    if not uploads:
        st.caption(f"Up to {cap} MB; larger corpora are opened by their path instead.")
        return []
    if session.corpus_upload not in uploads:
        session.corpus_upload = next(iter(uploads))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = st.selectbox(
            "Uploaded corpus",
            list(uploads),
            **persisted("corpus_upload"),
            format_func=lambda k: f"{uploads[k].label} ({format_bytes(uploads[k].bytes)})",
        )
        st.button(
            "Remove",
            type="tertiary",
            icon=":material/delete:",
            key="drop_upload",
            on_click=remove_upload,
            args=(key,),
            help="Delete this upload; what was counted of it stays.",
        )
    require_readable("corpus", uploads[key].path)
    return [str(uploads[key].path)]


def _hub() -> ChosenCorpus | None:
    presets = DATASET_PRESETS
    name = st.selectbox(
        "Dataset",
        [*presets, "another dataset"],
        **persisted("hub_preset"),
        format_func=lambda n: presets[n].title if n in presets else "Another dataset",
    )
    arguments: list[str] = []
    if name in presets:
        preset = presets[name]
        title = preset.title
        about = f"`{preset.dataset}`, split {preset.split}, licence {preset.licence}."
        st.caption(f"{about} {preset.note if preset.responses else ''}")
        if not preset.responses:
            st.info(
                f"Nothing to count here. {preset.note} Open the answers as a file, by Path or "
                "Upload.",
                icon=":material/info:",
            )
            return None
    else:
        name = title = st.text_input("Id on the hub", key="hub_id", placeholder="org/name").strip()
        split, config, revision = st.columns(3)
        options = {
            "--split": split.text_input("Split", "train", key="hub_split"),
            "--dataset-config": config.text_input("Configuration", key="hub_config"),
            "--dataset-revision": revision.text_input(
                "Revision", key="hub_revision", placeholder="main"
            ),
        }
        for flag, value in options.items():
            arguments += [flag, value.strip()] if value else []
    st.caption("Needs internet: the rows are downloaded, then counted, in the background.")
    arguments += _limit_argument(_limit())
    return ChosenCorpus(title, None, ("--dataset", name, *arguments)) if name else None


def _about(info: CorpusInfo) -> None:
    kinds = sorted({file.format for file in info.files})
    shape = SHAPES.get(info.mapping.shape, "not recognised")
    first = info.files[0]
    files = f"{len(info.files):,} files" if len(info.files) > 1 else first.name
    st.markdown(
        f"- {files}, {format_bytes(info.bytes)}, {', '.join(kinds)}\n"
        f"- Read as: {shape}{'' if info.sure else ' (please check the columns)'}\n"
        f"- Columns: {', '.join(map(code_span, first.columns))}"
    )
    for note in info.notes:
        st.caption(note)
    if info.left_out:
        named = info.data_left_out or info.left_out
        further = len(info.left_out) - len(named[:5])
        st.caption(
            f"Left out: {', '.join(named[:5])}" + (f" and {further:,} more" if further else "")
        )
