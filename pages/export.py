"""Export: the chosen vocabulary, written for the trainers and engines that consume it."""

import streamlit as st

from pages.ui import eval_sets, state
from pages.ui.format import ESTIMATED, MEASURED, choice_sentence, counted, percent, plain
from pages.ui.frame import choose_counts, footer, heading, plain_errors
from pages.ui.router import page as page_of
from pages.ui.router import require_router
from pages.ui.warmup import freeze
from pages.ui.widgets import persisted
from vocabtrim_core import exports
from vocabtrim_core.coverage import coverage_on
from vocabtrim_core.exports.exporter import PROOFS
from vocabtrim_core.selection_spec.settings import Settings

require_router()

FIRST, TICKED = ("specforge", "speculators", "sglang"), ("specforge", "ids")
MEANING = {"offset": "offsets (target id = draft id + offset)", "absolute": "target ids"}
ORDER = {"ascending": "ascending", "frequency": "most frequent first"}
STAGES = {"train": "For training", "serve": "For serving", "plain": "Plain files"}
INVARIANTS = (
    "ids ascend without repeats and lie within the target's vocabulary",
    "`d2t` and `t2d` describe the same ids, in the same order",
    "every file is read back after it is written, and gives the same ids",
    "the same choice gives the same bytes; the manifest lists a sha256 per file",
)


def choose_formats(k: int) -> list[str]:
    """A tick per format with what it needs, how it is used, how it was checked."""
    chosen = []
    for stage, title in STAGES.items():
        st.subheader(title, anchor=False)
        formats = [
            form
            for form in exports.FORMATS.values()
            if form.stage == stage and not form.needs_draft
        ]
        for form in sorted(formats, key=lambda form: form.name not in FIRST):
            texts = form.texts(k)
            with st.container(border=True, gap="xsmall"):
                if st.checkbox(
                    f"**{texts['title']}** · {texts['consumer']}",
                    form.name in TICKED,
                    **persisted(f"as_{form.name}"),
                ):
                    chosen.append(form.name)
                st.caption(
                    f"{texts['how']} Holds {MEANING[form.semantics]}, {ORDER[form.order]}. "
                    f"Check: {PROOFS[form.proof]}."
                )
                with st.expander("Flags, limits, how it was checked", type="compact"):
                    st.code(texts["example"], language=None, wrap_lines=True)
                    st.markdown(f"**Limits.** {texts['limits']}\n\n**Checked.** {texts['checked']}")
        if stage == "serve":
            whole_drafts()
    return chosen


def whole_drafts() -> None:
    """Where the formats are that hold a draft's weights, too large for a download."""
    names = ", ".join(f.title for f in exports.FORMATS.values() if f.needs_draft)
    with st.container(border=True, gap="xsmall"):
        st.markdown(f"**Whole drafts** · {names}")
        st.caption(
            "These engines serve a draft folder with its own head. A draft that you have is "
            "trimmed to this vocabulary on Hand over, or by `export` with `--draft-folder`."
        )
        if st.button("Trim a draft", icon=":material/content_cut:", key="trim_a_draft"):
            st.switch_page(page_of("handover"), query_params={"give": "Trim a draft you have"})


@st.cache_data(max_entries=8, show_spinner="Writing and reading back", max_size="200MB")
def bundle(
    key: str,
    _counts,
    settings: Settings,
    k: int,
    formats: tuple[str, ...],
    command: str,
    sha256: str = "",
    _own: eval_sets.OwnVocabulary | None = None,
):
    """The zip and what its manifest says; _own (with its sha256) instead of the top k."""
    curve = state.curve_of(key, _counts)
    how = _own.about if _own else "by hand" if settings.k else "exact"
    context = exports.ExportContext(
        _counts,
        settings.over(curve.vocab_size).architecture,
        settings.alpha,
        settings.floor,
        how,
        command,
    )
    vocabulary = _own.vocabulary if _own else curve.vocabulary(k)
    made = exports.export_zip(vocabulary, formats, context)
    freeze()  # writing tensors has imported torch
    return made


def page(stored) -> None:
    settings = state.settings(stored.counts.vocab_size)
    left, right = st.columns([1, 1.5], gap="large")  # as the heading's
    with left:
        view = eval_sets.in_view(stored, always=False)
    k = len(view.vocabulary)
    with right:
        formats = choose_formats(k)
    argv = ["export", stored.key, *view.arguments()]
    for name in formats:
        argv += ["--format", name]
    argv += [*state.arguments(settings, "k", "k_min", "k_max"), "--out", "DIR"]
    with left.container(border=True):
        st.metric("Draft vocabulary", f"{k:,} tokens")
        st.markdown(origin(view, settings))
        st.caption(sentence(view, stored))
        if formats:
            download(stored, settings, view, tuple(formats), argv)
        else:
            st.caption("Tick at least one format to download it.")
        st.markdown(
            "**Checked before anything is handed over**\n"
            + "".join(f"\n- {line}" for line in INVARIANTS)
        )
    made = view.own and view.own.command[0] == "select"
    footer(*([view.own.command] if view.own and made else []), argv)


def origin(view: eval_sets.InView, settings: Settings) -> str:
    """Where the vocabulary comes from, in a few words."""
    if view.own:
        return ":gray-badge[made on Generalize]"
    return ":gray-badge[your choice]" if settings.k else f"the exact optimum {ESTIMATED}"


def sentence(view: eval_sets.InView, stored) -> str:
    """What it keeps and what it costs."""
    if view.plain_k:
        choice = view.tradeoff.at(view.plain_k)
        return choice_sentence(choice, view.tradeoff.curve, view.architecture)
    kept = coverage_on(view.vocabulary, stored.counts)
    about = plain(view.own.about) if view.own else ""
    return (
        f"{about[:1].upper()}{about[1:]}. It covers {percent(kept.coverage)} of the "
        f"{kept.tokens:,} tokens counted in {plain(kept.name)}. {MEASURED}"
    )


def download(stored, settings, view: eval_sets.InView, formats: tuple[str, ...], argv) -> None:
    k = len(view.vocabulary)
    content, manifest = bundle(
        stored.key,
        stored.counts,
        settings,
        k,
        formats,
        " ".join(map(str, argv)),
        view.vocabulary.sha256,
        view.own,
    )
    st.download_button(
        f"Download {counted(len(manifest.files), 'file')} and their manifest",
        content,
        f"draft-vocabulary-{k}.zip",
        "application/zip",
        key="download",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
        shortcut="E",
    )
    st.caption(f"Vocabulary sha256 `{manifest.vocabulary_sha256}`")
    for line in manifest.notes:
        st.warning(plain(line), icon=":material/warning:")


with heading("Export", "One list of ids, in the form each trainer or engine reads."):
    stored = choose_counts()
if stored:
    with plain_errors():
        page(stored)
