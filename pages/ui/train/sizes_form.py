"""Which vocabularies are trained: sizes to pick, sizes of one's own, a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from pages.ui import jobpanel, state
from pages.ui.format import plain
from pages.ui.session import session
from pages.ui.train.target_form import ChosenTarget, TrainingCorpus
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import FULL_K, FUNCTION_CALLING_K, known_sizes
from vocabtrim_core.vocabulary_file import vocabulary_in

USUAL = (FUNCTION_CALLING_K, 4_096)  # ticked at first, the first that is there
ROUND = (16_384, 8_192, 4_096, 2_048, 1_024)  # offered where the paper has no sizes
TRAINED_ON = "the training conversations"


@dataclass(frozen=True, slots=True)
class Sizes:
    """ks: sizes, V among them for the full one.  counts: key of what chooses, "" for what is
    trained on.  files: vocabularies chosen elsewhere."""

    ks: tuple[int, ...]
    counts: str = ""
    files: tuple[str, ...] = ()
    vocab_size: int | None = None
    of_files: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        """Every size in the order of training: the smallest, which is ready soonest, first."""
        return tuple(sorted({*self.ks, *self.of_files}))

    def arguments(self) -> list[str]:
        """As arguments of `train`."""
        named = [(k, "--k", "full" if k == self.vocab_size else str(k)) for k in self.ks]
        named += [(k, "--vocabulary", f) for k, f in zip(self.of_files, self.files, strict=True)]
        argv = [part for _, *pair in sorted(named) for part in pair]
        return [*argv, "--counts", self.counts] if self.counts else argv


def choose(chosen: ChosenTarget, corpus: TrainingCorpus) -> Sizes:
    """Draw the choice.

    Args:
        chosen: the target.
        corpus: the conversations.

    Raises:
        InputError: for sizes or files that cannot be.
    """
    size = chosen.vocab_size
    counts = _counts(chosen, corpus)
    best = _explored(counts) if counts else None
    labels = _labels(size, best)
    usual = [k for k in (size, best or _usual(labels, size)) if k]
    picked = (
        st.pills(
            "Draft vocabularies",
            list(labels),
            selection_mode="multi",
            default=sorted(usual)[::-1],
            format_func=labels.__getitem__,
            wrap=True,
            **persisted(f"train_k_{size}_{best}"),
            help="One draft is trained per size, the smallest first, on the same features. All of "
            "V is the baseline the others are compared with.",
        )
        or []
    )
    left, right = st.columns(2, gap="small")
    own_sizes = left.text_input(
        "Custom sizes", **persisted("train_more"), placeholder="8,000  2,048"
    )
    path = right.text_input(
        "A vocabulary file",
        **persisted("train_file"),
        placeholder="choice.json or a mapping",
        help="A saved choice, or a mapping in any of the formats that "
        "Export writes. It is trained as it is.",
    ).strip()
    ks = tuple(sorted({*picked, *_numbers(own_sizes, size)}, reverse=True))
    files, of_files = (), ()
    if path:
        vocabulary = vocabulary_in(Path(path).expanduser(), size, None)
        files, of_files = (str(Path(path).expanduser().resolve()),), (len(vocabulary),)
        st.caption(
            f"{plain(Path(path).name)}: {len(vocabulary):,} tokens of V = "
            f"{vocabulary.vocab_size:,}."
        )
    return Sizes(ks, counts.key if counts else "", files, size, of_files)


def _counts(chosen: ChosenTarget, corpus: TrainingCorpus) -> StoredCounts | None:
    """The counted set that chooses the tokens; None for the training conversations."""
    sets = {s.key: s for s in state.counted_sets() if s.counts.vocab_size == chosen.vocab_size}
    if not sets:
        _count_first(chosen, corpus)
        return None
    in_view = session.counts_key
    options = sorted(sets, key=lambda key: key != in_view)
    start = options.index(in_view) + 1 if in_view in sets else 0
    key = st.selectbox(
        "Tokens chosen from",
        ["", *options],
        start,
        **persisted(f"train_counts_{chosen.vocab_size}"),
        format_func=lambda k: state.label(sets[k]) if k else TRAINED_ON,
    )
    return sets.get(key)


def _count_first(chosen: ChosenTarget, corpus: TrainingCorpus) -> None:
    """Nothing is counted with this target's tokenizer, so there is no k* yet; offer to count."""
    if chosen.target is None or corpus.corpus is None:
        return
    folder = chosen.target.folder
    files = [str(path) for path in corpus.corpus.files]
    rows = ["--limit", str(corpus.corpus.limit)] if corpus.corpus.limit else []
    argv = [
        "count",
        "--tokenizer",
        str(folder),
        "--data",
        *files,
        *rows,
        "--model-config",
        str(folder / "config.json"),
    ]
    jobpanel.start_button(
        "Count these conversations to find k*",
        argv,
        f"Count {corpus.name} with the tokenizer of {chosen.name}",
        key="train_count",
        type="tertiary",
        icon=":material/calculate:",
        help="With this target's tokenizer. The set can then be explored, too.",
    )
    jobpanel.watch_command(argv, "train_count")


def _explored(stored: StoredCounts) -> int | None:
    """The size Explore stands at for this set; None where its settings reach none."""
    try:
        return state.k_in_view(stored)
    except InputError:
        return None


def _labels(size: int | None, best: int | None) -> dict[int, str]:
    """The sizes to pick and what each is called, the largest first."""
    known = [k for k, *_ in known_sizes(FULL_K if size is None else size)]
    own = size in (None, FULL_K)
    labels = {k: f"{k:,}" for k in (*known, *(() if own else ROUND)) if size is None or k < size}
    if best:
        labels[best] = f"k* {best:,}"
    if size:
        labels[size] = f"{size:,}, all of V"
    return dict(sorted(labels.items(), reverse=True))


def _usual(labels: dict[int, str], size: int | None) -> int | None:
    """The trimmed size that is ticked at first, without a k*."""
    usual = [k for k in USUAL if k in labels]
    return next(iter(usual), min((k for k in labels if k != size), default=None))


def _numbers(text: str, size: int | None) -> list[int]:
    """Sizes as people write them: 8,000 2_048; 13264."""
    sizes = []
    for part in re.split(r"[;\s]+|,(?!\d{3}(?!\d))", text or ""):
        if not part:
            continue
        try:
            k = int(part.replace(",", "").replace("_", ""))
        except ValueError:
            raise InputError(f"{part!r} is no size; write whole numbers, such as 8,000.") from None
        if k < 1 or (size and k > size):
            raise InputError(f"k must lie within 1..{size or 0:,} (the target's V), not {k:,}.")
        sizes.append(k)
    return sizes
