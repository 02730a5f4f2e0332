"""What one export format is, and what it may know about the choice it writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.vocabulary import DraftVocabulary

SIZE = "<N>"  # stands for k in a format's texts and file names
Proof = Literal["loaded", "loaded where installed", "documented", "own"]
PROOFS: Mapping[Proof, str] = {
    "loaded": "its own code",
    "loaded where installed": "its own code, where installed",
    "documented": "documented format only",
    "own": "our reader",
}


@dataclass(frozen=True, slots=True)
class ExportContext:
    """Where a vocabulary came from. Formats that want a part which is missing say so in a note.

    alpha and floor are shares in 0..1.  created: ISO time; left out, so that equal choices give
    equal bytes, unless the caller sets it.
    """

    counts: TokenCounts | None = None
    architecture: DraftArchitecture | None = None
    alpha: float | None = None
    floor: float | None = None
    method: str = ""  # exact | tpe | given by hand
    command: str = ""
    created: str | None = None
    draft: Path | None = None  # a draft checkpoint's folder, for formats that need its weights
    target: Path | None = None  # its target's, where the draft uses the target's head
    progress: Callable[..., object] | None = None

    def by_frequency(self, ids: np.ndarray) -> np.ndarray:
        """`ids` by falling count, ties in the order given; unchanged without counts."""
        if self.counts is None:
            return ids
        return ids[np.argsort(-self.counts.counts[ids], kind="stable")]


@dataclass(frozen=True, slots=True)
class Exporter:
    """One consumer's format: the texts users read, and the two directions.

    semantics: "offset" (target id = draft id + d2t[draft id]) or "absolute" target ids.
    files: names it writes in its folder.  how: what to do with them, in a sentence.  example: the
    consumer's own flags or keys, to copy, with paths from the export folder.  <N> stands for k.
    write(vocabulary, context, folder) -> the files written.
    read(folder, k) -> int64[k], the target id of each draft id as the consumer will see it;
    InputError when the files are not what `write` makes.
    wants: context field -> the sentence to note when it is missing.
    full: what holds where all V tokens are kept.  notes(context) -> more sentences to note.
    proof: what the check that `checked` describes rests on, see PROOFS.
    needs_draft: whether context.draft must name a checkpoint.  home: the folder it writes in, its
    name unless formats share one, which is then written once.
    """

    name: str
    title: str
    consumer: str  # product and version whose format this is
    stage: Literal["train", "serve", "plain"]
    semantics: Literal["offset", "absolute"]
    order: Literal["ascending", "frequency"]
    files: tuple[str, ...]
    how: str
    example: str
    limits: str
    proof: Proof
    checked: str
    write: Callable[[DraftVocabulary, ExportContext, Path], list[Path]]
    read: Callable[[Path, int], np.ndarray]
    max_k: int | None = None
    wants: Mapping[str, str] = field(default_factory=dict)
    full: str = ""
    notes: Callable[[ExportContext], list[str]] = lambda _: []
    needs_draft: bool = False
    shared_home: str = ""

    @property
    def home(self) -> str:
        """Name of the folder it writes in."""
        return self.shared_home or self.name

    def texts(self, k: int) -> dict[str, str]:
        """What users read about this format, for an export of k ids."""
        names = (
            "name",
            "title",
            "consumer",
            "stage",
            "semantics",
            "order",
            "how",
            "example",
            "limits",
            "proof",
            "checked",
            "home",
        )
        return {name: getattr(self, name).replace(SIZE, str(k)) for name in names}
