"""What is trained for, and on which conversations: the target and the corpus of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui import demo, jobpanel
from pages.ui.format import plain
from pages.ui.widgets import lines_of, persisted
from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, open_corpus
from vocabtrim_core.corpora.uploads import list_uploads
from vocabtrim_core.drafts import bundled_target
from vocabtrim_core.drafts.bundled_target import NAME, TITLE
from vocabtrim_core.drafts.target import Target, load_target
from vocabtrim_core.errors import InputError
from vocabtrim_core.jobs import control as jobs
from vocabtrim_core.tokenizers.presets import PRESETS
from vocabtrim_core.wording import format_bytes

TARGETS = (TITLE, "Folder", "Hub")
SOURCES = ("Demo", "Path", "Uploaded", "Own answers")
BOTH = "both domains"
CONVERT = ["bundled-target"]
OWN = "answers"  # folder of the workspace with regenerated conversations


@dataclass(frozen=True, slots=True, eq=False)
class ChosenTarget:
    """spec: as commands take it.  target: None while its weights are not on this machine."""

    spec: str
    vocab_size: int | None
    target: Target | None = None

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.target.name if self.target else self.spec.rstrip("/").rpartition("/")[2]

    @property
    def bundled(self) -> bool:
        """The target that needs no download."""
        return bool(self.target and self.target.bundled)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCorpus:
    """name: as a title.  arguments: of commands.  corpus: None while the demo is still built."""

    name: str
    arguments: tuple[str, ...]
    corpus: Corpus | None = None


# --- target -------------------------------------------------------------------------------------


@st.cache_resource(max_entries=4, show_spinner="Reading the target")
def _load(spec: str, stamp: tuple[tuple[str, int, int], ...]) -> Target:
    """The target of a folder in this state."""
    return load_target(spec)


def loaded(spec: str) -> Target:
    """The target named so, as it is on this machine now.

    Args:
        spec: smollm2, or a folder.

    Raises:
        InputError: when it is not.
    """
    folder = bundled_target.folder() if spec == NAME else Path(spec).expanduser()
    if not folder.is_dir():
        raise InputError(f"There is no model folder at {spec}.")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    stats = ((path.name, path.stat()) for path in files)
    return _load(spec, tuple((name, s.st_size, s.st_mtime_ns) for name, s in stats))


def target() -> ChosenTarget | None:
    """Draw the choice; None until there is one. InputError for what is no target."""
    kind = st.segmented_control(
        "Target",
        TARGETS,
        default=TARGETS[0],
        required=True,
        **persisted("train_target"),
        help="The large model whose tokens the draft proposes.",
    )
    if kind == "Hub":
        return _hub()
    if kind == "Folder":
        text = st.text_input(
            "Folder of the target",
            **persisted("train_folder"),
            placeholder="/models/Llama-3.2-1B-Instruct",
            label_visibility="collapsed",
        ).strip()
        if not text:
            st.caption("A folder with config.json, safetensors and the tokenizer; only read.")
            return None
        local = loaded(str(Path(text).expanduser().resolve()))
        _about(local)
        return ChosenTarget(str(local.folder), local.vocab_size, local)
    return _bundled()


def _bundled() -> ChosenTarget | None:
    """The bundled target; a job converts it at the first visit."""
    if bundled_target.ready():
        local = loaded(NAME)
        _about(local)
        return ChosenTarget(NAME, local.vocab_size, local)
    if not jobpanel.of_verb(CONVERT[0]):
        jobs.start(CONVERT, f"Write {TITLE} as a model folder")
    st.caption(
        f"{TITLE} comes with this program, under {PRESETS[NAME].licence}. It is written once as "
        "a model folder of 270 MB; nothing is downloaded."
    )
    jobpanel.watch(lambda: jobpanel.of_verb(CONVERT[0])[:1], "bundled_target")
    return None


def _hub() -> ChosenTarget | None:
    text = st.text_input(
        "Model on the hub",
        **persisted("train_hub"),
        placeholder="meta-llama/Llama-3.2-1B-Instruct",
        label_visibility="collapsed",
    ).strip()
    st.caption(
        "Needs internet: the weights are downloaded when the training starts, and its cost is "
        "known then. No code of theirs is run."
    )
    return ChosenTarget(text, None) if text else None


def _about(local: Target) -> None:
    """What the target is, and its licence."""
    st.markdown(
        f"{plain(local.name)}: V = {local.vocab_size:,}, H = {local.hidden_size:,}, "
        f"{local.layers} layers; licence {plain(local.licence)}"
    )


# --- conversations ------------------------------------------------------------------------------


def own_answers() -> dict[str, Path]:
    """Conversations that `regenerate` wrote into this workspace, newest first, by title."""
    files = sorted(workspace.folder(OWN).glob("*.jsonl"), key=lambda p: -p.stat().st_mtime)
    return {path.stem: path for path in files}


def corpus(
    chosen: ChosenTarget, key: str = "train", rows: int | None = None
) -> TrainingCorpus | None:
    """Draw the choice of conversations; None until there is one.

    Args:
        chosen: the target.
        key: start of the widgets' keys.
        rows: the row limit to start with.
    """
    own = own_answers()
    sources = [name for name in SOURCES if own or name != "Own answers"]
    source = st.segmented_control(
        "Conversations",
        sources,
        default="Demo",
        required=True,
        **persisted(f"{key}_source"),
    )
    if source == "Demo":
        return _demo_corpus(chosen, key, rows)
    if source == "Path":
        text = st.text_area(
            "Files, folders or globs, one per line",
            **persisted(f"{key}_paths"),
            height=80,
            placeholder="/data/conversations/*.jsonl.zst",
            label_visibility="collapsed",
        )
        paths = lines_of(text)
    elif source == "Uploaded":
        uploads = {upload.label: str(upload.path) for upload in list_uploads()}
        if not uploads:
            st.caption("Upload conversations on Corpus; they can then be chosen here.")
            return None
        paths = [uploads[_pick("Uploaded corpus", list(uploads), f"{key}_upload")]]
    else:
        paths = [str(own[_pick("Answers of a target", list(own), f"{key}_own")])]
    return _opened(paths, key, rows) if paths else None


def _pick(label: str, options: list[str], key: str) -> str:
    return st.selectbox(label, options, **persisted(key), label_visibility="collapsed")


def _demo_corpus(chosen: ChosenTarget, key: str, rows: int | None) -> TrainingCorpus | None:
    built = demo.files()
    whole = len(built) == len(demo.DOMAINS)
    if not whole and chosen.spec != NAME:
        if demo.building():
            jobpanel.watch(lambda: demo.demo_jobs()[:1], "train_demo")
        return None
    # The first rows of both together would be rows of one.
    name = _pick("Demo domain", [*([] if rows and whole else [BOTH]), *built], f"{key}_domain")
    if name == BOTH and chosen.spec == NAME:
        # What `train --target smollm2` takes by itself, and builds where it is not there.
        opened = open_corpus(list(built.values()), name="demo") if whole else None
        return TrainingCorpus("demo", (), opened)
    paths = [str(path) for domain, path in built.items() if name in (BOTH, domain)]
    return _opened(paths, key, rows)


def _opened(paths: list[str], key: str, rows: int | None) -> TrainingCorpus:
    limit = st.number_input(
        "Row limit",
        1,
        None,
        rows,
        **persisted(f"{key}_limit"),
        placeholder="all rows",
    )
    opened = open_corpus(paths, limit=limit)
    info = opened.describe()
    names = [file.name for file in info.files]
    files = f"{len(names):,} files" if len(names) > 1 else names[0]
    st.caption(plain(f"{files}, {format_bytes(info.bytes)}"))
    limit_arguments = ["--limit", str(limit)] if limit else []
    return TrainingCorpus(opened.name, ("--data", *paths, *limit_arguments), opened)
