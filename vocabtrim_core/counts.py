"""Token counts of a corpus: the value everything else is computed from."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

FORMAT = "vocabtrim-counts-1"
EARLIER_VERSION = "as an earlier version of this program had it"
SPAN_END_WORDS = {
    "stop": "through the stop token",
    "template": "through all that the template writes for the turn",
    "next-role": "through the stop token, or the next role's marker where there is none",
    EARLIER_VERSION: "counted by an earlier version, spans found by strings around turns",
}


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was counted, under which rule. Two counts merge only when the first block agrees."""

    rule: str  # assistant | content | all | reference
    tokenizer: str  # name shown to people
    tokenizer_sha256: str
    template: str
    template_sha256: str
    reasoning: bool = True  # reasoning content counted where the template renders it
    last_turn_only: bool = False
    max_length: int | None = None  # tokens per conversation, None = no limit
    # Where a turn ends (`templates.spans.SPAN_ENDS`); counts of earlier versions, which found turns
    # by the strings around them, do not have it.
    span_end: str = EARLIER_VERSION

    vocab_size_from: str = ""  # where V comes from: a config.json, given by hand, …
    corpora: tuple[Mapping[str, Any], ...] = ()  # {"name", "sha256", "conversations"} each
    engine: str = ""  # "gigatoken 0.10.0"
    proof: Mapping[str, Any] = field(default_factory=dict)  # how the counts were checked
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)

    def mergeable(self) -> dict[str, Any]:
        """The fields that must agree before two counts may be added."""
        names = ("rule", "span_end", "tokenizer_sha256", "template_sha256", "reasoning")
        return {name: getattr(self, name) for name in (*names, "last_turn_only", "max_length")}

    @property
    def turn_end(self) -> str:
        """How far a counted turn goes, in words; "" where the rule says it already."""
        if self.rule != "assistant" and self.span_end != EARLIER_VERSION:
            return ""
        return SPAN_END_WORDS.get(self.span_end, self.span_end)

    def remarks(self, kind: str) -> list[tuple[str, int, tuple[str, ...]]]:
        """What was left out of the corpora: (reason, how often, the first few places) each.

        kind: "skipped", whole rows, or "notes", parts of rows.
        """
        return [
            (str(reason), int(times), tuple(places))
            for corpus in self.corpora
            for reason, times, places in corpus.get(kind, ())
        ]


@dataclass(frozen=True, slots=True, eq=False)
class TokenCounts:
    """counts: int64[V], occurrences of each id; conversations: counted; skipped: rows left out."""

    counts: np.ndarray
    conversations: int
    skipped: int
    provenance: Provenance

    def __post_init__(self) -> None:
        counts = np.ascontiguousarray(self.counts, np.int64)
        if counts.ndim != 1 or not len(counts):
            raise InputError("Counts must be a non-empty flat array with one entry per token id.")
        if counts.min() < 0:
            raise InputError(f"Counts must not be negative, but id {counts.argmin()} has one.")
        counts.setflags(write=False)
        object.__setattr__(self, "counts", counts)

    @property
    def vocab_size(self) -> int:
        """V, the length of `counts`."""
        return len(self.counts)

    @property
    def tokens(self) -> int:
        """All counted tokens."""
        return int(self.counts.sum())

    @property
    def distinct(self) -> int:
        """Token ids seen at least once."""
        return int(np.count_nonzero(self.counts))

    @property
    def name(self) -> str:
        """The corpora's names, joined."""
        return " + ".join(str(c["name"]) for c in self.provenance.corpora) or "counts"

    @property
    def key(self) -> str:
        """Content address, 16 hex digits: same corpora, tokenizer, rule and counts, same key."""
        head = {
            "corpora": sorted(c["sha256"] for c in self.provenance.corpora),
            "conversations": self.conversations,
            **self.provenance.mergeable(),
        }
        if self.provenance.span_end == EARLIER_VERSION:
            del head["span_end"]  # their keys were made without it
        digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
        digest.update(self.counts.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def check_same_kind(self, other: TokenCounts, *, names: tuple[str, str] | None = None) -> None:
        """Raise InputError, naming the field, unless both were counted the same way.

        names: of the two in the sentence, by default those of their corpora.
        """
        first, second = names or (self.name, other.name)
        for what, mine, its in self.differences(other):
            raise InputError(
                f"{first} and {second} were counted differently: {what} is {mine} against {its}; "
                "count both the same way first."
            )

    def check_comparable(self, other: TokenCounts, names: tuple[str, str] | None = None) -> None:
        """Raise InputError, naming the field, unless coverage of the two may be compared.

        That is so where both were counted the same way. names: as in `check_same_kind`.
        """
        first, second = names or (self.name, other.name)
        for what, *both in self.differences(other):
            mine, its = (f"{v:,}" if type(v) is int else str(v).replace("…", "") for v in both)
            raise InputError(
                f"{second} cannot be compared with {first}: its "
                f"{'V' if what == 'vocab size' else what} is {its}, not {mine}; count both the "
                "same way."
            )

    def differences(self, other: TokenCounts) -> list[tuple[str, object, object]]:
        """(field, here, there) of all that keeps the two from being added, as people know it."""
        mine, theirs = self.provenance.mergeable(), other.provenance.mergeable()
        mine["vocab_size"], theirs["vocab_size"] = self.vocab_size, other.vocab_size
        found = []
        for name, value in mine.items():
            if value == theirs[name]:
                continue
            what, *both = name.replace("_", " "), value, theirs[name]
            if name.endswith("_sha256"):  # people know it by its name
                what = name.removesuffix("_sha256")
                known = (getattr(c.provenance, what) for c in (self, other))
                both = [f"{n} ({h[:8]}…)" for n, h in zip(known, both, strict=True)]
            found.append((what, *both))
        return found

    def __add__(self, other: TokenCounts) -> TokenCounts:
        """Counts of both corpora together (associative and commutative in the numbers)."""
        self.check_same_kind(other)
        ours, theirs = self.provenance, other.provenance
        engines = dict.fromkeys((*ours.engine.split(" + "), *theirs.engine.split(" + ")))
        return TokenCounts(
            self.counts + other.counts,
            self.conversations + other.conversations,
            self.skipped + other.skipped,
            replace(
                ours,
                corpora=(*ours.corpora, *theirs.corpora),
                engine=" + ".join(e for e in engines if e),
                proof={"merged": [ours.proof, theirs.proof]},
                seconds=ours.seconds + theirs.seconds,
            ),
        )

    def save(self, path: str | Path) -> Path:
        """Write one .npz (`counts`, `meta` as JSON text), atomically; same value, same bytes."""
        path = Path(path)
        meta = {
            "format": FORMAT,
            "conversations": self.conversations,
            "skipped": self.skipped,
            "provenance": asdict(self.provenance),
        }
        buffer = io.BytesIO()
        np.savez(buffer, counts=self.counts, meta=np.array(json.dumps(meta, sort_keys=True)))
        return write_atomic(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> TokenCounts:
        """Read what `save` wrote. InputError names the file when it is anything else."""
        path = Path(path)
        if not path.is_file():
            raise InputError(f"There is no counts file at {path}; make one with `count`.")
        try:
            with np.load(path, allow_pickle=False) as archive:
                counts, meta = archive["counts"], json.loads(str(archive["meta"]))
            if meta["format"] != FORMAT:
                raise InputError(f"{path} has format {meta['format']}, but {FORMAT} is expected.")
            if counts.dtype.kind not in "iu":
                raise InputError(f"{path} holds counts that are no whole numbers; count again.")
            p = meta["provenance"]
            fields: dict[str, Any] = {**p, "corpora": tuple(p["corpora"])}
            provenance = Provenance(**fields)
            return cls(counts, meta["conversations"], meta["skipped"], provenance)
        except InputError:
            raise
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} is not a counts file written by `count` ({error})."
            ) from error
