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

from vocabtrim_core import numpy_files, workspace
from vocabtrim_core.corpora import SkipReport
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.drafts.tokenized_dataset import Sequences
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

MANIFEST, SEQUENCES = "features.json", "sequences.npz"
FORMAT = "vocabtrim-features-1"


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Captured features on disk.

    Attributes:
        folder: Their folder.
        key: Their fingerprint, the folder's name.
        target: Name of the target.
        target_sha256: Fingerprint of the target.
        corpus: Name of the corpus.
        corpus_sha256: Fingerprint of the corpus.
        recipe: How conversations were rendered, as counts record it.
        aux_layers: The target's captured layers, 0-based.
        hidden_size: H.
        vocab_size: V.
        max_length: Most tokens of a conversation.
        train_samples: Conversations to train on.
        train_tokens: Their tokens.
        eval_samples: Conversations held out.
        eval_tokens: Their tokens.
        counted: Tokens that carry loss, of all conversations.
        bytes: Size of the samples.
        seconds: Duration of the capture.
        device: Device of the capture.
        left_out: Conversations without a token that counts.
        skipped: Rows of the corpus that could not be read.
        versions: Versions of torch and transformers.
    """

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
    left_out: int = 0
    skipped: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def train(self) -> Path:
        """Folder of the samples to train on."""
        return self.folder / "train"

    @property
    def eval(self) -> Path:
        """Folder of the samples held out."""
        return self.folder / "eval"

    def sequences(self) -> Sequences:
        """Read the conversations behind the features."""
        return load_sequences(self.folder / SEQUENCES)

    def counts(self) -> TokenCounts:
        """Count the tokens that carry loss in training, to choose a vocabulary from them."""
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
        provenance = Provenance(**recipe, corpora=corpora, engine="feature capture")
        return TokenCounts(counts, self.train_samples, self.left_out, provenance)

    def save(self) -> None:
        """Write the manifest, whose presence means that the set is complete."""
        record = {"format": FORMAT, **asdict(self)}
        del record["folder"]
        content = json.dumps(record, indent=1, default=str).encode()
        write_atomic(self.folder / MANIFEST, content)


def list_features() -> list[FeatureSet]:
    """Return all complete feature sets, newest first."""
    manifests = workspace.folder("features").glob(f"*/{MANIFEST}")
    newest = sorted(manifests, key=lambda path: -path.stat().st_mtime)
    return [_read(path) for path in newest]


def load_features(key: str) -> FeatureSet:
    """Open a complete feature set.

    Args:
        key: Its key, or the first digits of it.

    Returns:
        The feature set.

    Raises:
        InputError: None or several have this key, or the set has an unknown format.
    """
    folders = [p for p in workspace.folder("features").glob(f"{key}*") if (p / MANIFEST).is_file()]
    if not key.isalnum() or len(folders) != 1:
        raise InputError(
            f"There are {len(folders) or 'no'} captured features {key!r} in this workspace."
        )
    return _read(folders[0] / MANIFEST)


def _read(manifest: Path) -> FeatureSet:
    record = json.loads(manifest.read_text("utf-8"))
    if record.pop("format", None) != FORMAT:
        raise InputError(f"{manifest} is not of format {FORMAT}; capture again.")
    record.pop("toy", None)  # of earlier versions
    record["aux_layers"] = tuple(record["aux_layers"])
    return FeatureSet(folder=manifest.parent, **record)


def save_sequences(sequences: Sequences, path: Path) -> None:
    """Write conversations as one .npz.

    Args:
        sequences: The conversations; their report is not stored.
        path: The file.
    """
    arrays = {name: getattr(sequences, name) for name in ("ids", "counted", "offsets", "held_out")}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, left_out=sequences.left_out)
    write_atomic(path, buffer.getvalue())


def load_sequences(path: Path) -> Sequences:
    """Read the conversations that `save_sequences` wrote.

    Args:
        path: The file.

    Returns:
        The conversations, with an empty report.
    """
    arrays = numpy_files.load_npz(path)
    return Sequences(
        arrays["ids"],
        arrays["counted"],
        arrays["offsets"],
        arrays["held_out"],
        int(arrays["left_out"]),
        SkipReport(),
    )
