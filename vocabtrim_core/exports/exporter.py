"""The description of an export format, and of the choice that it writes."""

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
    "loaded": "verified with its own loader",
    "loaded where installed": "verified with its own loader, where installed",
    "documented": "written to the documented format",
    "own": "read back by our reader",
}


@dataclass(frozen=True, slots=True)
class ExportContext:
    """Where a vocabulary comes from. A format that lacks a part adds a note instead.

    Attributes:
        counts: The counts that it was chosen from.
        architecture: The draft's shapes.
        alpha: Weight of coverage in the utility, 0..1.
        floor: Least coverage that was required, 0..1.
        method: How it was chosen: exact, tpe, or given by hand.
        command: The command line that repeats the export.
        created: ISO time; None leaves it out, so that equal choices give equal bytes.
        draft: Folder of a draft checkpoint, for formats that need its weights.
        target: Folder of the draft's target, where the draft uses the target's head.
        progress: Called as progress(done, total, message).
        without_architecture: Why there are no draft's shapes, as a clause.
    """

    counts: TokenCounts | None = None
    architecture: DraftArchitecture | None = None
    alpha: float | None = None
    floor: float | None = None
    method: str = ""
    command: str = ""
    created: str | None = None
    draft: Path | None = None
    target: Path | None = None
    progress: Callable[..., object] | None = None
    without_architecture: str = "no draft architecture was given"

    def by_frequency(self, ids: np.ndarray) -> np.ndarray:
        """Sort token ids by falling count.

        Args:
            ids: int64[k].

        Returns:
            int64[k], ties in the order given; `ids` unchanged without counts.
        """
        if self.counts is None:
            return ids
        return ids[np.argsort(-self.counts.counts[ids], kind="stable")]


@dataclass(frozen=True, slots=True)
class Exporter:
    """The file format of one consumer: texts for users, a writer and a reader.

    In texts and file names <N> stands for k.

    Attributes:
        name: The format's name on the command line.
        title: Its name for people.
        consumer: The product and version that reads it.
        stage: Whether files are for training or for serving; "plain" for scripts.
        semantics: "offset" (target id = draft id + d2t[draft id]) or "absolute" target ids.
        order: The order of the ids.
        files: Names of the files in its folder.
        how: What to do with them, in a sentence.
        example: The consumer's own flags or keys, to copy, with paths from the export folder.
        limits: What does not work, in sentences.
        proof: The evidence behind `checked`, a key of PROOFS.
        checked: How the format was checked, in sentences.
        served: The engine, and where, that generated text with it; "" where none did.
        write: write(vocabulary, context, folder) writes the files and returns their paths.
        read: read(folder, k) returns int64[k], the target id of each draft id as the consumer reads
            it; InputError when the files are not what `write` makes.
        max_k: The largest k that the consumer supports.
        wants: Field of ExportContext -> the sentence to note when it is missing, with {why} for
            the reason why there is no architecture.
        full: What holds where all V tokens are kept.
        notes: notes(context) returns more sentences for the manifest.
        needs_draft: Whether context.draft must name a checkpoint.
        shared_home: The folder that several formats share, which is written once; "" for none.
    """

    name: str
    title: str
    consumer: str
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
    served: str = ""

    @property
    def engine(self) -> str:
        """Name of the engine or trainer, without the kind of draft."""
        return self.title.partition(" (")[0]

    @property
    def home(self) -> str:
        """Name of the folder that the format writes in."""
        return self.shared_home or self.name

    def texts(self, k: int) -> dict[str, str]:
        """Return the texts for users about this format.

        Args:
            k: Number of ids in the export, put in place of <N>.

        Returns:
            Field name -> text, as the manifest stores them.
        """
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
