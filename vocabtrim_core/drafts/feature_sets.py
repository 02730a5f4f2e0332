"""Captured features on disk: what they are of, and the conversations behind them.

<workspace>/features/<key>/features.json     what was captured, from what, with which versions
                           sequences.npz     ids, masks and the held-out split
                           train/rows_0-1000/data_0.ckpt …    eval/…
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.corpora import SkipReport
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.drafts.tokenized_dataset import Sequences
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

MANIFEST, SEQUENCES = "features.json", "sequences.npz"
FORMAT = "vocabtrim-features-1"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Captured features on disk. Sizes in tokens and bytes; `counted` tokens carry loss."""

    folder: Path
    key: str
    target: str
    target_sha256: str
    corpus: str
    corpus_sha256: str
    recipe: Mapping[str, Any]
    aux_layers: tuple[int, ...]
    hidden_size: int
    vocab_size: int
    max_length: int
    train_samples: int
    train_tokens: int
    eval_samples: int
    eval_tokens: int
    counted: int
    bytes: int
    seconds: float = 0.0
    device: str = ""
    toy: bool = False
    left_out: int = 0
    skipped: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def train(self) -> Path:
        return self.folder / "train"

    @property
    def eval(self) -> Path:
        return self.folder / "eval"

    def sequences(self) -> Sequences:
        """The conversations behind the features."""
        return load_sequences(self.folder / SEQUENCES)

    def counts(self) -> TokenCounts:
        """Counts of what training sees, for a vocabulary chosen from the features themselves."""
        fields = Provenance.__dataclass_fields__
        recipe = {name: value for name, value in self.recipe.items() if name in fields}
        corpora = (
            {
                "name": self.corpus,
                "sha256": self.corpus_sha256,
                "conversations": self.train_samples,
            },
        )
        counts = self.sequences().counts(self.vocab_size)
        made = Provenance(**recipe, corpora=corpora, engine="feature capture")
        return TokenCounts(counts, self.train_samples, self.left_out, made)

    def save(self) -> None:
        """Write the manifest, which says that the set is complete."""
        record = {"format": FORMAT, **asdict(self)}
        del record["folder"]
        content = json.dumps(record, indent=1, default=str).encode()
        write_atomic(self.folder / MANIFEST, content)


def load_features(key: str) -> FeatureSet:
    """A complete feature set by its key (or its first digits)."""
    found = [p for p in workspace.folder("features").glob(f"{key}*") if (p / MANIFEST).is_file()]
    if not key.isalnum() or len(found) != 1:
        raise InputError(
            f"There are {len(found) or 'no'} captured features {key!r} in this workspace."
        )
    record = json.loads((found[0] / MANIFEST).read_text("utf-8"))
    if record.pop("format", None) != FORMAT:
        raise InputError(f"{found[0] / MANIFEST} is not of format {FORMAT}; capture again.")
    record["aux_layers"] = tuple(record["aux_layers"])
    return FeatureSet(folder=found[0], **record)


def list_features() -> list[FeatureSet]:
    """Complete feature sets, newest first."""
    paths = workspace.folder("features").glob(f"*/{MANIFEST}")
    newest = sorted(paths, key=lambda path: -path.stat().st_mtime)
    return [load_features(path.parent.name) for path in newest]


def save_sequences(sequences: Sequences, path: Path) -> None:
    """Write the conversations as one .npz."""
    arrays = {name: getattr(sequences, name) for name in ("ids", "counted", "offsets", "held_out")}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, left_out=sequences.left_out)
    write_atomic(path, buffer.getvalue())


def load_sequences(path: Path) -> Sequences:
    """What `save_sequences` wrote."""
    with np.load(path, allow_pickle=False) as a:
        return Sequences(
            a["ids"], a["counted"], a["offsets"], a["held_out"], int(a["left_out"]), SkipReport()
        )
